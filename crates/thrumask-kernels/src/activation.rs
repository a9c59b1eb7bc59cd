//! Pointwise activations and softmax.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{CHUNK, Host, Rows, whole_rows};
use crate::reference;
use crate::simd::{self, Kernel, Simd};

/// `x * Φ(x)` with the Gaussian distribution function (the "erf" form).
///
/// # Shapes
/// Any shape, kept.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(Activate(Gelu), x);
    }
    reference::gelu(x)
}

/// The tanh approximation of [`gelu`]: `x / 2 * (1 + tanh(sqrt(2 / π) (x + 0.044715 x³)))`.
///
/// # Shapes
/// Any shape, kept.
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(Activate(GeluTanh), x);
    }
    reference::gelu_tanh(x)
}

/// `x * sigmoid(x)`.
///
/// # Shapes
/// Any shape, kept.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(Activate(Silu), x);
    }
    reference::silu(x)
}

/// Softmax over the last axis.
///
/// # Shapes
/// Any shape, kept.
pub fn softmax_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(SoftmaxLast, x);
    }
    reference::softmax_last(x)
}

/// A pointwise function and its derivative.
trait Pointwise: Clone + Copy + std::fmt::Debug + Send + Sync + 'static {
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V;
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V;
}

#[derive(Clone, Copy, Debug)]
struct Gelu;

#[derive(Clone, Copy, Debug)]
struct GeluTanh;

#[derive(Clone, Copy, Debug)]
struct Silu;

impl Gelu {
    /// `1 - Φ(|x|)`, and `exp(-x²/2)`: Abramowitz and Stegun 7.1.26, within 1e-7.
    #[inline(always)]
    fn tail<S: Simd>(simd: S, x: S::V) -> (S::V, S::V) {
        let size = simd.max(x, simd.sub(simd.splat(0.0), x));
        let bell = simd.exp(simd.mul(simd.mul(x, x), simd.splat(-0.5)));
        let one = simd.splat(1.0);
        // 0.3275911 / sqrt(2)
        let t = simd.div(one, simd.fma(size, simd.splat(0.231_641_89), one));
        let mut p = simd.splat(1.061_405_4);
        for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            p = simd.fma(p, t, simd.splat(c));
        }
        (simd.mul(simd.mul(p, t), simd.mul(bell, simd.splat(0.5))), bell)
    }
}

impl Pointwise for Gelu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let (tail, _) = Self::tail(simd, x);
        let zero = simd.splat(0.0);
        let size = simd.max(x, simd.sub(zero, x));
        simd.fnma(size, tail, simd.max(x, zero))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let (tail, bell) = Self::tail(simd, x);
        let below = simd.choose(x, tail, simd.sub(simd.splat(1.0), tail));
        // 1 / sqrt(2 π)
        simd.fma(simd.mul(x, bell), simd.splat(0.398_942_3), below)
    }
}

impl GeluTanh {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / π)
    const CUBIC: f32 = 0.044_715;

    /// `(1 + tanh u) / 2 = sigmoid(2 u)`
    #[inline(always)]
    fn gate<S: Simd>(simd: S, x: S::V) -> S::V {
        let inner = simd.fma(simd.mul(x, x), simd.splat(Self::CUBIC), simd.splat(1.0));
        simd.sigmoid(simd.mul(simd.mul(x, inner), simd.splat(2.0 * Self::ROOT)))
    }
}

impl Pointwise for GeluTanh {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        simd.mul(x, Self::gate(simd, x))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let gate = Self::gate(simd, x);
        let one = simd.splat(1.0);
        let inner = simd.fma(simd.mul(x, x), simd.splat(3.0 * Self::CUBIC), one);
        let inner = simd.mul(simd.mul(x, inner), simd.splat(2.0 * Self::ROOT));
        simd.fma(simd.mul(gate, simd.sub(one, gate)), inner, gate)
    }
}

impl Pointwise for Silu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        simd.mul(x, simd.sigmoid(x))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let gate = simd.sigmoid(x);
        let one = simd.splat(1.0);
        simd.mul(gate, simd.fma(x, simd.sub(one, gate), one))
    }
}

#[derive(Clone, Debug)]
struct Activate<P>(P);

