//! How well each position of one picture fits those around its present match in the other, at several
//! resolutions.
//!
//! The similarity of two positions is the product of their features over √C. At coarser levels the second
//! picture's positions are averaged two by two, and since products are linear, so may their features be:
//! all pairs are either made beforehand, or those that are looked at when they are.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::pixels::host_values;

/// Where similarities come from; the results are the same but for rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarities {
    /// All pairs of positions are made once: 4/3 of (H·W/64)² values for each pair of pictures.
    AllPairs,
    /// Those that are looked at are made each time, from the features: little memory, and more time.
    OnDemand,
}

impl Similarities {
    /// All pairs while they take up to half a gibibyte for each pair of pictures.
    ///
    /// `size` is rows and columns of the features.
    pub fn for_size(size: [usize; 2]) -> Self {
        const MOST: usize = 512 << 20;
        let positions: usize = size.iter().product();
        match positions * positions * size_of::<f32>() / 3 * 4 <= MOST {
            true => Self::AllPairs,
            false => Self::OnDemand,
        }
    }
}

/// Maps of values at one resolution: `[maps, H, W, C]`.
struct Level {
    size: [usize; 2],
    values: Vec<f32>,
}

/// What positions of the first pictures are compared with.
pub(super) struct Pyramid {
    /// `[B·N, C]`, over √C, when similarities are made on demand.
    first: Option<Vec<f32>>,
    /// Of each position of the first pictures, or of each second picture, a map of similarities or of
    /// features.
    levels: Vec<Level>,
    channels: usize,
    radius: usize,
    batch: usize,
    size: [usize; 2],
    device: Device,
}

/// Positions of the first picture that make a task.
const TASK: usize = 16;

impl Pyramid {
    /// # Shapes
    /// - `first`, `second`: features `[B, C, H, W]`
    pub fn new(
        first: Tensor<4>,
        second: Tensor<4>,
        (levels, radius): (usize, usize),
        similarities: Similarities,
    ) -> Self {
        let ([batch, channels, height, width], device) = (first.dims(), first.device());
        let positions = height * width;
        let [first, second] = [first, second].map(|x| x.reshape([batch, channels, positions]));
        let first = first.swap_dims(1, 2) / (channels as f32).sqrt(); // [B, N, C]
        let (first, values, maps, channels) = match similarities {
            Similarities::AllPairs => {
                (None, host_values(first.matmul(second)), batch * positions, 1)
            }
            Similarities::OnDemand => {
                let second = host_values(second.swap_dims(1, 2)); // [B, N, C]
                (Some(host_values(first)), second, batch, channels)
            }
        };
        let size = [height, width];
        let mut found = vec![Level { size, values }];
        for _ in 1..levels {
            let next = found[found.len() - 1].pooled(maps, channels);
            found.push(next);
        }
        Self { first, levels: found, channels, radius, batch, size, device }
    }

    /// Similarities around the present matches: for each level, for each shift along rows, for each shift
    /// along columns; interpolated, and zero outside of the picture.
    ///
    /// # Shapes
    /// - `flow`: `[B, 2, H, W]` in positions, `x` first
    /// - returns `[B, H·W, levels · (2·radius + 1)²]`
    pub fn around(&self, flow: Tensor<4>) -> Tensor<3> {
        let (flow, [height, width]) = (host_values(flow), self.size);
        let (positions, side) = (height * width, 2 * self.radius + 1);
        let count = self.levels.len() * side * side;
        let mut out = vec![0.0; self.batch * positions * count];
        out.par_chunks_mut(count * TASK).enumerate().for_each(|(task, out)| {
            let mut window = vec![0.0; (side + 1) * (side + 1)];
            for (i, out) in out.chunks_exact_mut(count).enumerate() {
                let at = task * TASK + i;
                let (image, place) = (at / positions, at % positions);
                let moved = |axis: usize| flow[(2 * image + axis) * positions + place];
                let x = (place % width) as f32 + moved(0);
                let y = (place / width) as f32 + moved(1);
                for (i, (level, out)) in
                    self.levels.iter().zip(out.chunks_exact_mut(side * side)).enumerate()
                {
                    let scale = 0.5f32.powi(i as i32);
                    let (x, y) = (x * scale, y * scale);
                    // Casts keep numbers far outside within range.
                    let corner =
                        [y, x].map(|v| (v.floor() as i64).saturating_sub(self.radius as i64));
                    self.fill(level, (at, image), corner, &mut window);
                    interpolate(&window, side, [y - y.floor(), x - x.floor()], out);
                }
            }
        });
        let shape = [self.batch, positions, count];
        Tensor::from_data(TensorData::new(out, shape), &self.device)
    }

