//! Features that look at what was seen before.

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::RopeTable;

use super::super::Sam2Config;
use super::encoder::tokens;
use crate::layers::{Attention, Init, LayerNorm, Perceptron};

/// How much of the places is added to the features.
const PLACES: f32 = 0.1;

/// What is remembered, as the attention reads it.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// Maps one after the other, then pointers, `[B, L, M]`.
    pub tokens: Tensor<3>,
    /// Where and when they were, `[1, L, M]`.
    pub positions: Tensor<3>,
    /// Number of maps; their tokens turn with their places, those of pointers do not.
    pub maps: usize,
}

/// A block: of places to each other, of places to what is remembered, of each by itself.
#[derive(Module, Debug)]
struct MemoryBlock {
    among_norm: LayerNorm,
    among: Attention,
    memory_norm: LayerNorm,
    memory: Attention,
    mlp_norm: LayerNorm,
    mlp: Perceptron,
}

impl MemoryBlock {
    fn forward(&self, x: Tensor<3>, memory: &Recalled, tables: [&RopeTable; 2]) -> Tensor<3> {
        let [places, all] = tables;
        let own = self.among_norm.forward(x.clone());
        let x = x + self.among.between_turned(own.clone(), own.clone(), own, [places, places]);
        let own = self.memory_norm.forward(x.clone());
        let key = memory.tokens.clone() + memory.positions.clone(); // [B, L, M]
        let x = x + self.memory.between_turned(own, key, memory.tokens.clone(), [places, all]);
        x.clone() + self.mlp.forward(self.mlp_norm.forward(x))
    }
}

/// Features that look at what was seen before.
#[derive(Module, Debug)]
pub struct MemoryAttention {
    blocks: Vec<MemoryBlock>,
    norm: LayerNorm,
    /// Channels of a head.
    #[module(skip)]
    head_width: usize,
    #[module(skip)]
    rope_theta: f32,
}

impl MemoryAttention {
    /// An attention that has learned nothing.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, sizes) = (config.width, &config.memory_attention);
        let (inner, channels) = (width / sizes.downsample_rate, config.memory_encoder.channels);
        let block = |_| MemoryBlock {
            among_norm: LayerNorm::new(init, width),
            among: Attention::through(init, width, inner, sizes.heads),
            memory_norm: LayerNorm::new(init, width),
            memory: Attention::through_to(init, width, channels, inner, sizes.heads)
                .looking_around(init),
            mlp_norm: LayerNorm::new(init, width),
            mlp: Perceptron::new(init, [width, sizes.hidden, width], 2),
        };
        let blocks = (0..sizes.layers).map(block).collect();
        Self {
            blocks,
            norm: LayerNorm::new(init, width),
            head_width: inner / sizes.heads,
            rope_theta: sizes.rope_theta,
        }
    }

    /// # Shapes
    /// - `features`: of the coarsest level, `[B, C, H, W]`
    /// - `positions`: of the same level ([`ImageFeatures`](super::super::ImageFeatures)), `[1, C, H, W]`
    /// - returns `[B, C, H, W]`
    pub fn forward(
        &self,
        features: Tensor<4>,
        positions: Tensor<4>,
        memory: &Recalled,
    ) -> Tensor<4> {
        let [batch, width, rows, columns] = features.dims();
        let pointers = memory.tokens.dims()[1] - memory.maps * rows * columns;
        let places = self.table([rows, columns], 1, 0);
        let all = self.table([rows, columns], memory.maps, pointers);
        let x = tokens(features) + tokens(positions) * PLACES; // [B, H·W, C]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, memory, [&places, &all]));
        self.norm.forward(x).swap_dims(1, 2).reshape([batch, width, rows, columns]) // [B, C, H, W]
    }

    /// Angles of the places of so many maps, then of tokens that do not turn: the first half of a head's
    /// pairs by the column, the second by the row (Heo et al., "Rotary Position Embedding for Vision
    /// Transformer", ECCV 2024).
    fn table(&self, [rows, columns]: [usize; 2], maps: usize, still: usize) -> RopeTable {
        let quarter = self.head_width / 4;
        let frequency = |i: usize| self.rope_theta.powf(-((2 * i) as f32) / (2 * quarter) as f32);
        let frequencies: Vec<f32> = (0..quarter).map(frequency).collect();
        let mut angles = Vec::with_capacity(rows * columns * 2 * quarter);
        for row in 0..rows {
            for column in 0..columns {
                for place in [column, row] {
                    angles.extend(frequencies.iter().map(|f| place as f32 * f));
                }
            }
        }
        let mut cosines = angles.iter().map(|a| a.cos()).collect::<Vec<_>>().repeat(maps);
        let mut sines = angles.iter().map(|a| a.sin()).collect::<Vec<_>>().repeat(maps);
        let count = maps * rows * columns + still;
        cosines.resize(count * 2 * quarter, 1.0);
        sines.resize(count * 2 * quarter, 0.0);
        RopeTable::new(cosines, sines, count, 2 * quarter)
    }
}
