//! A plain transformer block.

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::RopeTable;

use super::{Attention, Init, LayerNorm, Mlp};

/// Self-attention, then a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
pub struct EncoderBlock {
    attention_norm: LayerNorm,
    attention: Attention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
}

impl EncoderBlock {
    /// A block of `width` channels with `hidden` units in its perceptron; `gain` scales what it adds
    /// at first.
    pub fn new(init: &mut Init, width: usize, heads: usize, hidden: usize, gain: f32) -> Self {
        Self {
            attention_norm: LayerNorm::new(init, width),
            attention: Attention::new(init, width, heads, gain),
            mlp_norm: LayerNorm::new(init, width),
            mlp: Mlp::new(init, width, hidden, gain),
        }
    }

    /// Tokens that have looked at each other.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - `lengths`: valid tokens of each batch row, all when `None`
    /// - returns `[B, N, C]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        rope: Option<&RopeTable>,
        lengths: Option<&[usize]>,
    ) -> Tensor<3> {
        let h = self.attention_norm.forward(x.clone());
        let x = x + self.attention.among(h, rope, None, lengths);
        x.clone() + self.mlp.forward(self.mlp_norm.forward(x))
    }
}
