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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{
        discrete::{DpmSolver, Euler, Lcm, NoiseSchedule, Target},
        noise::Noise,
        path::{Prediction, SIGMA_MIN},
        process::Diffusion,
    };
    use burn::tensor::Device;

    const SHAPE: [usize; 5] = [2, 3, 2, 4, 4];

    fn normal(name: &str) -> Tensor<5> {
        Noise::new(1, name).normal_tensor(SHAPE, &Device::flex())
    }

    fn off(a: &Tensor<5>, b: &Tensor<5>) -> f32 {
        (a.clone() - b.clone()).abs().max().into_scalar::<f32>()
    }

    fn solvers(spacing: Spacing) -> Vec<Solver> {
        let ddim = Ddim::new(spacing);
        vec![
            Solver::Ddim(ddim),
            Solver::Ddim(Ddim { eta: 1.0, ..ddim }),
            Solver::Euler(Euler::new(spacing)),
            Solver::Euler(Euler { spacing, karras: true }),
            Solver::DpmSolver(DpmSolver::new(spacing)),
            Solver::DpmSolver(DpmSolver { spacing, karras: true }),
            Solver::Lcm(Lcm::default()),
        ]
    }

    /// Runs with a network that knows the data; returns the end and how far each state was off the
    /// mixture of that data with the run's noise.
    fn run_perfect(sampler: &Sampler, target: Target) -> (Tensor<5>, Vec<f32>) {
        let (data, noise) = (normal("data"), normal("noise"));
        let now = std::cell::Cell::new(Level::DATA);
        let mut distances = Vec::new();
        let fresh = |step: usize| normal(&format!("fresh/{step}"));
        let predict = |latents: &Tensor<5>, _: f32| -> Result<_, Error> {
            let level = now.get();
            let noise = target_noise(latents, &data, level);
            Ok(target.of(data.clone(), noise, &[level; SHAPE[0]]))
        };
        let end = sample(sampler, noise.clone(), fresh, predict, |moment, latents| {
            if let MomentLevel::Discrete(level) = moment.level {
                now.set(level);
            }
            distances.push(off(&moment.noised(data.clone(), noise.clone()), &latents));
            Ok(latents)
        });
        (end.expect("a sound run"), distances)
    }

    /// The ε that latents hold beside known data.
    fn target_noise(latents: &Tensor<5>, data: &Tensor<5>, level: Level) -> Tensor<5> {
        (latents.clone() - data.clone() * level.signal as f32) / level.noise as f32
    }

    #[test]
    fn a_perfect_prediction_reaches_the_data_with_every_solver_in_any_number_of_steps() {
        let data = normal("data");
        let spacings = [Spacing::Trailing, Spacing::Leading { steps_offset: 1 }, Spacing::Linspace];
        for schedule in
            [NoiseSchedule::ANIMATE_DIFF, NoiseSchedule::STABLE_DIFFUSION.zero_terminal_snr()]
        {
            for target in [Target::Epsilon, Target::V, Target::Sample] {
                if schedule.zero_terminal_snr && target == Target::Epsilon {
                    continue;
                }
                let process =
                    Process::Diffusion(Diffusion { schedule, target, min_snr_gamma: None });
                for solver in spacings.into_iter().flat_map(solvers) {
                    for steps in [1, 2, 7, 30] {
                        let sampler = Sampler { process, method: Method::Diffusion(solver), steps };
                        let (end, distances) = run_perfect(&sampler, target);
                        assert_eq!(distances.len(), steps + 1);
                        let end = off(&end, &data);
                        assert!(end < 1e-4, "{solver:?} {target:?}, {steps} steps: {end}");
                    }
                }
            }
        }
    }

    /// Where nothing of the data is in the first state, deterministic solvers keep to the mixture of
    /// the data and the run's own noise, so that pinned parts fit their surroundings.
    #[test]
    fn states_of_deterministic_solvers_hold_the_noise_of_the_run() {
        let schedule = NoiseSchedule::ANIMATE_DIFF.zero_terminal_snr();
        for target in [Target::V, Target::Sample] {
            let process = Process::Diffusion(Diffusion { schedule, target, min_snr_gamma: None });
            for solver in solvers(Spacing::Trailing) {
                let fresh = match solver {
                    Solver::Ddim(ddim) => ddim.eta > 0.0,
                    Solver::Lcm(_) => true,
                    _ => false,
                };
                for steps in [1, 7, 25] {
                    let sampler = Sampler { process, method: Method::Diffusion(solver), steps };
                    let (_, distances) = run_perfect(&sampler, target);
                    let most = distances.into_iter().fold(0.0, f32::max);
                    if fresh && steps > 1 {
                        assert!(most > 0.1, "{solver:?}: fresh noise changes nothing");
                    } else {
                        // The first σ of Euler and DPM-Solver counts as 4096, which is 1/4096 of data.
                        assert!(most < 2e-3, "{solver:?} {target:?}, {steps} steps: {most}");
                    }
                }
            }
        }
    }

    #[test]
    fn flow_is_run_as_by_its_own_solver() {
        let (data, noise) = (normal("data"), normal("noise"));
        for prediction in [Prediction::Velocity, Prediction::Sample] {
            let schedule = Schedule::Shifted { shift: 4.0 };
            let predict = |x: &Tensor<5>, t: f32| -> Result<_, Error> {
                Ok(x.clone().tanh() * t + data.clone() * (1.0 - SIGMA_MIN))
            };
            let times = schedule.times(4);
            let plain = euler(prediction, noise.clone(), &times, predict, |_, _, x| Ok(x));
            let process = Process::Flow(prediction);
            let sampler = Sampler { process, method: schedule.into(), steps: 4 };
            let fresh = |_: usize| -> Tensor<5> { panic!("flow adds no noise") };
            let mut seen = Vec::new();
            let found = sample(&sampler, noise.clone(), fresh, predict, |moment, x| {
                let known = moment.noised(data.clone(), noise.clone());
                let rows = [moment.time; SHAPE[0]];
                let expected = path::interpolate(data.clone(), noise.clone(), &rows);
                assert_eq!(off(&known, &expected), 0.0);
                seen.push((moment.step, moment.time));
                Ok(x)
            });
            let (plain, found) = (plain.expect("a sound run"), found.expect("a sound run"));
            assert_eq!(off(&plain, &found), 0.0);
            assert_eq!(seen, times.iter().copied().enumerate().collect::<Vec<_>>());
        }
    }

    #[test]
    fn methods_fit_their_process_and_its_timesteps() {
        let paper = Process::Diffusion(Diffusion::PAPER);
        let flow = Process::Flow(Prediction::Sample);
        assert!(Method::PAPER_UNET.check(&paper, 25).is_ok());
        assert!(Method::Flow(Schedule::Uniform).check(&flow, 25).is_ok());
        for (process, method, steps, wanted) in [
            (paper, Method::Flow(Schedule::Uniform), 4, "diffusion"),
            (flow, Method::PAPER_UNET, 4, "flow matching"),
            (paper, Method::PAPER_UNET, 0, "1 to 1000"),
            (paper, Method::PAPER_UNET, 1001, "1 to 1000"),
            (paper, Method::Diffusion(Solver::Lcm(Lcm::default())), 51, "original"),
        ] {
            let error = method.check(&process, steps).expect_err("refused").to_string();
            assert!(error.contains(wanted), "{error}");
            let sampler = Sampler { process, method, steps };
            if steps > 0 {
                let none = |_: usize| -> Tensor<5> { panic!("nothing is run") };
                let run = sample::<Error>(
                    &sampler,
                    normal("noise"),
                    none,
                    |x, _| Ok(x.clone()),
                    |_, x| Ok(x),
                );
                assert_eq!(run.expect_err("refused").to_string(), error);
            }
        }
        let on = |solver| Method::Diffusion(solver);
        let leading = Spacing::Leading { steps_offset: 1 };
        assert!(on(Solver::Ddim(Ddim::new(leading))).check(&paper, 1000).is_err());
        assert!(on(Solver::DpmSolver(DpmSolver::new(leading))).check(&paper, 1000).is_err());
        let eta = Ddim { eta: 1.5, ..Ddim::new(leading) };
        assert!(on(Solver::Ddim(eta)).check(&paper, 10).is_err());
    }

    #[test]
    fn files_tell_methods_apart_by_their_kind() {
        let read = |text: &str| serde_json::from_str::<Method>(text);
        let old = r#"{"kind":"shifted","shift":16.0}"#;
        assert_eq!(read(old).expect("flow"), Method::Flow(Schedule::Shifted { shift: 16.0 }));
        assert_eq!(serde_json::to_string(&read(old).expect("flow")).expect("plain"), old);
        let ddim = r#"{"kind":"ddim","spacing":"trailing"}"#;
        assert_eq!(read(ddim).expect("diffusion"), Method::PAPER_UNET);
        for spacing in [Spacing::Trailing, Spacing::Leading { steps_offset: 1 }, Spacing::Linspace]
        {
            for solver in solvers(spacing) {
                let text = serde_json::to_string(&Method::Diffusion(solver)).expect("plain");
                assert_eq!(read(&text).expect("what was written"), Method::Diffusion(solver));
            }
        }
        for (wrong, wanted) in [
            (r#"{"kind":"shifted","sift":16.0}"#, "sift"),
            (r#"{"kind":"ddim","spacing":"trailing","shift":2}"#, "shift"),
            (r#"{"kind":"lcm","spacing":"trailing"}"#, "spacing"),
            (r#"{"kind":"heun"}"#, "heun"),
        ] {
            let error = read(wrong).expect_err("refused").to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
