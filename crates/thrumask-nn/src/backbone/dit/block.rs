//! One block: self-attention → masked self-attention → cross-attention → masked cross-attention →
//! perceptron (the paper's order).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::RopeTable;

use super::config::DitConfig;
use crate::{
    backbone::{ObjectAttention, ObjectContext},
    layers::{Attention, Context, Init, LayerNorm, Mlp, norm::EPSILON},
};

/// Adaptive shift, scale and gate of one block, for the self-attention and for the perceptron.
pub const MODULATIONS: usize = 6;

/// What every block of one forward pass shares.
pub struct BlockContext<'a> {
    /// Adaptive modulation from time, `[B, 6·C]`.
    pub modulation: Tensor<2>,
    /// The global text.
    pub text: &'a Context,
    /// Object groups and prompts.
    pub objects: Option<&'a ObjectContext>,
    /// Rotary tables of the token grid.
    pub rope: Option<&'a RopeTable>,
}

/// A transformer block.
#[derive(Module, Debug)]
pub struct DitBlock {
    /// Added to the shared modulation, `[1, 6·C]` (adaLN-single, PixArt-α).
    modulation: Param<Tensor<2>>,
    attention: Attention,
    object_attention: Option<ObjectAttention>,
    cross_norm: LayerNorm,
    cross_attention: Attention,
    object_cross_attention: Option<ObjectAttention>,
    mlp: Mlp,
}

impl DitBlock {
    /// Block number `index` of a network.
    pub fn new(init: &mut Init, config: &DitConfig, index: usize) -> Self {
        let (width, heads) = (config.width, config.heads);
        let layers = &config.object_layers;
        let gain = 1.0 / (2.0 * config.depth as f32).sqrt();
        let [among, across] = layers.of_block(index);
        let attend = |init: &mut Init| Attention::new(init, width, heads, gain);
        let read =
            |init: &mut Init| Attention::with_context(init, width, config.text_width, heads, gain);
        Self {
            modulation: init.normal([1, MODULATIONS * width], 0.02),
            attention: attend(init),
            object_attention: among
                .map(|masked| ObjectAttention::new(init, attend, width, layers.gate_start, masked)),
            cross_norm: LayerNorm::new(init, width),
            cross_attention: read(init),
            object_cross_attention: across
                .map(|masked| ObjectAttention::new(init, read, width, layers.gate_start, masked)),
            mlp: Mlp::new(init, width, config.mlp_ratio * width, gain),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - returns `[B, N, C]`
    pub fn forward(&self, x: Tensor<3>, context: &BlockContext<'_>) -> Tensor<3> {
        let [_, _, width] = x.dims();
        let modulation = context.modulation.clone() + self.modulation.val(); // [B, 6C]
        let part = |i: usize| modulation.clone().narrow(1, i * width, width); // [B, C]

        let h = thrumask_kernels::layer_norm_modulate(x.clone(), part(0), part(1), EPSILON);
        let h = self.attention.among(h, context.rope, None, None);
        let x = thrumask_kernels::gated_residual(x, part(2), h);

        let x = match &self.object_attention {
            Some(layer) => layer.among(x, context.rope, context.objects),
            None => x,
        };

        let h = self.cross_norm.forward(x.clone());
        let x = x + self.cross_attention.to(h, context.text);

        let x = match &self.object_cross_attention {
            Some(layer) => layer.to(x, context.text, context.objects),
            None => x,
        };

        let h = thrumask_kernels::layer_norm_modulate(x.clone(), part(3), part(4), EPSILON);
        thrumask_kernels::gated_residual(x, part(5), self.mlp.forward(h))
    }
}
