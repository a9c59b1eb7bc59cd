//! Kernels against 64-bit operators.

use super::{Array, Exact, Operator, Ranked, ranked, weights};
use crate::common::noise;

/// How many differences are taken for each input.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Single entries; all of them when there are no more.
    pub entries: usize,
    /// Changes of all entries at once, each up or down.
    pub directions: usize,
}

pub const MANY: Effort = Effort { entries: 60, directions: 2 };
pub const SOME: Effort = Effort { entries: 20, directions: 2 };
pub const FEW: Effort = Effort { entries: 4, directions: 2 };

/// How far a single entry is moved, and the root of the sum of squares when all are.
const STEP: f64 = 1e-5;
const LENGTH: f64 = 1e-4;

/// What errors of outputs and of gradients are compared with at least. Some are nearly zero but for the
/// rounding of terms that cancel, such as the gradient of a query that sees a single key.
const LEAST: [f64; 2] = [0.01, 0.3];

/// Compares a kernel's output with that of the operator in 64 bits, and its gradients of
/// `sum(output * weights)` with central differences of the same sum in 64 bits.
///
/// Every entry takes part in the changes of a direction: one whose gradient is wrong by more than the
/// tolerance times the root of the sum of squares of all shows there, whether it is among the single
/// ones or not.
///
/// # Panics
/// When an error is above the operator's tolerance, or a kernel gives other bits when nothing else
/// refers to its inputs.
pub fn check(operator: &Operator, effort: Effort) {
    let name = &operator.name;
    let found = operator.run();
    assert!(operator.run_with(in_place).same(&found), "{name}: inputs that may be overwritten");
    let inputs: Vec<Array<f64>> = operator.inputs.iter().map(Array::wide).collect();
    let expected = (operator.exact)(&inputs);
    for (way, found) in [("recorded", &found.out), ("unrecorded", &operator.run_untracked())] {
        assert_eq!(found.len(), expected.len(), "{name}: length of the output");
        let size = largest(&expected).max(LEAST[0]);
        for (i, (&found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(found) - expected).abs() / size;
            let good = error <= operator.tolerance[0];
            assert!(good, "{name}, {way} output {i}: {found} for {expected}, error {error:e}");
        }
    }
    let weights = weights(expected.len()).into_iter().map(f64::from).collect();
    let mut loss = Loss { exact: &operator.exact, inputs, weights };
    for (input, grad) in found.grads.iter().enumerate() {
        let grad: Vec<f64> = grad.iter().copied().map(f64::from).collect();
        let worst = loss.error_of_entries(input, &grad, effort.entries);
        assert!(worst <= operator.tolerance[1], "{name}, gradient {input}: error {worst:e}");
        let worst = loss.error_along(input, &grad, effort.directions as u64);
        assert!(worst <= operator.tolerance[1], "{name}, gradient {input}: mean error {worst:e}");
    }
}

/// `sum(output * weights)` of inputs.
struct Loss<'a> {
    exact: &'a Exact,
    inputs: Vec<Array<f64>>,
    weights: Vec<f64>,
}

impl Loss<'_> {
    fn value(&self) -> f64 {
        (self.exact)(&self.inputs).iter().zip(&self.weights).map(|(out, weight)| out * weight).sum()
    }

    /// The largest error of some entries of the gradient of an input, as part of the largest entry.
    fn error_of_entries(&mut self, input: usize, grad: &[f64], most: usize) -> f64 {
        assert_eq!(grad.len(), self.inputs[input].values.len(), "length of gradient {input}");
        let (mut size, mut worst) = (largest(grad).max(LEAST[1]), 0.0);
        for entry in entries(grad.len(), most, input as u64) {
            let center = self.inputs[input].values[entry];
            let mut at = |x: f64| {
                self.inputs[input].values[entry] = x;
                self.value()
            };
            let expected = (at(center + STEP) - at(center - STEP)) / (2.0 * STEP);
            self.inputs[input].values[entry] = center;
            size = size.max(expected.abs());
            worst = larger(worst, (grad[entry] - expected).abs());
        }
        worst / size
    }

    /// The largest error of the gradient of an input along some directions, as part of its size.
    fn error_along(&mut self, input: usize, grad: &[f64], directions: u64) -> f64 {
        let root = (grad.len().max(1) as f64).sqrt();
        let step = LENGTH / root;
        let size = grad.iter().map(|x| x * x).sum::<f64>().sqrt().max(LEAST[1] * root);
        let center = self.inputs[input].values.clone();
        let mut worst = 0.0;
        for seed in 0..directions {
            let up = noise(grad.len(), 900 + seed);
            let signs: Vec<f64> = up.iter().map(|x| if *x > 0.0 { 1.0 } else { -1.0 }).collect();
            let mut at = |step: f64| {
                let moved = center.iter().zip(&signs).map(|(x, sign)| x + step * sign);
                self.inputs[input].values = moved.collect();
                self.value()
            };
            let expected = (at(step) - at(-step)) / (2.0 * step);
            let found: f64 = grad.iter().zip(&signs).map(|(grad, sign)| grad * sign).sum();
            worst = larger(worst, (found - expected).abs());
        }
        self.inputs[input].values = center;
        worst / size
    }
}

/// A copy that nothing but the operator refers to.
fn in_place(x: Ranked) -> Ranked {
    ranked!(x, |x| x.mul_scalar(1.0).into())
}

/// The larger one; NaN when there is one.
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |a, b| a.max(b.abs()))
}

/// All of `len` numbers, or the first, the last and some others.
fn entries(len: usize, most: usize, seed: u64) -> Vec<usize> {
    if len <= most {
        return (0..len).collect();
    }
    let others = noise(most.saturating_sub(2), 500 + seed);
    let others = others.iter().map(|x| ((0.5 + 0.5 * f64::from(*x)) * len as f64) as usize);
    [0, len - 1].into_iter().chain(others).collect()
}
