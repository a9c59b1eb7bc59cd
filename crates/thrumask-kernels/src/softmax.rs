//! Softmax over the last axis.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows};
use crate::reference;
use crate::simd::basic::{Dot, Scale, Sum};
use crate::simd::{self, Fold, Kernel, Lanes, Simd};
use crate::target::Target;

/// Softmax over the last axis. A row of nothing but `-inf`, of which all is masked, gives exactly zero and
/// has no gradient.
///
/// # Shapes
/// Any shape, kept.
pub fn softmax_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(SoftmaxLast, x);
    }
    reference::softmax_last(x)
}

#[derive(Clone, Debug)]
struct SoftmaxLast;

impl FusedOp<1> for SoftmaxLast {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [false];
    const KEEPS_OUTPUT: bool = true;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        let width = x.rows().width;
        (x.by_rows(|x, at, out| simd::run(Forward { x, width, first: at / width, out })), ())
    }

    fn backward(
        &self,
        grad: Host,
        _kept: [Option<Host>; 1],
        output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        let Some(output) = output else { unreachable!("softmax keeps its output") };
        let y = output.rows();
        let dx = grad.by_rows(|grad, at, dx| {
            simd::run(Backward { y, grad, first: at / y.width, dx });
        });
        [Some(dx)]
    }
}

/// The largest value.
#[derive(Clone, Copy)]
struct Largest;

impl Fold<1, 1> for Largest {
    fn fill(self) -> f32 {
        f32::NEG_INFINITY
    }
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [max]: [S::V; 1], [x]: [S::V; 1]) -> [S::V; 1] {
        [simd.max(max, x)]
    }
    #[inline(always)]
    fn join<S: Simd>(self, simd: S, a: S::V, b: S::V) -> S::V {
        simd.max(a, b)
    }
}

/// `exp(x - max)`
#[derive(Clone, Copy)]
struct Exp {
    max: f32,
}

impl Lanes<0> for Exp {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        let shifted = simd.sub(x, simd.splat(self.max));
        // Exactly zero where `exp` would stop at its smallest value, as for -inf.
        let gone = simd.add(shifted, simd.splat(87.0));
        simd.choose(gone, simd.splat(0.0), simd.exp_below_zero(shifted))
    }
}

/// `y * (grad - mean)`
#[derive(Clone, Copy)]
struct Slope {
    mean: f32,
}

impl Lanes<1> for Slope {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, grad: S::V, [y]: [S::V; 1]) -> S::V {
        simd.mul(y, simd.sub(grad, simd.splat(self.mean)))
    }
}

/// Rows of `width` values, those of `out` when `x` is `None`; `first` is the number of the first.
struct Forward<'a, 'b> {
    x: Option<Rows<'a>>,
    width: usize,
    first: usize,
    out: &'a mut Target<'b>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, width, first, out } = self;
        // Rows are divided by their sums.
        out.stay_near();
        for row in first..first + out.len() / width {
            let x = x.map(|x| x.row(row));
            let from = x.unwrap_or_else(|| out.values(width));
            let [max] = simd::fold(simd, Largest, [f32::NEG_INFINITY], [from]);
            let max = simd.max_lane(max);
            // Where all is masked, the difference from the largest is not a number.
            let max = if max == f32::NEG_INFINITY { 0.0 } else { max };
            let out = out.apply(simd, Exp { max }, x, [], width);
            let [sum] = simd::fold(simd, Sum, [0.0], [out]);
            let sum = simd.sum(sum);
            let scale = if sum == 0.0 { 0.0 } else { 1.0 / sum };
            simd::change(simd, Scale(scale), out, []);
        }
    }
}

/// `y * (grad - sum(grad * y))` of each row, with the gradient in `dx` when `None`.
struct Backward<'a, 'b> {
    y: Rows<'a>,
    grad: Option<Rows<'a>>,
    first: usize,
    dx: &'a mut Target<'b>,
}

impl Kernel for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { y, grad, first, dx } = self;
        let width = y.width;
        for row in first..first + dx.len() / width {
            let (y, grad) = (y.row(row), grad.map(|grad| grad.row(row)));
            let from = grad.unwrap_or_else(|| dx.values(width));
            let [mean] = simd::fold(simd, Dot, [0.0], [y, from]);
            dx.apply(simd, Slope { mean: simd.sum(mean) }, grad, [y], width);
        }
    }
}
