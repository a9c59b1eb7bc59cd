//! Two-dimensional convolution over the frames of a video.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, module::conv2d as grouped, ops::ConvOptions},
};
use thrumask_kernels::{ConvolutionOptions, conv2d, conv2d_same};

use super::{Init, init::wide};

/// A convolution, padded so that it keeps the size at unit stride.
#[derive(Module, Debug)]
pub struct Convolution {
    /// `[outputs, inputs, K, K]` with odd K; for [`Convolution::forward`] alone also of two odd sides.
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
        Self::with_sides(init, [kernel; 2], inputs, outputs, gain)
    }

    /// A convolution of `rows`×`columns` positions, odd numbers both: weights of standard deviation
    /// `gain / √(rows·columns·inputs)`, bias zero.
    pub fn with_sides(
        init: &mut Init,
        [rows, columns]: [usize; 2],
        inputs: usize,
        outputs: usize,
        gain: f32,
    ) -> Self {
        let std = gain / ((rows * columns * inputs) as f32).sqrt();
        let weight = init.normal([outputs, inputs, rows, columns], std);
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d_same(x, wide(&self.weight), self.bias.val())
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

    /// What the kernel makes of tiles that lie side by side.
    ///
    /// # Shapes
    /// - `x`: `[B, inputs, K·H, K·W]`; K may be even here
    /// - returns `[B, outputs, H, W]`
    pub fn forward_tiles(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = wide(&self.weight);
        let stride = weight.dims()[3];
        let options = ConvolutionOptions { stride, ..Default::default() };
        conv2d(x, weight, self.bias.val(), options)
    }

    fn convolve(&self, x: Tensor<4>, options: ConvolutionOptions) -> Tensor<4> {
        let weight = wide(&self.weight);
        let padding = weight.dims()[3] / 2;
        conv2d(x, weight, self.bias.val(), ConvolutionOptions { padding, ..options })
    }
}

/// A square convolution of each channel by itself, padded so that it keeps the size.
#[derive(Module, Debug)]
pub struct Depthwise {
    /// `[C, 1, K, K]` with odd K.
    pub weight: Param<Tensor<4>>,
    /// `[C]`.
    pub bias: Param<Tensor<1>>,
}

impl Depthwise {
    /// A convolution of `kernel`×`kernel` positions, an odd number each way: weights of standard
    /// deviation `1 / kernel`, bias zero.
    pub fn new(init: &mut Init, kernel: usize, channels: usize) -> Self {
        let weight = init.normal([channels, 1, kernel, kernel], 1.0 / kernel as f32);
        Self { weight, bias: init.constant([channels], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns `[B, C, H, W]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = wide(&self.weight);
        let [channels, _, kernel, _] = weight.dims();
        let options = ConvOptions::new([1, 1], [kernel / 2; 2], [1, 1], channels);
        grouped(x, weight, Some(self.bias.val()), options)
    }
}
