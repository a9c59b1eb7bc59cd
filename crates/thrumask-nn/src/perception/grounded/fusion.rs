//! The blocks: picture tokens among themselves, and picture and object queries in turn (after the
//! two-way decoder of Segment Anything and the feature enhancer of Grounding DINO).

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::RopeTable;

use super::GroundedConfig;
use crate::layers::{Context, CrossAttention, Init, KeyMask, LayerNorm, Mlp, SelfAttention};

/// Self-attention with rotary positions and a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
pub(super) struct ImageBlock {
    attention_norm: LayerNorm,
    attention: SelfAttention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
}

impl ImageBlock {
    pub(super) fn new(init: &mut Init, config: &GroundedConfig, gain: f32) -> Self {
        let width = config.width;
        Self {
            attention_norm: LayerNorm::new(init, width),
            attention: SelfAttention::new(init, width, config.heads, gain),
            mlp_norm: LayerNorm::new(init, width),
            mlp: Mlp::new(init, width, config.mlp_ratio * width, gain),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - returns `[B, N, C]`
    pub(super) fn forward(&self, x: Tensor<3>, rope: &RopeTable) -> Tensor<3> {
        let h = self.attention_norm.forward(x.clone());
        let x = x + self.attention.forward(h, Some(rope), None, None);
        x.clone() + self.mlp.forward(self.mlp_norm.forward(x))
    }
}

/// One turn: the objects look at each other and at the picture, then the picture looks at the
/// objects and at itself.
#[derive(Module, Debug)]
pub(super) struct FusionBlock {
    object_norm: LayerNorm,
    objects: SelfAttention,
    look_norm: LayerNorm,
    look: CrossAttention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
    answer_norm: LayerNorm,
    answer: CrossAttention,
    image: ImageBlock,
}

impl FusionBlock {
    pub(super) fn new(init: &mut Init, config: &GroundedConfig, gain: f32) -> Self {
        let (width, heads) = (config.width, config.heads);
        Self {
            object_norm: LayerNorm::new(init, width),
            objects: SelfAttention::new(init, width, heads, gain),
            look_norm: LayerNorm::new(init, width),
            look: CrossAttention::new(init, width, width, heads, gain),
            mlp_norm: LayerNorm::new(init, width),
            mlp: Mlp::new(init, width, config.mlp_ratio * width, gain),
            answer_norm: LayerNorm::new(init, width),
            answer: CrossAttention::new(init, width, width, heads, gain),
            image: ImageBlock::new(init, config, gain),
        }
    }

    /// # Shapes
    /// - `image`: `[B, N, C]`
    /// - `queries`: `[B, S, C]`, of which the first `counts[b]` are objects
    /// - returns image and queries, shapes kept
    pub(super) fn forward(
        &self,
        image: Tensor<3>,
        queries: Tensor<3>,
        counts: &[usize],
        rope: &RopeTable,
    ) -> (Tensor<3>, Tensor<3>) {
        let h = self.object_norm.forward(queries.clone());
        let queries = queries + self.objects.forward(h, None, None, Some(counts));
        let seen = whole(image.clone());
        let queries = queries.clone() + self.look.forward(self.look_norm.forward(queries), &seen);
        let queries = queries.clone() + self.mlp.forward(self.mlp_norm.forward(queries));
        let asked = Context { tokens: queries.clone(), mask: KeyMask::Lengths(counts.to_vec()) };
        let image = image.clone() + self.answer.forward(self.answer_norm.forward(image), &asked);
        (self.image.forward(image, rope), queries)
    }
}

/// All tokens of each picture as something to attend to.
///
/// # Shapes
/// - `image`: `[B, N, C]`
pub(super) fn whole(image: Tensor<3>) -> Context {
    let [batch, tokens, _] = image.dims();
    Context { tokens: image, mask: KeyMask::Lengths(vec![tokens; batch]) }
}
