//! The timestep as a vector.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};

use super::UnetConfig;
use crate::layers::{Init, Linear};

/// Sinusoids of the timestep, then a two-layer perceptron.
#[derive(Module, Debug)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    pub fn new(init: &mut Init, config: &UnetConfig) -> Self {
        let width = config.time_width();
        Self {
            linear_1: Linear::new(init, config.channels[0], width, 1.0),
            linear_2: Linear::new(init, width, width, 1.0),
        }
    }

    /// # Shapes
    /// - `timesteps`: one number per batch row
    /// - returns `[B, 4·C]`
    pub fn forward(&self, timesteps: &[f32]) -> Tensor<2> {
        let weight = self.linear_1.weight.val();
        let waves = waves(timesteps, weight.dims()[0]);
        let shape = [timesteps.len(), weight.dims()[0]];
        let waves = Tensor::<2>::from_data(TensorData::new(waves, shape), &weight.device());
        self.linear_2.forward(thrumask_kernels::silu(self.linear_1.forward(waves)))
    }
}

/// Cosines, then sines, of a number times 10000^(-i / half) (diffusers' `Timesteps` with the sines
/// second and no shift of the frequencies), for each number.
fn waves(numbers: &[f32], width: usize) -> Vec<f32> {
    let half = width / 2;
    let angle = move |t: f32, i: usize| {
        // The reference works in 32 bits, where the frequencies are rounded before they are used.
        let frequency = (-(10_000f32.ln()) * i as f32 / half as f32).exp();
        f64::from(t * frequency)
    };
    let row = |&t: &f32| {
        let cosines = (0..half).map(move |i| angle(t, i).cos() as f32);
        cosines.chain((0..half).map(move |i| angle(t, i).sin() as f32))
    };
    numbers.iter().flat_map(row).collect()
}

/// Positions of frames: sines and cosines of alternating channels (Vaswani et al. 2017).
///
/// # Shapes
/// - returns `[1, frames, width]`, row-major
pub fn frame_positions(frames: usize, width: usize) -> Vec<f32> {
    let value = |frame: usize, channel: usize| {
        let even = (channel / 2 * 2) as f32;
        let frequency = (even * (-(10_000f32.ln()) / width as f32)).exp();
        let angle = f64::from(frame as f32 * frequency);
        if channel.is_multiple_of(2) { angle.sin() as f32 } else { angle.cos() as f32 }
    };
    (0..frames).flat_map(|f| (0..width).map(move |c| value(f, c))).collect()
}
