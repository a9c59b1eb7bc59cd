//! Training of the autoencoder on frames, on mask frames and, for models of flow, on flow.

use std::{collections::BTreeMap, ops::Range, path::Path};

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_core::{Clip, Error, Picture, Trajectory, trajectory::colored};
use thrumask_nn::{
    autoencoder::Autoencoder,
    diffusion::noise::Noise,
    layers::Init,
    pixels::{clips_from_pixels, host_values, pixels_from_frames},
};

use super::{
    AutoencoderTraining, RunConfig, Task, TrainConfig,
    samples::{Samples, no_flow},
};
use crate::{
    Result,
    model::{VideoShape, flow_wheel, write_autoencoder},
    world::{self, Split},
};

/// Videos that the latent statistics are taken from.
const STATISTICS_SAMPLES: u64 = 48;

/// Training of the autoencoder.
pub struct AutoencoderTask {
    training: AutoencoderTraining,
    samples: Samples,
    run: RunConfig,
    device: Device,
}

/// What one step looks at.
pub struct AutoencoderBatch {
    /// `[B, 3, f, H, W]`: frames, mask frames and, where they are learned too, flow in turn.
    pixels: Tensor<5>,
    /// Standard normal, as many as raw latents, `[B, T', H', W', C]`.
    noise: Tensor<5>,
}

impl AutoencoderTask {
    /// The task of a configuration; paths in it are relative to `base`.
    ///
    /// # Errors
    /// When the configuration has no section `[autoencoder]`, its videos cannot be read, or they do not
    /// divide into its patches.
    pub fn new(config: &TrainConfig, base: &Path, device: &Device) -> Result<Self> {
        let training = config.autoencoder.clone().ok_or_else(|| {
            Error::invalid("training configuration", "expected a section [autoencoder], got none")
        })?;
        let samples = Samples::open(config, base)?;
        let VideoShape { size, frames } = samples.shape();
        training.model.latent_size([frames, size, size])?;
        if training.flow && !samples.has_flow() {
            return Err(no_flow());
        }
        Ok(Self { training, samples, run: config.run.clone(), device: device.clone() })
    }

    /// `f` consecutive frames of each of some training samples: of its clip, its coloured masks and, where
    /// they are learned too, its flow, in turn.
    fn frames(&self, indices: Range<u64>, start: impl Fn(usize) -> f32) -> Result<Tensor<5>> {
        let f = self.training.model.frames;
        let VideoShape { size, frames } = self.samples.shape();
        let kinds = if self.training.flow { 3 } else { 2 };
        let video = |(i, index): (usize, u64)| -> Result<Vec<Picture>> {
            let windows = frames / f;
            let first = ((start(i) * windows as f32) as usize).min(windows - 1) * f;
            let frames = match i % kinds {
                0 => self.samples.clip(Split::Train, index)?.frames().to_vec(),
                1 => {
                    let masks = self.samples.masks(Split::Train, index)?;
                    masks.frames().iter().map(colored).collect()
                }
                _ => {
                    let (_, flow) = self.samples.with_flow(Split::Train, index)?;
                    flow_wheel(size)?.clip(&flow, self.samples.fps())?.frames().to_vec()
                }
            };
            Ok(frames[first..first + f].to_vec())
        };
        let videos = indices.enumerate().map(video).collect::<Result<Vec<_>>>()?;
        let videos: Vec<&[Picture]> = videos.iter().map(Vec::as_slice).collect();
        Ok(pixels_from_frames(&videos, &self.device)?)
    }

    /// The network with normalisation from the raw latents of training videos.
    fn normalised(&self, network: Autoencoder) -> Result<Autoencoder> {
        let pixels =
            self.frames(0..STATISTICS_SAMPLES, |i| i as f32 / STATISTICS_SAMPLES as f32)?;
        let raw = host_values(network.encode_raw(pixels)?);
        let channels = self.training.model.latent_channels;
        let n = (raw.len() / channels).max(1) as f64;
        let over = |f: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0f64; channels];
            raw.iter().enumerate().for_each(|(i, &v)| {
                sums[i % channels] += f(i % channels, f64::from(v));
            });
            sums.into_iter().map(|s| s / n).collect::<Vec<f64>>()
        };
        let mean = over(&|_, v| v);
        let variance = over(&|c, v| (v - mean[c]).powi(2));
        let std = variance.iter().map(|v| v.sqrt().max(1e-4) as f32).collect();
        Ok(network.normalised(mean.iter().map(|&v| v as f32).collect(), std)?)
    }
}

