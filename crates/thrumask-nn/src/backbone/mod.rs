//! The denoisers behind one interface: stage 1, stage 2, TI2V and every ablation are configurations
//! of the same code.

mod any;
mod conditions;
mod cost;
pub mod dit;
mod first_frame;
pub mod groups;
mod object_layers;
pub mod patch;
pub mod unet;

use burn::tensor::Tensor;

use crate::{Error, Result, layers::Context};
pub use any::{Backbone, BackboneConfig, BackboneKind};
pub use conditions::Conditions;
pub use first_frame::FirstFrame;
pub use groups::{ObjectContext, ObjectGrid};
pub use object_layers::{ObjectAttention, ObjectLayer, ObjectLayers};

/// Everything a denoiser sees.
#[derive(Debug, Clone)]
pub struct DenoiserInput {
    /// Noisy latents, `[B, C, T, H, W]`.
    pub latents: Tensor<5>,
    /// Time of each batch row as the network's process counts it: in [0, 1] for flow matching, 0 is
    /// noise and 1 is data; the timestep for diffusion, 0 is almost data and the last is noise.
    pub time: Vec<f32>,
    /// The visual conditions.
    pub conditions: Conditions,
    /// The global text: motion prompt in stage 1, caption in stage 2.
    pub text: Context,
    /// Who is where, and what is said of whom, on each grid of [`BackboneConfig::object_grids`] in turn.
    pub objects: Vec<ObjectContext>,
}

impl DenoiserInput {
    /// Checks the input against what a network was made for: `channels` of latents and conditions,
    /// the `size` of both, and the grids of its masked layers.
    pub(crate) fn check(
        &self,
        channels: [usize; 2],
        size: [usize; 3],
        text_width: usize,
        grids: &[[usize; 3]],
    ) -> Result<()> {
        let batch = self.latents.dims()[0];
        let [t, h, w] = size;
        let parts = [("latents", &self.latents), ("conditions", &self.conditions.latents)];
        for ((what, tensor), channels) in parts.into_iter().zip(channels) {
            let expected = [batch, channels, t, h, w];
            if tensor.dims() != expected {
                return Err(Error::shape(what, expected, tensor.dims()));
            }
        }
        if self.time.len() != batch {
            return Err(Error::shape("time", batch, self.time.len()));
        }
        let [rows, _, text] = self.text.tokens.dims();
        if (rows, text) != (batch, text_width) {
            return Err(Error::shape("text", (batch, text_width), (rows, text)));
        }
        let expected: Vec<usize> = grids.iter().map(|grid| grid.iter().product()).collect();
        let got: Vec<usize> = self.objects.iter().map(|o| o.groups.tokens()).collect();
        if !expected.is_empty() && got != expected {
            return Err(Error::shape("objects (tokens of each grid)", expected, got));
        }
        Ok(())
    }
}

/// A network that predicts velocity, noise or data from noisy latents.
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
