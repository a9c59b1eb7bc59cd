//! Videos as frames that do not see each other.

use burn::tensor::Tensor;

/// Applies a function to `count` frames after the other, taken as at least 1.
///
/// # Shapes
/// - `x`: `[B, C, T, H, W]`
/// - `f`: `[N, C, H, W]` to `[N, C', H', W']`
/// - returns `[B, C', T, H', W']`
pub(super) fn by_frames(
    x: Tensor<5>,
    count: usize,
    f: impl Fn(Tensor<4>) -> Tensor<4>,
) -> Tensor<5> {
    let [batch, channels, frames, height, width] = x.dims();
    let x = x.swap_dims(1, 2).reshape([batch * frames, channels, height, width]); // [B·T, C, H, W]
    let (all, count) = (batch * frames, count.max(1));
    let portion = |start| f(x.clone().narrow(0, start, count.min(all - start)));
    let parts = (0..all).step_by(count).map(portion).collect();
    let out = Tensor::cat(parts, 0); // [B·T, C', H', W']
    let [_, channels, height, width] = out.dims();
    out.reshape([batch, frames, channels, height, width]).swap_dims(1, 2)
}
