//! Objects whose motion is given: masks moved along drawn paths, and mask sequences, at the models'
//! size.

use thrumask_core::{
    Control, Error, LabelMap, MaskSet, Result, Size, Trajectory,
    control::{ControlObject, DrawnPath},
};

use super::fit::Fit;

/// How much of each of the models' cells an object covers, from 0 to 1, row by row.
type Coverage = Vec<f64>;

/// The motion that a control file lays down, `None` when it lays down none: `frames` frames, of
/// which the last ones hold still beyond `used`, in which paths are walked.
///
/// Where objects meet, a cell belongs to whoever covers most of it.
///
/// # Errors
/// As [`sequence_of`]; [`Error::Invalid`] for a path of an object without a first mask.
pub fn given_motion(
    control: &Control,
    masks: &MaskSet,
    fit: &Fit,
    used: usize,
    frames: usize,
    fps: f32,
) -> Result<Option<Trajectory>> {
    let mut moving: Vec<(u8, Vec<Coverage>)> = Vec::new();
    for object in &control.objects {
        if let Some(points) = &object.path {
            let what = format!("control: object {}, field path", object.id);
            let path = DrawnPath::new(&what, points)?;
            let mask = masks.labels.mask_of(object.id);
            if !mask.contains(&true) {
                return Err(Error::invalid(what, "the object has no mask to move"));
            }
            let sums = Sums::new(masks.labels.size(), &mask);
            let times = (0..frames).map(|t| t as f32 / (used.max(2) - 1) as f32);
            let covered = times.map(|t| sums.coverage(fit.model, path.shift_at(t.min(1.0))));
            moving.push((object.id, covered.collect()));
            continue;
        }
        let sequence = sequence_of(object, frames)?;
        if let Some(last) = sequence.last() {
            let held = sequence.iter().chain(std::iter::repeat(last)).take(frames);
            let covered = held.map(|frame| {
                Sums::new(frame.size(), &frame.mask_of(1)).coverage(fit.model, [0.0; 2])
            });
            moving.push((object.id, covered.collect()));
        }
    }
    if moving.is_empty() {
        return Ok(None);
    }
    moving.sort_by_key(|(id, _)| *id);
    let frames = (0..frames).map(|t| {
        let cells = (0..fit.model.area()).map(|i| {
            let (mut best, mut covered) = (0, 0.0);
            let mut background = 1.0;
            for (id, coverage) in &moving {
                let part = coverage[t][i];
                background -= part;
                if part > covered {
                    (best, covered) = (*id, part);
                }
            }
            if covered > background { best } else { 0 }
        });
        LabelMap::new(fit.model, cells.collect())
    });
    Trajectory::new(frames.collect::<Result<_>>()?, masks.objects, fps).map(Some)
}

/// The first mask of an object whose mask sequence is given, on the input picture, row-major.
///
/// # Errors
/// As [`sequence_of`].
pub fn first_of_sequence(
    object: &ControlObject,
    frames: usize,
    size: Size,
) -> Result<Option<Vec<bool>>> {
    let sequence = sequence_of(object, frames)?;
    let Some(first) = sequence.first() else { return Ok(None) };
    Ok(Some(first.resize_nearest(size)?.mask_of(1)))
}

/// The frames of a mask sequence, 1 where the object is; empty when none is given.
///
/// # Errors
/// As [`ControlObject::load_masks`]; [`Error::Invalid`] when it is longer than `frames`.
fn sequence_of(object: &ControlObject, frames: usize) -> Result<Vec<LabelMap>> {
    let Some(sequence) = object.load_masks()? else { return Ok(Vec::new()) };
    let count = sequence.frames().len();
    if count > frames {
        let what = format!("control: object {}, field masks", object.id);
        let reason =
            format!("expected at most {frames} frames, as many as the models make, got {count}");
        return Err(Error::invalid(what, reason));
    }
    Ok(sequence.frames().to_vec())
}

/// A mask as sums over everything above and left of each pixel corner.
struct Sums {
    size: Size,
    /// `(H + 1)·(W + 1)` sums.
    sums: Vec<u32>,
}

impl Sums {
    fn new(size: Size, mask: &[bool]) -> Self {
        let stride = size.width + 1;
        let mut sums = vec![0u32; stride * (size.height + 1)];
        for y in 0..size.height {
            let mut row = 0;
            for x in 0..size.width {
                row += u32::from(mask[y * size.width + x]);
                sums[(y + 1) * stride + x + 1] = sums[y * stride + x + 1] + row;
            }
        }
        Self { size, sums }
    }

