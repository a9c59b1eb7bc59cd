//! The probability path of flow matching, from noise at t = 0 to data at t = 1.
//!
//! X_t = t·X₁ + (1 − (1 − σ)t)·X₀ with σ = 1e-5; velocity X₁ − (1 − σ)X₀ (Movie Gen, the paper's DiT).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{noise::Noise, per_row};

/// σ of the path: what is left of the noise at t = 1.
pub const SIGMA_MIN: f32 = 1e-5;

/// What a network's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The velocity X₁ − (1 − σ)X₀ (the paper's).
    Velocity,
    /// The clean data X₁: best for small networks trained from scratch.
    Sample,
}

/// Share of noise left at time `t`.
pub fn noise_share(t: f32) -> f32 {
    1.0 - (1.0 - SIGMA_MIN) * t
}

/// A point on the path.
///
/// # Shapes
/// - `data`, `noise`: `[B, C, T, H, W]`
/// - `time`: one number in [0, 1] per batch row
/// - returns `[B, C, T, H, W]`
pub fn interpolate(data: Tensor<5>, noise: Tensor<5>, time: &[f32]) -> Tensor<5> {
    let device = data.device();
    let t = per_row(time.to_vec(), &device);
    let share = per_row(time.iter().map(|&t| noise_share(t)).collect(), &device);
    data * t + noise * share
}

/// The velocity that a prediction stands for, at one time for the whole batch.
///
/// # Shapes
/// - `prediction`, `latents`: `[B, C, T, H, W]`
/// - `t`: in [0, 1)
/// - returns `[B, C, T, H, W]`
pub fn velocity(kind: Prediction, prediction: Tensor<5>, latents: Tensor<5>, t: f32) -> Tensor<5> {
    match kind {
        Prediction::Velocity => prediction,
        Prediction::Sample => {
            // X₀ = (X_t − t·X₁) / (1 − (1 − σ)t), then v = X₁ − (1 − σ)X₀.
            let noise = (latents - prediction.clone() * t) / noise_share(t);
            prediction - noise * (1.0 - SIGMA_MIN)
        }
    }
}

/// How training times are drawn: logit-normal, with a share at pure noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSampling {
    /// Mean of logit(t); 0 is the paper's, negative lies nearer to noise.
    pub mean: f32,
    /// Standard deviation of logit(t), above 0.
    pub std: f32,
    /// Share of samples at t = 0, in [0, 1].
    pub pure_noise: f32,
}

impl TimeSampling {
    /// The training time at position `index` of two streams, in [0, 1).
    pub fn draw(&self, noise: &Noise, index: u64) -> f32 {
        if noise.uniform(2 * index) < self.pure_noise {
            return 0.0;
        }
        // Stride 2 keeps the uniform and the normal number of one index on different positions.
        let logit = self.mean + self.std * noise.normal(2 * index + 1);
        1.0 / (1.0 + (-logit).exp())
    }
}
