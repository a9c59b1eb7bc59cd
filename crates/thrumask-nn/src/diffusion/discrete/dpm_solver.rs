//! DPM-Solver++ of second order over multiple steps (Lu et al. 2022, Algorithm 2).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Levels, Spacing, Step, euler::towards, sigmas};

/// DPM-Solver++ 2M with the midpoint rule; diffusers' `DPMSolverMultistepScheduler` with its defaults.
/// The last σ is 0, so that the last step is of first order.
///
/// With zero terminal SNR the last ᾱ counts as 2⁻²⁴, or less where large betas ask for it, so that the first λ is
/// finite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpmSolver {
    /// Which timesteps; with `karras` it has no say.
    pub spacing: Spacing,
    /// Whether σ is spread over all of its range as Karras et al. do, timesteps being rounded (with the
    /// cosine the reference cuts them off).
    #[serde(default)]
    pub karras: bool,
}

impl DpmSolver {
    /// With the σ of the spaced timesteps.
    pub const fn new(spacing: Spacing) -> Self {
        Self { spacing, karras: false }
    }

    pub(super) fn steps(&self, levels: &Levels, steps: usize) -> Vec<Step> {
        if self.karras {
            let all = levels.sigmas();
            let spread = sigmas::karras(all[all.len() - 1], all[0], steps);
            let mut times = sigmas::times_of(levels, &spread);
            times.iter_mut().for_each(|t| *t = t.round_ties_even());
            return sigmas::steps(&times, &spread);
        }
        let times = self.spacing.dpm_solver(levels.train_steps(), steps);
        sigmas::steps(&times, &sigmas::at(levels, &times))
    }

    /// One step; `before` is the step before and the data that was predicted in it.
    ///
    /// With λ = −ln σ, h = λ' − λ and r = (λ − λ₋)/h, the data counts as D = x₀ + (x₀ − x₀₋)/(2r).
    ///
    /// # Shapes
    /// - `latents`, `data`: `[B, C, T, H, W]`, x and the predicted x₀
    /// - returns `[B, C, T, H, W]`
    pub fn step(
        &self,
        step: &Step,
        before: Option<(&Step, &Tensor<5>)>,
        latents: Tensor<5>,
        data: Tensor<5>,
    ) -> Tensor<5> {
        let (from, to) = (step.from.sigma(), step.to.sigma());
        let data = match before {
            Some((before, old)) if to > 0.0 => {
                let r = (before.from.sigma() / from).ln() / (from / to).ln();
                let slope = data.clone() - old.clone();
                data + slope * (0.5 / r) as f32
            }
            _ => data,
        };
        towards(step, latents, data)
    }
}
