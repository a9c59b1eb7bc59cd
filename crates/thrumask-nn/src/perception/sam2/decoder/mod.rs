//! Features and prompts to masks.

mod transformer;
mod upscale;

use burn::{
    module::Module,
    tensor::{Tensor, activation::sigmoid},
};

use super::Sam2Config;
use crate::layers::{Embedding, Init, Perceptron};
use transformer::TwoWay;
use upscale::Upscale;

/// Layers of the perceptrons that make masks and judge whether there is an object.
const HEAD_DEPTH: usize = 3;

/// What the decoder reads. Of pictures there are as many as objects, or one for all of them.
#[derive(Debug, Clone)]
pub struct DecoderInput {
    /// The coarsest features, with what is remembered or [`Sam2::no_memory`](super::Sam2::no_memory) in
    /// them, `[B or 1, C, S/16, S/16]`.
    pub features: Tensor<4>,
    /// The finer levels, finest first: `[B or 1, C/8, S/4, S/4]` and `[B or 1, C/4, S/8, S/8]`.
    pub fine: [Tensor<4>; 2],
    /// [`PromptEncoder::picture_positions`](super::PromptEncoder::picture_positions).
    pub positions: Tensor<4>,
    /// The prompts.
    pub prompts: super::PromptTokens,
}

/// Masks and what is known of them; `M` is the number of masks that a prompt may mean, 1 or several.
#[derive(Debug, Clone)]
pub struct DecoderOutput {
    /// Logits, above 0 where the object is, `[B, M, S/4, S/4]`.
    pub masks: Tensor<4>,
    /// The overlap with the true mask that is expected, in [0, 1], `[B, M]`.
    pub iou: Tensor<2>,
    /// Logit of whether the object is there at all, `[B, 1]`.
    pub object_score: Tensor<2>,
    /// What each mask was made of, `[B, M, C]`; one only when a single mask was asked for, that of the
    /// single one even where another took its place.
    pub tokens: Tensor<3>,
}

/// Features and prompts to masks.
#[derive(Module, Debug)]
pub struct MaskDecoder {
    /// Asks whether the object is there.
    object_token: Embedding,
    /// Asks how good the masks are.
    iou_token: Embedding,
    /// The single mask, then the several.
    mask_tokens: Embedding,
    transformer: TwoWay,
    upscale: Upscale,
    /// What makes each mask.
    masks: Vec<Perceptron>,
    iou: Perceptron,
    object: Perceptron,
    #[module(skip)]
    dynamic: bool,
    #[module(skip)]
    stability_delta: f32,
    #[module(skip)]
    stability_threshold: f32,
}

impl MaskDecoder {
    /// A decoder that has learned nothing.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, decoder) = (config.width, &config.mask_decoder);
        let masks = decoder.multimasks + 1;
        let mask = |_| Perceptron::new(init, [width, width, width / 8], HEAD_DEPTH);
        let made = (0..masks).map(mask).collect();
        let iou = [width, decoder.iou_hidden, masks];
        Self {
            object_token: Embedding::new(init, 1, width, 0.5),
            iou_token: Embedding::new(init, 1, width, 0.5),
            mask_tokens: Embedding::new(init, masks, width, 0.5),
            transformer: TwoWay::new(init, config),
            upscale: Upscale::new(init, width),
            masks: made,
            iou: Perceptron::new(init, iou, decoder.iou_depth),
            object: Perceptron::new(init, [width, width, 1], HEAD_DEPTH),
            dynamic: decoder.dynamic_multimask,
            stability_delta: decoder.stability_delta,
            stability_threshold: decoder.stability_threshold,
        }
    }

    /// Masks of every object: several for each with `multimask`, else one.
    pub fn forward(&self, input: DecoderInput, multimask: bool) -> DecoderOutput {
        let DecoderInput { features, fine, positions, prompts } = input;
        let [objects, _, width] = prompts.sparse.dims();
        let asked = [&self.object_token, &self.iou_token, &self.mask_tokens];
        let asked = Tensor::cat(asked.map(|t| t.table.val()).to_vec(), 0); // [2 + M, C]
        let asked = asked.unsqueeze::<3>().repeat_dim(0, objects); // [B, 2 + M, C]
        let tokens = Tensor::cat(vec![asked, prompts.sparse], 1); // [B, 2 + M + P, C]
        let [_, _, rows, columns] = features.dims();
        let flat = |x: Tensor<4>| {
            let x = x.flatten::<3>(2, 3).swap_dims(1, 2); // [B or 1, h·w, C]
            x.expand([objects, rows * columns, width])
        };
        let picture = flat(features) + flat(prompts.dense);
        let (tokens, picture) = self.transformer.forward(tokens, picture, flat(positions));
        let token = |i: usize| tokens.clone().narrow(1, i, 1).squeeze_dim::<2>(1); // [B, C]
        let made: Vec<Tensor<2>> =
            self.masks.iter().enumerate().map(|(i, mask)| mask.forward(token(2 + i))).collect();
        let made = Tensor::stack::<3>(made, 1); // [B, M, C/8]
        let masks = self.upscale.masks(picture, [rows, columns], fine, made);
        let iou = sigmoid(self.iou.forward(token(1))); // [B, M]
        let several = self.masks.len() - 1;
        let object_score = self.object.forward(token(0)); // [B, 1]
        let (masks, iou, first, count) = match multimask {
            true => (masks.narrow(1, 1, several), iou.narrow(1, 1, several), 1, several),
            false if self.dynamic => {
                let (masks, iou) = self.stable(masks, iou);
                (masks, iou, 0, 1)
            }
            false => (masks.narrow(1, 0, 1), iou.narrow(1, 0, 1), 0, 1),
        };
        DecoderOutput { masks, iou, object_score, tokens: tokens.narrow(1, 2 + first, count) }
    }

    /// The single mask, or the best of the several where it is not stable.
    ///
    /// # Shapes
    /// - `masks`: `[B, M, h, w]`, `iou`: `[B, M]`
    /// - returns `[B, 1, h, w]` and `[B, 1]`
    fn stable(&self, masks: Tensor<4>, iou: Tensor<2>) -> (Tensor<4>, Tensor<2>) {
        let [objects, count, rows, columns] = masks.dims();
        let single = masks.clone().narrow(1, 0, 1); // [B, 1, h, w]
        let area = |threshold: f32| {
            let inside = single.clone().greater_elem(threshold).float();
            inside.reshape([objects, rows * columns]).sum_dim(1) // [B, 1]
        };
        let (inner, outer) = (area(self.stability_delta), area(-self.stability_delta));
        // A mask of nothing is stable.
        let empty = outer.clone().equal_elem(0.0);
        let stable = (inner / outer.clamp_min(1.0)).mask_fill(empty, 1.0);
        let unstable = stable.lower_elem(self.stability_threshold); // [B, 1]
        let best = iou.clone().narrow(1, 1, count - 1).argmax(1) + 1; // [B, 1]
        let own = best.zeros_like();
        let chosen = own.mask_where(unstable, best); // [B, 1]
        let at = chosen.clone().reshape([objects, 1, 1, 1]).expand([objects, 1, rows, columns]);
        (masks.gather(1, at), iou.gather(1, chosen))
    }
}
