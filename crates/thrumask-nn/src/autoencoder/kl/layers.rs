//! What encoder and decoder are built from.

use burn::{
    module::Module,
    tensor::{Tensor, ops::PadMode},
};
use thrumask_kernels::{ConvolutionOptions, conv2d};

use super::bands::Bands;
use super::config::KlConfig;
use crate::layers::{Convolution, GroupNorm, Init, Linear, init::wide};

/// ε of every norm here.
pub(super) const EPSILON: f32 = 1e-6;

/// Two norms, SiLUs and 3×3 convolutions, added to the input or to a 1×1 convolution of it.
#[derive(Module, Debug)]
pub(super) struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Convolution,
    norm2: GroupNorm,
    conv2: Convolution,
    /// 1×1, where the number of channels changes.
    shortcut: Option<Convolution>,
}

impl ResidualBlock {
    pub fn new(init: &mut Init, groups: usize, inputs: usize, outputs: usize) -> Self {
        Self {
            norm1: GroupNorm::new(init, inputs, groups, EPSILON),
            conv1: Convolution::new(init, inputs, outputs, 1.4),
            norm2: GroupNorm::new(init, outputs, groups, EPSILON),
            conv2: Convolution::new(init, outputs, outputs, 0.5),
            shortcut: (inputs != outputs)
                .then(|| Convolution::with_kernel(init, 1, inputs, outputs, 1.0)),
        }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, x: Bands) -> Bands {
        let norm1 = x.norm(&self.norm1, |x| x);
        let first = |x| self.conv1.forward(norm1.silu(x));
        let norm2 = x.norm(&self.norm2, first);
        x.map(|x| {
            let residual = self.conv2.forward(norm2.silu(first(x.clone())));
            match &self.shortcut {
                Some(shortcut) => shortcut.forward(x) + residual,
                None => x + residual,
            }
        })
    }
}

/// All positions attend to each other, with one head.
#[derive(Module, Debug)]
pub(super) struct SpatialAttention {
    norm: GroupNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
}

impl SpatialAttention {
    fn new(init: &mut Init, groups: usize, channels: usize) -> Self {
        Self {
            norm: GroupNorm::new(init, channels, groups, EPSILON),
            query: Linear::new(init, channels, channels, 1.0),
            key: Linear::new(init, channels, channels, 1.0),
            value: Linear::new(init, channels, channels, 1.0),
            output: Linear::new(init, channels, channels, 0.5),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns the same shape
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let tokens = self.norm.forward(x.clone()).reshape([batch, channels, height * width]);
        let tokens = tokens.swap_dims(1, 2); // [B, H·W, C]
        let query = self.query.forward(tokens.clone());
        let (key, value) = (self.key.forward(tokens.clone()), self.value.forward(tokens));
        let mixed = thrumask_kernels::attention(query, key, value, 1, None);
        let mixed = self.output.forward(mixed).swap_dims(1, 2); // [B, C, H·W]
        x + mixed.reshape([batch, channels, height, width])
    }
}

/// Residual block, attention, residual block at the lowest resolution; always of the whole picture.
#[derive(Module, Debug)]
pub(super) struct Middle {
    first: ResidualBlock,
    attention: Option<SpatialAttention>,
    second: ResidualBlock,
}

impl Middle {
    pub fn new(init: &mut Init, config: &KlConfig, channels: usize) -> Self {
        let groups = config.norm_groups;
        Self {
            first: ResidualBlock::new(init, groups, channels, channels),
            attention: config.attention.then(|| SpatialAttention::new(init, groups, channels)),
            second: ResidualBlock::new(init, groups, channels, channels),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns the same shape
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.first.forward(Bands::whole(x)).join();
        let x = match &self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        };
        self.second.forward(Bands::whole(x)).join()
    }
}

/// Residual blocks at one resolution, and what comes after them.
#[derive(Module, Debug)]
pub(super) struct Level {
    blocks: Vec<ResidualBlock>,
    resample: Option<Convolution>,
    /// Whether the resampling doubles the size; it halves it otherwise.
    #[module(skip)]
    up: bool,
}

impl Level {
    /// `count` blocks from `inputs` to `outputs` channels, then perhaps a change of size.
    pub fn new(
        init: &mut Init,
        groups: usize,
        [inputs, outputs]: [usize; 2],
        count: usize,
        resample: Option<Resample>,
    ) -> Self {
        let block = |i: usize| {
            let inputs = if i == 0 { inputs } else { outputs };
            ResidualBlock::new(init, groups, inputs, outputs)
        };
        let blocks = (0..count).map(block).collect();
        let up = resample == Some(Resample::Double);
        let resample = resample.map(|_| Convolution::new(init, outputs, outputs, 1.0));
        Self { blocks, resample, up }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H', W']`, half, once or twice the size
    pub fn forward(&self, x: Bands) -> Bands {
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        match &self.resample {
            None => x,
            Some(conv) if self.up => x.map(|x| conv.forward_doubled(x)),
            Some(conv) => x.map(|x| {
                // Zeros after the last row and column only.
                let x = x.pad([(0, 1), (0, 1)], PadMode::Constant(0.0));
                let options = ConvolutionOptions { stride: 2, ..Default::default() };
                conv2d(x, wide(&conv.weight), conv.bias.val(), options)
            }),
        }
    }
}

/// How the size changes after a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resample {
    /// A convolution at every other position.
    Halve,
    /// Each pixel twice along both axes, then a convolution.
    Double,
}

/// Norm, SiLU and 3×3 convolution.
#[derive(Module, Debug)]
pub(super) struct Output {
    norm: GroupNorm,
    conv: Convolution,
}

impl Output {
    pub fn new(init: &mut Init, groups: usize, inputs: usize, outputs: usize) -> Self {
        Self {
            norm: GroupNorm::new(init, inputs, groups, EPSILON),
            conv: Convolution::new(init, inputs, outputs, 1.0),
        }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, x: Bands) -> Bands {
        let norm = x.norm(&self.norm, |x| x);
        x.map(|x| self.conv.forward(norm.silu(x)))
    }
}
