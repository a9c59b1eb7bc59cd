//! Norms.

use super::Array;
use super::activation::silu;

/// `(x - mean) / sqrt(variance + eps)` of a run of values; without the mean when it is not `centred`.
fn normed(x: &[f64], centred: bool, eps: f32) -> Vec<f64> {
    let count = x.len() as f64;
    let mean = if centred { x.iter().sum::<f64>() / count } else { 0.0 };
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    x.iter().map(|x| (x - mean) / (variance + f64::from(eps)).sqrt()).collect()
}

fn by_runs(x: &[f64], len: usize, centred: bool, eps: f32) -> Vec<f64> {
    x.chunks(len.max(1)).flat_map(|run| normed(run, centred, eps)).collect()
}

/// `gamma * norm(x) + beta` over the last axis.
pub fn layer(x: &Array<f64>, gamma: &Array<f64>, beta: &Array<f64>, eps: f32) -> Vec<f64> {
    let channels = gamma.values.len();
    let mut out = by_runs(&x.values, channels, true, eps);
    for (i, x) in out.iter_mut().enumerate() {
        *x = *x * gamma.values[i % channels] + beta.values[i % channels];
    }
    out
}

/// `(1 + scale) * norm(x) + shift` with `x [B, N, C]`, `shift` and `scale` `[B, C]`.
pub fn modulate(x: &Array<f64>, shift: &Array<f64>, scale: &Array<f64>, eps: f32) -> Vec<f64> {
    let (tokens, channels) = (x.dims[1], x.dims[2]);
    let mut out = by_runs(&x.values, channels, true, eps);
    for (i, x) in out.iter_mut().enumerate() {
        let at = i / (tokens * channels) * channels + i % channels;
        *x = *x * (1.0 + scale.values[at]) + shift.values[at];
    }
    out
}

/// `gamma * x / sqrt(mean of squares + eps)` of runs as long as `gamma`.
pub fn rms(x: &Array<f64>, gamma: &Array<f64>, eps: f32) -> Vec<f64> {
    let len = gamma.values.len();
    let mut out = by_runs(&x.values, len, false, eps);
    out.iter_mut().enumerate().for_each(|(i, x)| *x *= gamma.values[i % len]);
    out
}

/// `gamma * norm(x) + beta` by channel with `x [B, C, ..]`, and its SiLU where asked for.
pub fn group(
    x: &Array<f64>,
    gamma: &Array<f64>,
    beta: &Array<f64>,
    (groups, eps, activate): (usize, f32, bool),
) -> Vec<f64> {
    let channels = x.dims[1];
    let volume: usize = x.dims[2..].iter().product();
    let mut out = by_runs(&x.values, channels / groups * volume, true, eps);
    for (i, x) in out.iter_mut().enumerate() {
        let channel = i / volume % channels;
        *x = *x * gamma.values[channel] + beta.values[channel];
        if activate {
            *x = silu(*x);
        }
    }
    out
}
