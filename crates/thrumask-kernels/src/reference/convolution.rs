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
    let [batch, inputs, height, width] = x.dims();
    let x = match magnify {
        1 => x,
        times => x
            .reshape([batch, inputs, height, 1, width, 1])
            .expand([batch, inputs, height, times, width, times])
            .reshape([batch, inputs, height * times, width * times]),
    };
    let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
    let out = module::conv2d(x, w, Some(b), options);
    if activate { silu(out) } else { out }
}

/// Convolution over the frames of videos with a bias.
///
/// # Shapes
/// `x` `[B, I, F, H, W]`, `w` `[O, I, K, 1, 1]`, `b` `[O]` give `[B, O, F, H, W]`.
pub fn temporal_conv(x: Tensor<5>, w: Tensor<5>, b: Tensor<1>) -> Tensor<5> {
    let padding = [w.dims()[2] / 2, 0, 0];
    module::conv3d(x, w, Some(b), ConvOptions::new([1; 3], padding, [1; 3], 1))
}
