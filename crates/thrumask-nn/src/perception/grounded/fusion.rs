//! The blocks: picture tokens among themselves, and picture and object queries in turn (after the
//! two-way decoder of Segment Anything and the feature enhancer of Grounding DINO).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::sigmoid},
};
use thrumask_kernels::RopeTable;

use super::GroundedConfig;
use crate::layers::{Attention, Context, EncoderBlock, Init, KeyMask, LayerNorm, Linear, Mlp};

/// An object covers about one token in twenty.
const FIRST_MATCH_LOGIT: f32 = -3.0;

/// Where each object may be, by comparing its query with every token, and a mark of it there.
#[derive(Module, Debug)]
pub(super) struct Mark {
    query_norm: LayerNorm,
    query: Linear,
    image_norm: LayerNorm,
    image: Linear,
    bias: Param<Tensor<1>>,
    value: Linear,
    output: Linear,
}

impl Mark {
    fn new(init: &mut Init, config: &GroundedConfig, gain: f32) -> Self {
        let (width, match_width) = (config.width, config.match_width);
        Self {
            query_norm: LayerNorm::new(init, width),
            query: Linear::without_bias(init, width, match_width, 1.0),
            image_norm: LayerNorm::new(init, width),
            image: Linear::without_bias(init, width, match_width, 1.0),
            bias: init.constant([1], FIRST_MATCH_LOGIT),
            value: Linear::without_bias(init, width, width, 1.0),
            output: Linear::without_bias(init, width, width, gain),
        }
    }

    /// # Shapes
    /// - `image`: `[B, N, C]`
    /// - `queries`: `[B, S, C]`
    /// - `asked`: 1 for an object, 0 for padding, `[B, S, 1]`
    /// - returns the marked image and the logits of the comparison, `[B, S, N]`
    fn forward(
        &self,
        image: Tensor<3>,
        queries: Tensor<3>,
        asked: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let query = self.query.forward(self.query_norm.forward(queries.clone())); // [B, S, m]
        let key = self.image.forward(self.image_norm.forward(image.clone())); // [B, N, m]
        let [_, _, width] = query.dims();
        let logits = query.matmul(key.swap_dims(1, 2)) / (width as f32).sqrt(); // [B, S, N]
        let logits = logits + self.bias.val().reshape([1, 1, 1]);
        let values = self.value.forward(queries) * asked; // [B, S, C]
        let marks = sigmoid(logits.clone()).swap_dims(1, 2).matmul(values); // [B, N, C]
        (image + self.output.forward(marks), logits)
    }
}

/// One turn: every object is marked where it may be; the objects look at each other and at the
/// marked picture; then the picture looks at itself.
#[derive(Module, Debug)]
pub(super) struct FusionBlock {
    mark: Mark,
    object_norm: LayerNorm,
    objects: Attention,
    look_norm: LayerNorm,
    look: Attention,
    mlp_norm: LayerNorm,
    mlp: Mlp,
    image: EncoderBlock,
}

/// The state of picture and objects between blocks.
pub(super) struct Turn {
    /// `[B, N, C]`.
    pub image: Tensor<3>,
    /// `[B, S, C]`.
    pub queries: Tensor<3>,
    /// Where each object may be, as logits of tokens, `[B, S, N]`, of every block so far.
    pub matches: Vec<Tensor<3>>,
}

impl FusionBlock {
    pub(super) fn new(init: &mut Init, config: &GroundedConfig, gain: f32) -> Self {
        let (width, heads) = (config.width, config.heads);
        Self {
            mark: Mark::new(init, config, gain),
            object_norm: LayerNorm::new(init, width),
            objects: Attention::new(init, width, heads, gain),
            look_norm: LayerNorm::new(init, width),
            look: Attention::with_context(init, width, width, heads, gain),
            mlp_norm: LayerNorm::new(init, width),
            mlp: Mlp::new(init, width, width, gain),
            image: EncoderBlock::new(init, width, heads, config.mlp_ratio * width, gain),
        }
    }

    /// # Shapes
    /// - `counts`: how many of the queries of each batch row are objects
    /// - `asked`: the same as 1 and 0, `[B, S, 1]`
    pub(super) fn forward(
        &self,
        turn: Turn,
        counts: &[usize],
        asked: &Tensor<3>,
        rope: &RopeTable,
    ) -> Turn {
        let Turn { image, queries, mut matches } = turn;
        let (image, logits) = self.mark.forward(image, queries.clone(), asked.clone());
        matches.push(logits);
        let h = self.object_norm.forward(queries.clone());
        let queries = queries + self.objects.among(h, None, None, Some(counts));
        let seen = whole(image.clone());
        let queries = queries.clone() + self.look.to(self.look_norm.forward(queries), &seen);
        let queries = queries.clone() + self.mlp.forward(self.mlp_norm.forward(queries));
        Turn { image: self.image.forward(image, Some(rope), None), queries, matches }
    }
}

/// All tokens of each picture as something to attend to.
///
/// # Shapes
/// - `image`: `[B, N, C]`
pub(super) fn whole(image: Tensor<3>) -> Context {
    let [batch, tokens, _] = image.dims();
    Context::new(image, KeyMask::Lengths(vec![tokens; batch]))
}
