use burn::tensor::Tensor;

/// The largest value of each 2×2 places.
///
/// # Shapes
/// `[B, H, W, C]` gives `[B, H / 2, W / 2, C]`.
pub fn max_of_four(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let (rows, columns) = (height / 2, width / 2);
    let x = x.narrow(1, 0, 2 * rows).narrow(2, 0, 2 * columns);
    let x = x.reshape([batch * rows, 2, 2 * columns, channels]);
    let x = x.clone().narrow(1, 0, 1).max_pair(x.narrow(1, 1, 1)); // [B·H/2, 1, W, C]
    let x = x.reshape([batch * rows * columns, 2, channels]);
    let x = x.clone().narrow(1, 0, 1).max_pair(x.narrow(1, 1, 1)); // [B·H/2·W/2, 1, C]
    x.reshape([batch, rows, columns, channels])
}

/// The places of each window of a map.
///
/// # Shapes
/// `[B, H, W, C]` with windows of `[h, w]` gives `[B·⌈H/h⌉·⌈W/w⌉, h·w, C]`.
pub fn split_windows(x: Tensor<4>, [high, wide]: [usize; 2]) -> Tensor<3> {
    let [batch, height, width, channels] = x.dims();
    let (down, across) = (height.div_ceil(high), width.div_ceil(wide));
    let device = x.device();
    let missing = [down * high - height, across * wide - width];
    let right = Tensor::zeros([batch, height, missing[1], channels], &device);
    let below = Tensor::zeros([batch, missing[0], across * wide, channels], &device);
    let x = if missing[1] > 0 { Tensor::cat(vec![x, right], 2) } else { x };
    let x = if missing[0] > 0 { Tensor::cat(vec![x, below], 1) } else { x };
    let x = x.reshape([batch * down, high, across, wide * channels]).swap_dims(1, 2);
    x.reshape([batch * down * across, high * wide, channels])
}

/// The map of `[H, W]` places whose windows these are.
///
/// # Shapes
/// `[B·⌈H/h⌉·⌈W/w⌉, h·w, C]` gives `[B, H, W, C]`.
pub fn merge_windows(
    x: Tensor<3>,
    [height, width]: [usize; 2],
    [high, wide]: [usize; 2],
) -> Tensor<4> {
    let [all, _, channels] = x.dims();
    let (down, across) = (height.div_ceil(high), width.div_ceil(wide));
    let batch = all / (down * across).max(1);
    let x = x.reshape([batch * down, across, high, wide * channels]).swap_dims(1, 2);
    let x = x.reshape([batch, down * high, across * wide, channels]);
    x.narrow(1, 0, height).narrow(2, 0, width)
}
