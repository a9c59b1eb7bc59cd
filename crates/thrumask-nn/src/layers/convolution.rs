//! Two-dimensional convolution over the frames of a video.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::{ConvolutionOptions, conv2d};

use super::{Init, init::wide};

/// A square convolution, padded so that it keeps the size at unit stride.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[outputs, inputs, K, K]` with odd K.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Convolution {
    /// A 3×3 convolution: weights of standard deviation `gain / √(9·inputs)`, bias zero.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, gain: f32) -> Self {
        Self::with_kernel(init, 3, inputs, outputs, gain)
    }

    /// A convolution of `kernel`×`kernel` positions, an odd number each way: weights of standard
    /// deviation `gain / (kernel·√inputs)`, bias zero.
    pub fn with_kernel(
        init: &mut Init,
        kernel: usize,
        inputs: usize,
        outputs: usize,
        gain: f32,
    ) -> Self {
        let std = gain / ((kernel * kernel * inputs) as f32).sqrt();
        let weight = init.normal([outputs, inputs, kernel, kernel], std);
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, ConvolutionOptions::default())
    }

    /// The SiLU of [`Convolution::forward`].
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward_silu(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, ConvolutionOptions { silu: true, ..Default::default() })
    }

    /// Every second position of [`Convolution::forward`] along both axes.
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, ⌈H/2⌉, ⌈W/2⌉]`
    pub fn forward_halved(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, ConvolutionOptions { stride: 2, ..Default::default() })
    }

    /// One vector for each patch of the kernel's size; the kernel may be even. Rows and columns beyond the last
    /// whole patch are left out.
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, ⌊H/K⌋, ⌊W/K⌋]`
    pub fn forward_patches(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = wide(&self.weight);
        let options = ConvolutionOptions { stride: weight.dims()[3], ..Default::default() };
        conv2d(x, weight, self.bias.val(), options)
    }

    /// [`Convolution::forward`] of `x` at twice its size, each pixel repeated.
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, 2·H, 2·W]`
    pub fn forward_doubled(&self, x: Tensor<4>) -> Tensor<4> {
        self.convolve(x, ConvolutionOptions { magnify: 2, ..Default::default() })
    }

    fn convolve(&self, x: Tensor<4>, options: ConvolutionOptions) -> Tensor<4> {
        let weight = wide(&self.weight);
        let padding = weight.dims()[3] / 2;
        conv2d(x, weight, self.bias.val(), ConvolutionOptions { padding, ..options })
    }
}
