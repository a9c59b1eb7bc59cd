//! Sampling of latent consistency models (Luo et al. 2023).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Level, Levels, Step};
use crate::{Error, Result};

/// Standard deviation of the data that the boundary condition assumes.
const SIGMA_DATA: f64 = 0.5;

/// Multistep consistency sampling; diffusers' `LCMScheduler` with its defaults. For networks that
/// were distilled for it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lcm {
    /// Timesteps of the schedule that the network was distilled on; the steps are some of these.
    #[serde(default = "fifty")]
    pub original_inference_steps: usize,
    /// What timesteps are multiplied by in the boundary condition, above 0.
    #[serde(default = "ten")]
    pub timestep_scaling: f64,
}

fn fifty() -> usize {
    50
}

fn ten() -> f64 {
    10.0
}

impl Default for Lcm {
    fn default() -> Self {
        Self { original_inference_steps: fifty(), timestep_scaling: ten() }
    }
}

impl Lcm {
    pub(super) fn steps(&self, levels: &Levels, steps: usize) -> Result<Vec<Step>> {
        let (original, all) = (self.original_inference_steps, levels.train_steps());
        if original == 0 || original > all || steps > original {
            let reason = format!("expected {steps} steps ≤ original steps ≤ {all}, got {original}");
            return Err(Error::config("original_inference_steps", reason));
        }
        if !(self.timestep_scaling > 0.0 && self.timestep_scaling.is_finite()) {
            let reason = format!("expected a number above 0, got {}", self.timestep_scaling);
            return Err(Error::config("timestep_scaling", reason));
        }
        let stride = all / original;
        let time = |i: usize| {
            // numpy's `floor(linspace(0, original, steps, endpoint=False))`, counted from the noisiest.
            let index = (i as f64 * (original as f64 / steps as f64)).floor() as usize;
            ((original - index) * stride - 1) as f64
        };
        let times: Vec<f64> = (0..steps).map(time).collect();
        let from = times.iter().map(|&t| levels.at(t as f32)).collect::<Result<Vec<_>>>()?;
        Ok(Step::chain(&times, &from, Level::DATA))
    }

    /// Shares (c_skip, c_out) of latents and predicted data in the denoised (eq. 9 of the paper on
    /// consistency models, Song et al. 2023): at timestep 0 the latents themselves.
    pub fn boundary(&self, time: f32) -> (f64, f64) {
        let scaled = f64::from(time) * self.timestep_scaling;
        let sum = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        (SIGMA_DATA * SIGMA_DATA / sum, scaled / sum.sqrt())
    }

    /// One step: denoised, then noised anew to the next level; `fresh` is not called in the last step.
    ///
    /// # Shapes
    /// - `latents`, `data` and what `fresh` gives: `[B, C, T, H, W]`; `data` is the predicted x₀
    /// - returns `[B, C, T, H, W]`
    pub fn step(
        &self,
        step: &Step,
        latents: Tensor<5>,
        data: Tensor<5>,
        fresh: impl FnOnce() -> Tensor<5>,
    ) -> Tensor<5> {
        let (skip, out) = self.boundary(step.time);
        let denoised = data * out as f32 + latents * skip as f32;
        if step.to == Level::DATA {
            return denoised;
        }
        denoised * step.to.signal as f32 + fresh() * step.to.noise as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_condition_holds() {
        assert_eq!(Lcm::default().boundary(0.0), (1.0, 0.0));
        let (skip, out) = Lcm::default().boundary(999.0);
        assert!(skip < 1e-8 && (out - 1.0).abs() < 1e-8);
    }
}
