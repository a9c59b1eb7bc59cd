//! The optimiser step against its definition, and what Newton-Schulz promises.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use thrumask_kernels::{AdamwHyper, adamw_ema_step, newton_schulz5};

const HYPER: AdamwHyper = AdamwHyper {
    lr: 1e-2,
    beta1: 0.9,
    beta2: 0.99,
    eps: 1e-8,
    weight_decay: 0.1,
    step: 1,
    grad_scale: 0.5,
    ema_decay: 0.9,
};

/// Parameter, mean, mean square and running average of each value after a step, in 64 bits.
fn exact_step(state: &mut [[f64; 4]], grads: &[f32], hyper: &AdamwHyper) {
    let [lr, beta1, beta2, eps, decay, scale, ema] = [
        hyper.lr,
        hyper.beta1,
        hyper.beta2,
        hyper.eps,
        hyper.weight_decay,
        hyper.grad_scale,
        hyper.ema_decay,
    ]
    .map(f64::from);
    let step = hyper.step as i32;
    for ([p, m, v, e], grad) in state.iter_mut().zip(grads) {
        let grad = f64::from(*grad) * scale;
        *m = beta1 * *m + (1.0 - beta1) * grad;
        *v = beta2 * *v + (1.0 - beta2) * grad * grad;
        let fixed = *m / (1.0 - beta1.powi(step));
        let root = (*v / (1.0 - beta2.powi(step))).sqrt();
        *p = *p * (1.0 - lr * decay) - lr * fixed / (root + eps);
        *e = ema * *e + (1.0 - ema) * *p;
    }
}

fn agree(state: &[Vec<f32>; 4], exact: &[[f64; 4]]) {
    for (i, name) in ["parameters", "means", "squares", "averages"].into_iter().enumerate() {
        let expected: Vec<f32> = exact.iter().map(|exact| exact[i] as f32).collect();
        close(name, &state[i], &expected, 1e-6);
    }
}

#[test]
fn three_steps_follow_the_definition() {
    let len = 37;
    let mut state = [noise(len, 1), vec![0.0; len], vec![0.0; len], noise(len, 1)];
    let mut exact: Vec<[f64; 4]> =
        state[0].iter().map(|&x| [f64::from(x), 0.0, 0.0, f64::from(x)]).collect();
    for step in 1..=3 {
        let grads = noise(len, 100 + step);
        let [params, mean, square, ema] = &mut state;
        let hyper = AdamwHyper { step, ..HYPER };
        adamw_ema_step(params, &grads, mean, square, ema, &hyper);
        exact_step(&mut exact, &grads, &hyper);
    }
    agree(&state, &exact);
}

#[test]
fn steps_with_any_settings_follow_the_definition() {
    // Tasks hold 16,384 values.
    let len = 2 * 16_384 + 21;
    for hyper in [
        AdamwHyper { step: 1000, weight_decay: 0.0, ..HYPER },
        AdamwHyper { step: 7, ema_decay: 1.0, lr: 0.3, ..HYPER },
        AdamwHyper { step: 2, ema_decay: 0.0, grad_scale: 1.0, beta1: 0.0, ..HYPER },
        AdamwHyper { step: 50, eps: 0.5, beta2: 0.999, ..HYPER },
        AdamwHyper { step: 9, lr: 0.0, ..HYPER },
    ] {
        let square = noise(len, 3).iter().map(|x| x * x).collect();
        let mut state = [noise(len, 1), noise(len, 2), square, noise(len, 4)];
        let mut exact: Vec<[f64; 4]> =
            (0..len).map(|i| state.each_ref().map(|x| f64::from(x[i]))).collect();
        let grads = noise(len, 5);
        let [params, mean, square, ema] = &mut state;
        adamw_ema_step(params, &grads, mean, square, ema, &hyper);
        exact_step(&mut exact, &grads, &hyper);
        agree(&state, &exact);
    }
}

