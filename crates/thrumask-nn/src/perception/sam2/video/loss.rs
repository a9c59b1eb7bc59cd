//! How far what was found lies from the truth.

use burn::tensor::{Tensor, activation::sigmoid};

use super::super::DecoderOutput;
use super::resized;
use crate::perception::cross_entropy;

/// Weights of the parts, and the shape of the focal loss (Ravi et al., appendix D.2).
const FOCAL: f32 = 20.0;
/// Share of the pixels of the object in the focal loss.
const INSIDE: f32 = 0.25;

/// The truth of a frame.
#[derive(Debug, Clone)]
pub struct TrackerTargets {
    /// 1 where the object is, 0 elsewhere, `[B, 1, S, S]`.
    pub masks: Tensor<4>,
}

/// The loss of a frame, the mean over its objects: 20 × focal (Lin et al., "Focal Loss for Dense Object
/// Detection", ICCV 2017) + dice of the best of the decoder's masks, where the object is there; the distance
/// of the overlap that is expected from the true one; and the cross-entropy of whether it is there.
///
/// # Shapes
/// - returns `[1]`
pub fn tracker_loss(decoded: &DecoderOutput, targets: &TrackerTargets) -> Tensor<1> {
    let [objects, _, rows, columns] = targets.masks.dims();
    let count = decoded.masks.dims()[1];
    let logits = resized(decoded.masks.clone(), [rows, columns]);
    let logits = logits.reshape([objects * count, rows * columns]); // [B·M, S²]
    let truth = targets.masks.clone().expand([objects, count, rows, columns]);
    let truth = truth.reshape([objects * count, rows * columns]); // [B·M, S²]
    let chance = sigmoid(logits.clone());
    let ce = cross_entropy(logits.clone(), truth.clone());
    let wrong = (chance.clone() - truth.clone()).abs(); // one less the chance of the truth
    let weight = truth.clone() * (2.0 * INSIDE - 1.0) + (1.0 - INSIDE);
    let focal = (ce * wrong.clone() * wrong * weight).mean_dim(1); // [B·M, 1]
    let both = (chance.clone() * truth.clone()).sum_dim(1) * 2.0 + 1.0;
    let sum = chance.sum_dim(1) + truth.clone().sum_dim(1) + 1.0;
    let dice = both / sum * -1.0 + 1.0; // [B·M, 1]
    let of_masks = (focal * FOCAL + dice).reshape([objects, count]); // [B, M]
    let best = of_masks.min_dim(1); // [B, 1]
    let found = logits.detach().greater_elem(0.0).float();
    let shared = (found.clone() * truth.clone()).sum_dim(1);
    let either = found.sum_dim(1) + truth.sum_dim(1) - shared.clone();
    let overlap = (shared / either.clamp_min(1.0)).reshape([objects, count]);
    let judged = (decoded.iou.clone() - overlap).abs().mean_dim(1); // [B, 1]
    let there = targets.masks.clone().flatten::<2>(1, 3).max_dim(1); // [B, 1]
    let seen = cross_entropy(decoded.object_score.clone(), there.clone()); // [B, 1]
    ((best + judged) * there + seen).mean()
}
