//! Pixels to latents and back (the paper's TAE, E and its decoder): space-time patches are encoded
//! one by one, and decoded with a look at their neighbours. Beside it, the public ones of
//! pictures: in [`kl`] that of Stable Diffusion, in [`tiny`] small ones for previews. Stages take any of
//! them, as a [`LatentCodec`].

mod any;
mod cost;
mod frames;
pub mod kl;
pub mod tiny;

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

pub use self::any::{LatentCodec, LatentCodecConfig};
use crate::{
    Error, Result,
    layers::{Convolution, Init, Linear},
};

/// Sizes of an [`Autoencoder`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderConfig {
    /// Frames that become one latent frame.
    pub frames: usize,
    /// Rows and columns of pixels that become one latent position.
    pub patch: usize,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Hidden units of the encoder.
    pub encoder_width: usize,
    /// Channels of the decoder.
    pub decoder_width: usize,
    /// Residual blocks of two 3×3 convolutions in the decoder.
    pub decoder_blocks: usize,
}

impl AutoencoderConfig {
    /// The nano size: 1×4×4 pixels to 16 channels.
    pub fn nano() -> Self {
        Self {
            frames: 1,
            patch: 4,
            latent_channels: 16,
            encoder_width: 128,
            decoder_width: 48,
            decoder_blocks: 2,
        }
    }

    /// Latent frames, rows and columns of a video of `[T, H, W]` pixels.
    ///
    /// # Errors
    /// [`Error::Config`] when the video does not divide into patches.
    pub fn latent_size(&self, pixels: [usize; 3]) -> Result<[usize; 3]> {
        let cell = [self.frames, self.patch, self.patch];
        if (0..3).any(|i| cell[i] == 0 || pixels[i] == 0 || !pixels[i].is_multiple_of(cell[i])) {
            let reason = format!("expected frames, rows and columns in {cell:?}s, got {pixels:?}");
            return Err(Error::config("video size", reason));
        }
        Ok(std::array::from_fn(|i| pixels[i] / cell[i]))
    }
}

/// x + conv(SiLU(conv(SiLU(x)))).
#[derive(Module, Debug)]
struct ResidualBlock {
    first: Convolution,
    second: Convolution,
}

impl ResidualBlock {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let h = self.first.forward_silu(thrumask_kernels::silu(x.clone()));
        x + self.second.forward(h)
    }
}

/// Encoder and decoder of latent videos.
#[derive(Module, Debug)]
pub struct Autoencoder {
    encoder_up: Linear,
    encoder_down: Linear,
    decoder_in: Linear,
    decoder: Vec<ResidualBlock>,
    decoder_out: Linear,
    /// Mean of each raw latent channel over the training data, `[C]`.
    latent_mean: Param<Tensor<1>>,
    /// Standard deviation of each raw latent channel over the training data, `[C]`.
    latent_std: Param<Tensor<1>>,
    #[module(skip)]
    config: AutoencoderConfig,
}

