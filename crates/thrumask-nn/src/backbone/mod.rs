//! The denoisers behind one interface: stage 1, stage 2, TI2V and every ablation are configurations
//! of the same code.

pub mod dit;
pub mod groups;

use burn::tensor::Tensor;

use crate::{Result, layers::Context};
pub use groups::{ObjectContext, ObjectGrid};

/// Everything a denoiser sees.
#[derive(Debug, Clone)]
pub struct DenoiserInput {
    /// Noisy latents, `[B, C, T, H, W]`.
    pub latents: Tensor<5>,
    /// Time of each batch row, in [0, 1]: 0 is noise, 1 is data.
    pub time: Vec<f32>,
    /// Latents of the visual conditions, concatenated on channels and repeated over time:
    /// `[B, Cc, T, H, W]`. A row without image condition holds zeros.
    pub conditions: Tensor<5>,
    /// The global text: motion prompt in stage 1, caption in stage 2.
    pub text: Context,
    /// Who is where, and what is said of whom; `None` for a network without object layers.
    pub objects: Option<ObjectContext>,
}

/// A network that predicts velocity or data from noisy latents.
pub trait Denoiser {
    /// The prediction for `input`.
    ///
    /// # Shapes
    /// - returns `[B, C, T, H, W]`
    ///
    /// # Errors
    /// [`crate::Error::Shape`] when the input does not fit the network.
    fn predict(&self, input: &DenoiserInput) -> Result<Tensor<5>>;
}
