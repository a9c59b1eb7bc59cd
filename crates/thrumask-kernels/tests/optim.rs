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

#[test]
fn three_steps_follow_the_definition() {
    let len = 37;
    let mut state = [noise(len, 1), vec![0.0; len], vec![0.0; len], noise(len, 1)];
    let mut exact: Vec<[f64; 4]> =
        state[0].iter().map(|&x| [f64::from(x), 0.0, 0.0, f64::from(x)]).collect();
    for step in 1..=3 {
        let grads = noise(len, 100 + step);
        let [params, mean, square, ema] = &mut state;
        adamw_ema_step(params, &grads, mean, square, ema, &AdamwHyper { step, ..HYPER });
        for ([p, m, v, e], grad) in exact.iter_mut().zip(grads) {
            let grad = f64::from(grad) * 0.5;
            *m = 0.9 * *m + 0.1 * grad;
            *v = 0.99 * *v + 0.01 * grad * grad;
            let fixed = *m / (1.0 - 0.9f64.powi(step as i32));
            let root = (*v / (1.0 - 0.99f64.powi(step as i32))).sqrt();
            *p = *p * (1.0 - 1e-3) - 1e-2 * fixed / (root + 1e-8);
            *e = 0.9 * *e + 0.1 * *p;
        }
    }
    for (i, state) in state.iter().enumerate() {
        let expected: Vec<f32> = exact.iter().map(|exact| exact[i] as f32).collect();
        close("state", state, &expected, 1e-6);
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

#[test]
fn newton_schulz_keeps_zero_at_zero() {
    let mut x = vec![0.0; 12];
    newton_schulz5(&mut x, 3, 4);
    assert_eq!(x, vec![0.0; 12]);
}
