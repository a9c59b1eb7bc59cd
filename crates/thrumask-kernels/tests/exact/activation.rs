//! Pointwise functions, softmax, linear layers, rotary embedding and residuals.

use super::Array;

/// `x Φ(x)` with the Gaussian distribution function `Φ(x) = (1 + erf(x / √2)) / 2`.
pub fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + erf(x / 2f64.sqrt()))
}

/// `2 / √π e^(-x²) (x + 2 x³ / 3 + 4 x⁵ / 15 + ..)`: all terms have one sign.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut sum, mut term) = (0.0, x);
    for i in 1..200 {
        sum += term;
        term *= 2.0 * x * x / f64::from(2 * i + 1);
    }
    2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

pub fn gelu_tanh(x: f64) -> f64 {
    let root = (2.0 / std::f64::consts::PI).sqrt();
    0.5 * x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh())
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub fn silu(x: f64) -> f64 {
    x / (1.0 + (-x).exp())
}

/// Softmax of rows of `width` values.
pub fn softmax(x: &[f64], width: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(x.len());
    for row in x.chunks(width.max(1)) {
        let max = row.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let total: f64 = row.iter().map(|x| (x - max).exp()).sum();
        out.extend(row.iter().map(|x| (x - max).exp() / total));
    }
    out
}

/// `x w + b` for `x [.., K]` and `w [K, M]`.
pub fn linear(x: &Array<f64>, w: &Array<f64>, b: Option<&Array<f64>>) -> Vec<f64> {
    let (inputs, outputs) = (w.dims[0], w.dims[1]);
    let rows: usize = x.dims[..x.dims.len() - 1].iter().product();
    let mut out = Vec::with_capacity(rows * outputs);
    for row in 0..rows {
        let row = &x.values[row * inputs..(row + 1) * inputs];
        for j in 0..outputs {
            let sum: f64 = (0..inputs).map(|i| row[i] * w.values[i * outputs + j]).sum();
            out.push(sum + b.map_or(0.0, |b| b.values[j]));
        }
    }
    out
}

/// Each pair `(i, i + D / 2)` of each head of `x [B, N, C]` turned by an angle given as `[N, D / 2]`
/// cosines and sines.
pub fn rope(x: &Array<f64>, heads: usize, cos: &[f32], sin: &[f32]) -> Vec<f64> {
    let (tokens, channels) = (x.dims[1], x.dims[2]);
    let half = channels / heads / 2;
    let mut out = vec![0.0; x.values.len()];
    for row in 0..x.dims[0] * tokens {
        for head in 0..heads {
            for i in 0..half {
                let first = row * channels + head * 2 * half + i;
                let (a, b) = (x.values[first], x.values[first + half]);
                let at = row % tokens * half + i;
                let (cos, sin) = (f64::from(cos[at]), f64::from(sin[at]));
                out[first] = a * cos - b * sin;
                out[first + half] = a * sin + b * cos;
            }
        }
    }
    out
}

/// `x + gate y` for `x` and `y` `[B, N, C]`, `gate` `[B, C]` or `[1, C]`.
pub fn residual(x: &Array<f64>, gate: &Array<f64>, y: &Array<f64>) -> Vec<f64> {
    let (tokens, channels) = (x.dims[1], x.dims[2]);
    let at = |i: usize| {
        let row = i / (tokens * channels) % gate.dims[0];
        x.values[i] + gate.values[row * channels + i % channels] * y.values[i]
    };
    (0..x.values.len()).map(at).collect()
}
