//! Any autoencoder, where a stage does not care which.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    Autoencoder, AutoencoderConfig,
    kl::{AutoencoderKl, KlConfig, Portions},
    tiny::{TinyAutoencoder, TinyConfig},
};
use crate::{Cost, Result};

/// The side of the largest square frames that are worked on whole; what has more rows or more pixels goes through
/// in bands.
const WHOLE: usize = 512;
/// Rows of a band, at most.
const BAND: usize = 64;
/// Columns up to which bands of wide frames have as many; wider ones have fewer, and as many pixels a band.
const BAND_COLUMNS: usize = 1024;
/// Rows of a band, at least: with fewer, most of the work would be rows that it only looks at.
const LEAST_BAND: usize = 8;

/// Sizes of any autoencoder.
#[derive(Debug, Clone, PartialEq)]
pub enum LatentCodecConfig {
    /// Of ours.
    Patches(AutoencoderConfig),
    /// Of Stable Diffusion's.
    Kl(KlConfig),
    /// Of one for previews.
    Tiny(TinyConfig),
}

impl LatentCodecConfig {
    /// C: channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Patches(config) => config.latent_channels,
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
        }
    }

    /// Latent frames, rows and columns of a video of `[T, H, W]` pixels.
    ///
    /// # Errors
    /// [`crate::Error::Config`] or [`crate::Error::Shape`] when the video does not divide into patches.
    pub fn latent_size(&self, [frames, height, width]: [usize; 3]) -> Result<[usize; 3]> {
        let [rows, columns] = match self {
            Self::Patches(config) => return config.latent_size([frames, height, width]),
            Self::Kl(config) => config.latent_size([height, width])?,
            Self::Tiny(config) => config.latent_size([height, width])?,
        };
        Ok([frames, rows, columns])
    }

    /// What encoding and decoding a video of `[T, H, W]` pixels takes: of memory what is alive at once.
    pub fn cost(&self, [frames, height, width]: [usize; 3]) -> [Cost; 2] {
        let [encode, decode] = match self {
            Self::Patches(config) => return config.cost([frames, height, width]),
            Self::Kl(config) => {
                config.cost([height, width], Self::portions([height, width]).rows.is_some())
            }
            Self::Tiny(config) => config.cost([height, width]),
        };
        // Frames are worked on one by one.
        let all = |Cost { operations, convolved, floats }: Cost| Cost {
            operations: operations * frames as f64,
            convolved: convolved * frames as f64,
            floats,
        };
        [all(encode), all(decode)]
    }

    /// How frames of `[H, W]` pixels go through the large autoencoder.
    fn portions([rows, columns]: [usize; 2]) -> Portions {
        if rows > WHOLE {
            Portions::bands(BAND)
        } else if rows * columns > WHOLE * WHOLE {
            Portions::bands((BAND * BAND_COLUMNS / columns).clamp(LEAST_BAND, BAND))
        } else {
            Portions::FRAMES
        }
    }
}

/// Any autoencoder: videos to latents of about variance 1, and back.
#[expect(clippy::large_enum_variant, reason = "there is one in a program")]
#[derive(Module, Debug)]
pub enum LatentCodec {
    /// Ours.
    Patches(Autoencoder),
    /// Stable Diffusion's, frame by frame; latents are the mean of their distribution.
    Kl(AutoencoderKl),
    /// One for previews, frame by frame.
    Tiny(TinyAutoencoder),
}

impl LatentCodec {
    /// The configuration it was made from.
    pub fn config(&self) -> LatentCodecConfig {
        match self {
            Self::Patches(codec) => LatentCodecConfig::Patches(codec.config().clone()),
            Self::Kl(codec) => LatentCodecConfig::Kl(codec.config().clone()),
            Self::Tiny(codec) => LatentCodecConfig::Tiny(codec.config().clone()),
        }
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.devices().into_iter().next().unwrap_or_else(Device::flex)
    }

    /// The latents of a video.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, C, T', H', W']`, of about variance 1
    ///
    /// # Errors
    /// [`crate::Error::Config`] or [`crate::Error::Shape`] when the video does not divide into patches.
    pub fn encode(&self, pixels: Tensor<5>) -> Result<Tensor<5>> {
        let [_, _, _, rows, columns] = pixels.dims();
        match self {
            Self::Patches(codec) => codec.encode(pixels),
            Self::Kl(codec) => codec.encode(pixels, LatentCodecConfig::portions([rows, columns])),
            Self::Tiny(codec) => codec.encode(pixels, 1),
        }
    }