impl Autoencoder {
    /// An autoencoder with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero.
    pub fn new(init: &mut Init, config: &AutoencoderConfig) -> Result<Self> {
        let AutoencoderConfig {
            frames, patch, latent_channels, encoder_width, decoder_width, ..
        } = *config;
        let sizes = [frames, patch, latent_channels, encoder_width, decoder_width];
        if sizes.contains(&0) {
            let reason = format!("expected sizes above zero, got {config:?}");
            return Err(Error::config("autoencoder", reason));
        }
        let values = 3 * frames * patch * patch;
        Ok(Self {
            encoder_up: Linear::new(init, values, encoder_width, 1.5),
            encoder_down: Linear::new(init, encoder_width, latent_channels, 1.5),
            decoder_in: Linear::new(init, latent_channels, decoder_width, 1.0),
            decoder: (0..config.decoder_blocks)
                .map(|_| ResidualBlock {
                    first: Convolution::new(init, decoder_width, decoder_width, 1.4),
                    second: Convolution::new(init, decoder_width, decoder_width, 0.5),
                })
                .collect(),
            decoder_out: Linear::new(init, decoder_width, values, 0.7),
            latent_mean: init.constant([latent_channels], 0.0),
            latent_std: init.constant([latent_channels], 1.0),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &AutoencoderConfig {
        &self.config
    }

    /// Latents before normalisation; what training looks at.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, T', H', W', C]`
    ///
    /// # Errors
    /// [`Error::Config`] when the video does not divide into patches.
    pub fn encode_raw(&self, pixels: Tensor<5>) -> Result<Tensor<5>> {
        let [batch, channels, frames, height, width] = pixels.dims();
        if channels != 3 {
            return Err(Error::shape("pixel channels", 3, channels));
        }
        let [t, h, w] = self.config.latent_size([frames, height, width])?;
        let (f, p) = (self.config.frames, self.config.patch);
        let x = pixels.reshape([batch, 3, t, f, h, p, w, p]); // [B, 3, T', f, H', p, W', p]
        let x = x.permute([0, 2, 4, 6, 1, 3, 5, 7]); // [B, T', H', W', 3, f, p, p]
        let x = thrumask_kernels::dense(x).reshape([batch, t * h * w, 3 * f * p * p]);
        let x = thrumask_kernels::gelu_tanh(self.encoder_up.forward(x));
        let x = self.encoder_down.forward(x); // [B, N, C]
        Ok(x.reshape([batch, t, h, w, self.config.latent_channels]))
    }

    /// Pixels from latents before normalisation.
    ///
    /// # Shapes
    /// - `raw`: `[B, T', H', W', C]`
    /// - returns `[B, 3, T, H, W]`, about in [-1, 1]
    pub fn decode_raw(&self, raw: Tensor<5>) -> Tensor<5> {
        let [batch, t, h, w, c] = raw.dims();
        let (f, p, d) = (self.config.frames, self.config.patch, self.config.decoder_width);
        let x = self.decoder_in.forward(raw.reshape([batch * t, h * w, c])); // [B·T', H'·W', D]
        let x = thrumask_kernels::dense(x.swap_dims(1, 2)).reshape([batch * t, d, h, w]); // [B·T', D, H', W']
        let x = self.decoder.iter().fold(x, |x, block| block.forward(x));
        let x = x.reshape([batch * t, d, h * w]).swap_dims(1, 2); // [B·T', H'·W', D]
        let x = self.decoder_out.forward(thrumask_kernels::silu(x)); // [B·T', H'·W', 3·f·p·p]
        let x = x.reshape([batch, t, h, w, 3, f, p, p]);
        let x = x.permute([0, 4, 1, 5, 2, 6, 3, 7]); // [B, 3, T', f, H', p, W', p]
        thrumask_kernels::dense(x).reshape([batch, 3, t * f, h * p, w * p])
    }

    /// Normalised latents of a video.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, C, T', H', W']`, about of mean 0 and variance 1 per channel
    ///
    /// # Errors
    /// [`Error::Config`] when the video does not divide into patches.
    pub fn encode(&self, pixels: Tensor<5>) -> Result<Tensor<5>> {
        let raw = self.encode_raw(pixels)?;
        let c = self.config.latent_channels;
        let shape = [1, 1, 1, 1, c];
        let raw = raw - self.latent_mean.val().reshape(shape);
        let latents = raw / self.latent_std.val().reshape(shape);
        Ok(thrumask_kernels::dense(latents.permute([0, 4, 1, 2, 3])))
    }

    /// The video of normalised latents.
    ///
    /// # Shapes
    /// - `latents`: `[B, C, T', H', W']`
    /// - returns `[B, 3, T, H, W]`, about in [-1, 1]
    pub fn decode(&self, latents: Tensor<5>) -> Tensor<5> {
        let shape = [1, 1, 1, 1, self.config.latent_channels];
        let raw = thrumask_kernels::dense(latents.permute([0, 2, 3, 4, 1]));
        let raw = raw * self.latent_std.val().reshape(shape);
        let raw = raw + self.latent_mean.val().reshape(shape); // [B, T', H', W', C]
        self.decode_raw(raw)
    }

    /// Latents of one picture, repeated over time as far as one latent frame needs.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, 1, H, W]` in [-1, 1]
    /// - returns `[B, C, 1, H', W']`
    ///
    /// # Errors
    /// [`Error::Config`] when the picture does not divide into patches.
    pub fn encode_picture(&self, pixels: Tensor<5>) -> Result<Tensor<5>> {
        let [batch, channels, _, height, width] = pixels.dims();
        self.encode(pixels.expand([batch, channels, self.config.frames, height, width]))
    }

    /// Sets the normalisation from the mean and standard deviation of each raw latent channel.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is not one number per channel.
    pub fn normalised(mut self, mean: Vec<f32>, std: Vec<f32>) -> Result<Self> {
        let c = self.config.latent_channels;
        if mean.len() != c || std.len() != c {
            return Err(Error::shape("latent statistics", c, (mean.len(), std.len())));
        }
        let device = self.latent_mean.val().device();
        let param = |values: Vec<f32>| Param::from_data(TensorData::new(values, [c]), &device);
        (self.latent_mean, self.latent_std) = (param(mean), param(std));
        Ok(self)
    }
}
