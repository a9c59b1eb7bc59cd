//! From a stream of frames to clips: scenes are cut apart, and each is taken in windows of frames at a
//! constant rate. Nothing but the open window is kept.

use thrumask_core::{Picture, Result, Size};

use super::config::CutConfig;

/// The size at which consecutive frames are compared.
const SMALL: Size = Size { width: 64, height: 36 };
/// Times that differ by less are the same, in seconds.
const SAME_TIME: f64 = 1e-4;

/// What cuts are found with: a small frame's luma and the colours in it.
struct Glance {
    luma: Vec<u8>,
    /// How many pixels have each of 4·4·4 colours.
    colors: [u32; 64],
}

impl Glance {
    fn of(picture: &Picture) -> Result<Self> {
        let small = picture.resize(SMALL)?;
        let mut colors = [0; 64];
        for c in small.rgb().chunks_exact(3) {
            let [r, g, b] = [c[0], c[1], c[2]].map(|v| usize::from(v / 64));
            colors[(r * 4 + g) * 4 + b] += 1;
        }
        Ok(Self { luma: luma(&small), colors })
    }

    /// Whether a cut lies between this frame and the next one.
    fn is_cut(&self, next: &Self, config: &CutConfig) -> bool {
        let gone = self.colors.iter().zip(&next.colors).map(|(a, b)| a.saturating_sub(*b));
        let histogram = gone.sum::<u32>() as f32 / SMALL.area() as f32;
        histogram > config.histogram && difference(&self.luma, &next.luma) > config.difference
    }
}

/// Luma (BT.601) of each pixel.
pub(super) fn luma(picture: &Picture) -> Vec<u8> {
    let weighted = |c: &[u8]| {
        let [r, g, b] = [c[0], c[1], c[2]].map(u32::from);
        ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
    };
    picture.rgb().chunks_exact(3).map(weighted).collect()
}

/// Mean change of luma, 0 to 1.
pub(super) fn difference(a: &[u8], b: &[u8]) -> f32 {
    let sum: u64 = a.iter().zip(b).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
    (sum as f64 / (255.0 * a.len().max(1) as f64)) as f32
}

/// Frames at a constant rate, from one scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The frames, of the working size.
    pub frames: Vec<Picture>,
    /// When each was shown in the video, in seconds.
    pub times: Vec<f64>,
    /// Number of the scene, from 0.
    pub scene: usize,
}

/// Takes frames in, and gives a window as soon as it is full.
pub struct Slicer {
    /// Frames of a window.
    frames: usize,
    /// Seconds from one to the next.
    step: f64,
    /// Longer side of the frames that are kept.
    side: usize,
    cuts: CutConfig,
    last: Option<(Glance, Picture, f64)>,
    /// When the open window's next frame is taken.
    due: f64,
    open: Window,
    /// Whether the scene has given a window.
    gave: bool,
    /// Scenes that ended before a window was full, with their number and their length in seconds.
    short: Vec<(usize, f64)>,
    scene_start: f64,
}

impl Slicer {
    /// One for windows of `frames` frames at `fps` frames a second, of which the longer side is at most
    /// `side` pixels.
    pub fn new(frames: usize, fps: f32, side: usize, cuts: CutConfig) -> Self {
        let open = Window { frames: Vec::new(), times: Vec::new(), scene: 0 };
        Self {
            frames,
            step: 1.0 / f64::from(fps),
            side,
            cuts,
            last: None,
            due: 0.0,
            open,
            gave: false,
            short: Vec::new(),
            scene_start: 0.0,
        }
    }

    /// The next frame, shown from second `time` on; returns the windows that are full before it.
    ///
    /// # Errors
    /// When a frame cannot be resized.
    pub fn push(&mut self, picture: Picture, time: f64) -> Result<Vec<Window>> {
        let glance = Glance::of(&picture)?;
        let picture = self.at_most_side(picture)?;
        let mut full = Vec::new();
        if let Some((before, shown, shown_at)) = self.last.take() {
            full = self.take(&shown, shown_at, time);
            if before.is_cut(&glance, &self.cuts) {
                self.end_scene(time);
                self.open.scene += 1;
            }
        }
        self.last = Some((glance, picture, time));
        Ok(full)
    }

    /// After the last frame, which is shown for `seconds`: the windows that are full then, the scenes that
    /// were too short for one, by number and length in seconds, and how many scenes there were.
    pub fn finish(mut self, seconds: f64) -> (Vec<Window>, Vec<(usize, f64)>, usize) {
        let Some((_, shown, shown_at)) = self.last.take() else {
            return (Vec::new(), self.short, 0);
        };
        let end = shown_at + seconds;
        let full = self.take(&shown, shown_at, end);
        self.end_scene(end);
        (full, self.short, self.open.scene + 1)
    }

