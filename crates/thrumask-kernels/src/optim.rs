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
/// # Shapes
/// `matrix` is row-major `[rows, cols]`.
///
/// # Panics
/// When `matrix` does not hold `rows * cols` values.
pub fn newton_schulz5(matrix: &mut [f32], rows: usize, cols: usize) {
    assert_eq!(matrix.len(), rows * cols, "a matrix of {rows} x {cols}");
    let norm = matrix.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let scale = 1.0 / (norm as f32 + 1e-7);
    matrix.iter_mut().for_each(|x| *x *= scale);
    // The Gram matrix is taken on the shorter side: x = (a + b g + c g²) x with g = x xᵀ, or the same
    // from the right with g = xᵀ x.
    let (side, left) = (rows.min(cols), rows <= cols);
    let mut gram = vec![0.0; side * side];
    let mut poly = vec![0.0; side * side];
    let mut next = vec![0.0; rows * cols];
    for _ in 0..5 {
        let x = View { data: matrix, row: cols, column: 1 };
        if left {
            symmetric_into(&mut gram, [rows, cols], x, x.turned());
        } else {
            symmetric_into(&mut gram, [cols, rows], x.turned(), x);
        }
        let g = View { data: &gram, row: side, column: 1 };
        symmetric_into(&mut poly, [side, side], g, g);
        poly.iter_mut().zip(&gram).for_each(|(p, g)| *p = 2.0315 * *p - 4.7750 * g);
        for i in 0..side {
            poly[i * side + i] += 3.4445;
        }
        let p = View { data: &poly, row: side, column: 1 };
        if left {
            product_into(&mut next, [rows, cols, rows], p, x);
        } else {
            product_into(&mut next, [rows, cols, cols], x, p);
        }
        matrix.copy_from_slice(&next);
    }
}
