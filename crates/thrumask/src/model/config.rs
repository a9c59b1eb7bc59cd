//! What a stage model is: which stage, which sizes.

use serde::{Deserialize, Serialize};
use thrumask_nn::{
    backbone::{BackboneConfig, groups::Visibility},
    diffusion::process::Process,
    text::PromptEncoderConfig,
};

use super::MotionForm;

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
    pub denoiser: BackboneConfig,
    /// The text encoder: ours, trained with it, or CLIP's, which is not.
    pub text: PromptEncoderConfig,
    /// What the denoiser was trained to undo, and what its output means.
    #[serde(rename = "prediction")]
    pub process: Process,
    /// How masked cross-attention sees an object.
    pub visibility: Visibility,
    /// What stage 1 makes and stage 2 follows; nothing to TI2V.
    #[serde(default, skip_serializing_if = "MotionForm::is_masks")]
    pub form: MotionForm,
    /// Whether stage 2 sees in each frame x(0) carried along ŝ (`thrumask_core::placement`) in the place of x(0),
    /// which the paper repeats.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub carried: bool,
}
