//! What the segmenter learns by: pixel-wise cross-entropy and the Dice loss (Milletari et al.,
//! "V-Net", 2016) on masks, cross-entropy on presence.

use burn::tensor::{Tensor, activation::sigmoid};

use super::GroundedOutput;
use crate::perception::cross_entropy;

/// How much a pixel of an object counts beside one of the background.
const OBJECT_WEIGHT: f32 = 2.0;
/// Cross-entropy is a mean over all pixels, most of which are easy background.
const PIXEL_WEIGHT: f32 = 10.0;
/// Weight of the presence score.
const PRESENCE_WEIGHT: f32 = 0.5;
/// Weight of where each block expected the objects.
const COARSE_WEIGHT: f32 = 0.4;
/// Added to both sides of the Dice fraction, in pixels, so that few pixels do not decide it.
const DICE_SMOOTHING: f32 = 1.0;

/// The truth about the objects asked for.
#[derive(Debug, Clone)]
pub struct GroundedTargets {
    /// 1 where the object is seen, else 0: `[B, S, H, W]`.
    pub masks: Tensor<4>,
    /// 1 for an object in the picture, else 0: `[B, S]`.
    pub present: Tensor<2>,
    /// 1 for an object asked for, 0 for padding: `[B, S]`.
    pub asked: Tensor<2>,
}

/// The loss, averaged over the objects asked for. An absent object has no mask to overlap with and
/// counts by its pixels and its presence alone. Where the blocks expected the objects is judged as
/// masks of tokens, by the share of each token that the object covers.
///
/// # Shapes
/// - returns `[1]`
pub fn grounded_loss(output: &GroundedOutput, targets: &GroundedTargets) -> Tensor<1> {
    let [batch, objects, height, width] = output.masks.dims();
    let rows = batch * objects;
    let present = targets.present.clone().reshape([rows, 1]); // [BS, 1]
    let asked = targets.asked.clone().reshape([rows, 1]); // [BS, 1]

    let logits = output.masks.clone().reshape([rows, height * width]); // [BS, P]
    let truth = targets.masks.clone().reshape([rows, height * width]); // [BS, P]
    let mut each = mask_loss(logits, truth, present.clone());
    for coarse in &output.coarse {
        let [_, _, h, w] = coarse.dims();
        let covered = targets
            .masks
            .clone()
            .reshape([rows, h, height / h, w, width / w]) // [BS, H', y, W', x]
            .mean_dim(4)
            .mean_dim(2)
            .reshape([rows, h * w]); // [BS, N]
        let logits = coarse.clone().reshape([rows, h * w]); // [BS, N]
        each = each + mask_loss(logits, covered, present.clone()) * COARSE_WEIGHT;
    }
    let presence = output.presence.clone().reshape([rows, 1]); // [BS, 1]
    let each = each + cross_entropy(presence, present) * PRESENCE_WEIGHT;
    let count = asked.clone().sum().clamp_min(1.0); // [1]
    (each * asked).sum() / count
}

/// Cross-entropy and Dice of each mask.
///
/// # Shapes
/// - `logits`, `truth`: `[R, P]`
/// - `present`: `[R, 1]`
/// - returns `[R, 1]`
fn mask_loss(logits: Tensor<2>, truth: Tensor<2>, present: Tensor<2>) -> Tensor<2> {
    let entropy = cross_entropy(logits.clone(), truth.clone()); // [R, P]
    let weight = truth.clone() * (OBJECT_WEIGHT - 1.0) + 1.0;
    let entropy = (entropy * weight).mean_dim(1); // [R, 1]
    let seen = sigmoid(logits);
    let overlap = (seen.clone() * truth.clone()).sum_dim(1); // [R, 1]
    let total = seen.sum_dim(1) + truth.sum_dim(1); // [R, 1]
    let dice = (overlap * 2.0 + DICE_SMOOTHING) / (total + DICE_SMOOTHING);
    entropy * PIXEL_WEIGHT + (dice * -1.0 + 1.0) * present
}