    /// Takes a frame for each moment that is due until `end`, when the next one is shown.
    fn take(&mut self, shown: &Picture, shown_at: f64, end: f64) -> Vec<Window> {
        let mut full = Vec::new();
        for repeated in 0.. {
            if self.due + SAME_TIME >= end {
                break;
            }
            if repeated == self.frames {
                // It stands still for longer than a window, or the file's times are broken.
                self.open.frames.clear();
                self.open.times.clear();
                self.due = end;
                break;
            }
            self.open.frames.push(shown.clone());
            self.open.times.push(shown_at);
            self.due += self.step;
            if self.open.frames.len() == self.frames {
                let next = Window { frames: Vec::new(), times: Vec::new(), scene: self.open.scene };
                self.gave = true;
                full.push(std::mem::replace(&mut self.open, next));
            }
        }
        full
    }

    /// Begins anew at `time`.
    fn end_scene(&mut self, time: f64) {
        if !self.gave {
            self.short.push((self.open.scene, time - self.scene_start));
        }
        self.open.frames.clear();
        self.open.times.clear();
        (self.gave, self.due, self.scene_start) = (false, time, time);
    }

    fn at_most_side(&self, picture: Picture) -> Result<Picture> {
        let size = picture.size();
        let longer = size.width.max(size.height);
        if longer <= self.side {
            return Ok(picture);
        }
        let less = |n: usize| ((n * self.side + longer / 2) / longer).max(1);
        picture.resize(Size::new(less(size.width), less(size.height)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block that moves by a pixel a frame over a ground.
    fn frame(t: usize, ground: [u8; 3]) -> Picture {
        let mut picture = Picture::filled(Size::new(64, 36), ground);
        for y in 10..20 {
            (0..8).for_each(|x| picture.set_pixel((t + x) % 64, y, [250, 250, 250]));
        }
        picture
    }

    fn windows(frames: &[(Picture, f64)], fps: f32) -> (Vec<Window>, Vec<(usize, f64)>, usize) {
        let mut slicer = Slicer::new(4, fps, 512, CutConfig::default());
        let mut found = Vec::new();
        for (picture, time) in frames {
            found.extend(slicer.push(picture.clone(), *time).unwrap());
        }
        let (last, short, scenes) = slicer.finish(0.125);
        found.extend(last);
        (found, short, scenes)
    }

    #[test]
    fn a_video_at_the_rate_is_taken_frame_by_frame() {
        let frames: Vec<_> = (0..9).map(|t| (frame(t, [20; 3]), t as f64 / 8.0)).collect();
        let (found, short, scenes) = windows(&frames, 8.0);
        assert_eq!((found.len(), short.len(), scenes), (2, 0, 1));
        let flat = found.iter().flat_map(|w| w.frames.iter().zip(&w.times));
        for ((picture, &time), (expected, at)) in flat.zip(&frames) {
            assert_eq!((picture, time), (expected, *at));
        }
    }

    #[test]
    fn at_another_rate_each_moment_gets_the_frame_that_is_shown_then() {
        // Frames last unequally: at 4 a second, moments 0, .25, .5, .75.
        let times = [0.0, 0.1, 0.3, 0.31, 0.9];
        let frames: Vec<_> =
            times.iter().enumerate().map(|(t, &at)| (frame(t, [20; 3]), at)).collect();
        let (found, ..) = windows(&frames, 4.0);
        assert_eq!(found[0].times, [0.0, 0.1, 0.31, 0.31]);
        // A frame that stands still for hours fills no more than a window.
        let frames = [(frame(0, [20; 3]), 0.0), (frame(1, [20; 3]), 1e9)];
        assert_eq!(windows(&frames, 8.0).0.len(), 1);
    }

    #[test]
    fn scenes_are_cut_apart_and_short_ones_are_told() {
        let scene = |from: usize, n: usize, ground: [u8; 3]| {
            (from..from + n).map(move |t| (frame(t, ground), t as f64 / 8.0))
        };
        let frames: Vec<_> = scene(0, 6, [20, 20, 120])
            .chain(scene(6, 3, [200, 120, 20]))
            .chain(scene(9, 5, [20, 120, 20]))
            .collect();
        let (found, short, scenes) = windows(&frames, 8.0);
        let starts: Vec<_> = found.iter().map(|w| (w.scene, w.times[0])).collect();
        assert_eq!(starts, [(0, 0.0), (2, 9.0 / 8.0)]);
        assert_eq!((short.len(), short[0].0, scenes), (1, 1, 3));
        assert!((short[0].1 - 0.375).abs() < 1e-9);
        // A light that goes on is no cut: what was dark is a little less dark.
        let lit: Vec<_> = scene(0, 4, [70; 3]).chain(scene(4, 4, [100; 3])).collect();
        assert_eq!(windows(&lit, 8.0).2, 1);
    }
}
