//! How a picture of any size and aspect goes through models that work at one square size: it is
//! squashed to the square, and the result is stretched back to the picture's aspect.

use thrumask_core::{Clip, Error, LabelMap, Picture, Result, Size, Trajectory};

/// The longest side a result may be given, in pixels.
pub const LONGEST: usize = 4096;

/// The longest side a result gets when nobody chose it: very long pictures become narrower than
/// the model instead.
const LONGEST_BY_DEFAULT: usize = 2048;

/// The three sizes of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The input picture's.
    pub input: Size,
    /// The models', square.
    pub model: Size,
    /// The results'.
    pub output: Size,
}

impl Fit {
    /// Results have the input's aspect within a pixel and even sides; the longer one is `long`, or
    /// by default such that the shorter one is `side`, the models' side.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `long` is odd or not from 16 to [`LONGEST`].
    pub fn new(input: Size, side: usize, long: Option<usize>) -> Result<Self> {
        let (longer, shorter) = (input.width.max(input.height), input.width.min(input.height));
        let long = match long {
            Some(long) if !(16..=LONGEST).contains(&long) || !long.is_multiple_of(2) => {
                let reason = format!("expected an even number from 16 to {LONGEST}, got {long}");
                return Err(Error::invalid("size", reason));
            }
            Some(long) => long,
            None => even(side * longer, shorter).min(LONGEST_BY_DEFAULT),
        };
        let short = even(long * shorter, longer);
        let output = if input.width >= input.height {
            Size::new(long, short)
        } else {
            Size::new(short, long)
        };
        Ok(Self { input, model: Size::new(side, side), output })
    }

    /// The picture as the models see it.
    ///
    /// # Errors
    /// None for a picture that could be read.
    pub fn picture_to_model(&self, picture: &Picture) -> Result<Picture> {
        picture.resize(self.model)
    }

    /// First masks as the models see them: each cell belongs to whoever covers most of it. An
    /// object too small to win any cell keeps the one at its middle, unless that is another's.
    ///
    /// # Errors
    /// None for masks that could be read.
    pub fn masks_to_model(&self, masks: &LabelMap) -> Result<LabelMap> {
        let mut small = masks.downsample_majority(self.model)?;
        let kept = small.ids_present();
        for id in masks.ids_present().into_iter().filter(|id| !kept.contains(id)) {
            let Some(bounds) = masks.box_of(id) else { continue };
            let (x, y) = bounds.center();
            let cell = |v: f32, from: usize, to: usize| (v * to as f32 / from as f32) as usize;
            let column = cell(x, masks.size().width, self.model.width).min(self.model.width - 1);
            let row = cell(y, masks.size().height, self.model.height).min(self.model.height - 1);
            let at = &mut small.ids_mut()[row * self.model.width + column];
            *at = if *at == 0 { id } else { *at };
        }
        Ok(small)
    }

    /// A trajectory as the models see it, taken at the middle of each cell: so what
    /// [`Fit::trajectory_to_output`] made comes back unchanged wherever the output is no smaller
    /// than the model.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when it has neither the output's nor the input's nor the models' size.
    pub fn trajectory_to_model(&self, what: &str, trajectory: &Trajectory) -> Result<Trajectory> {
        let size = trajectory.size();
        if ![self.output, self.input, self.model].contains(&size) {
            let expected = format!("{} (or {} or {})", self.output, self.input, self.model);
            return Err(Error::mismatch(format!("size of {what}"), expected, size));
        }
        resized(trajectory, self.model)
    }

    /// A trajectory as it is written, from any size.
    ///
    /// # Errors
    /// None for a trajectory that could be read.
    pub fn trajectory_to_output(&self, trajectory: &Trajectory) -> Result<Trajectory> {
        resized(trajectory, self.output)
    }

    /// The models' frames as they are written.
    ///
    /// # Errors
    /// None for a clip of the models.
    pub fn clip_to_output(&self, clip: &Clip) -> Result<Clip> {
        let frames = clip.frames().iter().map(|f| f.resize(self.output));
        Clip::new(frames.collect::<Result<_>>()?, clip.fps())
    }
}

/// `numerator / denominator` to the nearest even number, at least 2.
fn even(numerator: usize, denominator: usize) -> usize {
    ((numerator + denominator) / (2 * denominator) * 2).max(2)
}

