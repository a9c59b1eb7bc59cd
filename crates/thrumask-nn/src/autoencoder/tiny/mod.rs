//! The tiny autoencoders of Ollin Boer Bohan (TAESD and its kin, github.com/madebyollin/taesd): latents of
//! large autoencoders to pixels and back, with 64 channels throughout. Less exact than the large ones, and
//! many times cheaper; for previews.

mod names;
mod public;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::relu},
};
use serde::{Deserialize, Serialize};
use thrumask_kernels::{ConvolutionOptions, conv2d};

use self::names::{decoder_name, encoder_name};
use super::frames::by_frames;
use crate::{
    Error, Result,
    layers::{Convolution, GroupNorm, Init},
    weights::{TensorSource, load_public, only_prefix},
};

/// Halvings of the size.
pub(super) const LEVELS: usize = 3;
/// Blocks of a level.
pub(super) const BLOCKS: usize = 3;
/// Rows and columns of pixels that become one latent position.
const PATCH: usize = 1 << LEVELS;

/// Sizes of a [`TinyAutoencoder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TinyConfig {
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Channels of everything between.
    pub width: usize,
    /// Whether blocks at the lowest resolution see the moments of the whole picture.
    pub pooled: bool,
}

impl TinyConfig {
    /// For latents of Stable Diffusion 1.x and 2.x.
    pub fn taesd() -> Self {
        Self { latent_channels: 4, width: 64, pooled: false }
    }

    /// For latents of Flux.2.
    pub fn taef2() -> Self {
        Self { latent_channels: 32, width: 64, pooled: true }
    }

    /// Latent rows and columns of a picture of `[H, W]` pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] when the picture does not divide into patches.
    pub fn latent_size(&self, pixels: [usize; 2]) -> Result<[usize; 2]> {
        if pixels.iter().any(|&n| n == 0 || !n.is_multiple_of(PATCH)) {
            let expected = format!("rows and columns in multiples of {PATCH}");
            return Err(Error::shape("picture", expected, pixels));
        }
        Ok(pixels.map(|n| n / PATCH))
    }
}

/// A 3×3 convolution without bias that may change the size.
#[derive(Module, Debug)]
struct Resample {
    /// `[outputs, inputs, 3, 3]`.
    weight: Param<Tensor<4>>,
}

impl Resample {
    fn new(init: &mut Init, width: usize) -> Self {
        let std = (2.0 / (9 * width) as f32).sqrt();
        Self { weight: init.normal([width, width, 3, 3], std) }
    }

    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns `[B, C, H', W']`
    fn forward(&self, x: Tensor<4>, stride: usize, magnify: usize) -> Tensor<4> {
        let weight = self.weight.val();
        let bias = Tensor::zeros([weight.dims()[0]], &weight.device());
        let options = ConvolutionOptions { stride, magnify, padding: 1, ..Default::default() };
        conv2d(x, weight, bias, options)
    }
}

/// A 1×1 convolution without bias.
#[derive(Module, Debug)]
struct Mix {
    /// `[inputs, outputs]`.
    kernel: Param<Tensor<2>>,
}

impl Mix {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        Self { kernel: init.normal([inputs, outputs], (1.0 / inputs as f32).sqrt()) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let kernel = self.kernel.val();
        let [inputs, outputs] = kernel.dims();
        let bias = Tensor::zeros([outputs], &kernel.device());
        let kernel = kernel.swap_dims(0, 1).reshape([outputs, inputs, 1, 1]);
        conv2d(x, kernel, bias, ConvolutionOptions::default())
    }
}

/// Looks at the whole picture: four times the channels, normed over it.
#[derive(Module, Debug)]
struct Pool {
    up: Mix,
    norm: GroupNorm,
    down: Mix,
}

/// Three convolutions around a residual, perhaps after a pool.
#[derive(Module, Debug)]
struct Block {
    conv1: Convolution,
    conv2: Convolution,
    conv3: Convolution,
    pool: Option<Pool>,
}

impl Block {
    fn new(init: &mut Init, width: usize, pooled: bool) -> Self {
        Self {
            conv1: Convolution::new(init, width, width, 1.4),
            conv2: Convolution::new(init, width, width, 1.4),
            conv3: Convolution::new(init, width, width, 0.5),
            pool: pooled.then(|| Pool {
                up: Mix::new(init, width, 4 * width),
                norm: GroupNorm::new(init, 4 * width, 4, 1e-5),
                down: Mix::new(init, 4 * width, width),
            }),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    /// - returns the same shape, nothing below 0
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.pool {
            Some(Pool { up, norm, down }) => {
                x.clone() + down.forward(relu(norm.forward(up.forward(x))))
            }
            None => x,
        };
        let h = relu(self.conv1.forward(x.clone()));
        let h = relu(self.conv2.forward(h));
        relu(self.conv3.forward(h) + x)
    }
}

/// A change of size and three blocks, in either order.
#[derive(Module, Debug)]
struct Level {
    resample: Resample,
    blocks: Vec<Block>,
}

impl Level {
    fn new(init: &mut Init, width: usize, pooled: bool) -> Self {
        let resample = Resample::new(init, width);
        Self { resample, blocks: (0..BLOCKS).map(|_| Block::new(init, width, pooled)).collect() }
    }

    fn through_blocks(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x))
    }
}

#[derive(Module, Debug)]
struct Encoder {
    input: Convolution,
    block: Block,
    levels: Vec<Level>,
    output: Convolution,
}

