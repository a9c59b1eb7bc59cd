//! One optimiser step on flat slices, in one pass over memory.

use crate::host::{CHUNK, Shared};
use crate::matrix::{View, product_into, symmetric_into};
use crate::simd::{self, Kernel, Simd};
use crate::team;

/// Settings of [`adamw_ema_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamwHyper {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; a step subtracts `lr * weight_decay * parameter`.
    pub weight_decay: f32,
    /// Number of this step, from 1; corrects the bias of both means.
    pub step: u64,
    /// Factor on the gradients, for clipping by the global norm.
    pub grad_scale: f32,
    /// Decay of the running average of the parameters (1 leaves it as it is).
    pub ema_decay: f32,
}

/// AdamW with decoupled weight decay, and the running average of the parameters, in one pass.
///
/// # Shapes
/// All slices have one length.
///
/// # Panics
/// When the lengths differ or `step` is 0.
pub fn adamw_ema_step(
    params: &mut [f32],
    grads: &[f32],
    mean: &mut [f32],
    square: &mut [f32],
    ema: &mut [f32],
    hyper: &AdamwHyper,
) {
    let len = params.len();
    assert_eq!([grads.len(), mean.len(), square.len(), ema.len()], [len; 4], "one length");
    assert!(hyper.step > 0, "steps count from 1");
    let steps = hyper.step.min(i32::MAX as u64) as i32;
    let mean_fix = 1.0 / (1.0 - f64::from(hyper.beta1).powi(steps));
    let square_fix = 1.0 / (1.0 - f64::from(hyper.beta2).powi(steps));
    let (mean_fix, square_fix) = ((f64::from(hyper.lr) * mean_fix) as f32, square_fix as f32);
    let keep = 1.0 - hyper.lr * hyper.weight_decay;
    let rates = Rates {
        grad_scale: hyper.grad_scale,
        mean: 1.0 - hyper.beta1,
        square: 1.0 - hyper.beta2,
        step: mean_fix,
        square_fix,
        eps: hyper.eps,
        keep,
        ema: 1.0 - hyper.ema_decay,
    };
    let all = [params, mean, square, ema].map(|values| Shared::new(values, CHUNK));
    team::each(len.div_ceil(CHUNK), |i| {
        let count = CHUNK.min(len - i * CHUNK);
        let grads = &grads[i * CHUNK..][..count];
        let [params, mean, square, ema] = [0, 1, 2, 3].map(|which: usize| {
            // SAFETY: this task alone takes these values.
            unsafe { all[which].piece(i, 0, count) }
        });
        simd::run(Step { params, grads, mean, square, ema, rates });
    });
}

/// What [`adamw_ema_step`] multiplies by.
#[derive(Clone, Copy)]
struct Rates {
    grad_scale: f32,
    mean: f32,
    square: f32,
    step: f32,
    square_fix: f32,
    eps: f32,
    keep: f32,
    ema: f32,
}

struct Step<'a> {
    params: &'a mut [f32],
    grads: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    ema: &'a mut [f32],
    rates: Rates,
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { params, grads, mean, square, ema, rates } = self;
        let toward = |from, to, rate| s.fma(s.splat(rate), s.sub(to, from), from);
        for i in (0..params.len()).step_by(S::LANES) {
            let grad = s.mul(s.read_at(grads, i, 0.0), s.splat(rates.grad_scale));
            let m = toward(s.read_at(mean, i, 0.0), grad, rates.mean);
            let v = toward(s.read_at(square, i, 0.0), s.mul(grad, grad), rates.square);
            let root = s.sqrt(s.mul(v, s.splat(rates.square_fix)));
            let change = s.div(s.mul(m, s.splat(rates.step)), s.add(root, s.splat(rates.eps)));
            let kept = s.mul(s.read_at(params, i, 0.0), s.splat(rates.keep));
            let param = s.sub(kept, change);
            let average = toward(s.read_at(ema, i, 0.0), param, rates.ema);
            s.write_at(params, i, param);
            s.write_at(mean, i, m);
            s.write_at(square, i, v);
            s.write_at(ema, i, average);
        }
    }
}

