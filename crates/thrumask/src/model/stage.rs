//! A stage: text encoder and denoiser, and how it is sampled.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Backbone, BackboneKind, Denoiser},
    diffusion::{
        guidance::{Guidance, Keep},
        noise::Noise,
        sampler::{Method, Moment, Sampler, sample},
        schedule::Schedule,
    },
    layers::Init,
    text::{PromptEncoder, Tokenizer},
};

use super::{Prepared, SceneConditions, StageConfig, StageKind, conditions::visual_latents};
use crate::{Result, progress::Progress};

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

/// Known latents that a sampling run keeps: where `mask` is 1, the result follows `latents`.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// `[B, C, T, H, W]`.
    pub latents: Tensor<5>,
    /// 0 or 1, `[B, 1, T, H, W]`.
    pub mask: Tensor<5>,
}

impl StageModel {
    /// Samples latents for a batch of scenes; sample `i` uses the noise of `seeds[i]`, so a scene's
    /// result does not depend on its neighbours in the batch.
    ///
    /// # Shapes
    /// - returns `[B, C, T, H, W]`
    ///
    /// # Errors
    /// When conditions do not fit the model, or `progress` stops the run.
    pub fn sample(
        &self,
        autoencoder: &LatentCodec,
        scenes: &[SceneConditions<'_>],
        seeds: &[u64],
        sampling: &Sampling,
        pinned: Option<&Pinned>,
        progress: &mut dyn Progress,
    ) -> Result<Tensor<5>> {
        let device = self.network.device();
        let config = &self.config.denoiser;
        let [t, h, w] = config.latent_size();
        let shape = [1, config.latent_channels(), t, h, w];
        let draw = |stream: &str, number: usize| {
            let stream = format!("{stream}/{}", self.config.kind.name());
            let count = (number * shape.iter().product::<usize>()) as u64;
            let noise = seeds.iter().map(|&seed| {
                let values = Noise::new(seed, &stream).normals(count, shape.iter().product());
                Tensor::from_data(TensorData::new(values, shape), &device)
            });
            Tensor::cat(noise.collect(), 0) // [B, C, T, H, W]
        };
        let start = draw("noise", 0);
        let sampler = Sampler {
            process: self.config.process,
            method: sampling.schedule,
            steps: sampling.steps,
        };
        let seen = visual_latents(&self.config, autoencoder, scenes)?;
        // Conditions do not change over the steps: each combination is prepared at most once.
        let mut prepared: Vec<(Keep, Prepared)> = Vec::new();
        sample::<crate::Error>(
            &sampler,
            start.clone(),
            |step| draw("step noise", step),
            |latents, time| {
                sampling.guidance.apply_rescaled(sampling.guidance_rescale, |keep| {
                    let known = prepared.iter().position(|(k, _)| *k == keep);
                    let index = match known {
                        Some(index) => index,
                        None => {
                            prepared.push((keep, self.prepared(&seen, scenes, keep)?));
                            prepared.len() - 1
                        }
                    };
                    let input = prepared[index].1.input(latents.clone(), vec![time; scenes.len()]);
                    Ok(self.network.denoiser.predict(&input)?)
                })
            },
            |moment, latents| {
                progress.step(self.config.kind.name(), moment.step, sampling.steps)?;
                Ok(pin(latents, &start, pinned, moment))
            },
        )
    }

    /// Conditions of one generation with this model, from what is seen of the scenes.
    fn prepared(
        &self,
        seen: &Tensor<5>,
        scenes: &[SceneConditions<'_>],
        keep: Keep,
    ) -> Result<Prepared> {
        let (network, config, keep) = (&self.network, &self.config, vec![keep; scenes.len()]);
        let seen = seen.clone();
        let prepared = Prepared::of_latents(network, config, &self.tokenizer, seen, scenes, &keep)?;
        Ok(prepared.kept())
    }
}

/// Puts known latents, as noisy as the others, where they are known.
fn pin(latents: Tensor<5>, noise: &Tensor<5>, pinned: Option<&Pinned>, now: Moment) -> Tensor<5> {
    let Some(Pinned { latents: known, mask }) = pinned else { return latents };
    let known = now.noised(known.clone(), noise.clone());
    latents * (mask.clone() * -1.0 + 1.0) + known * mask.clone()
}
