//! The operators of the crate on places of maps with seeded inputs.

use burn::tensor::Tensor;
use thrumask_kernels as kernels;

use super::operators::values;
use super::{Operator, maps};

/// The largest of each 2×2 places of a map `[B, H, W, C]`.
pub fn max_of_four(dims: [usize; 4], seed: u64) -> Operator {
    Operator {
        name: format!("largest of four of {dims:?}"),
        inputs: vec![values(&dims, seed, [1.0, 0.0])],
        kernel: Box::new(|mut x| kernels::max_of_four(x.take()).into()),
        exact: Box::new(|x| maps::max_of_four(&x[0])),
        tolerance: [0.0, 2e-5],
    }
}

/// The windows of maps `[B, H, W, C]`.
pub fn split_windows(dims: [usize; 4], window: [usize; 2], seed: u64) -> Operator {
    Operator {
        name: format!("{dims:?} in windows of {window:?}"),
        inputs: vec![values(&dims, seed, [1.0, 0.0])],
        kernel: Box::new(move |mut x| kernels::split_windows(x.take(), window).into()),
        exact: Box::new(move |x| maps::split(&x[0], window)),
        tolerance: [0.0, 2e-5],
    }
}

/// Maps `[B, H, W, C]` of windows.
pub fn merge_windows(dims: [usize; 4], window: [usize; 2], seed: u64) -> Operator {
    let [batch, height, width, channels] = dims;
    let count = batch * height.div_ceil(window[0]) * width.div_ceil(window[1]);
    Operator {
        name: format!("{dims:?} from windows of {window:?}"),
        inputs: vec![values(&[count, window[0] * window[1], channels], seed, [1.0, 0.0])],
        kernel: Box::new(move |mut x| {
            kernels::merge_windows(x.take(), [height, width], window).into()
        }),
        exact: Box::new(move |x| maps::merge(&x[0], dims, window)),
        tolerance: [0.0, 2e-5],
    }
}

/// Four axes in another order, as values in a row.
pub fn exchanged(dims: [usize; 4], axes: [usize; 4], seed: u64) -> Operator {
    Operator {
        name: format!("{dims:?} as {axes:?}"),
        inputs: vec![values(&dims, seed, [1.0, 0.0])],
        kernel: Box::new(move |mut x| {
            let x: Tensor<4> = x.take();
            kernels::dense(x.permute(axes.map(|axis| axis as isize))).into()
        }),
        exact: Box::new(move |x| maps::exchanged(&x[0], axes)),
        tolerance: [0.0, 2e-5],
    }
}

/// Deformable attention with places up to `spread` from the middle of each level, which at more than a half
/// are beyond it.
pub fn deformable(
    [batch, queries, heads, size, points]: [usize; 5],
    levels: &'static [[usize; 2]],
    spread: f32,
    seed: u64,
) -> Operator {
    let cells = levels.iter().map(|[height, width]| height * width).sum();
    let places = heads * levels.len() * points;
    Operator {
        name: format!(
            "deformable {batch} x {queries}, {heads} heads of {size}, {points} points of {levels:?}"
        ),
        inputs: vec![
            values(&[batch, cells, heads * size], seed, [1.0, 0.0]),
            values(&[batch, queries, 2 * places], seed + 1, [spread, 0.5]),
            values(&[batch, queries, places], seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(move |mut x| {
            kernels::deformable_attention(x.take(), x.take(), x.take(), heads, levels).into()
        }),
        exact: Box::new(move |x| maps::deformable([&x[0], &x[1], &x[2]], heads, levels)),
        tolerance: [4e-6, 2e-5],
    }
}