    /// Similarities of position `at`, which is of picture `image`, with a square of positions.
    fn fill(
        &self,
        level: &Level,
        (at, image): (usize, usize),
        [top, left]: [i64; 2],
        window: &mut [f32],
    ) {
        let [height, width] = level.size;
        let (side, channels) = (2 * self.radius + 2, self.channels);
        let map = |number: usize| &level.values[number * height * width * channels..];
        window.fill(0.0);
        // Columns of the square that lie inside.
        let inside = |start: i64, size: usize| {
            let from = start.clamp(0, size as i64);
            let to = start.saturating_add(side as i64).clamp(0, size as i64);
            (from as usize..to as usize, (from.saturating_sub(start)).max(0) as usize)
        };
        let ((rows, row), (columns, column)) = (inside(top, height), inside(left, width));
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        for (y, window) in rows.zip(window.chunks_exact_mut(side).skip(row)) {
            let window = &mut window[column..][..columns.len()];
            match &self.first {
                None => {
                    let line = &map(at)[y * width..][..width];
                    window.copy_from_slice(&line[columns.clone()]);
                }
                Some(first) => {
                    let first = &first[at * channels..][..channels];
                    let line = &map(image)[(y * width + columns.start) * channels..];
                    for (to, second) in window.iter_mut().zip(line.chunks_exact(channels)) {
                        *to = dot(first, second);
                    }
                }
            }
        }
    }
}

impl Level {
    /// Means of two by two positions; a last odd row or column is left out.
    fn pooled(&self, maps: usize, channels: usize) -> Self {
        let [height, width] = self.size;
        let size = [height / 2, width / 2];
        let mut values = vec![0.0; maps * size[0] * size[1] * channels];
        let line = size[1] * channels;
        if line > 0 && size[0] > 0 {
            values.par_chunks_mut(line).enumerate().for_each(|(row, to)| {
                let (map, y) = (row / size[0], row % size[0]);
                let from = &self.values[(map * height + 2 * y) * width * channels..];
                let (upper, lower) = (&from[..width * channels], &from[width * channels..]);
                for (i, to) in to.iter_mut().enumerate() {
                    let (x, c) = (i / channels, i % channels);
                    let (a, b) = (2 * x * channels + c, (2 * x + 1) * channels + c);
                    *to = (upper[a] + upper[b] + lower[a] + lower[b]) / 4.0;
                }
            });
        }
        Self { size, values }
    }
}

/// Values between those of a square of one more row and column, column by column as the public networks
/// have them.
fn interpolate(window: &[f32], side: usize, [down, right]: [f32; 2], out: &mut [f32]) {
    let line = side + 1;
    for (y, rows) in window.windows(2 * line).step_by(line).enumerate() {
        let (upper, lower) = rows.split_at(line);
        for x in 0..side {
            let above = upper[x] + right * (upper[x + 1] - upper[x]);
            let below = lower[x] + right * (lower[x + 1] - lower[x]);
            out[x * side + y] = above + down * (below - above);
        }
    }
}

/// The sum of products, in eight runs that the compiler can keep in a vector.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