/// Replaces a matrix by (nearly) its nearest semi-orthogonal one: five Newton-Schulz steps with the
/// quintic coefficients of Muon (3.4445, -4.7750, 2.0315), which bring all singular values to about
/// 0.7..1.2. A zero matrix stays zero.
///
/// Matrices at least twice as long as wide go by their Gram matrix, in half of the operations and within 1e-4 of the
/// same values.
///
/// # Shapes
/// `matrix` is row-major `[rows, cols]`.
///
/// # Panics
/// When `matrix` does not hold `rows * cols` values.
pub fn newton_schulz5(matrix: &mut [f32], rows: usize, cols: usize) {
    assert_eq!(matrix.len(), rows * cols, "a matrix of {rows} x {cols}");
    let scale = 1.0 / (norm(matrix) as f32 + 1e-7);
    matrix.iter_mut().for_each(|x| *x *= scale);
    // The Gram matrix is taken on the shorter side: x = (a + b g + c g²) x with g = x xᵀ, or the same
    // from the right with g = xᵀ x.
    let (side, left) = (rows.min(cols), rows <= cols);
    let long = rows.max(cols) >= 2 * side;
    let square = |wanted: bool| vec![0.0; if wanted { side * side } else { 0 }];
    let [gram, factor, all, spare] = &mut [true, true, long, long].map(square);
    let mut next = vec![0.0; rows * cols];
    let gram_of = |gram: &mut [f32], matrix: &[f32]| {
        let x = View { data: matrix, row: cols, column: 1 };
        let (x, inner) = if left { (x, cols) } else { (x.turned(), rows) };
        symmetric_into(gram, [side, inner], x, x.turned());
    };
    let mut apply = |factor: &[f32], matrix: &mut [f32]| {
        let x = View { data: matrix, row: cols, column: 1 };
        let p = View { data: factor, row: side, column: 1 };
        let (a, b) = if left { (p, x) } else { (x, p) };
        product_into(&mut next, [rows, cols, side], a, b);
        matrix.copy_from_slice(&next);
    };
    gram_of(gram, matrix);
    if !long {
        for step in 0..STEPS {
            if step > 0 {
                gram_of(gram, matrix);
            }
            quintic(factor, gram, side);
            apply(factor, matrix);
        }
        return;
    }
    // Long matrices: their Gram matrix goes the same way, g = p g p with the factor p of each step, and the
    // product of all factors is applied once. Polynomials of g commute, so that all are symmetric.
    quintic(factor, gram, side);
    all.copy_from_slice(factor);
    for _ in 1..STEPS {
        let times = |out: &mut [f32], a: &[f32], b: &[f32]| {
            let [a, b] = [a, b].map(|data| View { data, row: side, column: 1 });
            symmetric_into(out, [side, side], a, b);
        };
        times(spare, gram, factor);
        times(gram, spare, factor);
        quintic(factor, gram, side);
        times(spare, all, factor);
        std::mem::swap(all, spare);
    }
    apply(all, matrix);
}

/// Newton-Schulz steps of [`newton_schulz5`].
const STEPS: usize = 5;

/// `factor = a + b gram + c gram²` with Muon's coefficients.
fn quintic(factor: &mut [f32], gram: &[f32], side: usize) {
    let g = View { data: gram, row: side, column: 1 };
    symmetric_into(factor, [side, side], g, g);
    factor.iter_mut().zip(gram).for_each(|(p, g)| *p = 2.0315 * *p - 4.7750 * g);
    for i in 0..side {
        factor[i * side + i] += 3.4445;
    }
}

/// Root of the sum of squares. Several sums side by side, for one would wait for each addition.
fn norm(values: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    for values in values.chunks(sums.len()) {
        for (sum, &x) in sums.iter_mut().zip(values) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum::<f64>().sqrt()
}
