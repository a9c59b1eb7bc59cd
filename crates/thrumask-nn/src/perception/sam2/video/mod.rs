//! SAM 2.1 on videos: objects that were prompted on some frames are followed to the others.
//!
//! ```text
//! frame ─ ImageEncoder ─ features ─ MemoryAttention ─ MaskDecoder ─ mask, pointer
//!                           │             ↑ memories of other frames       │
//!                           └──────────── MemoryEncoder ←──────────────────┘
//! ```
//!
//! What is known of a video is a plain [`VideoSession`]; [`Sam2Video::step`] looks at one of its frames and
//! [`Sam2Video::propagate`] at one after the other. Objects are followed each by itself, so none changes
//! another's mask, until [`FrameMasks::labels`] settles who has a pixel that several ask for.
//!
//! Where transformers' `Sam2VideoModel` (5.23) and the original `SAM2VideoPredictor` differ, it says so:
//! [`Behavior`] chooses what can be chosen; a memory is made of a hard mask where the object itself was
//! prompted, as in the original (in transformers also where another one was, on the same frame); prompted
//! frames that are too many count as tracked, as in the original; and a mask given by the user is remembered
//! as it was given, as in transformers (in the original as the decoder's size shows it).

mod attention;
mod bank;
mod encoder;
mod frame;
mod loss;
mod masks;
pub mod names;
mod resize;
mod session;
mod track;

use burn::{module::Module, tensor::Device};

use super::{Sam2, Sam2Config, Sam2Naming};
use crate::{
    Error, Result,
    layers::{Convolution, Init, Linear, Lone, Perceptron},
    weights::{LoadReport, TensorSource, load_public, public_check},
};

pub use attention::{MemoryAttention, Recalled};
pub use bank::{Choice, Direction, choose};
pub use encoder::MemoryEncoder;
pub use frame::{FrameMemory, Look, Memories};
pub use loss::{TrackerTargets, tracker_loss};
pub use masks::{FrameMasks, ObjectMask};
pub use resize::resized;
pub use session::{Behavior, ObjectPrompt, VideoSession};
pub use track::{Propagation, VideoFrames};

/// The network, with what it remembers.
#[derive(Module, Debug)]
pub struct Sam2Video {
    /// What it does with a single picture.
    pub image: Sam2,
    /// Features that look at what was seen before.
    pub attention: MemoryAttention,
    /// Features and a mask to a memory.
    pub encoder: MemoryEncoder,
    /// `[frames, 1, 1, M]`: how long ago a map was, of prompted frames the last.
    times: Lone<4>,
    /// How long ago a pointer was.
    pointer_times: Option<Linear>,
    /// What a mask was made of, to a pointer.
    pointer: Perceptron,
    /// `[1, C]`, in the place of a pointer where the object is not there.
    no_object: Lone<2>,
    /// `[1, M]`, added to a map where the object is not there.
    no_object_map: Option<Lone<2>>,
    /// A mask to the size that the decoder takes masks in.
    mask_quarter: Convolution,
    /// `[1, 1, C]`, part of public files; nothing reads it.
    no_memory_positions: Lone<3>,
}

impl Sam2Video {
    /// A network that has learned nothing.
    ///
    /// # Errors
    /// [`Error::Config`] as [`Sam2Config::check`] has it, and when heads do not divide into quarters or
    /// pointers into memories.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Result<Self> {
        let image = Sam2::new(init, config)?;
        let (width, memory) = (config.width, &config.memory);
        let (attention, channels) = (&config.memory_attention, config.memory_encoder.channels);
        let head = width / attention.downsample_rate / attention.heads;
        if !head.is_multiple_of(4) {
            let reason =
                format!("expected channels of a memory's head in multiples of 4, got {head}");
            return Err(Error::config("SAM 2", reason));
        }
        if !width.is_multiple_of(channels) {
            let reason = format!("expected channels of a memory to divide {width}, got {channels}");
            return Err(Error::config("SAM 2", reason));
        }
        Ok(Self {
            image,
            attention: MemoryAttention::new(init, config),
            encoder: MemoryEncoder::new(init, config),
            times: Lone::new(init, [memory.frames, 1, 1, channels], 0.02),
            pointer_times: memory.pointer_times.then(|| Linear::new(init, width, channels, 1.0)),
            pointer: Perceptron::new(init, [width; 3], 3),
            no_object: Lone::new(init, [1, width], 0.02),
            no_object_map: memory.occlusion_embedding.then(|| Lone::new(init, [1, channels], 0.02)),
            mask_quarter: Convolution::with_kernel(init, 4, 1, 1, 1.0),
            no_memory_positions: Lone::new(init, [1, 1, width], 0.02),
        })
    }

    /// Public weights, in the layout of the original files or of transformers' `Sam2VideoModel`.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and none is left over.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &Sam2Config,
        device: &Device,
    ) -> Result<Self> {
        let network = Self::new(&mut Init::from(device), config)?;
        let naming = Sam2Naming::of(source);
        let source = naming.part(source, true)?;
        load_public(what, &source, network, |path| names::rename(naming, path, config))
    }

    /// What [`Sam2Video::load`] would do, without reading or making any values.
    ///
    /// # Errors
    /// As [`Sam2Video::load`].
    pub fn check_public(
        what: &str,
        source: &dyn TensorSource,
        config: &Sam2Config,
    ) -> Result<LoadReport> {
        let network = Self::new(&mut Init::from(&Device::flex()), config)?;
        let naming = Sam2Naming::of(source);
        let part = naming.part(source, true)?;
        let report = public_check(&part, &network, |path| names::rename(naming, path, config));
        match report.is_complete() {
            true => Ok(report),
            false => Err(Error::weights(what, report.to_string())),
        }
    }

    /// Its sizes.
    pub fn config(&self) -> &Sam2Config {
        &self.image.config
    }
}
