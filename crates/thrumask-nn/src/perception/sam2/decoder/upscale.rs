//! Features to four times as many rows and columns, and masks of them.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::{gelu, linear};

use super::super::EPSILON;
use crate::layers::{Init, LayerNorm};

/// A transposed convolution of 2×2 pixels in steps of 2: each place becomes four, independently.
#[derive(Module, Debug)]
struct Doubling {
    /// `[inputs, outputs, 2, 2]`.
    weight: Param<Tensor<4>>,
    /// `[outputs]`.
    bias: Param<Tensor<1>>,
}

impl Doubling {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        let weight = init.normal([inputs, outputs, 2, 2], 1.0 / (inputs as f32).sqrt());
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// The four of each place lie together: upper row, lower row.
    ///
    /// # Shapes
    /// - `x`: `[B, N, inputs]`
    /// - returns `[B, 4·N, outputs]`
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, places, inputs] = x.dims();
        let weight = self.weight.val().permute([0, 2, 3, 1]); // [inputs, 2, 2, outputs]
        let outputs = weight.dims()[3];
        let weight = weight.reshape([inputs, 4 * outputs]); // [inputs, 4·outputs]
        let bias = self.bias.val().repeat_dim(0, 4); // [4·outputs]
        linear(x, weight, Some(bias)).reshape([batch, 4 * places, outputs]) // [B, 4·N, outputs]
    }
}

/// Features to the size of masks.
#[derive(Module, Debug)]
pub struct Upscale {
    first: Doubling,
    norm: LayerNorm,
    second: Doubling,
}

impl Upscale {
    pub fn new(init: &mut Init, width: usize) -> Self {
        Self {
            first: Doubling::new(init, width, width / 4),
            norm: LayerNorm::with_epsilon(init, width / 4, EPSILON),
            second: Doubling::new(init, width / 4, width / 8),
        }
    }

    /// Products of what makes each mask with the features of each pixel. Only the masks are brought from the
    /// order of places, each with all of its pixels, into rows and columns.
    ///
    /// # Shapes
    /// - `picture`: `[B, h·w, C]`
    /// - `size`: `[h, w]`
    /// - `fine`: `[B or 1, C/8, 4·h, 4·w]` and `[B or 1, C/4, 2·h, 2·w]`
    /// - `made`: `[B, M, C/8]`
    /// - returns `[B, M, 4·h, 4·w]`
    pub fn masks(
        &self,
        picture: Tensor<3>,
        [rows, columns]: [usize; 2],
        [finest, finer]: [Tensor<4>; 2],
        made: Tensor<3>,
    ) -> Tensor<4> {
        let [batch, masks, _] = made.dims();
        let x = self.first.forward(picture); // [B, h·w·4, C/4]
        let [pictures, channels, ..] = finer.dims();
        let finer = finer.reshape([pictures, channels, rows, 2, columns, 2]);
        let finer = finer.permute([0, 2, 4, 3, 5, 1]); // [B or 1, h, w, 2, 2, C/4]
        let x = x + finer.reshape([pictures, rows * columns * 4, channels]);
        let x = gelu(self.norm.forward(x));
        let x = self.second.forward(x); // [B, h·w·16, C/8]
        let channels = finest.dims()[1];
        let finest = finest.reshape([pictures, channels, rows, 4, columns, 4]);
        let finest = finest.permute([0, 2, 4, 3, 5, 1]); // [B or 1, h, w, 4, 4, C/8]
        // Of the sixteen pixels of a place, first those of the upper left quarter.
        let finest = finest.reshape([pictures * rows * columns, 2, 2, 2, 2, channels]);
        let finest = finest.permute([0, 1, 3, 2, 4, 5]); // [.., 2, 2, 2, 2, C/8]
        let x = gelu(x + finest.reshape([pictures, rows * columns * 16, channels]));
        let masks_of = made.matmul(x.swap_dims(1, 2)); // [B, M, h·w·16]
        let masks_of = masks_of.reshape([batch * masks * rows, columns, 2, 2, 2, 2]);
        let masks_of = masks_of.permute([0, 2, 4, 1, 3, 5]); // [B·M·h, 2, 2, w, 2, 2]
        masks_of.reshape([batch, masks, 4 * rows, 4 * columns])
    }
}
