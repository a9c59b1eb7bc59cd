//! Noise levels as σ = √((1 − ᾱ)/ᾱ), for the solvers that think in them.

use super::{Level, Levels, Step};

/// How much a Karras grid favours small σ (Karras et al. 2022, §3.1).
const RHO: f64 = 7.0;

/// σ at each of `times`, interpolated between whole timesteps.
pub(super) fn at(levels: &Levels, times: &[f64]) -> Vec<f64> {
    let sigmas = levels.sigmas();
    let last = sigmas.len() - 1;
    let between = |&t: &f64| {
        let low = (t.max(0.0) as usize).min(last);
        let high = (low + 1).min(last);
        sigmas[low] + (sigmas[high] - sigmas[low]) * (t - low as f64)
    };
    times.iter().map(between).collect()
}

/// `steps` values from the largest σ to the smallest, evenly spread in σ^(1/7) (Karras et al., eq. 5).
pub(super) fn karras(largest: f64, smallest: f64, steps: usize) -> Vec<f64> {
    let (top, bottom) = (largest.powf(RHO.recip()), smallest.powf(RHO.recip()));
    let parts = (steps.max(2) - 1) as f64;
    (0..steps).map(|i| (top + i as f64 / parts * (bottom - top)).powf(RHO)).collect()
}

/// The timestep of each σ, by interpolation in log σ; not whole.
pub(super) fn times_of(levels: &Levels, sigmas: &[f64]) -> Vec<f64> {
    let logs: Vec<f64> = levels.sigmas().into_iter().map(f64::ln).collect();
    let time = |sigma: &f64| {
        let log = sigma.ln();
        let low = logs.partition_point(|&l| l <= log).saturating_sub(1).min(logs.len() - 2);
        let share = ((log - logs[low]) / (logs[low + 1] - logs[low])).clamp(0.0, 1.0);
        low as f64 + share
    };
    sigmas.iter().map(time).collect()
}

/// Steps from each σ to the next, and from the last to the data.
pub(super) fn steps(times: &[f64], sigmas: &[f64]) -> Vec<Step> {
    let from: Vec<Level> = sigmas.iter().map(|&s| Level::from_sigma(s)).collect();
    Step::chain(times, &from, Level::DATA)
}
