//! Training of stage 1, stage 2 and the TI2V baseline.

mod fit;
mod folder;
mod generate;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use rayon::prelude::*;
use thrumask_core::{Error, FlowField, Picture, fsio::write_atomic};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Backbone, Denoiser},
    diffusion::{guidance::Keep, noise::Noise},
    layers::Init,
    pixels::pixels_from_frames,
    text::Tokenizer,
    weights::FloatType,
};

use fit::{check_fit, kept_latents};

use super::{
    RunConfig, StageTraining, Task, TrainConfig,
    batches::made,
    samples::{Samples, no_flow},
    tally::Tally,
};
use crate::{
    Result,
    data::Latents,
    model::{
        MotionForm, Network, Prepared, SceneConditions, StageConfig, StageKind, StageModel,
        VideoShape,
        folders::{self, TOKENIZER},
        joined_latents, open_autoencoder, write_stage,
    },
    progress::Silent,
    world::{self, Sample, Split},
};

/// A sample and what the stage needs beside it.
#[derive(Clone)]
struct Example {
    sample: Sample,
    /// The true flow, for a stage that makes or follows flow.
    flow: Option<Vec<FlowField>>,
    /// Latents of this autoencoder, where they lie beside it.
    latents: Option<Latents>,
}

/// Training of one stage.
pub struct StageTask {
    config: StageConfig,
    training: StageTraining,
    samples: Samples,
    run: RunConfig,
    tokenizer: Tokenizer,
    autoencoder: LatentCodec,
    /// The folder of models whose stage is trained, if it is of public classes.
    root: Option<PathBuf>,
    /// Its fingerprint, if some samples have latents of it.
    latents_of: Option<String>,
    notice: Option<String>,
    device: Device,
}

/// What one step looks at.
pub struct StageBatch {
    examples: Vec<Example>,
    /// X₁, `[B, C, T, H, W]`.
    data: Tensor<5>,
    /// X₀, `[B, C, T, H, W]`.
    noise: Tensor<5>,
    /// What is seen of the scenes, `[B, Cc, T, H, W]`, where it need not be encoded.
    seen: Option<Tensor<5>>,
    /// Weight of each latent position, of mean 1, `[B, 1, T, H, W]`.
    weight: Tensor<5>,
    times: Vec<f32>,
    keep: Vec<Keep>,
}

impl StageTask {
    /// The task of a configuration; paths in it are relative to `base`.
    ///
    /// # Errors
    /// When the configuration has no stage, or the autoencoder cannot be read.
    pub fn new(config: &TrainConfig, base: &Path, device: &Device) -> Result<Self> {
        let kind = config.task.stage();
        let (Some(kind), Some(training)) = (kind, config.stage.clone()) else {
            let reason = "expected a stage task with a section [stage]";
            return Err(Error::invalid("training configuration", reason).into());
        };
        let path = base.join(&training.autoencoder);
        let autoencoder = open_autoencoder(&path, device)?;
        let samples = Samples::open(config, base)?;
        let video = samples.shape();
        let root = training.folder.as_ref().map(|folder| base.join(folder));
        let stage = match (&root, training.model.clone()) {
            (Some(root), _) => folder::described(root, kind, &training.variant())?,
            (None, Some(model)) => model,
            (None, None) => {
                let variant = training.variant();
                StageConfig::nano_variant(kind, &autoencoder.config(), video, &variant)?
            }
        };
        check_fit(&stage, kind, video, &autoencoder)?;
        if kind != StageKind::Ti2v && stage.form == MotionForm::Flow && !samples.has_flow() {
            return Err(no_flow());
        }
        let (latents_of, notice) = kept_latents(&samples, &autoencoder)?;
        Ok(Self {
            config: stage,
            training,
            latents_of,
            notice,
            tokenizer: match &root {
                Some(root) => folders::read_tokenizer(&root.join(TOKENIZER))?.into(),
                None => samples.vocabulary()?.into(),
            },
            root,
            samples,
            run: config.run.clone(),
            autoencoder,
            device: device.clone(),
        })
    }

    /// Positions of random numbers of row `row` of step `step` in streams with one value per row.
    fn position(&self, step: u64, row: usize) -> u64 {
        step * self.run.batch as u64 + row as u64
    }

    /// Example `index` of a split.
    fn example(&self, split: Split, index: u64) -> Result<Example> {
        match (self.config.kind, self.config.form) {
            (StageKind::Ti2v, _) | (_, MotionForm::Masks) => {
                let latents = self.latents_of.as_ref();
                let latents =
                    latents.map(|of| self.samples.latents(split, index, of)).transpose()?;
                let (sample, latents) = (self.samples.sample(split, index)?, latents.flatten());
                Ok(Example { sample, flow: None, latents })
            }
            (_, MotionForm::Flow) => {
                let (sample, flow) = self.samples.with_flow(split, index)?;
                Ok(Example { sample, flow: Some(flow), latents: None })
            }
        }
    }

