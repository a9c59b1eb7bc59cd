//! Sizes and switches of a [`super::Unet`].

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    backbone::{FirstFrame, ObjectLayers},
    layers::Rotary,
};

/// AnimateDiff's motion modules: temporal self-attention after every spatial stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MotionModules {
    /// Attention heads.
    pub heads: usize,
    /// The most frames they have positions for.
    pub max_frames: usize,
    /// Whether the middle of the network has one (V2; not V3).
    pub middle: bool,
}

/// Sizes and switches of a U-Net: Stable Diffusion 1.5's with AnimateDiff's motion modules, the
/// conditions' channels behind the latents', and masked attention in the encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnetConfig {
    /// C: channels of the latents.
    pub latent_channels: usize,
    /// Cc: channels of the conditions, concatenated to the latents.
    pub condition_channels: usize,
    /// Latent frames, rows and columns `[T, H, W]` of what it was trained on.
    pub latent_size: [usize; 3],
    /// Latent frames, rows and columns that a place of the finest level stands for; one of each in the public
    /// networks.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub patch: [usize; 3],
    /// What the output adds to; nothing in the public networks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first_frame: FirstFrame,
    /// First channel, among the conditions, of the latents that `first_frame` takes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub first_frame_channel: usize,
    /// Whether the prediction is a mixture of what the network makes and of the noisy latents, in shares that the
    /// time decides for each channel. Predictions of v or ε are most of all noise where there is little of it,
    /// and with patches the network is too narrow to carry that through.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mixed: bool,
    /// Channels of each level; rows and columns are halved from one to the next.
    pub channels: Vec<usize>,
    /// Which levels have spatial attention.
    pub attention: Vec<bool>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub layers: usize,
    /// Heads of spatial attention.
    pub heads: usize,
    /// Rotary positions of the tokens of spatial attention; none in the public networks, which tell places
    /// apart by the borders of their convolutions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotary: Option<Rotary>,
    /// Groups of the group norms.
    pub norm_groups: usize,
    /// D: channels of the text.
    pub text_width: usize,
    /// Motion modules; without them the frames are pictures of their own.
    pub motion: Option<MotionModules>,
    /// Masked (or, for TI2V, unmasked) object layers in the first spatial attention blocks of the
    /// encoder.
    pub object_layers: ObjectLayers,
}

/// Places of one latent.
fn whole() -> [usize; 3] {
    [1; 3]
}