impl Task for AutoencoderTask {
    type Network = Autoencoder;
    type Batch = AutoencoderBatch;

    fn fresh(&self, device: &Device) -> Result<Autoencoder> {
        Ok(Autoencoder::new(&mut Init::new(self.run.seed, device), &self.training.model)?)
    }

    fn batch(&self, step: u64) -> Result<AutoencoderBatch> {
        let (batch, seed) = (self.run.batch as u64, self.run.seed);
        let indices = step * batch..(step + 1) * batch;
        let start = Noise::new(seed, "train/frame");
        let pixels = self.frames(indices, |i| start.uniform(step * batch + i as u64))?;
        let (model, size) = (&self.training.model, self.samples.shape().size);
        let [t, h, w] = model.latent_size([model.frames, size, size])?;
        let shape = [self.run.batch, t, h, w, model.latent_channels];
        let count: usize = shape.iter().product();
        let noise = Noise::new(seed, "train/latent").normals(step * count as u64, count);
        let noise = Tensor::from_data(TensorData::new(noise, shape), &self.device);
        Ok(AutoencoderBatch { pixels, noise })
    }

    fn loss(&self, network: &Autoencoder, batch: AutoencoderBatch) -> Result<Tensor<1>> {
        let device = network.devices().into_iter().next().unwrap_or_else(Device::flex);
        let pixels = batch.pixels.to_device(&device);
        let raw = network.encode_raw(pixels.clone())?;
        // The spread of the latents is learned freely; noise in shares of it keeps it from
        // shrinking, and the small penalty keeps it from growing.
        let spread = raw.clone().detach().powf_scalar(2.0).mean().sqrt();
        let noise = batch.noise.to_device(&device) * self.training.latent_noise;
        let noisy = raw.clone() + noise * spread.reshape([1, 1, 1, 1, 1]);
        let error = network.decode_raw(noisy) - pixels;
        let squared = error.clone().powf_scalar(2.0).mean();
        // Absolute error as well: it keeps edges sharp.
        Ok(squared + error.abs().mean() * 0.1 + raw.powf_scalar(2.0).mean() * 1e-4)
    }

    fn validate(&self, network: &Autoencoder) -> Result<(BTreeMap<String, f64>, Picture)> {
        let count = self.run.validation_samples as u64;
        let size = self.samples.shape().size;
        let mut scores = BTreeMap::new();
        let mut shown = Vec::new();
        let mut errors = [(0.0f64, 0usize); 3];
        for index in 0..count {
            let sample = self.samples.sample(Split::Validation, index)?;
            let mut clips = vec![sample.clip.clone(), sample.masks.to_clip()?];
            if self.training.flow {
                let (_, flow) = self.samples.with_flow(Split::Validation, index)?;
                clips.push(flow_wheel(size)?.clip(&flow, sample.clip.fps())?);
            }
            let mut made = sample.clone();
            for (kind, clip) in clips.iter().enumerate() {
                let pixels = pixels_from_frames(&[clip.frames()], &self.device)?;
                let back = network.decode_raw(network.encode_raw(pixels)?);
                let back: Clip = clips_from_pixels(back, clip.fps())?.remove(0);
                for (a, b) in back.frames().iter().zip(clip.frames()) {
                    for (&x, &y) in a.rgb().iter().zip(b.rgb()) {
                        errors[kind].0 += (f64::from(x) - f64::from(y)).powi(2);
                    }
                    errors[kind].1 += a.rgb().len();
                }
                match kind {
                    0 => made.clip = back,
                    1 => made.masks = Trajectory::from_clip(&back, sample.masks.objects())?,
                    _ => {}
                }
            }
            shown.extend([sample, made]);
        }
        let names = ["psnr_frames", "psnr_masks", "psnr_flow"];
        for (name, (sum, n)) in names.into_iter().zip(errors).filter(|(_, (_, n))| *n > 0) {
            let mean = sum / n.max(1) as f64;
            scores.insert(name.to_owned(), 10.0 * (255.0f64.powi(2) / mean.max(1e-9)).log10());
        }
        shown.truncate(8);
        Ok((scores, world::contact_sheet(&shown, 2)?))
    }

    fn export(&self, network: Autoencoder) -> Result<Vec<u8>> {
        write_autoencoder(&self.normalised(network.no_grad())?)
    }
}
