//! What a clip is like, and whether it is fit to learn from.

use serde::{Deserialize, Serialize};
use thrumask_core::{Picture, Size};

use super::{
    config::FilterConfig,
    item::Reason,
    slice::{difference, luma},
};
use crate::Result;

/// Width in pixels at which clips are measured, smaller ones at their own, so that numbers compare.
const WIDTH: usize = 128;
/// How far the picture is looked for, in pixels of [`WIDTH`].
const REACH: isize = 12;

/// How much moves in a clip.
///
/// [`FrameDifference`] needs no network; [`FlowLength`](super::FlowLength) is of optical flow.
pub trait MotionMeasure {
    /// Its name, as written into the record of a preparation.
    fn name(&self) -> &str;

    /// The magnitude of the motion over all frames, of which there are at least two.
    ///
    /// # Errors
    /// When a frame cannot be worked on.
    fn magnitude(&self, frames: &[Picture]) -> Result<f32>;

    /// The limits of a configuration that are in this measure's unit.
    fn limits(&self, filter: &FilterConfig) -> [f32; 2];
}

/// The mean change of luma from frame to frame, 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct FrameDifference;

impl MotionMeasure for FrameDifference {
    fn name(&self) -> &str {
        "frame-difference"
    }

    fn magnitude(&self, frames: &[Picture]) -> Result<f32> {
        let small = frames.iter().map(|f| Ok(Gray::of(f)?.luma)).collect::<Result<Vec<_>>>()?;
        Ok(mean(small.windows(2).map(|pair| difference(&pair[0], &pair[1]))))
    }

    fn limits(&self, filter: &FilterConfig) -> [f32; 2] {
        filter.motion
    }
}

/// At most this share of the difference without a shift is left with one.
const CLEARLY_BETTER: f32 = 0.8;
/// Differences of means of columns and rows that a codec makes, in levels.
const NOISE: f32 = 0.2;

/// What a clip is like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measures {
    /// Mean luma, 0 to 1.
    pub brightness: f32,
    /// Mean over the frames of the variance of the Laplacian of luma (in levels of 255), at 128 pixels'
    /// width: an edge less soft than a few pixels raises it.
    pub sharpness: f32,
    /// Magnitude of the motion, in the unit of its measure.
    pub motion: f32,
    /// Trembling of the camera: mean change of the picture's shift from one pair of frames to the
    /// next, as a share of the width. Even pans have none.
    pub shake: f32,
}

impl Measures {
    /// Measures at least two frames.
    ///
    /// # Errors
    /// When a frame cannot be resized; that of `motion`.
    pub fn of(frames: &[Picture], motion: &dyn MotionMeasure) -> Result<Self> {
        let gray = frames.iter().map(Gray::of).collect::<Result<Vec<_>>>()?;
        let shifts: Vec<[f32; 2]> = gray.windows(2).map(|p| p[0].shift_to(&p[1])).collect();
        let width = gray.first().map_or(WIDTH, |g| g.size.width) as f32;
        let change = |p: &[[f32; 2]]| (p[1][0] - p[0][0]).hypot(p[1][1] - p[0][1]) / width;
        Ok(Self {
            brightness: mean(gray.iter().map(Gray::brightness)),
            sharpness: mean(gray.iter().map(Gray::sharpness)),
            motion: motion.magnitude(frames)?,
            shake: mean(shifts.windows(2).map(change)),
        })
    }

    /// Why the clip is left out, with the number; `None` when it is fit.
    pub fn fault(
        &self,
        limits: &FilterConfig,
        measure: &dyn MotionMeasure,
    ) -> Option<(Reason, String)> {
        let Self { brightness, sharpness, motion, shake } = *self;
        let [dark, bright] = limits.brightness;
        let [still, wild] = measure.limits(limits);
        let least = |what: &str, limit: f32, got: f32| {
            format!("expected {what} of at least {limit}, got {got:.5}")
        };
        let most = |what: &str, limit: f32, got: f32| {
            format!("expected {what} of at most {limit}, got {got:.5}")
        };
        let cases = [
            (brightness < dark, Reason::Dark, least("brightness", dark, brightness)),
            (brightness > bright, Reason::Bright, most("brightness", bright, brightness)),
            (
                sharpness < limits.sharpness,
                Reason::Blurred,
                least("sharpness", limits.sharpness, sharpness),
            ),
            (motion < still, Reason::Static, least("motion", still, motion)),
            (motion > wild, Reason::Wild, most("motion", wild, motion)),
            (shake > limits.shake, Reason::Shaky, most("shake", limits.shake, shake)),
        ];
        let found = cases.into_iter().find(|(fault, ..)| *fault);
        found.map(|(_, reason, words)| (reason, words))
    }
}

/// A frame's luma at the width at which clips are measured.
struct Gray {
    size: Size,
    luma: Vec<u8>,
}

impl Gray {
    fn of(picture: &Picture) -> Result<Self> {
        let from = picture.size();
        let width = from.width.clamp(8, WIDTH);
        let size = Size::new(width, (from.height * width / from.width).clamp(8, 1024));
        Ok(Self { size, luma: luma(&picture.resize(size)?) })
    }

    fn brightness(&self) -> f32 {
        mean(self.luma.iter().map(|&v| f32::from(v) / 255.0))
    }

    /// Variance of the four-neighbour Laplacian.
    fn sharpness(&self) -> f32 {
        let Size { width: w, height: h } = self.size;
        let at = |x: usize, y: usize| f32::from(self.luma[y * w + x]);
        let inner = (1..h - 1).flat_map(|y| (1..w - 1).map(move |x| (x, y)));
        let laplacian: Vec<f32> = inner
            .map(|(x, y)| {
                at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4.0 * at(x, y)
            })
            .collect();
        let middle = mean(laplacian.iter().copied());
        mean(laplacian.iter().map(|v| (v - middle).powi(2)))
    }

