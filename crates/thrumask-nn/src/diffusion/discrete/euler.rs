//! The Euler solver of the probability-flow equation in σ (Karras et al. 2022, Algorithm 1 without
//! its correction); diffusers' `EulerDiscreteScheduler`.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Levels, Spacing, Step, sigmas};

/// First-order steps in σ, with fractional timesteps where the spacing gives such.
///
/// With zero terminal SNR the last ᾱ counts as 2⁻²⁴, or less where large betas ask for it, so that the first σ is
/// finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Euler {
    /// Which timesteps.
    pub spacing: Spacing,
    /// Whether σ is spread as Karras et al. do, between the ends that the spacing gives.
    #[serde(default)]
    pub karras: bool,
}

impl Euler {
    /// With the σ of the spaced timesteps.
    pub const fn new(spacing: Spacing) -> Self {
        Self { spacing, karras: false }
    }

    pub(super) fn steps(&self, levels: &Levels, steps: usize) -> Vec<Step> {
        let times = self.spacing.euler(levels.train_steps(), steps);
        let spaced = sigmas::at(levels, &times);
        match (self.karras, spaced.as_slice()) {
            (true, &[largest, .., smallest]) => {
                let spread = sigmas::karras(largest, smallest, steps);
                sigmas::steps(&sigmas::times_of(levels, &spread), &spread)
            }
            _ => sigmas::steps(&times, &spaced),
        }
    }

    /// What the run's noise is multiplied by at the start. The reference begins with noise of scale σ
    /// (or √(σ² + 1) with leading spacing) and divides it by √(σ² + 1) for the network.
    pub fn start_scale(&self, first: &Step) -> f64 {
        match self.spacing {
            Spacing::Leading { .. } => 1.0,
            Spacing::Trailing | Spacing::Linspace => first.from.noise,
        }
    }

    /// One step.
    ///
    /// With y = x/√ᾱ the step is y' = y + (y − x₀)/σ·(σ' − σ) = y·σ'/σ + x₀·(1 − σ'/σ). Here it is
    /// written for x, in which all solvers keep their state, and without the difference of numbers
    /// near σ = 4096 that the first form begins with under zero terminal SNR.
    ///
    /// # Shapes
    /// - `latents`, `data`: `[B, C, T, H, W]`, x and the predicted x₀
    /// - returns `[B, C, T, H, W]`
    pub fn step(&self, step: &Step, latents: Tensor<5>, data: Tensor<5>) -> Tensor<5> {
        towards(step, latents, data)
    }
}

/// The exact solution while the prediction x₀ stays constant: x' = x·(noise'/noise) +
/// x₀·signal'·(1 − σ'/σ).
pub(super) fn towards(step: &Step, latents: Tensor<5>, data: Tensor<5>) -> Tensor<5> {
    let kept = step.to.noise / step.from.noise;
    let added = step.to.signal * (1.0 - step.to.sigma() / step.from.sigma());
    latents * kept as f32 + data * added as f32
}