    /// A batch from examples, with noise and times from the streams that `name` begins.
    fn assemble(&self, examples: Vec<Example>, name: &str, step: u64) -> Result<StageBatch> {
        let seed = self.run.seed;
        let stream = |what: &str| Noise::new(seed, &format!("{name}/{what}"));
        let (time, drop, noise) = (stream("time"), stream("drop"), stream("noise"));
        let [t, h, w] = self.config.denoiser.latent_size();
        let shape = [examples.len(), self.config.denoiser.latent_channels(), t, h, w];
        let count: usize = shape.iter().skip(1).product();
        let rows = 0..examples.len() as u64;
        let draw = |row: u64| {
            let position = self.position(step, row as usize);
            crate::Result::Ok(noise.normals(position * count as u64, count))
        };
        let values = made(rows, &self.device, draw)?.concat();
        let (mut times, mut keep) = (Vec::new(), Vec::new());
        for row in 0..examples.len() {
            let position = self.position(step, row);
            let drawn = self.training.time.as_ref();
            times.push(self.config.process.draw_time(drawn, &time, position));
            keep.push(self.keep(drop.uniform(position)));
        }
        let kept: Option<Vec<&Latents>> = examples.iter().map(|e| e.latents.as_ref()).collect();
        let (data, seen) = match kept {
            Some(latents) => self.of_latents(&latents)?,
            None => (self.encoded(&examples)?, None),
        };
        let noise = Tensor::from_data(TensorData::new(values, shape), &self.device);
        let weight = self.weights(&examples);
        Ok(StageBatch { examples, data, noise, seen, weight, times, keep })
    }

    /// X₁ of examples, `[B, C, T, H, W]`.
    fn encoded(&self, examples: &[Example]) -> Result<Tensor<5>> {
        let video = |example: &Example| match self.config.kind {
            StageKind::Motion => self.conditions(example).motion_video(&self.config),
            StageKind::Video | StageKind::Ti2v => Ok(example.sample.clip.frames().to_vec()),
        };
        let videos = examples.iter().map(video).collect::<Result<Vec<Vec<Picture>>>>()?;
        let videos: Vec<&[Picture]> = videos.iter().map(Vec::as_slice).collect();
        Ok(self.autoencoder.encode(pixels_from_frames(&videos, &self.device)?)?)
    }

    /// X₁, and what is seen of the scenes, from latents that were kept.
    fn of_latents(&self, latents: &[&Latents]) -> Result<(Tensor<5>, Option<Tensor<5>>)> {
        let [t, h, w] = self.config.denoiser.latent_size();
        let shape = [self.config.denoiser.latent_channels(), t, h, w];
        if let Some(other) = latents.iter().find(|l| l.shape != shape) {
            return Err(Error::mismatch(
                "latents",
                format!("{shape:?}"),
                format!("{:?}", other.shape),
            )
            .into());
        }
        let of = |frames: usize, part: fn(&Latents) -> &Vec<f32>| {
            let values: Vec<f32> = latents.iter().flat_map(|l| part(l)).copied().collect();
            let shape = [latents.len(), shape[0], frames, h, w];
            Tensor::from_data(TensorData::new(values, shape), &self.device)
        };
        let (data, motion) = match self.config.kind {
            StageKind::Motion => (of(t, |l| &l.motion), Some(of(1, |l| &l.mask))),
            StageKind::Video => (of(t, |l| &l.video), Some(of(t, |l| &l.motion))),
            StageKind::Ti2v => (of(t, |l| &l.video), None),
        };
        // A carried picture is made of the samples.
        let seen = (!self.config.carried)
            .then(|| joined_latents(&self.config, of(1, |l| &l.picture), motion));
        Ok((data, seen))
    }

    /// Which conditions a uniform number in [0, 1) keeps.
    fn keep(&self, draw: f32) -> Keep {
        let StageTraining { drop_image, drop_text, drop_both, .. } = self.training;
        Keep {
            image: !(draw < drop_image || in_range(draw, drop_image + drop_text, drop_both)),
            text: !in_range(draw, drop_image, drop_text + drop_both),
        }
    }

    /// More weight where an object is, in each latent frame; mean 1 over the batch.
    fn weights(&self, examples: &[Example]) -> Tensor<5> {
        let [t, h, w] = self.config.denoiser.latent_size();
        let VideoShape { size, frames } = self.config.video;
        let mut weights = vec![1f32; examples.len() * t * h * w];
        for (b, example) in examples.iter().enumerate() {
            for (f, frame) in example.sample.masks.frames().iter().enumerate() {
                for (i, _) in frame.ids().iter().enumerate().filter(|&(_, &id)| id != 0) {
                    let (x, y) = (i % size * w / size, i / size * h / size);
                    let cell = ((b * t + f * t / frames) * h + y) * w + x;
                    weights[cell] = self.training.object_weight;
                }
            }
        }
        let mean = weights.iter().map(|&v| f64::from(v)).sum::<f64>() / weights.len() as f64;
        weights.iter_mut().for_each(|v| *v /= mean as f32);
        let shape = [examples.len(), 1, t, h, w];
        Tensor::from_data(TensorData::new(weights, shape), &self.device)
    }