    /// Mean luma of each column, or of each row.
    fn profile(&self, columns: bool) -> Vec<f32> {
        let Size { width: w, height: h } = self.size;
        let at = |x: usize, y: usize| f32::from(self.luma[y * w + x]);
        match columns {
            true => (0..w).map(|x| mean((0..h).map(|y| at(x, y)))).collect(),
            false => (0..h).map(|y| mean((0..w).map(|x| at(x, y)))).collect(),
        }
    }

    /// By how many pixels the whole picture has moved in the next frame, to the right and down: the
    /// shift at which the means of columns and rows differ least, where they differ least: those that
    /// moving objects cover do not count as long as a quarter are free of them.
    fn shift_to(&self, next: &Self) -> [f32; 2] {
        [true, false].map(|columns| {
            let (a, b) = (self.profile(columns), next.profile(columns));
            let reach = REACH.min(a.len() as isize / 4);
            let apart = |by: isize| {
                let from = (0..a.len() as isize).filter_map(|i| {
                    let to = usize::try_from(i + by).ok()?;
                    Some((a[i as usize] - b.get(to)?).abs())
                });
                let mut from: Vec<f32> = from.collect();
                from.sort_by(f32::total_cmp);
                from.get(from.len() / 4).copied().unwrap_or(0.0)
            };
            let shifts = (-reach..=reach).map(|by| (by, apart(by)));
            let best = shifts.min_by(|a, b| a.1.total_cmp(&b.1));
            // On a plain ground all shifts fit but for the codec's noise: a shift must fit clearly better
            // than none.
            let clear = CLEARLY_BETTER * apart(0) - NOISE;
            best.filter(|&(_, got)| got < clear).map_or(0.0, |(by, _)| by as f32)
        })
    }
}

/// The mean, 0 of nothing.
fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0f64, 0u32);
    for value in values {
        sum += f64::from(value);
        count += 1;
    }
    (sum / f64::from(count.max(1))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ground of soft stripes, shifted by `by`, with a block at `x`.
    fn frame(by: isize, x: usize) -> Picture {
        let size = Size::new(128, 72);
        let mut picture = Picture::filled(size, [0; 3]);
        for row in 0..72 {
            for column in 0..128isize {
                let at = (column - by).rem_euclid(128) as f32;
                let level = 120.0 + 60.0 * (at / 9.0).sin() + 30.0 * (at / 4.0).cos();
                picture.set_pixel(column as usize, row, [level as u8; 3]);
            }
        }
        for row in 20..30 {
            (x..x + 10).for_each(|column| picture.set_pixel(column, row, [255, 30, 30]));
        }
        picture
    }

    fn fault(frames: &[Picture]) -> Option<Reason> {
        let measures = Measures::of(frames, &FrameDifference).unwrap();
        measures.fault(&FilterConfig::default(), &FrameDifference).map(|(reason, _)| reason)
    }

    fn video(at: impl Fn(usize) -> Picture) -> Vec<Picture> {
        (0..8).map(at).collect()
    }

    #[test]
    fn each_fault_is_found_and_what_is_fit_passes() {
        assert_eq!(fault(&video(|t| frame(0, 10 + 8 * t))), None);
        // An even pan does not tremble.
        assert_eq!(fault(&video(|t| frame(2 * t as isize, 10 + 8 * t))), None);
        assert_eq!(fault(&video(|_| frame(0, 10))), Some(Reason::Static));
        // Before a plain ground, what moves to and fro is the object, not the camera.
        let plain = |t: usize| {
            let mut picture = Picture::filled(Size::new(128, 72), [90; 3]);
            for row in 20..44 {
                (40 + 9 * (t % 2)..70 + 9 * (t % 2))
                    .for_each(|x| picture.set_pixel(x, row, [240; 3]));
            }
            picture
        };
        assert_eq!(fault(&video(plain)), None);
        let to_and_fro = |t: usize| frame(if t.is_multiple_of(2) { 0 } else { 3 }, 10 + 8 * t);
        assert_eq!(fault(&video(to_and_fro)), Some(Reason::Shaky));
        let levels = |f: fn(u8) -> u8| {
            move |t: usize| {
                let mut picture = frame(0, 10 + 8 * t);
                picture.rgb_mut().iter_mut().for_each(|v| *v = f(*v));
                picture
            }
        };
        assert_eq!(fault(&video(levels(|v| v / 16))), Some(Reason::Dark));
        assert_eq!(fault(&video(levels(|v| 250 + v / 64))), Some(Reason::Bright));
        let soft = |t: usize| {
            let small = frame(0, 10 + 8 * t).resize(Size::new(8, 5)).unwrap();
            small.resize(Size::new(128, 72)).unwrap()
        };
        assert_eq!(fault(&video(soft)), Some(Reason::Blurred));
        let flicker = |t: usize| {
            Picture::filled(Size::new(128, 72), [if t.is_multiple_of(2) { 20 } else { 230 }; 3])
        };
        let measures = Measures::of(&video(flicker), &FrameDifference).unwrap();
        assert!((measures.motion - 210.0 / 255.0).abs() < 1e-3, "{measures:?}");
        let limits = FilterConfig { sharpness: 0.0, ..FilterConfig::default() };
        assert_eq!(measures.fault(&limits, &FrameDifference).map(|f| f.0), Some(Reason::Wild));
    }
}