/// The same objects at another size.
fn resized(trajectory: &Trajectory, size: Size) -> Result<Trajectory> {
    let frames = trajectory.frames().iter().map(|f| f.resize_nearest(size));
    Trajectory::new(frames.collect::<Result<_>>()?, trajectory.objects(), trajectory.fps())?
        .with_names(trajectory.names().to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The output's shorter side if aspects were exact.
    fn exact_short(fit: &Fit) -> f64 {
        let (w, h) = (fit.input.width as f64, fit.input.height as f64);
        fit.output.width.max(fit.output.height) as f64 * w.min(h) / w.max(h)
    }

    proptest! {
        #[test]
        fn the_aspect_is_kept_within_a_pixel_and_sides_are_even(
            w in 1usize..=16_384,
            h in 1usize..=16_384,
            half in proptest::option::of(8usize..=LONGEST / 2),
        ) {
            let fit = Fit::new(Size::new(w, h), 96, half.map(|n| 2 * n)).unwrap();
            let (long, short) = (
                fit.output.width.max(fit.output.height),
                fit.output.width.min(fit.output.height),
            );
            prop_assert!(long % 2 == 0 && short % 2 == 0 && short >= 2);
            prop_assert!(w >= h || fit.output.width <= fit.output.height);
            prop_assert!(w <= h || fit.output.width >= fit.output.height);
            prop_assert!((short as f64 - exact_short(&fit)).abs() <= 1.0 || short == 2);
            if let Some(n) = half {
                prop_assert_eq!(long, 2 * n);
            } else if long < LONGEST_BY_DEFAULT {
                prop_assert_eq!(short, 96);
            }
        }

        #[test]
        fn a_written_trajectory_comes_back_as_the_model_made_it(
            w in 1usize..=600,
            h in 1usize..=600,
            ids in proptest::collection::vec(0u8..=3, 12 * 12),
        ) {
            let fit = Fit::new(Size::new(w, h), 12, None).unwrap();
            prop_assume!(fit.output.width >= 12 && fit.output.height >= 12);
            let frame = LabelMap::new(fit.model, ids).unwrap();
            let made = Trajectory::new(vec![frame], 3, 8.0).unwrap();
            let written = fit.trajectory_to_output(&made).unwrap();
            prop_assert_eq!(written.size(), fit.output);
            prop_assert_eq!(fit.trajectory_to_model("it", &written).unwrap(), made);
        }
    }

    #[test]
    fn extremes_have_a_size_too() {
        let output = |w, h| Fit::new(Size::new(w, h), 96, None).unwrap().output;
        assert_eq!(output(1, 1), Size::new(96, 96));
        assert_eq!(output(384, 384), Size::new(96, 96));
        assert_eq!(output(1920, 1080), Size::new(170, 96));
        assert_eq!(output(1080, 1920), Size::new(96, 170));
        assert_eq!(output(16_384, 1), Size::new(2048, 2));
        assert_eq!(output(3, 16_384), Size::new(2, 2048));
    }

    #[test]
    fn a_chosen_size_must_be_even_and_in_range() {
        let fit = |long| Fit::new(Size::new(30, 20), 96, Some(long));
        assert_eq!(fit(300).unwrap().output, Size::new(300, 200));
        for long in [0, 14, 301, LONGEST + 2] {
            let e = fit(long).unwrap_err().to_string();
            assert!(e.contains("even number from 16 to 4096"), "{e}");
        }
    }

    #[test]
    fn one_pixel_goes_in_and_comes_out() {
        let fit = Fit::new(Size::new(1, 1), 96, None).unwrap();
        let picture = Picture::filled(Size::new(1, 1), [10, 200, 30]);
        let seen = fit.picture_to_model(&picture).unwrap();
        assert_eq!(seen, Picture::filled(Size::new(96, 96), [10, 200, 30]));
        let masks = LabelMap::new(Size::new(1, 1), vec![1]).unwrap();
        assert_eq!(fit.masks_to_model(&masks).unwrap().area_of(1), 96 * 96);
    }

    #[test]
    fn an_object_smaller_than_a_cell_is_not_lost() {
        let fit = Fit::new(Size::new(960, 960), 96, None).unwrap();
        let mut masks = LabelMap::empty(Size::new(960, 960));
        masks.ids_mut()[505 * 960 + 313] = 2;
        let small = fit.masks_to_model(&masks).unwrap();
        assert_eq!((small.area_of(2), small.id_at(31, 50)), (1, 2));
    }

    #[test]
    fn a_trajectory_of_another_size_is_refused() {
        let fit = Fit::new(Size::new(200, 100), 96, None).unwrap();
        let made = Trajectory::new(vec![LabelMap::empty(Size::new(50, 50))], 1, 8.0).unwrap();
        let e = fit.trajectory_to_model("trajectory.json", &made).unwrap_err().to_string();
        assert!(e.contains("expected 192x96 (or 200x100 or 96x96), got 50x50"), "{e}");
    }
}