impl<P: Pointwise> FusedOp<1> for Activate<P> {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        (x.contiguous().map(CHUNK, |_, values| simd::run(Values(self.0, values))), ())
    }

    fn backward(
        &self,
        grad: Host,
        kept: [Option<Host>; 1],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        let [Some(x)] = kept else { unreachable!("activations keep their input") };
        let x = x.contiguous();
        let x = x.values();
        [Some(grad.contiguous().map(CHUNK, |at, grad| {
            let x = &x[at..at + grad.len()];
            simd::run(Slopes { of: self.0, x, grad });
        }))]
    }
}

/// Replaces values by the function of them.
struct Values<'a, P>(P, &'a mut [f32]);

impl<P: Pointwise> Kernel for Values<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for i in (0..self.1.len()).step_by(S::LANES) {
            let x = simd.read_at(self.1, i, 0.0);
            simd.write_at(self.1, i, self.0.value(simd, x));
        }
    }
}

/// Multiplies gradients by the derivative.
struct Slopes<'a, P> {
    of: P,
    x: &'a [f32],
    grad: &'a mut [f32],
}

impl<P: Pointwise> Kernel for Slopes<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, x, grad } = self;
        for i in (0..grad.len()).step_by(S::LANES) {
            let slope = of.slope(simd, simd.read_at(x, i, 0.0));
            let down = simd.mul(simd.read_at(grad, i, 0.0), slope);
            simd.write_at(grad, i, down);
        }
    }
}

#[derive(Clone, Debug)]
struct SoftmaxLast;

impl FusedOp<1> for SoftmaxLast {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [false];
    const KEEPS_OUTPUT: bool = true;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        let width = x.rows().width;
        (x.map(whole_rows(width), |_, rows| simd::run(SoftmaxRows { rows, width })), ())
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
        let width = y.width;
        [Some(grad.map(whole_rows(width), |at, grad| {
            simd::run(SoftmaxSlopes { y, first: at / width, grad });
        }))]
    }
}

struct SoftmaxRows<'a> {
    rows: &'a mut [f32],
    width: usize,
}

impl Kernel for SoftmaxRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let mut max = simd.splat(f32::NEG_INFINITY);
            for i in (0..row.len()).step_by(S::LANES) {
                max = simd.max(max, simd.read_at(row, i, f32::NEG_INFINITY));
            }
            let max = simd.splat(simd.max_lane(max));
            let mut sum = simd.splat(0.0);
            for i in (0..row.len()).step_by(S::LANES) {
                // Lanes past the end become e^-87, and are taken out of the sum again by `choose`.
                let x = simd.read_at(row, i, f32::NEG_INFINITY);
                let shifted = simd.sub(x, max);
                let value = simd.exp(shifted);
                let gone = simd.add(shifted, simd.splat(87.0));
                let value = simd.choose(gone, simd.splat(0.0), value);
                simd.write_at(row, i, value);
                sum = simd.add(sum, value);
            }
            let norm = simd.splat(1.0 / simd.sum(sum));
            for i in (0..row.len()).step_by(S::LANES) {
                let value = simd.read_at(row, i, 0.0);
                simd.write_at(row, i, simd.mul(value, norm));
            }
        }
    }
}

/// `y * (grad - sum(grad * y))` of each row.
struct SoftmaxSlopes<'a> {
    y: Rows<'a>,
    first: usize,
    grad: &'a mut [f32],
}

impl Kernel for SoftmaxSlopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (i, grad) in self.grad.chunks_exact_mut(self.y.width).enumerate() {
            let y = self.y.row(self.first + i);
            let mut sum = simd.splat(0.0);
            for j in (0..grad.len()).step_by(S::LANES) {
                sum = simd.fma(simd.read_at(grad, j, 0.0), simd.read_at(y, j, 0.0), sum);
            }
            let sum = simd.splat(simd.sum(sum));
            for j in (0..grad.len()).step_by(S::LANES) {
                let inner = simd.sub(simd.read_at(grad, j, 0.0), sum);
                let down = simd.mul(simd.read_at(y, j, 0.0), inner);
                simd.write_at(grad, j, down);
            }
        }
    }
}
