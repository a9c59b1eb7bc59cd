//! Flow at an eighth of the size to flow of every pixel.

use burn::tensor::{Device, Tensor, TensorData};

use super::{config::STRIDE, update::NEIGHBOURS};

/// Flow of every pixel as a mean of that of the nine positions around, by weights of their own.
///
/// # Shapes
/// - `flow`: `[B, 2, H, W]` in positions
/// - `mask`: `[B, H·W, 9·64]`, not normalised
/// - returns `[B, 2, 8·H, 8·W]` in pixels
pub(super) fn by_mask(flow: Tensor<4>, mask: Tensor<3>) -> Tensor<4> {
    let [batch, _, height, width] = flow.dims();
    let places = STRIDE * STRIDE;
    let mask = mask.reshape([batch, height, width, NEIGHBOURS, places]).swap_dims(3, 4);
    let mask = thrumask_kernels::softmax_last(mask); // [B, H, W, 64, 9]
    let padded = flow.mul_scalar(STRIDE as f32).pad((1, 1, 1, 1), 0.0);
    let around = (0..NEIGHBOURS).map(|i| {
        let (y, x) = (i / 3, i % 3);
        padded.clone().narrow(2, y, height).narrow(3, x, width).unsqueeze_dim::<5>(4)
    });
    let around = Tensor::cat(around.collect(), 4); // [B, 2, H, W, 9]
    let around = around.permute([0, 2, 3, 4, 1]); // [B, H, W, 9, 2]
    let flow = mask.matmul(around); // [B, H, W, 64, 2]
    flow.reshape([batch, height, width, STRIDE, STRIDE, 2])
        .permute([0, 5, 1, 3, 2, 4]) // [B, 2, H, 8, W, 8]
        .reshape([batch, 2, STRIDE * height, STRIDE * width])
}

/// Flow of every pixel by linear interpolation, the outermost positions at the outermost pixels.
///
/// # Shapes
/// - `flow`: `[B, 2, H, W]` in positions
/// - returns `[B, 2, 8·H, 8·W]` in pixels
pub(super) fn linearly(flow: Tensor<4>) -> Tensor<4> {
    let ([batch, _, height, width], device) = (flow.dims(), flow.device());
    let flow = flow.mul_scalar(STRIDE as f32).reshape([2 * batch, height, width]);
    let down = weights(height, &device).unsqueeze::<3>(); // [1, 8·H, H]
    let across = weights(width, &device).swap_dims(0, 1).unsqueeze::<3>(); // [1, W, 8·W]
    down.expand([2 * batch, STRIDE * height, height])
        .matmul(flow)
        .matmul(across.expand([2 * batch, width, STRIDE * width]))
        .reshape([batch, 2, STRIDE * height, STRIDE * width])
}

/// The weights of `size` positions for eight times as many pixels.
///
/// # Shapes
/// - returns `[8·size, size]`
fn weights(size: usize, device: &Device) -> Tensor<2> {
    let pixels = STRIDE * size;
    let mut values = vec![0.0; pixels * size];
    let step = (size - 1) as f32 / (pixels - 1) as f32;
    for (pixel, row) in values.chunks_exact_mut(size).enumerate() {
        let place = pixel as f32 * step;
        let before = (place as usize).min(size - 1);
        let after = (before + 1).min(size - 1);
        let share = place - before as f32;
        row[before] += 1.0 - share;
        row[after] += share;
    }
    Tensor::from_data(TensorData::new(values, [pixels, size]), device)
}
