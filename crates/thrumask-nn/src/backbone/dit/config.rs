//! Sizes and switches of a [`super::Dit`].

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    backbone::{FirstFrame, ObjectLayers},
    layers::Rotary,
};

/// Sizes and switches of a diffusion transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DitConfig {
    /// C: channels of the latents.
    pub latent_channels: usize,
    /// Cc: channels of the conditions, concatenated to the latents.
    pub condition_channels: usize,
    /// Latent frames, rows and columns `[T, H, W]`.
    pub latent_size: [usize; 3],
    /// Latent frames, rows and columns of one token.
    pub patch: [usize; 3],
    /// Channels of a token.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden units of the perceptron per channel.
    pub mlp_ratio: usize,
    /// D: channels of the text.
    pub text_width: usize,
    /// Masked (or, for TI2V, unmasked) object layers.
    pub object_layers: ObjectLayers,
    /// What the output adds to.
    pub first_frame: FirstFrame,
    /// First channel, among the conditions, of the latents that `first_frame` takes.
    pub first_frame_channel: usize,
    /// Rotary positions; `None` for learned absolute ones alone.
    pub rotary: Option<Rotary>,
}

impl DitConfig {
    /// Tokens along frames, rows and columns.
    pub fn grid(&self) -> [usize; 3] {
        std::array::from_fn(|i| self.latent_size[i] / self.patch[i].max(1))
    }

    /// The grids of tokens `[T, H, W]` on which masked layers work; none without masked layers.
    pub fn object_grids(&self) -> Vec<[usize; 3]> {
        self.object_layers.are_masked().then(|| self.grid()).into_iter().collect()
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.grid().iter().product()
    }

    /// Values of one token of `channels` latent channels.
    pub fn patch_values(&self, channels: usize) -> usize {
        channels * self.patch.iter().product::<usize>()
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, reason: String| Err(Error::config(what, reason));
        for i in 0..3 {
            if self.patch[i] == 0 || !self.latent_size[i].is_multiple_of(self.patch[i]) {
                let (patch, size) = (self.patch, self.latent_size);
                return refuse("patch", format!("expected divisors of {size:?}, got {patch:?}"));
            }
        }
        if self.heads == 0 || !self.width.is_multiple_of(2 * self.heads) {
            let (heads, width) = (self.heads, self.width);
            return refuse(
                "heads",
                format!("expected a divisor of half the width {width}, got {heads}"),
            );
        }
        if self.object_layers.blocks > self.depth {
            let (blocks, depth) = (self.object_layers.blocks, self.depth);
            return refuse("object_layers.blocks", format!("expected 0 to {depth}, got {blocks}"));
        }
        let channels = [self.latent_channels, self.condition_channels];
        self.first_frame.check(self.first_frame_channel, channels)?;
        if let Some(rotary) = &self.rotary {
            let (pairs, half) = (rotary.pairs.iter().sum::<usize>(), self.width / self.heads / 2);
            if pairs != half {
                return refuse("rotary.pairs", format!("expected a sum of {half}, got {pairs}"));
            }
        }
        self.object_layers.check()
    }
}