fn is_whole(patch: &[usize; 3]) -> bool {
    *patch == whole()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl UnetConfig {
    /// Stable Diffusion 1.5 with AnimateDiff V3 for videos of `latent_size`, with as many `conditions`
    /// of the latents' channels each.
    pub fn sd15_animatediff_v3(latent_size: [usize; 3], conditions: usize) -> Self {
        Self {
            latent_channels: 4,
            condition_channels: 4 * conditions,
            latent_size,
            patch: whole(),
            first_frame: FirstFrame::None,
            first_frame_channel: 0,
            mixed: false,
            channels: vec![320, 640, 1280, 1280],
            attention: vec![true, true, true, false],
            layers: 2,
            heads: 8,
            rotary: None,
            norm_groups: 32,
            text_width: 768,
            motion: Some(MotionModules { heads: 8, max_frames: 32, middle: false }),
            object_layers: ObjectLayers::NONE,
        }
    }

    /// The same design in miniature, for tests and trials: two levels, 4 frames of 8×8 latents.
    pub fn tiny(conditions: usize) -> Self {
        Self {
            channels: vec![32, 64],
            attention: vec![true, false],
            layers: 1,
            heads: 4,
            norm_groups: 8,
            text_width: 32,
            motion: Some(MotionModules { heads: 4, max_frames: 32, middle: false }),
            ..Self::sd15_animatediff_v3([4, 8, 8], conditions)
        }
    }

    /// Channels of the time embedding.
    pub fn time_width(&self) -> usize {
        4 * self.channels.first().copied().unwrap_or(0)
    }

    /// Number of levels.
    pub fn levels(&self) -> usize {
        self.channels.len()
    }

    /// The grid of tokens of a level.
    pub fn grid(&self, level: usize) -> [usize; 3] {
        self.grid_of(self.latent_size, level)
    }

    /// The grid of tokens of a level, for latents of another size.
    pub(super) fn grid_of(&self, size: [usize; 3], level: usize) -> [usize; 3] {
        let [t, h, w] = std::array::from_fn(|i| size[i] / self.patch[i].max(1));
        [t, h >> level, w >> level]
    }

    /// The grids of tokens `[T, H, W]` on which masked layers work; none without masked layers.
    pub fn object_grids(&self) -> Vec<[usize; 3]> {
        self.masked_levels().into_iter().map(|level| self.grid(level)).collect()
    }

    /// Values of one place of the finest level, of `channels` latent channels.
    pub fn patch_values(&self, channels: usize) -> usize {
        channels * self.patch.iter().product::<usize>()
    }

    /// Whether diffusers' classes describe the network, but for its object layers.
    pub(super) fn is_public(&self) -> bool {
        let as_public = Self {
            patch: whole(),
            first_frame: FirstFrame::None,
            mixed: false,
            rotary: None,
            ..self.clone()
        };
        *self == as_public
    }

    /// The level of each spatial attention block of the encoder, from the first.
    pub fn attention_levels(&self) -> Vec<usize> {
        let with = (0..self.levels()).filter(|&i| self.attention[i]);
        with.flat_map(|i| std::iter::repeat_n(i, self.layers)).collect()
    }

    /// The levels whose blocks have masked layers.
    pub fn masked_levels(&self) -> Vec<usize> {
        let mut levels = self.attention_levels();
        levels.truncate(if self.object_layers.are_masked() {
            self.object_layers.blocks
        } else {
            0
        });
        levels.dedup();
        levels
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, reason: String| Err(Error::config(what, reason));
        let Self { channels, attention, layers, heads, norm_groups, .. } = self;
        if channels.is_empty() || *layers == 0 {
            return refuse("channels", format!("expected levels, got {channels:?} × {layers}"));
        }
        if attention.len() != channels.len() {
            return refuse(
                "attention",
                format!(
                    "expected one for each of {} levels, got {}",
                    channels.len(),
                    attention.len()
                ),
            );
        }
        let motion_heads = self.motion.as_ref().map_or(1, |m| m.heads);
        for (i, &c) in channels.iter().enumerate() {
            let parts = [("norm_groups", *norm_groups), ("motion.heads", motion_heads)];
            let parts = parts.into_iter().chain(Some(("heads", *heads)));
            for (what, n) in parts {
                if c == 0 || n == 0 || !c.is_multiple_of(n) {
                    let reason = format!("expected a divisor of channels[{i}] = {c}, got {n}");
                    return refuse(what, reason);
                }
            }
        }
        if !channels[0].is_multiple_of(2) {
            return refuse("channels", format!("expected an even number first, got {channels:?}"));
        }
        let last = channels.len() - 1; // the middle attends whatever its level does
        let attends = |&(i, _): &(usize, &usize)| attention[i] || i == last;
        for (i, &c) in channels.iter().enumerate().filter(attends) {
            match &self.rotary {
                Some(rotary) if 2 * heads * rotary.pairs.iter().sum::<usize>() != c => {
                    let reason = format!(
                        "expected half the channels of each of {heads} heads of channels[{i}] = {c}, got {:?}",
                        rotary.pairs
                    );
                    return refuse("rotary.pairs", reason);
                }
                _ => {}
            }
        }
        let channels = [self.latent_channels, self.condition_channels];
        self.first_frame.check(self.first_frame_channel, channels)?;
        self.check_size(self.latent_size)?;
        let blocks = self.attention_levels().len();
        if self.object_layers.blocks > blocks {
            let got = self.object_layers.blocks;
            return refuse("object_layers.blocks", format!("expected 0 to {blocks}, got {got}"));
        }
        self.object_layers.check()
    }

    /// Checks that latents of a size can be halved from level to level, and that there are positions
    /// for the frames.
    pub(super) fn check_size(&self, size: [usize; 3]) -> Result<()> {
        let refuse = |reason: String| Err(Error::config("latent_size", reason));
        let halvings = 1usize << (self.levels() - 1).min(16);
        let [frames, rows, columns] = self.patch;
        let parts = [frames, rows * halvings, columns * halvings];
        if (0..3).any(|i| size[i] == 0 || parts[i] == 0 || !size[i].is_multiple_of(parts[i])) {
            return refuse(format!("expected multiples of {parts:?}, got {size:?}"));
        }
        match &self.motion {
            Some(m) if size[0] / frames > m.max_frames => {
                refuse(format!("expected up to {} frames, got {}", m.max_frames * frames, size[0]))
            }
            _ => Ok(()),
        }
    }
}
