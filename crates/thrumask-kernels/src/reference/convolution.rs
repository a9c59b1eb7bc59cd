use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::ConvOptions;

use super::silu;
use crate::ConvolutionOptions;

/// Two-dimensional convolution with a bias, after a magnification and before a SiLU where asked for.
///
/// # Shapes
/// `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]`, `b` `[O]` give `[B, O, H', W']`.
pub fn conv2d(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, options: ConvolutionOptions) -> Tensor<4> {
    let ConvolutionOptions { stride, padding, magnify, silu: activate } = options;
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    let out = module::conv2d(magnified(x, magnify), w, Some(b), options);
    if activate { silu(out) } else { out }
}

/// Two-dimensional convolution with a bias and as many zeros around the image as keep its size.
///
/// # Shapes
/// `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]` with odd `KH` and `KW`, `b` `[O]` give `[B, O, H, W]`.
pub fn conv2d_same(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    let [_, _, rows, columns] = w.dims();
    let options = ConvOptions::new([1; 2], [rows / 2, columns / 2], [1, 1], 1);
    module::conv2d(x, w, Some(b), options)
}

/// Each pixel `times` times along both axes.
///
/// # Shapes
/// `[B, C, H, W]` gives `[B, C, times H, times W]`.
pub(crate) fn magnified(x: Tensor<4>, times: usize) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    match times {
        1 => x,
        times => x
            .reshape([batch, channels, height, 1, width, 1])
            .expand([batch, channels, height, times, width, times])
            .reshape([batch, channels, height * times, width * times]),
    }
}

/// Convolution over the frames of videos with a bias.
///
/// # Shapes
/// `x` `[B, I, F, H, W]`, `w` `[O, I, K, 1, 1]`, `b` `[O]` give `[B, O, F, H, W]`.
pub fn temporal_conv(x: Tensor<5>, w: Tensor<5>, b: Tensor<1>) -> Tensor<5> {
    let padding = [w.dims()[2] / 2, 0, 0];
    module::conv3d(x, w, Some(b), ConvOptions::new([1; 3], padding, [1; 3], 1))
}
