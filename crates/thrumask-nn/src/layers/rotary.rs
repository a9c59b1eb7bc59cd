//! Rotary position embedding over three axes: frames, rows and columns.
//!
//! The pairs of a head's dimensions are shared out over the axes; on each axis the angle is
//! position × frequency, frequencies geometric from `fastest` to `slowest` radians per token. With
//! it, moving an object is one relative look-up, not one per position (see `docs/log.md`).

use serde::{Deserialize, Serialize};
use thrumask_kernels::RopeTable;

/// Frequencies and how the pairs are shared out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotary {
    /// Pairs for frames, rows and columns; they sum to half of the head width.
    pub pairs: [usize; 3],
    /// Highest frequency in radians per token.
    pub fastest: f32,
    /// Lowest frequency in radians per token.
    pub slowest: f32,
}

impl Rotary {
    /// Pairs shared out evenly over the axes, what is left over to the rows and columns.
    pub fn even(head_width: usize) -> Self {
        let pairs = head_width / 2;
        let frames = pairs / 3;
        let rows = (pairs - frames) / 2;
        Self { pairs: [frames, rows, pairs - frames - rows], fastest: 1.6, slowest: 0.1 }
    }

    /// Cosines and sines of each token of a `[T, H, W]` grid, in frame-major order.
    ///
    /// # Shapes
    /// - returns tables of `[T·H·W, head_width / 2]`
    pub fn table(&self, grid: [usize; 3]) -> RopeTable {
        let frequency = |i: usize, n: usize| {
            let share = if n > 1 { i as f64 / (n - 1) as f64 } else { 0.0 };
            let (fast, slow) = (f64::from(self.fastest), f64::from(self.slowest));
            fast * (slow / fast).powf(share)
        };
        let mut angles = Vec::new();
        for t in 0..grid[0] {
            for y in 0..grid[1] {
                for x in 0..grid[2] {
                    for (position, &n) in [t, y, x].into_iter().zip(&self.pairs) {
                        let angle = |i| (position as f64 * frequency(i, n)) as f32;
                        angles.extend((0..n).map(angle));
                    }
                }
            }
        }
        RopeTable::from_angles(&angles, grid.iter().product(), self.pairs.iter().sum())
    }
}
