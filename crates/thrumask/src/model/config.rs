//! What a stage model is: which stage, which sizes.

use serde::{Deserialize, Serialize};
use thrumask_nn::{
    autoencoder::AutoencoderConfig,
    backbone::{
        dit::{DitConfig, FirstFrame, ObjectLayer, ObjectLayers},
        groups::Visibility,
    },
    diffusion::path::Prediction,
    layers::Rotary,
    text::TextEncoderConfig,
};

use crate::Result;

/// The stage a model serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// Stage 1, image-to-motion: E(x0), E(s0) and the motion prompt give the trajectory.
    Motion,
    /// Stage 2, motion-to-video: E(x0), E(ŝ), the caption and the object prompts give the video.
    Video,
    /// The baseline: E(x0) and the caption give the video, without a trajectory.
    Ti2v,
}

impl StageKind {
    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Motion => "motion",
            Self::Video => "video",
            Self::Ti2v => "ti2v",
        }
    }

    /// How many latent videos are concatenated as conditions.
    pub fn conditions(self) -> usize {
        match self {
            Self::Motion | Self::Video => 2,
            Self::Ti2v => 1,
        }
    }
}

/// The videos a model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoShape {
    /// Rows and columns in pixels.
    pub size: usize,
    /// Frames.
    pub frames: usize,
}

/// A stage model's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// The stage.
    pub kind: StageKind,
    /// The videos it makes.
    pub video: VideoShape,
    /// The denoiser.
    pub denoiser: DitConfig,
    /// The text encoder trained with it.
    pub text: TextEncoderConfig,
    /// What the denoiser's output means.
    pub prediction: Prediction,
    /// How masked cross-attention sees an object.
    pub visibility: Visibility,
}

impl StageConfig {
    /// The nano configuration of a stage.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] when the video does not divide into latents.
    pub fn nano(kind: StageKind, latents: &AutoencoderConfig, video: VideoShape) -> Result<Self> {
        let text = TextEncoderConfig::nano();
        let (width, heads, depth) = (128, 4, 4);
        let latent_size = latents.latent_size([video.frames, video.size, video.size])?;
        let object_layers = |layer: ObjectLayer| ObjectLayers {
            blocks: depth / 2,
            self_attention: layer,
            cross_attention: layer,
            gate_start: 0.3,
        };
        let channels = latents.latent_channels;
        let denoiser = DitConfig {
            latent_channels: channels,
            condition_channels: channels * kind.conditions(),
            latent_size,
            patch: match kind {
                StageKind::Motion => [3, 3, 3],
                StageKind::Video | StageKind::Ti2v => [3, 2, 2],
            },
            width,
            depth,
            heads,
            mlp_ratio: 3,
            text_width: text.width,
            object_layers: match kind {
                StageKind::Motion => ObjectLayers::NONE,
                StageKind::Video => object_layers(ObjectLayer::Masked),
                StageKind::Ti2v => object_layers(ObjectLayer::Unmasked),
            },
            first_frame: match kind {
                StageKind::Motion => FirstFrame::Residual,
                StageKind::Video | StageKind::Ti2v => FirstFrame::Gated,
            },
            // Stage 1 starts from the first masks, which follow the picture among the conditions.
            first_frame_channel: if kind == StageKind::Motion { channels } else { 0 },
            rotary: Some(Rotary::even(width / heads)),
        };
        let config = Self {
            kind,
            video,
            denoiser,
            text,
            prediction: Prediction::Sample,
            visibility: Visibility::Box,
        };
        config.denoiser.check()?;
        Ok(config)
    }
}