#[test]
fn threads_do_not_change_a_step() {
    let run = |threads| {
        with_threads(threads, || {
            let len = 100_000;
            let mut state = [noise(len, 1), vec![0.1; len], vec![0.2; len], noise(len, 2)];
            let [params, mean, square, ema] = &mut state;
            adamw_ema_step(params, &noise(len, 3), mean, square, ema, &HYPER);
            state
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn newton_schulz_brings_singular_values_near_one() {
    for (rows, cols) in [(24, 24), (16, 48), (60, 20), (1, 10), (10, 1)] {
        let original = noise(rows * cols, 7);
        let mut x = original.clone();
        newton_schulz5(&mut x, rows, cols);
        // Along each direction u of the shorter side, |uᵀx| is a mean of singular values.
        let side = rows.min(cols);
        let entry =
            |i: usize, j: usize| if rows <= cols { x[i * cols + j] } else { x[j * cols + i] };
        for i in 0..side {
            let norm: f32 = (0..rows.max(cols)).map(|j| entry(i, j).powi(2)).sum::<f32>().sqrt();
            assert!((0.5..1.3).contains(&norm), "{rows} x {cols}: {norm}");
        }
        // It stays on the side of the original: the inner product is positive.
        let along: f32 = x.iter().zip(&original).map(|(a, b)| a * b).sum();
        assert!(along > 0.0);
    }
}

/// Five steps `x <- (a + b g + c g²) x` with `g = x xᵀ` in 64 bits, from
/// `x / (|x| + 1e-7)`.
fn exact_newton_schulz(x: &[f32], rows: usize, cols: usize) -> Vec<f64> {
    let product = |a: &[f64], b: &[f64], [rows, cols, inner]: [usize; 3]| -> Vec<f64> {
        let at = |i: usize, j: usize| (0..inner).map(|k| a[i * inner + k] * b[k * cols + j]).sum();
        (0..rows * cols).map(|i| at(i / cols, i % cols)).collect()
    };
    let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let mut x: Vec<f64> = x.iter().map(|&x| f64::from(x) / (norm + 1e-7)).collect();
    for _ in 0..5 {
        let turned: Vec<f64> = (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect();
        let g = product(&x, &turned, [rows, rows, cols]);
        let gx = product(&g, &x, [rows, cols, rows]);
        let ggx = product(&g, &gx, [rows, cols, rows]);
        let terms = x.iter().zip(&gx).zip(&ggx);
        x = terms.map(|((x, gx), ggx)| 3.4445 * x - 4.7750 * gx + 2.0315 * ggx).collect();
    }
    x
}

#[test]
fn newton_schulz_follows_the_definition() {
    for (rows, cols) in [(24, 24), (16, 48), (60, 20), (1, 10), (10, 1), (1, 1), (33, 70)] {
        for (scale, seed) in [(1.0, 8), (1e-3, 9), (1e4, 10)] {
            let mut x: Vec<f32> = noise(rows * cols, seed).iter().map(|x| scale * x).collect();
            let expected = exact_newton_schulz(&x, rows, cols);
            newton_schulz5(&mut x, rows, cols);
            for (found, expected) in x.iter().zip(&expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(error < 1e-5, "{rows} x {cols}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn newton_schulz_of_nearly_singular_matrices() {
    // A sum of few products and a little of everything: most singular values are small. Long matrices go by their
    // Gram matrices, whose small eigenvalues are smaller still; the error was seen at 3.2e-5.
    for (rows, cols) in [(24, 96), (90, 30), (40, 40)] {
        let (tall, wide) = (noise(rows * 3, 21), noise(3 * cols, 22));
        let rest = noise(rows * cols, 23);
        let mut x: Vec<f32> = (0..rows * cols)
            .map(|i| {
                let (i, j) = (i / cols, i % cols);
                let few: f32 = (0..3).map(|k| tall[i * 3 + k] * wide[k * cols + j]).sum();
                few + 1e-3 * rest[i * cols + j]
            })
            .collect();
        let expected = exact_newton_schulz(&x, rows, cols);
        newton_schulz5(&mut x, rows, cols);
        let errors = x.iter().zip(&expected).map(|(&x, e)| (f64::from(x) - e).abs());
        let largest = errors.fold(0.0, f64::max);
        assert!(largest < 1e-4, "{rows} x {cols}: {largest}");
    }
}

#[test]
fn newton_schulz_keeps_zero_at_zero() {
    let mut x = vec![0.0; 12];
    newton_schulz5(&mut x, 3, 4);
    assert_eq!(x, vec![0.0; 12]);
}