    /// The latents of one picture, as those of a video in which it stands still.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, 1, H, W]` in [-1, 1]
    /// - returns `[B, C, 1, H', W']`
    ///
    /// # Errors
    /// As [`LatentCodec::encode`].
    pub fn encode_picture(&self, pixels: Tensor<5>) -> Result<Tensor<5>> {
        match self {
            Self::Patches(codec) => codec.encode_picture(pixels),
            Self::Kl(_) | Self::Tiny(_) => self.encode(pixels),
        }
    }

    /// The video of latents.
    ///
    /// # Shapes
    /// - `latents`: `[B, C, T', H', W']`
    /// - returns `[B, 3, T, H, W]`, about in [-1, 1]
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when the channels are not those of this network.
    pub fn decode(&self, latents: Tensor<5>) -> Result<Tensor<5>> {
        let expected = self.config().latent_channels();
        let [_, got, _, rows, columns] = latents.dims();
        if got != expected {
            return Err(crate::Error::shape("latent channels", expected, got));
        }
        match self {
            Self::Patches(codec) => Ok(codec.decode(latents)),
            Self::Kl(codec) => {
                let size = [rows, columns].map(|n| n * codec.config().patch());
                codec.decode(latents, LatentCodecConfig::portions(size))
            }
            Self::Tiny(codec) => codec.decode(latents, 1),
        }
    }
}

impl From<Autoencoder> for LatentCodec {
    fn from(codec: Autoencoder) -> Self {
        Self::Patches(codec)
    }
}

impl From<AutoencoderKl> for LatentCodec {
    fn from(codec: AutoencoderKl) -> Self {
        Self::Kl(codec)
    }
}

impl From<TinyAutoencoder> for LatentCodec {
    fn from(codec: TinyAutoencoder) -> Self {
        Self::Tiny(codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{diffusion::noise::Noise, layers::Init, pixels::host_values, weights::parameters};

    fn init() -> Init {
        Init::new(1, &Device::flex())
    }

    fn all() -> [LatentCodec; 3] {
        let narrow = TinyConfig { width: 8, ..TinyConfig::taesd() };
        [
            Autoencoder::new(&mut init(), &AutoencoderConfig::nano()).unwrap().into(),
            AutoencoderKl::new(&mut init(), &KlConfig::tiny()).unwrap().into(),
            TinyAutoencoder::new(&mut init(), &narrow).unwrap().into(),
        ]
    }

    #[test]
    fn a_video_becomes_latents_of_the_size_that_was_told_and_back() {
        let size = [3, 16, 24];
        let [t, h, w] = size;
        let pixels = Noise::new(2, "pixels").normal_tensor([2, 3, t, h, w], &Device::flex());
        for codec in all() {
            let config = codec.config();
            let [lt, lh, lw] = config.latent_size(size).unwrap();
            let latents = codec.encode(pixels.clone()).unwrap();
            assert_eq!(latents.dims(), [2, config.latent_channels(), lt, lh, lw]);
            let first = codec.encode_picture(pixels.clone().narrow(2, 0, 1)).unwrap();
            assert_eq!(first.dims()[2], 1);
            let expected = host_values(latents.clone().narrow(2, 0, 1));
            let apart = host_values(first).into_iter().zip(expected);
            assert!(apart.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "{config:?}");
            assert_eq!(codec.decode(latents.clone()).unwrap().dims(), [2, 3, t, h, w]);
            assert!(codec.decode(Tensor::cat(vec![latents.clone(), latents], 1)).is_err());
            assert!(config.latent_size([3, 17, 24]).is_err());
            assert!(codec.encode(pixels.clone().narrow(3, 0, 15)).is_err());
        }
    }

    #[test]
    fn the_choice_is_no_part_of_names() {
        let own = Autoencoder::new(&mut init(), &AutoencoderConfig::nano()).unwrap();
        let names = |found: Vec<crate::weights::Parameter>| {
            found.into_iter().map(|p| p.name).collect::<Vec<_>>()
        };
        assert_eq!(names(parameters(&own)), names(parameters(&LatentCodec::from(own.clone()))));
    }

    #[test]
    fn large_frames_go_through_in_bands() {
        let portions = LatentCodecConfig::portions;
        for whole in [[512, 512], [64, 4096], [256, 1024]] {
            assert_eq!(portions(whole), Portions::FRAMES, "{whole:?}");
        }
        for tall in [[520, 64], [520, 520], [1024, 4096]] {
            assert_eq!(portions(tall), Portions::bands(64), "{tall:?}");
        }
        // As many pixels in a band, however wide.
        for (columns, rows) in [(520, 64), (1024, 64), (2048, 32), (4096, 16), (1 << 16, 8)] {
            assert_eq!(portions([512, columns]), Portions::bands(rows), "{columns}");
        }
    }
}
