//! Measures of single masks: overlap, pieces, and how far an outline has turned.

use thrumask_core::{
    LabelMap, Size,
    labels::{self, Joined},
};

/// Intersection over union of two masks of equal length; 1 when both are empty.
pub fn iou(a: &[bool], b: &[bool]) -> f32 {
    let both = a.iter().zip(b).filter(|&(&x, &y)| x && y).count();
    let any = a.iter().zip(b).filter(|&(&x, &y)| x || y).count();
    if any == 0 { 1.0 } else { both as f32 / any as f32 }
}

/// Number of separate pieces (8-connected) of a row-major mask, leaving out specks of fewer than
/// `speck` pixels.
pub fn pieces(mask: &[bool], size: Size, speck: usize) -> usize {
    let all = labels::pieces(mask, size, Joined::Corners);
    all.iter().filter(|piece| piece.len() >= speck).count()
}

/// A mask as pixel centres around its own centre, for comparing outlines.
pub(super) struct Outline {
    points: Vec<[f32; 2]>,
    /// A grid around the centre: whether a pixel of the mask is there.
    grid: Vec<bool>,
    radius: i32,
}

impl Outline {
    /// The outline of object `id`, or `None` where it has no pixel.
    pub fn new(labels: &LabelMap, id: u8) -> Option<Self> {
        let w = labels.size().width;
        let all = labels.ids().iter().enumerate().filter(|&(_, &v)| v == id);
        let mut points: Vec<[f32; 2]> =
            all.map(|(i, _)| [(i % w) as f32, (i / w) as f32]).collect();
        if points.is_empty() {
            return None;
        }
        let n = points.len() as f32;
        let c = points.iter().fold([0.0, 0.0], |s, p| [s[0] + p[0] / n, s[1] + p[1] / n]);
        let mut far = 0.0f32;
        for p in &mut points {
            *p = [p[0] - c[0], p[1] - c[1]];
            far = far.max(p[0].abs()).max(p[1].abs());
        }
        let radius = far.ceil() as i32 + 1;
        let side = (2 * radius + 1) as usize;
        let mut grid = vec![false; side * side];
        for p in &points {
            let (x, y) = (p[0].round() as i32 + radius, p[1].round() as i32 + radius);
            grid[y as usize * side + x as usize] = true;
        }
        Some(Self { points, grid, radius })
    }

    fn holds(&self, x: f32, y: f32) -> bool {
        let (x, y) = (x.round() as i32 + self.radius, y.round() as i32 + self.radius);
        let side = 2 * self.radius + 1;
        (0..side).contains(&x) && (0..side).contains(&y) && self.grid[(y * side + x) as usize]
    }

    /// Overlap (intersection over union) with `other` turned clockwise by `degrees`, centres laid
    /// on each other.
    pub fn overlap(&self, other: &Self, degrees: f32) -> f32 {
        let (s, c) = degrees.to_radians().sin_cos();
        // Every pixel of this mask is looked up in the other one, turned back.
        let inside = |p: &&[f32; 2]| other.holds(c * p[0] + s * p[1], -s * p[0] + c * p[1]);
        let both = self.points.iter().filter(inside).count();
        let any = self.points.len() + other.points.len() - both;
        both as f32 / any.max(1) as f32
    }
}
