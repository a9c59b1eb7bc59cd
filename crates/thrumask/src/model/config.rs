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

use super::MotionForm;
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
    /// What stage 1 makes and stage 2 follows; nothing to TI2V.
    #[serde(default, skip_serializing_if = "MotionForm::is_masks")]
    pub form: MotionForm,
}

/// How a stage differs from its usual nano configuration: the paper's ablations. Parameter counts stay
/// equal when a masked layer becomes an unmasked one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Variant {
    /// What stage 1 makes and stage 2 follows; ignored by TI2V.
    pub form: Option<MotionForm>,
    /// What stands in the place of masked self-attention.
    pub self_attention: Option<ObjectLayer>,
    /// What stands in the place of masked cross-attention.
    pub cross_attention: Option<ObjectLayer>,
}

impl Variant {
    /// The object layers of a stage that usually has `usual` ones.
    fn object_layers(&self, kind: StageKind, usual: ObjectLayers) -> Result<ObjectLayers> {
        let layers = ObjectLayers {
            self_attention: self.self_attention.unwrap_or(usual.self_attention),
            cross_attention: self.cross_attention.unwrap_or(usual.cross_attention),
            ..usual
        };
        let both = [layers.self_attention, layers.cross_attention];
        let refuse = |reason: &str| Err(thrumask_nn::Error::config("object layers", reason).into());
        match kind {
            StageKind::Motion if both != [ObjectLayer::Absent; 2] => {
                refuse("stage 1 has none, so expected no choice of attention")
            }
            StageKind::Ti2v if both.contains(&ObjectLayer::Masked) => {
                refuse("TI2V has no masks, so expected unmasked or absent attention")
            }
            _ if both == [ObjectLayer::Absent; 2] => Ok(ObjectLayers::NONE),
            _ => Ok(layers),
        }
    }
}

impl StageConfig {
    /// The nano configuration of a stage.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] when the video does not divide into latents.
    pub fn nano(kind: StageKind, latents: &AutoencoderConfig, video: VideoShape) -> Result<Self> {
        Self::nano_variant(kind, latents, video, &Variant::default())
    }

    /// A variant of the nano configuration of a stage.
    ///
    /// # Errors
    /// As [`StageConfig::nano`], and when the stage has no place for the variant's attention.
    pub fn nano_variant(
        kind: StageKind,
        latents: &AutoencoderConfig,
        video: VideoShape,
        variant: &Variant,
    ) -> Result<Self> {
        let form = match kind {
            StageKind::Motion | StageKind::Video => variant.form.unwrap_or_default(),
            StageKind::Ti2v => MotionForm::Masks,
        };
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
            object_layers: variant.object_layers(
                kind,
                match kind {
                    StageKind::Motion => ObjectLayers::NONE,
                    StageKind::Video => object_layers(ObjectLayer::Masked),
                    StageKind::Ti2v => object_layers(ObjectLayer::Unmasked),
                },
            )?,
            first_frame: match (kind, form) {
                (StageKind::Motion, MotionForm::Masks) => FirstFrame::Residual,
                // No condition looks like flow: where nothing moves the video is white, whatever the
                // picture and the masks are, and a bias of the output learns that.
                (StageKind::Motion, MotionForm::Flow) => FirstFrame::None,
                (StageKind::Video | StageKind::Ti2v, _) => FirstFrame::Gated,
            },
            // Stage 1 starts from the first masks, which follow the picture among the conditions.
            first_frame_channel: match (kind, form) {
                (StageKind::Motion, MotionForm::Masks) => channels,
                _ => 0,
            },
            rotary: Some(Rotary::even(width / heads)),
        };
        let config = Self {
            kind,
            video,
            denoiser,
            text,
            prediction: Prediction::Sample,
            visibility: Visibility::Box,
            form,
        };
        config.denoiser.check()?;
        Ok(config)
    }
}
