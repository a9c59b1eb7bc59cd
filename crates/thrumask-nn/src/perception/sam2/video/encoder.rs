//! Features and a mask to a memory.

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::gelu;

use super::super::{EPSILON, Sam2Config};
use crate::layers::{Convolution, Depthwise, Init, LayerNorm, Linear, Lone, Pointwise};

/// Halvings of a mask on its way to the features.
const HALVINGS: usize = 4;

/// A mask at half its size, with four times as many channels.
#[derive(Module, Debug)]
struct Halving {
    convolution: Convolution,
    norm: LayerNorm,
}

/// A mask at the size of the features.
#[derive(Module, Debug)]
struct MaskDownsampler {
    halvings: Vec<Halving>,
    output: Pointwise,
}

impl MaskDownsampler {
    fn new(init: &mut Init, kernel: usize, width: usize) -> Self {
        let halving = |i: usize| {
            let (inputs, outputs) = (4usize.pow(i as u32), 4usize.pow(i as u32 + 1));
            Halving {
                convolution: Convolution::with_kernel(init, kernel, inputs, outputs, 1.0),
                norm: LayerNorm::with_epsilon(init, outputs, EPSILON),
            }
        };
        let halvings = (0..HALVINGS).map(halving).collect();
        Self { halvings, output: Pointwise::new(init, 4usize.pow(HALVINGS as u32), width, 1.0) }
    }

    /// # Shapes
    /// - `masks`: `[B, 1, 16·H, 16·W]`
    /// - returns `[B, H·W, C]`
    fn forward(&self, masks: Tensor<4>) -> Tensor<3> {
        let mut x = masks;
        for Halving { convolution, norm } in &self.halvings {
            let smaller = convolution.forward_halved(x).permute([0, 2, 3, 1]); // [B, H, W, C]
            x = gelu(norm.forward(smaller)).permute([0, 3, 1, 2]); // [B, C, H, W]
        }
        self.output.forward(tokens(x))
    }
}

/// A block of ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022).
#[derive(Module, Debug)]
struct Fusion {
    around: Depthwise,
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    /// `[C]`.
    scale: Lone<1>,
}

impl Fusion {
    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns `[B, C, H, W]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let around = self.around.forward(x.clone()).permute([0, 2, 3, 1]); // [B, H, W, C]
        let mixed = self.down.forward(gelu(self.up.forward(self.norm.forward(around))));
        let scale = self.scale.value.val().unsqueeze::<4>(); // [1, 1, 1, C]
        x + (mixed * scale).permute([0, 3, 1, 2])
    }
}

/// Features and a mask to a memory.
#[derive(Module, Debug)]
pub struct MemoryEncoder {
    mask: MaskDownsampler,
    features: Pointwise,
    fusions: Vec<Fusion>,
    output: Pointwise,
}

impl MemoryEncoder {
    /// An encoder that has learned nothing.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, sizes) = (config.width, &config.memory_encoder);
        let mask = MaskDownsampler::new(init, sizes.mask_kernel, width);
        let features = Pointwise::new(init, width, width, 1.0);
        let fusion = |_| Fusion {
            around: Depthwise::new(init, sizes.fuser_kernel, width),
            norm: LayerNorm::with_epsilon(init, width, EPSILON),
            up: Linear::new(init, width, sizes.fuser_hidden, 1.0),
            down: Linear::new(init, sizes.fuser_hidden, width, 1.0),
            scale: Lone::new(init, [width], 0.1),
        };
        let fusions = (0..sizes.fuser_layers).map(fusion).collect();
        Self { mask, features, fusions, output: Pointwise::new(init, width, sizes.channels, 1.0) }
    }

    /// # Shapes
    /// - `features`: of the coarsest level, `[B, C, H, W]`
    /// - `masks`: scaled probabilities ([`MemoryConfig`](super::super::MemoryConfig)), `[B, 1, 16·H, 16·W]`
    /// - returns `[B, H·W, M]`
    pub fn forward(&self, features: Tensor<4>, masks: Tensor<4>) -> Tensor<3> {
        let [batch, width, rows, columns] = features.dims();
        let x = self.features.forward(tokens(features)) + self.mask.forward(masks); // [B, H·W, C]
        let x = x.swap_dims(1, 2).reshape([batch, width, rows, columns]); // [B, C, H, W]
        let x = self.fusions.iter().fold(x, |x, fusion| fusion.forward(x));
        self.output.forward(tokens(x))
    }
}

/// # Shapes
/// - `x`: `[B, C, H, W]`
/// - returns `[B, H·W, C]`
pub fn tokens(x: Tensor<4>) -> Tensor<3> {
    x.flatten::<3>(2, 3).swap_dims(1, 2)
}
