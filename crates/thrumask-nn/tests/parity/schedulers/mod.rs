//! Discrete diffusion against diffusers' `DDIMScheduler`, `EulerDiscreteScheduler`,
//! `DPMSolverMultistepScheduler` and `LCMScheduler`: levels, noising, timesteps, and every state of
//! whole trajectories.

use burn::tensor::{Device, Tensor};
use thrumask_nn::{
    Error,
    diffusion::{
        discrete::{
            BetaCurve, Ddim, DpmSolver, Euler, Lcm, NoiseSchedule, Solver, Spacing, Target,
        },
        guidance::rescaled,
        process::{Diffusion, Process},
        sampler::{Method, Sampler, sample},
    },
};

use crate::fixture::{Fixture, OPERATOR, values};

const SCHEDULES: [&str; 3] = ["linear", "scaled_linear", "cosine"];

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn schedule(name: &str) -> NoiseSchedule {
    let zero = name.strip_suffix("_zero");
    let betas = match zero.unwrap_or(name) {
        "linear" => NoiseSchedule::ANIMATE_DIFF.betas,
        "scaled_linear" => NoiseSchedule::STABLE_DIFFUSION.betas,
        "cosine" => BetaCurve::Cosine {},
        _ => panic!("schedule {name}"),
    };
    let plain = NoiseSchedule { betas, ..NoiseSchedule::ANIMATE_DIFF };
    if zero.is_some() { plain.zero_terminal_snr() } else { plain }
}

fn target(name: &str) -> Target {
    match name {
        "epsilon" => Target::Epsilon,
        "v" => Target::V,
        "sample" => Target::Sample,
        _ => panic!("target {name}"),
    }
}

fn spacing(name: &str) -> Spacing {
    match name {
        "trailing" => Spacing::Trailing,
        "leading" => Spacing::Leading { steps_offset: 1 },
        "linspace" => Spacing::Linspace,
        _ => panic!("spacing {name}"),
    }
}

fn solver(name: &str, spaced: &str) -> Solver {
    let karras = spaced == "karras";
    let spacing = if karras || name == "lcm" { Spacing::Trailing } else { spacing(spaced) };
    match name {
        "ddim" => Solver::Ddim(Ddim::new(spacing)),
        "euler" => Solver::Euler(Euler { spacing, karras }),
        "dpm" => Solver::DpmSolver(DpmSolver { spacing, karras }),
        "lcm" => Solver::Lcm(Lcm::default()),
        _ => panic!("solver {name}"),
    }
}

/// Runs the exporter's stand-in for a network and compares every state and time.
fn check_run(fixture: &Fixture, name: &str, sampler: &Sampler, tolerance: f32) {
    let device = Device::flex();
    let get = |name: &str| fixture.tensor::<5>(name, &device);
    let (noise, data, pull) = (get("noise"), get("data"), get("pull"));
    let draws = fixture.tensor::<6>("draws", &device);
    let fresh = |step: usize| draws.clone().narrow(0, step, 1).squeeze_dim::<5>(0);
    let (mut states, mut times) = (Vec::new(), Vec::new());
    let end = sample::<Error>(
        sampler,
        noise,
        fresh,
        |x, t| {
            times.push(t);
            Ok(pull.clone() * x.clone().tanh() + data.clone() * (t / 1000.0))
        },
        |_, x| {
            states.extend(values(x.clone()));
            Ok(x)
        },
    )
    .unwrap();
    let times_name = format!("{name}.times");
    if times.iter().all(|t| t.fract() == 0.0) {
        assert_eq!(times, fixture.values(&times_name), "{times_name}");
    } else {
        fixture.close(&times_name, &times, OPERATOR);
    }
    fixture.close(&format!("{name}.states"), &states, tolerance);
    assert_eq!(values(end), states[states.len() - 8..]);
}

/// All cases of a solver in the fixture, which are so many.
fn check_all(solver_name: &str, count: usize, tolerance: impl Fn(NoiseSchedule) -> f32) {
    let fixture = fixture();
    let mut found = 0;
    for tensor in fixture.0.tensors.keys() {
        let parts: Vec<&str> = tensor.split('.').collect();
        let &[name, spaced, steps, schedule_name, target_name, "states"] = parts.as_slice() else {
            continue;
        };
        if name != solver_name {
            continue;
        }
        let process = Process::Diffusion(Diffusion {
            schedule: schedule(schedule_name),
            target: target(target_name),
            min_snr_gamma: None,
        });
        let method = Method::Diffusion(solver(name, spaced));
        let sampler = Sampler { process, method, steps: steps.parse().unwrap() };
        let tolerance = tolerance(schedule(schedule_name));
        check_run(&fixture, tensor.strip_suffix(".states").unwrap(), &sampler, tolerance);
        found += 1;
    }
    assert_eq!(found, count, "cases of {solver_name}");
}

#[test]
fn ddim() {
    check_all("ddim", 15 * 4 + 9 * 2, |_| OPERATOR);
}

