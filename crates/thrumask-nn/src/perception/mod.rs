//! Networks that look at pictures and videos.
//!
//! - [`grounded`]: finds the objects that texts name, as masks (the segmenter's network).
//! - [`classifier`]: what the objects of a video are and do (to measure videos with).
//! - [`grounding_dino`]: boxes around what a text names (Grounding DINO), on [`swin`].
//! - [`lpips`]: how different two pictures look.
//! - [`sam2`]: masks of what points, boxes and masks mean (SAM 2.1).
//! - [`raft`]: optical flow.

use burn::tensor::Tensor;

pub mod classifier;
pub mod grounded;
pub mod grounding_dino;
pub mod lpips;
pub mod raft;
pub mod sam2;
pub mod swin;

/// −log of the probability of the truth, from logits, without overflow:
/// max(x, 0) − x·y + log(1 + exp(−|x|)).
///
/// # Shapes
/// - all `[R, P]`
fn cross_entropy(logits: Tensor<2>, truth: Tensor<2>) -> Tensor<2> {
    let distance = logits.clone().abs();
    logits.clone().clamp_min(0.0) - logits * truth + (distance * -1.0).exp().log1p()
}