impl Encoder {
    fn new(init: &mut Init, config: &TinyConfig) -> Self {
        let (width, pooled) = (config.width, config.pooled);
        Self {
            input: Convolution::new(init, 3, width, 1.0),
            block: Block::new(init, width, false),
            levels: (0..LEVELS)
                .map(|i| Level::new(init, width, pooled && i == LEVELS - 1))
                .collect(),
            output: Convolution::new(init, width, config.latent_channels, 1.0),
        }
    }

    /// # Shapes
    /// - `x`: `[B, 3, H, W]` in [0, 1]
    /// - returns `[B, C, H', W']`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.block.forward(self.input.forward(x));
        let down = |x, level: &Level| level.through_blocks(level.resample.forward(x, 2, 1));
        self.output.forward(self.levels.iter().fold(x, down))
    }
}

#[derive(Module, Debug)]
struct Decoder {
    input: Convolution,
    levels: Vec<Level>,
    block: Block,
    output: Convolution,
}

impl Decoder {
    fn new(init: &mut Init, config: &TinyConfig) -> Self {
        let (width, pooled) = (config.width, config.pooled);
        Self {
            input: Convolution::new(init, config.latent_channels, width, 1.0),
            levels: (0..LEVELS).map(|i| Level::new(init, width, pooled && i == 0)).collect(),
            block: Block::new(init, width, false),
            output: Convolution::new(init, width, 3, 1.0),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, H', W']`
    /// - returns `[B, 3, H, W]`, about in [0, 1]
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        // Latents far out are drawn in, to within 3.
        let x = relu(self.input.forward((x / 3.0).tanh() * 3.0));
        let up = |x, level: &Level| level.resample.forward(level.through_blocks(x), 1, 2);
        let x = self.levels.iter().fold(x, up);
        self.output.forward(self.block.forward(x))
    }
}

/// Encoder and decoder of frames, which do not see each other.
#[derive(Module, Debug)]
pub struct TinyAutoencoder {
    encoder: Encoder,
    decoder: Decoder,
    #[module(skip)]
    config: TinyConfig,
}

impl TinyAutoencoder {
    /// An autoencoder with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero.
    pub fn new(init: &mut Init, config: &TinyConfig) -> Result<Self> {
        if config.latent_channels == 0 || config.width == 0 {
            let reason = format!("expected sizes above zero, got {config:?}");
            return Err(Error::config("tiny autoencoder", reason));
        }
        let (encoder, decoder) = (Encoder::new(init, config), Decoder::new(init, config));
        Ok(Self { encoder, decoder, config: config.clone() })
    }

    /// The public weights as their author publishes them: a file for each half.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and none is left over;
    /// [`Error::Config`] when a size is zero.
    pub fn load(
        what: &str,
        [encoder, decoder]: [&dyn TensorSource; 2],
        config: &TinyConfig,
        device: &Device,
    ) -> Result<Self> {
        let Self { encoder: e, decoder: d, config } = Self::new(&mut Init::new(0, device), config)?;
        Ok(Self {
            encoder: load_public(&format!("{what}, encoder"), encoder, e, encoder_name)?,
            decoder: load_public(&format!("{what}, decoder"), decoder, d, |p| decoder_name(p, 0))?,
            config,
        })
    }

    /// The public weights as a diffusers `AutoencoderTiny` folder has them: both halves in one file.
    ///
    /// # Errors
    /// As those of [`Self::load`].
    pub fn load_diffusers(
        what: &str,
        source: &dyn TensorSource,
        config: &TinyConfig,
        device: &Device,
    ) -> Result<Self> {
        let Self { encoder: e, decoder: d, config } = Self::new(&mut Init::new(0, device), config)?;
        let part = |half: &str| only_prefix(source, &format!("{half}.layers."));
        Ok(Self {
            encoder: load_public(what, &part("encoder"), e, encoder_name)?,
            // There, what draws latents in is no layer.
            decoder: load_public(what, &part("decoder"), d, |path| decoder_name(path, 1))?,
            config,
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &TinyConfig {
        &self.config
    }

    /// The latents of a video, `count` frames at a time.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, T, H, W]` in [-1, 1]
    /// - returns `[B, C, T, H/8, W/8]`, scaled as the large autoencoder's are for diffusion
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not three channels, or a frame does not divide into patches.
    pub fn encode(&self, pixels: Tensor<5>, count: usize) -> Result<Tensor<5>> {
        let [_, channels, _, height, width] = pixels.dims();
        if channels != 3 {
            return Err(Error::shape("pixel channels", 3, channels));
        }
        self.config.latent_size([height, width])?;
        Ok(by_frames((pixels + 1.0) / 2.0, count, |x| self.encoder.forward(x)))
    }

    /// The video of latents, `count` frames at a time.
    ///
    /// # Shapes
    /// - `latents`: `[B, C, T, H', W']`
    /// - returns `[B, 3, T, 8·H', 8·W']`, about in [-1, 1]
    ///
    /// # Errors
    /// [`Error::Shape`] when the channels are not those of this network.
    pub fn decode(&self, latents: Tensor<5>, count: usize) -> Result<Tensor<5>> {
        let (expected, channels) = (self.config.latent_channels, latents.dims()[1]);
        if channels != expected {
            return Err(Error::shape("latent channels", expected, channels));
        }
        Ok(by_frames(latents, count, |x| self.decoder.forward(x)) * 2.0 - 1.0)
    }
}
