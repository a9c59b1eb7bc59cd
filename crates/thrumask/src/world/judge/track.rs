//! The path of one object's visible mask.

use thrumask_core::{PixelBox, Trajectory};

/// Masks of fewer pixels than this share of the picture say nothing of where the object is.
const LEAST_AREA: f32 = 0.0012;

/// What is seen of an object in one frame; lengths are fractions of the picture's side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sight {
    /// Centre of the mask's pixels.
    pub at: [f32; 2],
    /// Area as a fraction of the picture's.
    pub area: f32,
    /// Least and greatest `x`, least and greatest `y`.
    pub bounds: [f32; 4],
}

/// What is seen of an object over the clip.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// One entry per frame; `None` where (almost) nothing is seen.
    pub sights: Vec<Option<Sight>>,
}

impl Track {
    /// The track of object `id`.
    pub fn new(masks: &Trajectory, id: u8) -> Self {
        let size = masks.size();
        let side = size.width.max(size.height) as f32;
        let least = (LEAST_AREA * size.area() as f32).max(3.0);
        let sight = |frame: &thrumask_core::LabelMap| {
            let (mut n, mut sx, mut sy) = (0usize, 0usize, 0usize);
            let mut b: Option<PixelBox> = None;
            for (i, _) in frame.ids().iter().enumerate().filter(|&(_, &v)| v == id) {
                let (x, y) = (i % size.width, i / size.width);
                (n, sx, sy) = (n + 1, sx + x, sy + y);
                let b = b.get_or_insert(PixelBox { x0: x, y0: y, x1: x + 1, y1: y + 1 });
                (b.x0, b.x1, b.y1) = (b.x0.min(x), b.x1.max(x + 1), y + 1);
            }
            let b = b.filter(|_| n as f32 >= least)?;
            let center = |sum: usize| (sum as f32 / n as f32 + 0.5) / side;
            Some(Sight {
                at: [center(sx), center(sy)],
                area: n as f32 / size.area() as f32,
                bounds: [b.x0, b.x1, b.y0, b.y1].map(|v| v as f32 / side),
            })
        };
        Self { sights: masks.frames().iter().map(sight).collect() }
    }

    /// Frames in which it is seen, with what is seen.
    pub fn seen(&self) -> impl DoubleEndedIterator<Item = (usize, &Sight)> {
        self.sights.iter().enumerate().filter_map(|(t, s)| s.as_ref().map(|s| (t, s)))
    }

    /// Place in the first frame it is seen in.
    pub fn start(&self) -> Option<[f32; 2]> {
        self.seen().next().map(|(_, s)| s.at)
    }

    /// Mean place in the last two frames it is seen in.
    pub fn end(&self) -> Option<[f32; 2]> {
        let mut last = self.seen().rev().map(|(_, s)| s.at);
        let a = last.next()?;
        let b = last.next().unwrap_or(a);
        Some([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0])
    }

    /// Way from start to end.
    pub fn net(&self) -> Option<[f32; 2]> {
        let (a, b) = (self.start()?, self.end()?);
        Some([b[0] - a[0], b[1] - a[1]])
    }

    /// Least and greatest coordinate along `axis` (0: x, 1: y), relative to the start.
    pub fn reach(&self, axis: usize) -> (f32, f32) {
        let from = self.start().map_or(0.0, |s| s[axis]);
        self.seen().fold((0.0, 0.0), |(low, high), (_, s)| {
            (low.min(s.at[axis] - from), high.max(s.at[axis] - from))
        })
    }

    /// Place along the unit direction `d`, relative to the start, in every frame it is seen in.
    pub fn along(&self, d: [f32; 2]) -> Vec<(usize, f32)> {
        let from = self.start().unwrap_or([0.0, 0.0]);
        let project = |s: &Sight| (s.at[0] - from[0]) * d[0] + (s.at[1] - from[1]) * d[1];
        self.seen().map(|(t, s)| (t, project(s))).collect()
    }

    /// Greatest area over the clip.
    pub fn greatest_area(&self) -> f32 {
        self.seen().fold(0.0, |a, (_, s)| a.max(s.area))
    }
}
