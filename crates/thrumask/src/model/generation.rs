//! A generation: from conditions and noise to latents, with networks that need not be in memory together.

use std::borrow::Cow;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Backbone, Denoiser},
    diffusion::{
        guidance::Keep,
        noise::Noise,
        sampler::{Moment, Sampler, sample},
    },
    text::{PromptEncoder, Tokenizer},
};

use super::{
    Prepared, Sampling, SceneConditions, StageConfig, StageModel, conditions::visual_latents,
};
use crate::{Result, progress::Progress};

/// The networks of a stage. A generation asks for one at a time and drops it before it asks for the next, so
/// that whoever reads them when asked holds one alone.
pub trait Networks {
    /// What the stage is.
    fn config(&self) -> &StageConfig;

    /// Prompts to what the text encoder reads.
    fn tokenizer(&self) -> &Tokenizer;

    /// The autoencoder; asked for before and after the others, and once more before where a motion is given.
    ///
    /// # Errors
    /// When it cannot be read.
    fn autoencoder(&self) -> Result<Cow<'_, LatentCodec>>;

    /// The text encoder.
    ///
    /// # Errors
    /// When it cannot be read.
    fn text(&self) -> Result<Cow<'_, PromptEncoder>>;

    /// The denoiser.
    ///
    /// # Errors
    /// When it cannot be read.
    fn denoiser(&self) -> Result<Cow<'_, Backbone>>;
}

/// Networks that are in memory already ([`StageModel::with`]).
#[derive(Debug, Clone, Copy)]
pub struct AtHand<'a> {
    /// Text encoder and denoiser.
    pub model: &'a StageModel,
    /// The autoencoder.
    pub autoencoder: &'a LatentCodec,
}

impl Networks for AtHand<'_> {
    fn config(&self) -> &StageConfig {
        &self.model.config
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    fn autoencoder(&self) -> Result<Cow<'_, LatentCodec>> {
        Ok(Cow::Borrowed(self.autoencoder))
    }

    fn text(&self) -> Result<Cow<'_, PromptEncoder>> {
        Ok(Cow::Borrowed(&self.model.network.text))
    }

    fn denoiser(&self) -> Result<Cow<'_, Backbone>> {
        Ok(Cow::Borrowed(&self.model.network.denoiser))
    }
}

/// Known latents that a sampling run keeps: where `mask` is 1, the result follows `latents`.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// `[B, C, T, H, W]`.
    pub latents: Tensor<5>,
    /// 0 or 1, `[B, 1, T, H, W]`.
    pub mask: Tensor<5>,
}

/// Samples latents for a batch of scenes; sample `i` uses the noise of `seeds[i]`, so a scene's
/// result does not depend on its neighbours in the batch.
///
/// # Shapes
/// - returns `[B, C, T, H, W]`
///
/// # Errors
/// When conditions do not fit the model, a network cannot be read, or `progress` stops the run.
pub fn generate(
    networks: &dyn Networks,
    scenes: &[SceneConditions<'_>],
    seeds: &[u64],
    sampling: &Sampling,
    pinned: Option<&Pinned>,
    progress: &mut dyn Progress,
) -> Result<Tensor<5>> {
    let config = networks.config();
    let prepared = prepared(networks, scenes, sampling)?;

    let network = networks.denoiser()?;
    let device = network.devices().into_iter().next().unwrap_or_else(Device::flex);
    let [t, h, w] = config.denoiser.latent_size();
    let shape = [1, config.denoiser.latent_channels(), t, h, w];
    let draw = |stream: &str, number: usize| {
        let stream = format!("{stream}/{}", config.kind.name());
        let count = (number * shape.iter().product::<usize>()) as u64;
        let noise = seeds.iter().map(|&seed| {
            let values = Noise::new(seed, &stream).normals(count, shape.iter().product());
            Tensor::from_data(TensorData::new(values, shape), &device)
        });
        Tensor::cat(noise.collect(), 0) // [B, C, T, H, W]
    };
    let start = draw("noise", 0);
    let (method, steps) = (sampling.schedule, sampling.steps);
    let sampler = Sampler { process: config.process, method, steps };
    sample::<crate::Error>(
        &sampler,
        start.clone(),
        |step| draw("step noise", step),
        |latents, time| {
            sampling.guidance.apply_rescaled(sampling.guidance_rescale, |keep| {
                let of = prepared.iter().find(|(kept, _)| *kept == keep);
                let Some((_, conditions)) = of else {
                    unreachable!("a pass that is none of the guidance's")
                };
                let input = conditions.input(latents.clone(), vec![time; scenes.len()]);
                Ok(network.predict(&input)?)
            })
        },
        |moment, latents| {
            progress.step(config.kind.name(), moment.step, steps)?;
            Ok(pin(latents, &start, pinned, moment))
        },
    )
}

/// The conditions of each pass of the guidance. They do not change over the steps.
fn prepared(
    networks: &dyn Networks,
    scenes: &[SceneConditions<'_>],
    sampling: &Sampling,
) -> Result<Vec<(Keep, Prepared)>> {
    let (config, tokenizer) = (networks.config(), networks.tokenizer());
    let seen = visual_latents(config, &*networks.autoencoder()?, scenes)?;
    let encoder = networks.text()?;
    let passes = sampling.guidance.passes(sampling.guidance_rescale);
    let of = |(keep, _)| {
        let (seen, all) = (seen.clone(), vec![keep; scenes.len()]);
        let made = Prepared::of_latents(&encoder, config, tokenizer, seen, scenes, &all)?;
        Ok((keep, made.kept()))
    };
    passes.into_iter().map(of).collect()
}

/// Puts known latents, as noisy as the others, where they are known.
fn pin(latents: Tensor<5>, noise: &Tensor<5>, pinned: Option<&Pinned>, now: Moment) -> Tensor<5> {
    let Some(Pinned { latents: known, mask }) = pinned else { return latents };
    let known = now.noised(known.clone(), noise.clone());
    latents * (mask.clone() * -1.0 + 1.0) + known * mask.clone()
}
