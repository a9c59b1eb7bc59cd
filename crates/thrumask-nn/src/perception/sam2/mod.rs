//! SAM 2.1 (Ravi et al., "SAM 2: Segment Anything in Images and Videos", ICLR 2025): masks of what points,
//! boxes and masks mean in a picture.
//!
//! ```text
//! picture ─ ImageEncoder ─ ImageFeatures ───┐
//! points, boxes, masks ─ PromptEncoder ─────┴─ MaskDecoder ─ masks, how good they are, is anything there
//! ```
//!
//! Pixels are normalised by the mean and deviation of each channel ([`normalised`]), not in [-1, 1] as
//! elsewhere. Coordinates of prompts are pixels of the square that the picture was resized to.

mod config;
mod decoder;
mod encoder;
pub mod names;
mod pixels;
mod positions;
mod predictor;
mod prompt;
mod public;
pub mod video;

use burn::{module::Module, tensor::Device};

use crate::{
    Error, Result,
    layers::{Init, Lone},
    weights::{LoadReport, TensorSource, load_public, public_check},
};

pub use config::{
    ImageEncoderConfig, MaskDecoderConfig, MemoryAttentionConfig, MemoryConfig,
    MemoryEncoderConfig, PATCH, PromptEncoderConfig, STRIDE, Sam2Config,
};
pub use decoder::{DecoderInput, DecoderOutput, MaskDecoder};
pub use encoder::{ImageEncoder, ImageFeatures};
pub use names::Sam2Naming;
pub use pixels::normalised;
pub use positions::sine_positions;
pub use predictor::{Candidate, Prompt, Sam2Image};
pub use prompt::{PointKind, PromptEncoder, PromptPoint, PromptTokens};

/// ε of the norms of encoder and masks; those of the decoder's transformer have 1e-5.
pub(crate) const EPSILON: f32 = 1e-6;

/// The network.
#[derive(Module, Debug)]
pub struct Sam2 {
    /// Pixels to features.
    pub image_encoder: ImageEncoder,
    /// Points, boxes and masks to tokens.
    pub prompt_encoder: PromptEncoder,
    /// Features and tokens to masks.
    pub mask_decoder: MaskDecoder,
    /// `[1, 1, C]`, added to the coarsest features where nothing is remembered.
    pub no_memory: Lone<3>,
    /// Sizes.
    #[module(skip)]
    pub config: Sam2Config,
}

impl Sam2 {
    /// A network that has learned nothing.
    ///
    /// # Errors
    /// [`crate::Error::Config`] as [`Sam2Config::check`] has it.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Result<Self> {
        config.check()?;
        Ok(Self {
            image_encoder: ImageEncoder::new(init, config),
            prompt_encoder: PromptEncoder::new(init, config),
            mask_decoder: MaskDecoder::new(init, config),
            no_memory: Lone::new(init, [1, 1, config.width], 0.02),
            config: config.clone(),
        })
    }

    /// Public weights, in the layout of the original files or of transformers. Tensors of the memory are
    /// passed over.
    ///
    /// # Errors
    /// [`crate::Error::Weights`] unless every parameter is there, fits, and none is left over.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &Sam2Config,
        device: &Device,
    ) -> Result<Self> {
        let network = Self::new(&mut Init::from(device), config)?;
        let naming = Sam2Naming::of(source);
        let source = naming.part(source, false)?;
        load_public(what, &source, network, |path| naming.rename(path, config))
    }
    /// What [`Sam2::load`] would do, without reading or making any values.
    ///
    /// # Errors
    /// As [`Sam2::load`].
    pub fn check_public(
        what: &str,
        source: &dyn TensorSource,
        config: &Sam2Config,
    ) -> Result<LoadReport> {
        let network = Self::new(&mut Init::from(&Device::flex()), config)?;
        let naming = Sam2Naming::of(source);
        let part = naming.part(source, false)?;
        let report = public_check(&part, &network, |path| naming.rename(path, config));
        match report.is_complete() {
            true => Ok(report),
            false => Err(Error::weights(what, report.to_string())),
        }
    }
}
