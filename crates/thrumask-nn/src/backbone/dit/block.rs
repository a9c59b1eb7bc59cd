//! One block: self-attention → masked self-attention → cross-attention → masked cross-attention →
//! perceptron (the paper's order).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use thrumask_kernels::RopeTable;

use super::config::{DitConfig, ObjectLayer};
use crate::{
    backbone::ObjectContext,
    layers::{Attention, Context, Init, LayerNorm, Mlp, norm::EPSILON},
};

/// Adaptive shift, scale and gate of one block, for the self-attention and for the perceptron.
pub const MODULATIONS: usize = 6;

/// z + tanh(γ)·SelfAttention(LayerNorm(z)), after GLIGEN and BlobGEN.
#[derive(Module, Debug)]
pub struct ObjectSelfAttention {
    norm: LayerNorm,
    attention: Attention,
    /// γ, `[1]`.
    gate: Param<Tensor<1>>,
    /// Whether tokens keep to their own object.
    #[module(skip)]
    masked: bool,
}

/// z + tanh(γ)·CrossAttention(LayerNorm(z), object prompts).
#[derive(Module, Debug)]
pub struct ObjectCrossAttention {
    norm: LayerNorm,
    attention: Attention,
    /// γ, `[1]`.
    gate: Param<Tensor<1>>,
    /// Whether tokens see object prompts through boxes rather than the global text.
    #[module(skip)]
    masked: bool,
}

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
    object_attention: Option<ObjectSelfAttention>,
    cross_norm: LayerNorm,
    cross_attention: Attention,
    object_cross_attention: Option<ObjectCrossAttention>,
    mlp: Mlp,
}

/// x + tanh(γ)·y.
fn open(x: Tensor<3>, gate: &Param<Tensor<1>>, y: Tensor<3>) -> Tensor<3> {
    let [batch, _, width] = y.dims();
    let gate = gate.val().tanh().reshape([1, 1]).expand([batch, width]); // [B, C]
    thrumask_kernels::gated_residual(x, gate, y)
}

impl DitBlock {
    /// Block number `index` of a network.
    pub fn new(init: &mut Init, config: &DitConfig, index: usize) -> Self {
        let (width, heads) = (config.width, config.heads);
        let layers = &config.object_layers;
        let gain = 1.0 / (2.0 * config.depth as f32).sqrt();
        let gamma = layers.gate_start.atanh();
        let kind = |layer: ObjectLayer| match layer {
            ObjectLayer::Masked if index < layers.blocks => Some(true),
            ObjectLayer::Unmasked if index < layers.blocks => Some(false),
            _ => None,
        };
        Self {
            modulation: init.normal([1, MODULATIONS * width], 0.02),
            attention: Attention::new(init, width, heads, gain),
            object_attention: kind(layers.self_attention).map(|masked| ObjectSelfAttention {
                norm: LayerNorm::new(init, width),
                attention: Attention::new(init, width, heads, gain),
                gate: init.constant([1], gamma),
                masked,
            }),
            cross_norm: LayerNorm::new(init, width),
            cross_attention: Attention::with_context(init, width, config.text_width, heads, gain),
            object_cross_attention: kind(layers.cross_attention).map(|masked| {
                let attention =
                    Attention::with_context(init, width, config.text_width, heads, gain);
                ObjectCrossAttention {
                    norm: LayerNorm::new(init, width),
                    attention,
                    gate: init.constant([1], gamma),
                    masked,
                }
            }),
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
            Some(layer) => {
                let groups = context.objects.map(|o| &o.groups).filter(|_| layer.masked);
                let h = layer.norm.forward(x.clone());
                open(x, &layer.gate, layer.attention.among(h, context.rope, groups, None))
            }
            None => x,
        };

        let h = self.cross_norm.forward(x.clone());
        let x = x + self.cross_attention.to(h, context.text);

        let x = match &self.object_cross_attention {
            Some(layer) => {
                let prompts = context.objects.map(|o| &o.prompts).filter(|_| layer.masked);
                let h = layer.norm.forward(x.clone());
                let h = layer.attention.to(h, prompts.unwrap_or(context.text));
                open(x, &layer.gate, h)
            }
            None => x,
        };

        let h = thrumask_kernels::layer_norm_modulate(x.clone(), part(3), part(4), EPSILON);
        thrumask_kernels::gated_residual(x, part(5), self.mlp.forward(h))
    }

    /// Whether any layer of this block needs object groups and prompts.
    pub fn needs_objects(&self) -> bool {
        self.object_attention.as_ref().is_some_and(|l| l.masked)
            || self.object_cross_attention.as_ref().is_some_and(|l| l.masked)
    }
}
