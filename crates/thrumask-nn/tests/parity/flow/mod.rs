//! Schedules and the Euler solver against diffusers' `FlowMatchEulerDiscreteScheduler` and the
//! linear-quadratic schedule of its Mochi pipeline, over whole trajectories.

use std::convert::Infallible;

use burn::tensor::{Device, Tensor};
use thrumask_nn::diffusion::{path::Prediction, schedule::Schedule, solver::euler};

use crate::fixture::{BLOCK, Fixture, OPERATOR, values};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

/// The exporter's stand-in for a network, along our schedule.
fn sample(fixture: &Fixture, times: &[f32], kind: Prediction) -> Vec<f32> {
    let device = Device::flex();
    let get = |name: &str| fixture.tensor::<5>(name, &device);
    let (noise, data, pull) = (get("noise"), get("data"), get("pull"));
    let predict = |x: &Tensor<5>, t: f32| -> Result<_, Infallible> {
        Ok(match kind {
            Prediction::Velocity => pull.clone() * x.clone().tanh() + data.clone() * t,
            Prediction::Sample => data.clone() + x.clone().sin() * 0.1,
        })
    };
    let Ok(end) = euler(kind, noise, times, predict, |_, _, x| Ok(x));
    values(end)
}

/// The reference counts σ = 1 − t.
fn check_times(fixture: &Fixture, name: &str, times: &[f32]) {
    let sigmas: Vec<f32> = times.iter().map(|t| 1.0 - t).collect();
    fixture.close(&format!("{name}.sigmas"), &sigmas, OPERATOR);
}

#[test]
fn shifted() {
    let fixture = fixture();
    for (shift, steps) in [(1.0, 5), (3.0, 8), (16.0, 4), (16.0, 50)] {
        let times = Schedule::Shifted { shift }.times(steps);
        let name = format!("shift_{shift}.steps_{steps}");
        check_times(&fixture, &name, &times);
        let found = sample(&fixture, &times, Prediction::Velocity);
        fixture.close(&format!("{name}.velocity"), &found, OPERATOR);
        // The reference's path ends without noise, ours keeps σ = 1e-5 of it.
        let found = sample(&fixture, &times, Prediction::Sample);
        fixture.close(&format!("{name}.sample"), &found, BLOCK);
    }
}

#[test]
fn uniform_is_shifted_by_one() {
    let fixture = fixture();
    let times = Schedule::Uniform.times(5);
    check_times(&fixture, "shift_1.steps_5", &times);
}

#[test]
fn linear_quadratic() {
    let fixture = fixture();
    for (steps, emulated) in [(50, 250), (7, 30), (2, 8)] {
        let times = Schedule::LinearQuadratic { emulated }.times(steps);
        let name = format!("quadratic.steps_{steps}.emulated_{emulated}");
        check_times(&fixture, &name, &times);
        let found = sample(&fixture, &times, Prediction::Velocity);
        fixture.close(&format!("{name}.velocity"), &found, OPERATOR);
    }
}