    /// Area of the mask above and left of a point between pixels; exact, as the mask is constant
    /// within each pixel.
    fn before(&self, x: f64, y: f64) -> f64 {
        let stride = self.size.width + 1;
        let (x, y) = (x.clamp(0.0, self.size.width as f64), y.clamp(0.0, self.size.height as f64));
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.size.width), (y0 + 1).min(self.size.height));
        let (fx, fy) = (x - x0 as f64, y - y0 as f64);
        let at = |x: usize, y: usize| f64::from(self.sums[y * stride + x]);
        let top = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
        let bottom = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
        top + (bottom - top) * fy
    }

    /// The covered part of each cell of a grid of `model` cells over the picture, once the mask is
    /// moved by `shift` pixels.
    fn coverage(&self, model: Size, shift: [f32; 2]) -> Coverage {
        let step = (
            self.size.width as f64 / model.width as f64,
            self.size.height as f64 / model.height as f64,
        );
        let [dx, dy] = shift.map(f64::from);
        let edge = |i: usize, step: f64, d: f64| i as f64 * step - d;
        let mut covered = Vec::with_capacity(model.area());
        for j in 0..model.height {
            let (y0, y1) = (edge(j, step.1, dy), edge(j + 1, step.1, dy));
            for i in 0..model.width {
                let (x0, x1) = (edge(i, step.0, dx), edge(i + 1, step.0, dx));
                let area = self.before(x1, y1) - self.before(x0, y1) - self.before(x1, y0)
                    + self.before(x0, y0);
                covered.push(area / (step.0 * step.1));
            }
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use thrumask_core::{Clip, Picture};

    use super::*;

    /// A 20x10 picture with object 1 as a block of 4x4 whose upper left corner is (2, 3).
    fn block() -> (MaskSet, Fit) {
        let size = Size::new(20, 10);
        let inside = |i: usize| (2..6).contains(&(i % 20)) && (3..7).contains(&(i / 20));
        let ids = (0..200).map(|i| u8::from(inside(i))).collect();
        let masks = MaskSet::new(LabelMap::new(size, ids).unwrap(), 2).unwrap();
        (masks, Fit { input: size, model: Size::new(20, 20), output: size })
    }

    fn control(path: &str) -> Control {
        let text = format!("{{\"version\":1,\"objects\":[{{\"id\":1,\"path\":{path}}}]}}");
        Control::from_json("test", &text).unwrap()
    }

    #[test]
    fn a_path_moves_the_first_mask_at_constant_speed() {
        let (masks, fit) = block();
        let control = control("[[4, 5], [8, 5], [16, 5]]");
        let moved = given_motion(&control, &masks, &fit, 5, 5, 8.0).unwrap().unwrap();
        let corner = |t: usize| moved.frames()[t].box_of(1).map(|b| (b.x0, b.y0, b.x1, b.y1));
        // Rows of the square are half as high as those of the picture.
        assert_eq!(corner(0), Some((2, 6, 6, 14)));
        assert_eq!(corner(1), Some((5, 6, 9, 14)));
        assert_eq!(corner(2), Some((8, 6, 12, 14)));
        assert_eq!(corner(4), Some((14, 6, 18, 14)));
        assert_eq!(moved.frames()[3].area_of(1), 4 * 8);
    }

    #[test]
    fn the_path_ends_with_the_frames_that_are_used() {
        let (masks, fit) = block();
        let control = control("[[4, 5], [8, 5]]");
        let moved = given_motion(&control, &masks, &fit, 3, 6, 8.0).unwrap().unwrap();
        assert_eq!(moved.frames().len(), 6);
        assert_eq!(moved.frames()[2].box_of(1).unwrap().x0, 6);
        assert_eq!(moved.frames()[2], moved.frames()[5]);
    }

    #[test]
    fn without_a_shift_a_path_gives_what_the_model_sees_anyway() {
        let (masks, mut fit) = block();
        fit.model = Size::new(7, 9);
        let control = control("[[4, 5], [4, 5]]");
        let moved = given_motion(&control, &masks, &fit, 2, 2, 8.0).unwrap().unwrap();
        assert_eq!(moved.frames()[0], fit.masks_to_model(&masks.labels).unwrap());
        assert_eq!(moved.frames()[0], moved.frames()[1]);
    }

    #[test]
    fn coverage_is_exact_between_pixels_and_ends_at_the_border() {
        let (masks, fit) = block();
        let sums = Sums::new(fit.input, &masks.labels.mask_of(1));
        let total = |shift| sums.coverage(fit.input, shift).iter().sum::<f64>();
        assert_eq!(total([0.25, 0.75]), 16.0);
        assert_eq!(sums.coverage(fit.input, [0.25, 0.0])[3 * 20 + 2], 0.75);
        assert_eq!(total([-4.0, 0.0]), 8.0);
        assert_eq!(total([100.0, 0.0]), 0.0);
    }

    #[test]
    fn an_object_that_was_not_found_cannot_follow_a_path() {
        let (masks, fit) = block();
        let text = r#"{"version":1,"objects":[{"id":2,"path":[[1,1],[2,2]]}]}"#;
        let control = Control::from_json("test", text).unwrap();
        let e = given_motion(&control, &masks, &fit, 3, 3, 8.0).unwrap_err().to_string();
        assert!(e.contains("object 2") && e.contains("no mask"), "{e}");
    }

    #[test]
    fn a_sequence_is_scaled_held_and_limited() {
        let (masks, fit) = block();
        let folder = tempfile::tempdir().unwrap();
        let frame = |x: usize| {
            let mut p = Picture::filled(Size::new(20, 20), [0; 3]);
            (0..20).for_each(|y| p.set_pixel(x, y, [255; 3]));
            p
        };
        let clip = Clip::new(vec![frame(3), frame(9)], 8.0).unwrap();
        clip.write(folder.path().join("sequence/")).unwrap();
        let text = r#"{"version":1,"objects":[{"id":2,"masks":"sequence"}]}"#;
        std::fs::write(folder.path().join("control.json"), text).unwrap();
        let control = Control::read(folder.path().join("control.json")).unwrap();
        let moved = given_motion(&control, &masks, &fit, 4, 4, 8.0).unwrap().unwrap();
        let column = |t: usize| moved.frames()[t].box_of(2).unwrap().x0;
        assert_eq!([column(0), column(1), column(3)], [3, 9, 9]);
        let first = first_of_sequence(&control.objects[0], 4, fit.input).unwrap().unwrap();
        assert_eq!(first.iter().filter(|&&m| m).count(), 10);
        let e = given_motion(&control, &masks, &fit, 1, 1, 8.0).unwrap_err().to_string();
        assert!(e.contains("at most 1 frames") && e.contains("got 2"), "{e}");
    }
}
