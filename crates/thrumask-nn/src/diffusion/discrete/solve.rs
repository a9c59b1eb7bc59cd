//! One loop for all discrete solvers.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Ddim, DpmSolver, Euler, Lcm, Level, Levels, Target};
use crate::{Error, Result};

/// From one level to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The timestep that the network is told; not whole for some spacings of [`Euler`].
    pub time: f32,
    /// The level of the latents that the network sees.
    pub from: Level,
    /// The level after the step.
    pub to: Level,
}

impl Step {
    /// Steps from each level to the next, and from the last to `end`.
    pub(super) fn chain(times: &[f64], from: &[Level], end: Level) -> Vec<Self> {
        let to = from.iter().skip(1).chain(std::iter::once(&end));
        let steps = times.iter().zip(from).zip(to);
        steps.map(|((&t, &from), &to)| Self { time: t as f32, from, to }).collect()
    }
}

/// How a network that knows discrete timesteps is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Solver {
    /// DDIM, the paper's.
    Ddim(Ddim),
    /// Euler in σ.
    Euler(Euler),
    /// DPM-Solver++ of second order.
    DpmSolver(DpmSolver),
    /// Latent consistency.
    Lcm(Lcm),
}

impl Solver {
    /// The steps of a run, from the noisiest level on.
    ///
    /// # Errors
    /// [`Error::Config`] when the schedule has no so many timesteps for this solver, or a setting is
    /// out of range.
    pub fn steps(&self, levels: &Levels, steps: usize) -> Result<Vec<Step>> {
        let all = levels.train_steps();
        if steps == 0 || steps > all {
            let reason = format!("expected 1 to {all}, got {steps}");
            return Err(Error::config("steps", reason));
        }
        let found = match self {
            Self::Ddim(ddim) => {
                if !(0.0..=1.0).contains(&ddim.eta) {
                    let reason = format!("expected a number from 0 to 1, got {}", ddim.eta);
                    return Err(Error::config("eta", reason));
                }
                ddim.steps(levels, steps)?
            }
            Self::Euler(euler) => euler.steps(levels, steps),
            Self::DpmSolver(dpm) => dpm.steps(levels, steps),
            Self::Lcm(lcm) => lcm.steps(levels, steps)?,
        };
        let last = (all - 1) as f32;
        if found.iter().any(|s| !(0.0..=last).contains(&s.time)) {
            let reason = format!("a timestep lies beyond the last of the schedule, {last}");
            return Err(Error::config("steps_offset", reason));
        }
        if found.windows(2).any(|w| w[0].from.noise <= w[1].from.noise) {
            let reason = format!("{steps} are too many for this spacing: some would not differ");
            return Err(Error::config("steps", reason));
        }
        Ok(found)
    }
}

/// Runs a solver from noise to data. `visit` sees each state with its step's number, timestep and
/// level, and the last one with the data's.
///
/// # Errors
/// As [`Solver::steps`] and [`Target::check`], and whatever `predict` or `visit` gives.
pub(in crate::diffusion) fn solve<E: From<Error>>(
    (solver, target): (&Solver, Target),
    steps: &[Step],
    noise: Tensor<5>,
    mut fresh: impl FnMut(usize) -> Tensor<5>,
    mut predict: impl FnMut(&Tensor<5>, f32) -> std::result::Result<Tensor<5>, E>,
    mut visit: impl FnMut(usize, f32, Level, Tensor<5>) -> std::result::Result<Tensor<5>, E>,
) -> std::result::Result<Tensor<5>, E> {
    let mut latents = match (solver, steps.first()) {
        (Solver::Euler(euler), Some(first)) => noise * euler.start_scale(first) as f32,
        _ => noise,
    };
    let mut before: Option<(&Step, Tensor<5>)> = None;
    for (index, step) in steps.iter().enumerate() {
        latents = visit(index, step.time, step.from, latents)?;
        let prediction = predict(&latents, step.time)?;
        let split = target.split(prediction, latents.clone(), step.from)?;
        let fresh = || fresh(index);
        latents = match solver {
            Solver::Ddim(ddim) => ddim.step(step, split, fresh),
            Solver::Euler(euler) => euler.step(step, latents, split.data),
            Solver::DpmSolver(dpm) => {
                let known = before.as_ref().map(|(step, data)| (*step, data));
                let next = dpm.step(step, known, latents, split.data.clone());
                before = Some((step, split.data));
                next
            }
            Solver::Lcm(lcm) => lcm.step(step, latents, split.data, fresh),
        };
    }
    visit(steps.len(), 0.0, Level::DATA, latents)
}
