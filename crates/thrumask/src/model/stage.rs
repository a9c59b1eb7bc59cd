//! A stage: text encoder and denoiser, and how it is sampled.

use burn::{module::Module, tensor::Device};
use serde::{Deserialize, Serialize};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Backbone, BackboneKind},
    diffusion::{guidance::Guidance, sampler::Method, schedule::Schedule},
    layers::Init,
    text::{PromptEncoder, Tokenizer},
};

use super::{AtHand, StageConfig, StageKind};
use crate::Result;

/// The parameters of a stage.
#[derive(Module, Debug)]
pub struct Network {
    /// Reads the prompts.
    pub text: PromptEncoder,
    /// Removes the noise.
    pub denoiser: Backbone,
}

impl Network {
    /// Fresh parameters.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] when the configuration does not fit together.
    pub fn new(init: &mut Init, config: &StageConfig, tokenizer: &Tokenizer) -> Result<Self> {
        let text = PromptEncoder::new(init, &config.text, tokenizer)?;
        Ok(Self { text, denoiser: Backbone::new(init, &config.denoiser)? })
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_else(Device::flex)
    }
}

/// How a stage is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Denoising steps, at least 1.
    pub steps: usize,
    /// How they are taken: flow's schedule of times, or diffusion's solver.
    pub schedule: Method,
    /// Guidance scales.
    pub guidance: Guidance,
    /// φ: how far a guided prediction is brought back to the deviation of the unguided one, in [0, 1].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub guidance_rescale: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Sampling {
    /// What is usual for a stage of the models built into the program (see `docs/log.md` for how it was chosen), or of
    /// `others`, of which only the backbone is known.
    pub fn usual(kind: StageKind, backbone: BackboneKind, others: bool) -> Self {
        let (steps, schedule) = match backbone {
            BackboneKind::Dit => {
                // Words and first masks decide nearly all of a trajectory, and pure noise is where it was learned.
                let once = kind == StageKind::Motion && !others;
                (if once { 1 } else { 4 }, Method::Flow(Schedule::Shifted { shift: 16.0 }))
            }
            // Two are no better, and more are worse: it has hardly learned to remove little noise.
            BackboneKind::Unet => (if others { 8 } else { 1 }, Method::PAPER_UNET),
        };
        Self { steps, schedule, guidance: Guidance::OFF, guidance_rescale: 0.0 }
    }
}

/// A stage with its tokens.
#[derive(Debug, Clone)]
pub struct StageModel {
    /// What it is.
    pub config: StageConfig,
    /// Prompts to what its text encoder reads.
    pub tokenizer: Tokenizer,
    /// What it learned.
    pub network: Network,
}

impl StageModel {
    /// With the autoencoder that it works with: all that a generation needs.
    pub fn with<'a>(&'a self, autoencoder: &'a LatentCodec) -> AtHand<'a> {
        AtHand { model: self, autoencoder }
    }
}
