//! A small transformer over words, trained jointly with the network that reads it.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

use super::Vocabulary;
use crate::layers::{Context, EncoderBlock, Init, KeyMask, LayerNorm};

/// Sizes of a [`TextEncoder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextEncoderConfig {
    /// Channels.
    pub width: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// The most tokens of one text, the start token included.
    pub max_tokens: usize,
}

impl TextEncoderConfig {
    /// The nano size.
    pub fn nano() -> Self {
        Self { width: 128, depth: 2, heads: 4, max_tokens: 72 }
    }
}

/// Words to embeddings.
#[derive(Module, Debug)]
pub struct TextEncoder {
    words: Param<Tensor<2>>,
    positions: Param<Tensor<2>>,
    blocks: Vec<EncoderBlock>,
    norm: LayerNorm,
    #[module(skip)]
    max_tokens: usize,
}

impl TextEncoder {
    /// An encoder for a vocabulary of `vocabulary` ids.
    pub fn new(init: &mut Init, config: &TextEncoderConfig, vocabulary: usize) -> Self {
        let width = config.width;
        let gain = 1.0 / (2.0 * config.depth as f32).sqrt();
        Self {
            words: init.normal([vocabulary, width], 0.5),
            positions: init.normal([config.max_tokens, width], 0.3),
            blocks: (0..config.depth)
                .map(|_| EncoderBlock::new(init, width, config.heads, 3 * width, gain))
                .collect(),
            norm: LayerNorm::new(init, width),
            max_tokens: config.max_tokens,
        }
    }

    /// Embeds texts, padded to the longest of them.
    ///
    /// # Shapes
    /// - `texts`: `B` texts of up to `L` tokens
    /// - returns `[B, L, D]` with the valid length of each row
    pub fn encode(&self, vocabulary: &Vocabulary, texts: &[&str]) -> Context {
        let rows: Vec<Vec<u32>> =
            texts.iter().map(|t| vocabulary.encode(t, self.max_tokens)).collect();
        let length = rows.iter().map(Vec::len).max().unwrap_or(1);
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let mut ids = vec![super::vocabulary::PADDING as i32; rows.len() * length];
        for (row, out) in rows.iter().zip(ids.chunks_exact_mut(length)) {
            out.iter_mut().zip(row).for_each(|(o, &id)| *o = id as i32);
        }
        let words = self.words.val();
        let width = words.dims()[1];
        let count = ids.len();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [count]), &words.device());
        let x = words.select(0, ids).reshape([rows.len(), length, width]); // [B, L, D]
        let mut x = x + self.positions.val().narrow(0, 0, length).unsqueeze::<3>(); // [B, L, D]
        for block in &self.blocks {
            x = block.forward(x, None, Some(&lengths));
        }
        Context::new(self.norm.forward(x), KeyMask::Lengths(lengths))
    }
}
