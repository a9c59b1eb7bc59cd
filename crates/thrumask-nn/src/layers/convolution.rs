//! Two-dimensional convolution over the frames of a video.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::{ConvolutionOptions, conv2d};

use super::Init;

/// A 3×3 convolution with unit stride that keeps the size.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[outputs, inputs, 3, 3]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Convolution {
    /// Weights of standard deviation `gain / √(9·inputs)`, bias zero.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, gain: f32) -> Self {
        let weight = init.normal([outputs, inputs, 3, 3], gain / (9.0 * inputs as f32).sqrt());
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, false)
    }

    /// The SiLU of [`Convolution::forward`].
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, true)
    }

    fn convolve(&self, x: Tensor<4>, silu: bool) -> Tensor<4> {
        let options = ConvolutionOptions { padding: 1, silu, ..Default::default() };
        conv2d(x, self.weight.val(), self.bias.val(), options)
    }
}