#[test]
fn euler() {
    // The reference steps by differences of numbers as large as the first σ (15, 4096 or 20,000), in
    // float32; ours does not.
    check_all("euler", 15 * 6, |schedule| {
        let sigmas = schedule.levels().unwrap().sigmas();
        OPERATOR.max(sigmas[sigmas.len() - 1] as f32 * f32::EPSILON)
    });
}

#[test]
fn dpm_solver() {
    check_all("dpm", 15 * 5 + 10, |_| OPERATOR);
}

#[test]
fn lcm() {
    check_all("lcm", 15 * 4, |_| OPERATOR);
}

#[test]
fn ddim_with_fresh_noise_clipping_and_another_end() {
    let fixture = fixture();
    for name in ["v", "sample"] {
        let plain = Ddim::new(Spacing::Trailing);
        let stable = Ddim::new(Spacing::Leading { steps_offset: 1 });
        for (case, schedule_name, ddim) in [
            ("eta_0.5", "linear_zero", Ddim { eta: 0.5, ..plain }),
            ("eta_1.0", "linear_zero", Ddim { eta: 1.0, ..plain }),
            ("clip", "linear_zero", Ddim { clip: Some(0.5), ..plain }),
            ("alpha_0", "scaled_linear", Ddim { set_alpha_to_one: false, ..stable }),
        ] {
            let process = Process::Diffusion(Diffusion {
                schedule: schedule(schedule_name),
                target: target(name),
                min_snr_gamma: None,
            });
            let method = Method::Diffusion(Solver::Ddim(ddim));
            let sampler = Sampler { process, method, steps: 10 };
            check_run(&fixture, &format!("ddim.{case}.{name}"), &sampler, OPERATOR);
        }
    }
}

/// With timesteps scaled so little that the latents have a share in what is denoised.
#[test]
fn lcm_with_another_boundary_and_original_schedule() {
    let fixture = fixture();
    for name in ["v", "sample"] {
        let process = Process::Diffusion(Diffusion {
            schedule: schedule("scaled_linear"),
            target: target(name),
            min_snr_gamma: None,
        });
        let lcm = Lcm { original_inference_steps: 40, timestep_scaling: 0.01 };
        let sampler = Sampler { process, method: Method::Diffusion(Solver::Lcm(lcm)), steps: 6 };
        check_run(&fixture, &format!("lcm.boundary.{name}"), &sampler, OPERATOR);
    }
}

/// A sum that changes with every timestep, for every number of steps.
#[test]
fn timesteps_of_every_number_of_steps() {
    let fixture = fixture();
    let levels = schedule("linear").levels().unwrap();
    for (name, counts) in [
        ("ddim.trailing", 1000),
        ("ddim.leading", 499),
        ("ddim.linspace", 1000),
        ("euler.trailing", 1000),
        ("euler.leading", 499),
        ("dpm.trailing", 998),
        ("dpm.leading", 499),
        ("dpm.linspace", 998),
        ("lcm.any", 50),
    ] {
        let (solver_name, spaced) = name.split_once('.').unwrap();
        let solver = solver(solver_name, spaced);
        let sums: Vec<f32> = (1..=counts)
            .map(|steps| {
                let steps = solver.steps(&levels, steps).unwrap();
                let terms = steps.iter().enumerate().map(|(i, s)| (i as u64 + 1) * s.time as u64);
                (terms.sum::<u64>() % 65521) as f32
            })
            .collect();
        assert_eq!(sums, fixture.values(&format!("sums.{name}")), "{name}");
    }
}

#[test]
fn levels_noising_and_velocity() {
    let fixture = fixture();
    let device = Device::flex();
    let (data, noise) = (fixture.tensor::<5>("data", &device), fixture.tensor("noise", &device));
    for plain in SCHEDULES {
        for name in [plain.to_owned(), format!("{plain}_zero")] {
            let schedule = schedule(&name);
            let levels = schedule.levels().unwrap();
            let expected = fixture.values(&format!("levels.{name}"));
            for (&t, &wanted) in fixture.values("levels.times").iter().zip(expected) {
                let found = levels.alpha_bar()[t as usize];
                // The reference multiplies a thousand factors in float32.
                let off = (found - f64::from(wanted)).abs();
                assert!(off <= 1e-6, "{name} at {t}: got {found}, reference {wanted}");
            }
            let of =
                |target| Process::Diffusion(Diffusion { schedule, target, min_snr_gamma: None });
            let times = [998.0, 17.0];
            let mixed = of(Target::V).noised(data.clone(), noise.clone(), &times).unwrap();
            fixture.close(&format!("noised.{name}"), &values(mixed), OPERATOR);
            let v: Tensor<5> = of(Target::V).target(data.clone(), noise.clone(), &times).unwrap();
            fixture.close(&format!("velocity.{name}"), &values(v), OPERATOR);
        }
    }
}

#[test]
fn guidance_rescale() {
    let fixture = fixture();
    let device = Device::flex();
    let get = |name: &str| fixture.tensor::<5>(name, &device);
    for phi in ["0.7", "1.0"] {
        let (guided, conditional) = (get("rescale.guided"), get("rescale.conditional"));
        let found = rescaled(guided, conditional, phi.parse().unwrap());
        fixture.close(&format!("rescale.{phi}"), &values(found), OPERATOR);
    }
}
