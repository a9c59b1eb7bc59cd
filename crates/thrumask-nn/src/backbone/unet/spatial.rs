//! Spatial attention: within a frame, to the text, and, in the encoder, the object layers over all
//! frames.

use burn::{module::Module, tensor::Tensor};

use super::{
    UnetConfig,
    pass::{LevelContext, Pass, features_of, tokens_of},
};
use crate::{
    backbone::ObjectAttention,
    layers::{Attention, GatedMlp, GroupNorm, Init, LayerNorm, Pointwise},
};

/// ε of the norm before a transformer.
pub const TRANSFORMER_EPSILON: f32 = 1e-6;

/// Self-attention → masked self-attention → cross-attention → masked cross-attention → perceptron (the
/// paper's order).
#[derive(Module, Debug)]
struct SpatialBlock {
    norm1: LayerNorm,
    attn1: Attention,
    object_attention: Option<ObjectAttention>,
    norm2: LayerNorm,
    attn2: Attention,
    object_cross_attention: Option<ObjectAttention>,
    norm3: LayerNorm,
    ff: GatedMlp,
}

impl SpatialBlock {
    /// `number` counts the spatial attention blocks of the encoder; `None` elsewhere.
    fn new(init: &mut Init, config: &UnetConfig, width: usize, number: Option<usize>) -> Self {
        let layers = &config.object_layers;
        let [among, across] = number.map_or([None; 2], |number| layers.of_block(number));
        let attend = |init: &mut Init, context: usize| {
            Attention::without_norms(init, width, context, config.heads, 0.5)
        };
        let (own, text) = (
            |init: &mut Init| attend(init, width),
            |init: &mut Init| attend(init, config.text_width),
        );
        Self {
            norm1: LayerNorm::new(init, width),
            attn1: own(init).biased(init),
            object_attention: among
                .map(|masked| ObjectAttention::new(init, own, width, layers.gate_start, masked)),
            norm2: LayerNorm::new(init, width),
            attn2: text(init).biased(init),
            object_cross_attention: across
                .map(|masked| ObjectAttention::new(init, text, width, layers.gate_start, masked)),
            norm3: LayerNorm::new(init, width),
            ff: GatedMlp::new(init, width, 4 * width, 0.5),
        }
    }

    /// Whether nothing in it looks across frames.
    fn is_per_frame(&self) -> bool {
        self.object_attention.is_none() && self.object_cross_attention.is_none()
    }

    /// # Shapes
    /// - `z`: `[B·T, N, C]`
    /// - returns `[B·T, N, C]`
    fn forward(&self, z: Tensor<3>, pass: &Pass<'_>, level: &LevelContext<'_>) -> Tensor<3> {
        let LevelContext { objects, positions } = level;
        let [frame, video] = match positions {
            Some(positions) => [Some(&positions.frame), Some(&positions.video)],
            None => [None; 2],
        };
        let z = pass.by_frames([z], |[z], _| {
            z.clone() + self.attn1.among(self.norm1.forward(z), frame, None, None)
        });
        let z = match &self.object_attention {
            Some(layer) => joined(z, pass, |z| layer.among(z, video, *objects)),
            None => z,
        };
        let z = pass.by_frames([z], |[z], part| {
            joined(z, part, |z| z.clone() + self.attn2.to(self.norm2.forward(z), pass.text))
        });
        let z = match &self.object_cross_attention {
            Some(layer) => joined(z, pass, |z| layer.to(z, pass.text, *objects)),
            None => z,
        };
        pass.by_frames([z], |[z], _| z.clone() + self.ff.forward(self.norm3.forward(z)))
    }
}

/// What `make` makes of the tokens of a pass's frames together: object layers look across them, and a text
/// is the same for all frames of a batch row.
///
/// # Shapes
/// - `z`: `[B·T, N, C]`; `make` gets `[B, T·N, C]` and keeps the shape
/// - returns `[B·T, N, C]`
fn joined(z: Tensor<3>, pass: &Pass<'_>, make: impl Fn(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
    let [images, tokens, width] = z.dims();
    make(z.reshape([pass.batch, pass.frames * tokens, width])).reshape([images, tokens, width])
}

/// Spatial attention over feature maps, as a residual.
#[derive(Module, Debug)]
pub struct SpatialTransformer {
    norm: GroupNorm,
    proj_in: Pointwise,
    transformer_blocks: Vec<SpatialBlock>,
    proj_out: Pointwise,
}

impl SpatialTransformer {
    /// `number` counts those of the encoder; `None` elsewhere.
    pub fn new(init: &mut Init, config: &UnetConfig, width: usize, number: Option<usize>) -> Self {
        Self {
            norm: GroupNorm::new(init, width, config.norm_groups, TRANSFORMER_EPSILON),
            proj_in: Pointwise::new(init, width, width, 1.0),
            transformer_blocks: vec![SpatialBlock::new(init, config, width, number)],
            proj_out: Pointwise::new(init, width, width, 0.3),
        }
    }

    /// # Shapes
    /// - `x`: `[B·T, C, H, W]`
    /// - returns `[B·T, C, H, W]`
    pub fn forward(&self, x: Tensor<4>, pass: &Pass<'_>, level: &LevelContext<'_>) -> Tensor<4> {
        match self.transformer_blocks.iter().all(SpatialBlock::is_per_frame) {
            true => pass.by_frames([x], |[x], part| self.transform(x, part, level)),
            false => self.transform(x, pass, level),
        }
    }

    fn transform(&self, x: Tensor<4>, pass: &Pass<'_>, level: &LevelContext<'_>) -> Tensor<4> {
        let [_, _, h, w] = x.dims();
        let z = pass.by_frames([x.clone()], |[x], _| {
            self.proj_in.forward(tokens_of(self.norm.forward(x))) // [B·T, H·W, C]
        });
        let z = self.transformer_blocks.iter().fold(z, |z, b| b.forward(z, pass, level));
        x + pass.by_frames([z], |[z], _| features_of(self.proj_out.forward(z), [h, w]))
    }
}
