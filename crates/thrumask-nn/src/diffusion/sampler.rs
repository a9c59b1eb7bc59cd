//! Sampling from noise to data, whichever the process.

use burn::tensor::Tensor;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    discrete::{self, Ddim, Level, Solver, Spacing},
    path,
    process::Process,
    schedule::Schedule,
    solver::euler,
};
use crate::Error;

/// How a process is run backwards: a time schedule of flow, or a solver of diffusion. In files both
/// are one table, told apart by `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Method {
    /// Euler steps of the flow along a schedule.
    Flow(Schedule),
    /// A solver over discrete timesteps.
    Diffusion(Solver),
}

impl Method {
    /// The paper's for the U-Net: DDIM over trailing timesteps.
    pub const PAPER_UNET: Self = Self::Diffusion(Solver::Ddim(Ddim::new(Spacing::Trailing)));

    /// Whether this method can run a process in so many steps.
    ///
    /// # Errors
    /// [`Error::Config`] when the method is of the other kind, or as [`Process::check`] and
    /// [`Solver::steps`].
    pub fn check(&self, process: &Process, steps: usize) -> crate::Result<()> {
        match (process, self) {
            (Process::Flow(_), Self::Flow(_)) => Ok(()),
            (Process::Diffusion(diffusion), Self::Diffusion(solver)) => {
                solver.steps(&diffusion.levels()?, steps).map(drop)
            }
            (Process::Flow(_), Self::Diffusion(_)) => Err(Error::config(
                "schedule",
                "the model was trained by flow matching: expected uniform, linear_quadratic or shifted",
            )),
            (Process::Diffusion(_), Self::Flow(_)) => Err(Error::config(
                "schedule",
                "the model was trained by diffusion: expected ddim, euler, dpm_solver or lcm",
            )),
        }
    }
}

impl From<Schedule> for Method {
    fn from(schedule: Schedule) -> Self {
        Self::Flow(schedule)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // An untagged enum would say no more than that nothing fits.
        let value = serde_json::Value::deserialize(deserializer)?;
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        match kind {
            "uniform" | "linear_quadratic" | "shifted" => {
                Schedule::deserialize(value).map(Self::Flow).map_err(D::Error::custom)
            }
            "ddim" | "euler" | "dpm_solver" | "lcm" => {
                Solver::deserialize(value).map(Self::Diffusion).map_err(D::Error::custom)
            }
            _ => Err(D::Error::custom(format!(
                "expected kind uniform, linear_quadratic or shifted (flow) or ddim, euler, \
                 dpm_solver or lcm (diffusion), got {kind:?}"
            ))),
        }
    }
}

/// Where a run stands: before step `step`, or at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The step that comes next; the number of steps at the end.
    pub step: usize,
    /// What the network is told; meaningless at the end.
    pub time: f32,
    level: MomentLevel,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum MomentLevel {
    Flow,
    Discrete(Level),
}

impl Moment {
    /// Known data with as much noise as the run's latents hold now. At the end diffusion leaves none,
    /// flow what its path keeps.
    ///
    /// # Shapes
    /// - `data`, `noise`: `[B, C, T, H, W]`
    /// - returns `[B, C, T, H, W]`
    pub fn noised(&self, data: Tensor<5>, noise: Tensor<5>) -> Tensor<5> {
        let rows = data.dims()[0];
        match self.level {
            MomentLevel::Flow => path::interpolate(data, noise, &vec![self.time; rows]),
            MomentLevel::Discrete(level) => discrete::noised(data, noise, &vec![level; rows]),
        }
    }
}

/// A run: what is run backwards, how, and in how many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// The process that the network was trained on.
    pub process: Process,
    /// How it is run.
    pub method: Method,
    /// Steps, at least 1.
    pub steps: usize,
}

/// Runs a process from noise to data.
///
/// `fresh` gives the standard normal noise that step `i` adds, and is asked only by solvers that add
/// some; `predict` gives the network's (guided) prediction for latents at a time; `visit` sees each
/// state before its step, and the last one, and may change it (used to pin known parts), or stop the
/// run with an error.
///
/// # Shapes
/// - `noise`, all latents and predictions: `[B, C, T, H, W]`
/// - returns `[B, C, T, H, W]`
///
/// # Errors
/// As [`Method::check`], and whatever `predict` or `visit` gives.
pub fn sample<E: From<Error>>(
    sampler: &Sampler,
    noise: Tensor<5>,
    fresh: impl FnMut(usize) -> Tensor<5>,
    predict: impl FnMut(&Tensor<5>, f32) -> Result<Tensor<5>, E>,
    mut visit: impl FnMut(Moment, Tensor<5>) -> Result<Tensor<5>, E>,
) -> Result<Tensor<5>, E> {
    match (&sampler.process, &sampler.method) {
        (Process::Flow(prediction), Method::Flow(schedule)) => {
            let times = schedule.times(sampler.steps);
            let level = MomentLevel::Flow;
            let end = euler(*prediction, noise, &times, predict, |step, time, latents| {
                visit(Moment { step, time, level }, latents)
            })?;
            visit(Moment { step: times.len() - 1, time: 1.0, level }, end)
        }
        (Process::Diffusion(diffusion), Method::Diffusion(solver)) => {
            let steps = solver.steps(&diffusion.levels()?, sampler.steps)?;
            let run = (solver, diffusion.target);
            discrete::solve(run, &steps, noise, fresh, predict, |step, time, level, latents| {
                visit(Moment { step, time, level: MomentLevel::Discrete(level) }, latents)
            })
        }
        (process, method) => Err(method
            .check(process, sampler.steps)
            .err()
            .unwrap_or_else(|| Error::config("schedule", "expected one of the model's process"))
            .into()),
    }
}
