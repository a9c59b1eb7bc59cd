//! The trunk of the encoder: a transformer in four stages, each with half the rows and columns of the one
//! before (Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", ICML
//! 2023).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::{ConvolutionOptions, conv2d, gelu};

use super::{
    super::{EPSILON, ImageEncoderConfig, PATCH},
    positions::Positions,
    windows::Windows,
};
use crate::layers::{Init, LayerNorm, Linear};

/// Rows and columns of the convolution that makes the first tokens.
const KERNEL: usize = 7;

/// Attention of tokens within windows; perhaps of the largest of each four only.
#[derive(Module, Debug)]
struct WindowAttention {
    /// `[inputs, 3·outputs]`: queries, keys, values.
    qkv: Linear,
    output: Linear,
    #[module(skip)]
    heads: usize,
    /// Rows and columns of a window; 0 for all of the picture.
    #[module(skip)]
    window: usize,
    /// Whether queries are halved in rows and columns.
    #[module(skip)]
    halves: bool,
}

impl WindowAttention {
    /// # Shapes
    /// - `x`: `[B, H, W, inputs]`
    /// - returns `[B, H', W', outputs]`, half of each side where queries are halved
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = x.dims();
        let qkv = self.qkv.forward(x); // [B, H, W, 3·C]
        let windows = match self.window {
            0 => Windows { size: [height, width], window: [height, width] },
            side => Windows { size: [height, width], window: [side, side] },
        };
        // Places beyond the picture are zero before the map.
        let beyond = self.qkv.bias.as_ref().map(Param::val);
        let qkv = windows.split(qkv, beyond); // [B·n, N, 3·C]
        let [count, tokens, all] = qkv.dims();
        let outputs = all / 3;
        let part = |i: usize| qkv.clone().narrow(2, i * outputs, outputs); // [B·n, N, C]
        let (mut query, mut merged) = (part(0), windows);
        if self.halves {
            let [rows, columns] = windows.window;
            query = halved(query.reshape([count, rows, columns, outputs])).reshape([
                count,
                tokens / 4,
                outputs,
            ]);
            merged = windows.halved();
        }
        let mixed = thrumask_kernels::attention(query, part(1), part(2), self.heads, None);
        self.output.forward(merged.merge(mixed)) // [B, H', W', C]
    }
}

/// The largest of each 2×2 places; what is left over at odd ends is dropped.
///
/// # Shapes
/// - `x`: `[B, H, W, C]`
/// - returns `[B, H/2, W/2, C]`
fn halved(x: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = x.dims();
    let (rows, columns) = (height / 2, width / 2);
    let x = x.narrow(1, 0, 2 * rows).narrow(2, 0, 2 * columns);
    let x = x.reshape([batch * rows, 2, 2 * columns, channels]);
    let x = x.clone().narrow(1, 0, 1).max_pair(x.narrow(1, 1, 1)); // [B·H/2, 1, W, C]
    let x = x.reshape([batch * rows * columns, 2, channels]);
    let x = x.clone().narrow(1, 0, 1).max_pair(x.narrow(1, 1, 1)); // [B·H/2·W/2, 1, C]
    x.reshape([batch, rows, columns, channels])
}

/// Attention, then a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: WindowAttention,
    mlp_norm: LayerNorm,
    up: Linear,
    down: Linear,
    /// Of what goes around the attention, where channels change.
    around: Option<Linear>,
}

impl Block {
    /// # Shapes
    /// - `x`: `[B, H, W, inputs]`
    /// - returns `[B, H', W', outputs]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.attention_norm.forward(x.clone());
        let x = match &self.around {
            Some(map) if self.attention.halves => halved(map.forward(h.clone())),
            Some(map) => map.forward(h.clone()),
            None => x,
        };
        let x = x + self.attention.forward(h);
        let h = self.up.forward(self.mlp_norm.forward(x.clone())); // [B, H', W', hidden]
        x + self.down.forward(gelu(h))
    }
}

/// Pixels to tokens of four stages.
#[derive(Module, Debug)]
pub struct Hiera {
    /// `[C, 3, 7, 7]`.
    weight: Param<Tensor<4>>,
    /// `[C]`.
    bias: Param<Tensor<1>>,
    positions: Positions,
    blocks: Vec<Block>,
    /// Blocks after which a stage ends.
    #[module(skip)]
    ends: Vec<usize>,
}

impl Hiera {
    pub fn new(init: &mut Init, config: &ImageEncoderConfig) -> Self {
        let first = config.widths[0];
        let std = 1.0 / ((3 * KERNEL * KERNEL) as f32).sqrt();
        let (weight, bias) =
            (init.normal([first, 3, KERNEL, KERNEL], std), init.constant([first], 0.0));
        let positions = Positions::new(init, first, config.background, config.windows[0]);
        let gain = 1.0 / (2.0 * config.blocks.iter().sum::<usize>() as f32).sqrt();
        let (mut blocks, mut ends) = (Vec::new(), Vec::new());
        for stage in 0..config.blocks.len() {
            for i in 0..config.blocks[stage] {
                // The first block of a stage begins with what the stage before had.
                let before = if i == 0 { stage.saturating_sub(1) } else { stage };
                let global = config.global_blocks.contains(&blocks.len());
                let (inputs, outputs) = (config.widths[before], config.widths[stage]);
                let hidden = (outputs as f32 * config.mlp_ratio) as usize;
                blocks.push(Block {
                    attention_norm: LayerNorm::with_epsilon(init, inputs, EPSILON),
                    attention: WindowAttention {
                        qkv: Linear::new(init, inputs, 3 * outputs, 1.0),
                        output: Linear::new(init, outputs, outputs, gain),
                        heads: config.heads[stage],
                        window: if global { 0 } else { config.windows[before] },
                        halves: stage > 0 && i == 0,
                    },
                    mlp_norm: LayerNorm::with_epsilon(init, outputs, EPSILON),
                    up: Linear::new(init, outputs, hidden, 1.0),
                    down: Linear::new(init, hidden, outputs, gain),
                    around: (inputs != outputs).then(|| Linear::new(init, inputs, outputs, 1.0)),
                });
            }
            ends.push(blocks.len() - 1);
        }
        Self { weight, bias, positions, blocks, ends }
    }

    /// Tokens at the end of each stage, the finest first.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, H, W]`, normalised
    /// - returns `[B, H/4, W/4, C]` and so on
    pub fn forward(&self, pixels: Tensor<4>) -> Vec<Tensor<4>> {
        let options =
            ConvolutionOptions { stride: PATCH, padding: KERNEL / 2, ..Default::default() };
        let x = conv2d(pixels, self.weight.val(), self.bias.val(), options); // [B, C, H/4, W/4]
        let mut x = self.positions.add_to(x.permute([0, 2, 3, 1]));
        let mut stages = Vec::with_capacity(self.ends.len());
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.forward(x);
            if self.ends.contains(&i) {
                stages.push(x.clone());
            }
        }
        stages
    }
}
