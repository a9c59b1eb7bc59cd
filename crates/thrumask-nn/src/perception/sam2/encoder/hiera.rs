//! The trunk of the encoder: a transformer in four stages, each with half the rows and columns of the one
//! before (Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", ICML
//! 2023).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::{
    ConvolutionOptions, conv2d, gelu, max_of_four, merge_windows, split_windows,
};

use super::{
    super::{EPSILON, ImageEncoderConfig, PATCH},
    positions::Positions,
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
        let window = if self.window == 0 { [height, width] } else { [self.window; 2] };
        // Places beyond the picture are zero before the map, and so the bias after it.
        let beyond = height % window[0] > 0 || width % window[1] > 0;
        let (qkv, bias) = match (beyond, &self.qkv.bias) {
            (true, Some(bias)) => (self.qkv.product(x), Some(bias.val())),
            _ => (self.qkv.forward(x), None),
        }; // [B, H, W, 3·C]
        let outputs = qkv.dims()[3] / 3;
        // Some of the parts, in windows.
        let split = |x: Tensor<4>, window: [usize; 2], first: usize| -> Tensor<3> {
            let count = x.dims()[3];
            let x = split_windows(x, window); // [B·n, N, count]
            match &bias {
                Some(bias) => x + bias.clone().narrow(0, first, count).reshape([1, 1, count]),
                None => x,
            }
        };
        let part = |x: &Tensor<3>, i: usize| x.clone().narrow(2, i * outputs, outputs);
        let (query, key, value, size, window) = match self.halves {
            false => {
                let all = split(qkv, window, 0);
                (part(&all, 0), part(&all, 1), part(&all, 2), [height, width], window)
            }
            true => {
                let query = max_of_four(qkv.clone().narrow(3, 0, outputs)); // [B, H/2, W/2, C]
                let others = split(qkv.narrow(3, outputs, 2 * outputs), window, outputs);
                let (size, window) = ([height / 2, width / 2], window.map(|side| side / 2));
                (split(query, window, 0), part(&others, 0), part(&others, 1), size, window)
            }
        };
        let mixed = thrumask_kernels::attention(query, key, value, self.heads, None);
        self.output.forward(merge_windows(mixed, size, window)) // [B, H', W', C]
    }
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
            Some(map) if self.attention.halves => max_of_four(map.forward(h.clone())),
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
        let [batch, channels, rows, columns] = x.dims();
        let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [B, H/4·W/4, C]
        let mut x = self.positions.add_to(x.reshape([batch, rows, columns, channels]));
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
