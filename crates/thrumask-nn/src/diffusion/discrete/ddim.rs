//! DDIM (Song, Meng and Ermon 2021).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Level, Levels, Spacing, Split, Step};
use crate::Result;

/// Denoising diffusion implicit models, the paper's solver for the U-Net.
///
/// A step goes to the level of the next timestep of the spacing. Diffusers' `DDIMScheduler` goes T/n
/// timesteps back (rounded down) but then tells the network the next one of the spacing: the same
/// with leading spacing, and with trailing spacing where n divides T; elsewhere the noise in its
/// latents is not what the network is told, and some may be left at the end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ddim {
    /// Which timesteps.
    pub spacing: Spacing,
    /// η: 0 adds no noise, 1 as much as DDPM; in [0, 1].
    #[serde(default)]
    pub eta: f64,
    /// Whether the last step ends at the data, or at the level of timestep 0 (Stable Diffusion 1.5).
    #[serde(default = "yes")]
    pub set_alpha_to_one: bool,
    /// Largest magnitude of the predicted data; none by default, as latents have no range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
}

fn yes() -> bool {
    true
}

impl Ddim {
    /// Without fresh noise and clipping, ending at the data.
    pub const fn new(spacing: Spacing) -> Self {
        Self { spacing, eta: 0.0, set_alpha_to_one: true, clip: None }
    }

    pub(super) fn steps(&self, levels: &Levels, steps: usize) -> Result<Vec<Step>> {
        let times = self.spacing.ddim(levels.train_steps(), steps);
        let from = times.iter().map(|&t| levels.at(t as f32)).collect::<Result<Vec<_>>>()?;
        let end = if self.set_alpha_to_one { Level::DATA } else { levels.at(0.0)? };
        Ok(Step::chain(&times, &from, end))
    }

    /// σ_t(η) of the fresh noise of a step (eq. 16).
    pub fn fresh_share(&self, step: &Step) -> f64 {
        let (from, to) = (step.from, step.to);
        let kept = (from.signal / to.signal).powi(2);
        self.eta * to.noise / from.noise * (1.0 - kept).max(0.0).sqrt()
    }

    /// One step (eq. 12); `fresh` is called only when fresh noise is added.
    ///
    /// # Shapes
    /// - `split` and what `fresh` gives: `[B, C, T, H, W]`
    /// - returns `[B, C, T, H, W]`
    pub fn step(&self, step: &Step, split: Split, fresh: impl FnOnce() -> Tensor<5>) -> Tensor<5> {
        let Split { data, noise } = split;
        let data = match self.clip {
            // The reference leaves the noise as predicted when it clips the data.
            Some(limit) => data.clamp(-limit, limit),
            None => data,
        };
        let share = self.fresh_share(step);
        let direction = (step.to.noise.powi(2) - share * share).max(0.0).sqrt();
        let next = data * step.to.signal as f32 + noise * direction as f32;
        if share > 0.0 { next + fresh() * share as f32 } else { next }
    }
}
