//! Tells what objects of a video are and do, from its pixels and masks of the objects. It exists to
//! measure videos: its features are those of the world classifier's distance.
//!
//! ```text
//! pixels ─ patches ─ transformer ─ tokens ┬ mean of a stretch of time ─ slots ─ mean ─ what occurs in the clip
//!                                         └ mean where an object is ─ one vector a stretch ─ what the object is and does
//! ```
//!
//! It looks at pixels and not at the generators' latents, so that it does not share their
//! autoencoder's blind spots.

use burn::{
    module::Module,
    tensor::{Tensor, activation::log_softmax},
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    backbone::patch::tokens_from_latents,
    layers::{EncoderBlock, Init, LayerNorm, LearnedPositions, Linear, Rotary},
};

/// Sizes of a [`VideoClassifier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Frames, rows and columns of a clip in pixels.
    pub video: [usize; 3],
    /// Frames, rows and columns of a token in pixels.
    pub patch: [usize; 3],
    /// Channels of a token, and of the features.
    pub width: usize,
    /// Attention heads; divides half the width.
    pub heads: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// How many classes each question has.
    pub classes: Vec<usize>,
}

impl ClassifierConfig {
    /// The nano size: tokens of 3 frames of 8 × 8 pixels, about 0.5 M parameters.
    pub fn nano(video: [usize; 3], classes: Vec<usize>) -> Self {
        Self { video, patch: [3, 8, 8], width: 96, heads: 4, depth: 4, classes }
    }

    /// Tokens along frames, rows and columns.
    pub fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|i| self.video[i] / self.patch[i].max(1))
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        let (video, patch) = (self.video, self.patch);
        let divides = |i: usize| patch[i] > 0 && video[i] > 0 && video[i].is_multiple_of(patch[i]);
        if !(0..3).all(divides) {
            let reason = format!("expected divisors of {video:?}, got {patch:?}");
            return Err(Error::config("patch", reason));
        }
        if self.heads == 0 || self.width == 0 || !self.width.is_multiple_of(2 * self.heads) {
            let reason =
                format!("expected a divisor of half of {}, got {}", self.width, self.heads);
            return Err(Error::config("heads", reason));
        }
        if self.classes.is_empty() || self.classes.contains(&0) {
            let reason = format!("expected at least one class a question, got {:?}", self.classes);
            return Err(Error::config("classes", reason));
        }
        Ok(())
    }
}

/// What the network sees in a batch of clips.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Mean feature of each stretch of time, `[B, T', C]`.
    pub slots: Tensor<3>,
    /// For each question the logits of each object, `[B, O, K]`.
    pub objects: Vec<Tensor<3>>,
    /// For each question the logits of each class occurring anywhere in the clip, `[B, K]`.
    pub clip: Vec<Tensor<2>>,
}

/// A small transformer over patches of a clip.
#[derive(Module, Debug)]
pub struct VideoClassifier {
    embed: Linear,
    positions: LearnedPositions,
    blocks: Vec<EncoderBlock>,
    norm: LayerNorm,
    object: Linear,
    object_heads: Vec<Linear>,
    clip_heads: Vec<Linear>,
    #[module(skip)]
    config: ClassifierConfig,
}

impl VideoClassifier {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] when the sizes do not fit each other.
    pub fn new(init: &mut Init, config: &ClassifierConfig) -> Result<Self> {
        config.check()?;
        let (width, grid) = (config.width, config.grid());
        let values = 3 * config.patch.iter().product::<usize>();
        let gain = 1.0 / (2.0 * config.depth as f32).sqrt();
        let block = |init: &mut Init| EncoderBlock::new(init, width, config.heads, 3 * width, gain);
        let heads = |init: &mut Init| {
            config.classes.iter().map(|&k| Linear::new(init, width, k, 0.3)).collect::<Vec<_>>()
        };
        Ok(Self {
            embed: Linear::new(init, values, width, 1.0),
            positions: LearnedPositions::new(init, grid, width),
            blocks: (0..config.depth).map(|_| block(init)).collect(),
            norm: LayerNorm::new(init, width),
            object: Linear::new(init, grid[0] * width, width, 1.0),
            object_heads: heads(init),
            clip_heads: heads(init),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Looks at clips.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - `cover`: of each object and token, the share of the object's pixels in the token's stretch of
    ///   time that lie in it, `[B, T', O, H'·W']`; all zero where it is not seen
    ///
    /// # Errors
    /// [`Error::Shape`] when either does not fit the configuration.
    pub fn forward(&self, pixels: Tensor<5>, cover: Tensor<4>) -> Result<Seen> {
        let [t, h, w] = self.config.video;
        let batch = pixels.dims()[0];
        if pixels.dims() != [batch, 3, t, h, w] {
            return Err(Error::shape("pixels", [batch, 3, t, h, w], pixels.dims()));
        }
        let [slots, rows, columns] = self.config.grid();
        let (places, width) = (rows * columns, self.config.width);
        let objects = cover.dims()[2];
        if cover.dims() != [batch, slots, objects, places] {
            return Err(Error::shape("cover", [batch, slots, objects, places], cover.dims()));
        }
        let rope = Rotary::even(width / self.config.heads).table(self.config.grid());
        let x = self.embed.forward(tokens_from_latents(pixels, self.config.patch));
        let x = x + self.positions.forward(); // [B, N, C]
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, Some(&rope), None));
        let x = self.norm.forward(x).reshape([batch * slots, places, width]); // [BT', P, C]

        let means = x.clone().mean_dim(1).reshape([batch, slots, width]); // [B, T', C]
        let whole = means.clone().mean_dim(1).reshape([batch, width]); // [B, C]
        let clip = self.clip_heads.iter().map(|head| head.forward(whole.clone())).collect();

        let cover = cover.reshape([batch * slots, objects, places]);
        let own = cover.matmul(x).reshape([batch, slots, objects, width]); // [B, T', O, C]
        let own = own.permute([0, 2, 1, 3]).reshape([batch, objects, slots * width]);
        let own = thrumask_kernels::silu(self.object.forward(own)); // [B, O, C]
        let objects = self.object_heads.iter().map(|head| head.forward(own.clone())).collect();
        Ok(Seen { slots: means, objects, clip })
    }
}

/// What is true of a batch of clips.
#[derive(Debug, Clone)]
pub struct ClassifierTargets {
    /// For each question 1 at the true class of each object, all 0 where there is none, `[B, O, K]`.
    pub objects: Vec<Tensor<3>>,
    /// For each question 1 at each class that occurs in the clip, `[B, K]`.
    pub clip: Vec<Tensor<2>>,
}

/// How much the clip's own questions weigh beside those about objects.
const CLIP_WEIGHT: f32 = 2.0;

/// Cross-entropy of each object's classes, mean over objects, and of what occurs in the clip, mean over
/// classes; summed over questions.
///
/// # Shapes
/// - returns `[1]`
pub fn classifier_loss(seen: &Seen, targets: &ClassifierTargets) -> Tensor<1> {
    let objects = seen.objects.iter().zip(&targets.objects).map(|(logits, truth)| {
        let count = truth.clone().sum().clamp_min(1.0); // [1]
        (log_softmax(logits.clone(), 2) * truth.clone()).sum() * -1.0 / count
    });
    let clip = seen.clip.iter().zip(&targets.clip).map(|(logits, truth)| {
        super::cross_entropy(logits.clone(), truth.clone()).mean() * CLIP_WEIGHT
    });
    let all: Vec<Tensor<1>> = objects.chain(clip).collect();
    Tensor::cat(all, 0).sum()
}
