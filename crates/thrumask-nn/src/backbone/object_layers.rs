//! The layers that keep each object to itself and to its own prompt; both backbones have the same.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use serde::{Deserialize, Serialize};
use thrumask_kernels::RopeTable;

use super::ObjectContext;
use crate::{
    Error, Result,
    layers::{Attention, Context, Init, LayerNorm},
};

/// What stands in one of the two places for object layers of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectLayer {
    /// Nothing.
    Absent,
    /// Masked attention: self by segmentation (eq. 3), cross by boxes on object prompts (eq. 2).
    Masked,
    /// Plain attention of the same size over all tokens or the global text: the TI2V baseline,
    /// whose parameter count then equals the full model's.
    Unmasked,
}

/// The object layers of the first blocks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLayers {
    /// K: how many blocks, from the first, have them.
    pub blocks: usize,
    /// After the block's self-attention.
    pub self_attention: ObjectLayer,
    /// After the block's cross-attention.
    pub cross_attention: ObjectLayer,
    /// tanh(γ) at the start: 0 when added to a pretrained network, open when trained from scratch.
    pub gate_start: f32,
}

impl ObjectLayers {
    /// None at all: stage 1, and the "no masked attention" ablation.
    pub const NONE: Self = Self {
        blocks: 0,
        self_attention: ObjectLayer::Absent,
        cross_attention: ObjectLayer::Absent,
        gate_start: 0.0,
    };

    /// Of block `index`: whether there is self-attention, cross-attention, and whether it is masked.
    pub fn of_block(&self, index: usize) -> [Option<bool>; 2] {
        [self.self_attention, self.cross_attention].map(|layer| match layer {
            ObjectLayer::Masked if index < self.blocks => Some(true),
            ObjectLayer::Unmasked if index < self.blocks => Some(false),
            _ => None,
        })
    }

    /// Whether any layer needs to know who is where.
    pub fn are_masked(&self) -> bool {
        self.blocks > 0
            && [self.self_attention, self.cross_attention].contains(&ObjectLayer::Masked)
    }

    /// Checks the start of the gates.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not in (-1, 1).
    pub fn check(&self) -> Result<()> {
        let gate = self.gate_start;
        if gate.is_nan() || gate.abs() >= 1.0 {
            let reason = format!("expected (-1, 1), got {gate}");
            return Err(Error::config("object_layers.gate_start", reason));
        }
        Ok(())
    }
}

/// z + tanh(γ)·Attention(LayerNorm(z)), after GLIGEN and BlobGEN: of tokens to each other, or to prompts.
#[derive(Module, Debug)]
pub struct ObjectAttention {
    norm: LayerNorm,
    attention: Attention,
    /// γ, `[1]`.
    gate: Param<Tensor<1>>,
    /// Whether tokens keep to their own object, and see prompts through boxes.
    #[module(skip)]
    masked: bool,
}

impl ObjectAttention {
    /// Around what `attention` makes, with tanh(γ) = `gate_start`.
    pub fn new(
        init: &mut Init,
        attention: impl Fn(&mut Init) -> Attention,
        width: usize,
        gate_start: f32,
        masked: bool,
    ) -> Self {
        Self {
            norm: LayerNorm::new(init, width),
            attention: attention(init),
            gate: init.constant([1], gate_start.atanh()),
            masked,
        }
    }

    /// Self-attention: of tokens of one object when masked (eq. 3), of all otherwise.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`, the tokens of all frames
    /// - returns `[B, N, C]`
    pub fn among(
        &self,
        x: Tensor<3>,
        rope: Option<&RopeTable>,
        objects: Option<&ObjectContext>,
    ) -> Tensor<3> {
        let groups = objects.map(|o| &o.groups).filter(|_| self.masked);
        let h = self.norm.forward(x.clone());
        open(x, &self.gate, self.attention.among(h, rope, groups, None))
    }

    /// Cross-attention: to the prompts of objects through boxes when masked (eq. 2), to the global text
    /// otherwise.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`, the tokens of all frames
    /// - returns `[B, N, C]`
    pub fn to(&self, x: Tensor<3>, text: &Context, objects: Option<&ObjectContext>) -> Tensor<3> {
        let prompts = objects.map(|o| &o.prompts).filter(|_| self.masked);
        let h = self.attention.to(self.norm.forward(x.clone()), prompts.unwrap_or(text));
        open(x, &self.gate, h)
    }
}

/// x + tanh(γ)·y.
fn open(x: Tensor<3>, gate: &Param<Tensor<1>>, y: Tensor<3>) -> Tensor<3> {
    let [batch, _, width] = y.dims();
    let gate = gate.val().tanh().reshape([1, 1]).expand([batch, width]); // [B, C]
    thrumask_kernels::gated_residual(x, gate, y)
}
