//! The autoencoder of Stable Diffusion (Rombach et al., "High-Resolution Image Synthesis with Latent
//! Diffusion Models", CVPR 2022): pictures to the mean and variance of 8 times smaller latents, and back.
//! As diffusers' `AutoencoderKL` (0.42).

mod bands;
mod coder;
mod config;
mod layers;
pub mod names;

use burn::{module::Module, tensor::Tensor};

use self::coder::{Decoder, Encoder};
pub use self::config::KlConfig;
pub use self::names::KlNaming;
use super::frames::by_frames;
use crate::{
    Error, Result,
    layers::{Convolution, Init},
    weights::{TensorSource, load_public, of_any_prefix},
};

/// Bounds of the logarithm of a variance.
const LOG_VARIANCE: [f32; 2] = [-30.0, 20.0];

/// How much of a video is worked on at once: less of it takes less memory and gives the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portions {
    /// Frames of all videos together, at least 1.
    pub frames: usize,
    /// Rows of a band of a frame, at each resolution; all when `None`. Taken up to an even number.
    ///
    /// Around bands lie as many rows as convolutions look at, norms take their moments over all bands, and
    /// the attention at the lowest resolution sees the whole picture. So there are no seams: latents and
    /// pixels differ from those of whole frames by rounding only, less than 1e-4 (tested on random
    /// networks of full depth, where 8e-6 was measured; at full size 2.5e-5, for pixels of deviation 0.6).
    ///
    /// The first convolution of each block is done twice. What is kept whole is one activation between two
    /// blocks: decoding 1024×1024 pixels at full size took 1.5 GB beside the weights in bands of 64 rows,
    /// and 3.8 GB without.
    pub rows: Option<usize>,
}

impl Portions {
    /// Whole frames, one by one.
    pub const FRAMES: Self = Self { frames: 1, rows: None };

    /// One frame at a time, in bands of `rows` rows.
    pub fn bands(rows: usize) -> Self {
        Self { frames: 1, rows: Some(rows) }
    }

    /// Rows that [`Bands::regroup`](bands::Bands::regroup) can take.
    fn band_rows(self) -> Option<usize> {
        self.rows.map(|rows| rows.next_multiple_of(2).max(bands::MARGIN))
    }
}

/// The distribution of latents that an encoder gives: independent normal numbers. Of scaled latents, as
/// everything here.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `[B, C, T, H', W']`.
    pub mean: Tensor<5>,
    /// Standard deviations, `[B, C, T, H', W']`.
    pub deviation: Tensor<5>,
}

impl Posterior {
    /// The most likely latents.
    ///
    /// # Shapes
    /// - returns `[B, C, T, H', W']`
    pub fn mode(self) -> Tensor<5> {
        self.mean
    }

    /// Latents that standard normal `noise` draws.
    ///
    /// # Shapes
    /// - `noise`: `[B, C, T, H', W']`
    /// - returns the same shape
    ///
    /// # Errors
    /// [`Error::Shape`] when the noise has another shape.
    pub fn sample(self, noise: Tensor<5>) -> Result<Tensor<5>> {
        if noise.dims() != self.mean.dims() {
            return Err(Error::shape("noise", self.mean.dims(), noise.dims()));
        }
        Ok(self.mean + self.deviation * noise)
    }
}

/// Encoder and decoder of frames.
///
/// Frames do not see each other. Latents are scaled: what the network calls `z` is
/// `(z - shift_factor) · scaling_factor` here, in and out, so that its variance is about 1.
#[derive(Module, Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Convolution>,
    post_quant_conv: Option<Convolution>,
    #[module(skip)]
    config: KlConfig,
}

impl AutoencoderKl {
    /// An autoencoder with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] as [`KlConfig::check`] has it.
    pub fn new(init: &mut Init, config: &KlConfig) -> Result<Self> {
        config.check()?;
        let c = config.latent_channels;
        Ok(Self {
            encoder: Encoder::new(init, config),
            decoder: Decoder::new(init, config),
            quant_conv: config.quant.then(|| Convolution::with_kernel(init, 1, 2 * c, 2 * c, 1.0)),
            post_quant_conv: config
                .post_quant
                .then(|| Convolution::with_kernel(init, 1, c, c, 1.0)),
            config: config.clone(),
        })
    }

    /// The public weights, in any of the namings of [`KlNaming`], from a diffusers `vae` folder or from a
    /// file with all networks of Stable Diffusion.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and no tensor of this network is left
    /// over; [`Error::Config`] as [`KlConfig::check`] has it.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &KlConfig,
        init: impl Into<Init>,
    ) -> Result<Self> {
        let part = of_any_prefix(source, &[names::SINGLE_FILE_PREFIX]);
        let (naming, levels) = (KlNaming::of(&part), config.channels.len());
        let blank = Self::new(&mut init.into(), config)?;
        load_public(what, &part, blank, |path| naming.rename(path, levels))
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &KlConfig {
        &self.config
    }

    /// The distribution of a video's latents.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, C, T, H', W']`
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not three channels, or a frame does not divide into patches.
    pub fn posterior(&self, pixels: Tensor<5>, portions: Portions) -> Result<Posterior> {
        let [_, channels, _, height, width] = pixels.dims();
        if channels != 3 {
            return Err(Error::shape("pixel channels", 3, channels));
        }
        self.config.latent_size([height, width])?;
        let c = self.config.latent_channels;
        let rows = portions.band_rows();
        let moments = by_frames(pixels, portions.frames, |x| {
            let x = self.encoder.forward(x, rows); // [N, 2·C, H', W']
            match &self.quant_conv {
                Some(conv) => conv.forward(x),
                None => x,
            }
        }); // [B, 2·C, T, H', W']
        let mean = moments.clone().narrow(1, 0, c) - self.config.shift_factor;
        let log_variance = moments.narrow(1, c, c).clamp(LOG_VARIANCE[0], LOG_VARIANCE[1]);
        let scale = self.config.scaling_factor;
        Ok(Posterior { mean: mean * scale, deviation: (log_variance * 0.5).exp() * scale.abs() })
    }

    /// The most likely latents of a video.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, C, T, H', W']`
    ///
    /// # Errors
    /// As those of [`Self::posterior`].
    pub fn encode(&self, pixels: Tensor<5>, portions: Portions) -> Result<Tensor<5>> {
        Ok(self.posterior(pixels, portions)?.mode())
    }

    /// The video of latents.
    ///
    /// # Shapes
    /// - `latents`: `[B, C, T, H', W']`
    /// - returns `[B, 3, T, H, W]`, about in [-1, 1]
    ///
    /// # Errors
    /// [`Error::Shape`] when the channels are not those of this network.
    pub fn decode(&self, latents: Tensor<5>, portions: Portions) -> Result<Tensor<5>> {
        let channels = latents.dims()[1];
        if channels != self.config.latent_channels {
            return Err(Error::shape("latent channels", self.config.latent_channels, channels));
        }
        let rows = portions.band_rows();
        let latents = latents / self.config.scaling_factor + self.config.shift_factor;
        Ok(by_frames(latents, portions.frames, |x| {
            let x = match &self.post_quant_conv {
                Some(conv) => conv.forward(x),
                None => x,
            };
            self.decoder.forward(x, rows) // [N, 3, H, W]
        }))
    }
}
