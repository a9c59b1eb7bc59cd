//! Pixels to features of three levels.

mod hiera;
mod neck;
mod positions;
mod windows;

use burn::{module::Module, tensor::Tensor};

use super::{Sam2Config, sine_positions};
use crate::layers::{Init, Pointwise};
use hiera::Hiera;
use neck::Neck;

/// What is seen in pictures, `C` channels being [`Sam2Config::width`].
#[derive(Debug, Clone)]
pub struct ImageFeatures {
    /// The finest first: `[B, C/8, S/4, S/4]`, `[B, C/4, S/8, S/8]`, `[B, C, S/16, S/16]`. Nothing of what is
    /// remembered is in them.
    pub levels: [Tensor<4>; 3],
    /// Where the places of the coarsest level are, `[1, C, S/16, S/16]` ([`sine_positions`]).
    pub positions: Tensor<4>,
}

/// Pixels to features.
#[derive(Module, Debug)]
pub struct ImageEncoder {
    trunk: Hiera,
    neck: Neck,
    /// The finest level as masks are made of it.
    finest: Pointwise,
    /// The next.
    finer: Pointwise,
}

impl ImageEncoder {
    /// An encoder that has learned nothing.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, encoder) = (config.width, &config.image_encoder);
        Self {
            trunk: Hiera::new(init, encoder),
            neck: Neck::new(init, encoder, width),
            finest: Pointwise::new(init, width, width / 8, 1.0),
            finer: Pointwise::new(init, width, width / 4, 1.0),
        }
    }

    /// # Shapes
    /// - `pixels`: `[B, 3, S, S]`, normalised ([`super::normalised`]); `S` in multiples of 32 whose quarter
    ///   divides into windows of the first stage
    pub fn forward(&self, pixels: Tensor<4>) -> ImageFeatures {
        let stages = self.trunk.forward(pixels);
        let levels = self.neck.forward(stages, [&self.finest, &self.finer]);
        let [_, width, rows, columns] = levels[2].dims();
        let positions = sine_positions(width, [rows, columns], &levels[2].device());
        ImageFeatures { levels, positions }
    }
}