    /// What is known of an example; a stage looks at what it needs.
    fn conditions<'a>(&self, example: &'a Example) -> SceneConditions<'a> {
        let Example { sample, flow, .. } = example;
        SceneConditions {
            picture: &sample.clip.frames()[0],
            masks: &sample.masks.frames()[0],
            trajectory: Some(&sample.masks),
            flow: flow.as_deref(),
            plan: &sample.plan,
        }
    }

    fn model(&self, network: &Network) -> StageModel {
        StageModel {
            config: self.config.clone(),
            tokenizer: self.tokenizer.clone(),
            network: network.clone(),
        }
    }

    /// The fixed validation set.
    fn validation_set(&self) -> Result<Vec<Example>> {
        let count = self.run.validation_samples as u64;
        (0..count).into_par_iter().map(|i| self.example(Split::Validation, i)).collect()
    }
}

fn in_range(value: f32, start: f32, length: f32) -> bool {
    (start..start + length).contains(&value)
}

impl Task for StageTask {
    type Network = Network;
    type Batch = StageBatch;

    fn fresh(&self, device: &Device) -> Result<Network> {
        if let Some(root) = &self.root {
            return folder::network(root, &self.config, device);
        }
        Network::new(&mut Init::new(self.run.seed, device), &self.config, &self.tokenizer)
    }

    /// CLIP's weights are not a stage's own.
    fn is_trained(&self, parameter: &str) -> bool {
        self.root.is_none() || !parameter.starts_with("text.")
    }

    fn notice(&self) -> Option<String> {
        self.notice.clone()
    }

    fn batch(&self, step: u64) -> Result<StageBatch> {
        let first = step * self.run.batch as u64;
        let indices = first..first + self.run.batch as u64;
        let examples = made(indices, &self.device, |i| self.example(Split::Train, i))?;
        self.assemble(examples, "train", step)
    }

    fn loss(&self, network: &Network, batch: StageBatch) -> Result<Tensor<1>> {
        let scenes: Vec<_> = batch.examples.iter().map(|e| self.conditions(e)).collect();
        let (text, config) = (&network.text, &self.config);
        let (tokenizer, keep) = (&self.tokenizer, &batch.keep);
        let prepared = match batch.seen {
            Some(seen) => Prepared::of_latents(text, config, tokenizer, seen, &scenes, keep)?,
            None => Prepared::new(text, config, tokenizer, &self.autoencoder, &scenes, keep)?,
        };
        let device = network.device();
        let (process, times) = (&self.config.process, &batch.times);
        let target = process.target(batch.data.clone(), batch.noise.clone(), times)?;
        let latents = process.noised(batch.data, batch.noise, times)?;
        let weight = match process.loss_weights(times)? {
            Some(rows) => {
                let rows = TensorData::new(rows, [times.len(), 1, 1, 1, 1]);
                batch.weight * Tensor::from_data(rows, &self.device)
            }
            None => batch.weight,
        };
        let input = prepared.input(latents.to_device(&device), batch.times);
        let prediction = network.denoiser.predict(&input)?;
        let error = prediction - target.to_device(&device);
        Ok((error.clone() * error * weight.to_device(&device)).mean())
    }

    fn validate(&self, network: &Network) -> Result<(BTreeMap<String, f64>, Picture)> {
        let examples = self.validation_set()?;
        let model = self.model(network);
        let mut scores = BTreeMap::new();
        let mut shown = Vec::new();
        let (mut losses, mut batches) = (0.0, 0);
        let mut tally = Tally::default();
        for (number, chunk) in examples.chunks(self.run.batch).enumerate() {
            let batch = self.assemble(chunk.to_vec(), "validation", number as u64)?;
            losses += f64::from(self.loss(network, batch)?.into_scalar::<f32>());
            batches += 1;
            let made = self.generate(&model, chunk)?;
            for (mut made, Example { sample: truth, .. }) in made.into_iter().zip(chunk) {
                match self.config.kind {
                    StageKind::Motion => tally.motion(&made, truth),
                    StageKind::Video | StageKind::Ti2v => tally.video(&made, truth),
                }
                made.plan = truth.plan.clone();
                shown.push(truth.clone());
                shown.push(made);
            }
        }
        scores.insert("loss".to_owned(), losses / f64::from(batches.max(1)));
        tally.finish(&mut scores);
        shown.truncate(16);
        Ok((scores, world::contact_sheet(&shown, 2)?))
    }

    fn export(&self, network: Network) -> Result<Vec<u8>> {
        write_stage(&self.model(&network.no_grad()))
    }

    fn write(&self, network: Network, path: &Path) -> Result<()> {
        match network.no_grad() {
            Network { denoiser: Backbone::Unet(unet), .. } if self.root.is_some() => {
                folders::write_stage(path, &self.config, &unet, FloatType::F16, &mut Silent)
            }
            network => Ok(write_atomic(path, &self.export(network)?)?),
        }
    }
}
