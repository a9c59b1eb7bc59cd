//! Pointwise activations and softmax.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::Host;
use crate::reference;
use crate::simd::{Lanes, Simd};

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

/// `1 / (1 + e^-x)`; below -86 that of -86.
///
/// # Shapes
/// Any shape, kept.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(Activate(Sigmoid), x);
    }
    reference::sigmoid(x)
}

/// The hyperbolic tangent, within 2e-7.
///
/// # Shapes
/// Any shape, kept.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) {
        return bridge::apply1(Activate(Tanh), x);
    }
    reference::tanh(x)
}

/// A pointwise function and its derivative.
trait Pointwise: Clone + Copy + std::fmt::Debug + Send + Sync + 'static {
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V;
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V;
}

/// `value` of an exponential of `at`, and exactly zero where that is below e^-50: products with it would be
/// numbers so small that processors take a hundred steps for each, all through the backward pass.
#[inline(always)]
fn unless_gone<S: Simd>(simd: S, at: S::V, value: S::V) -> S::V {
    simd.choose(simd.add(at, simd.splat(50.0)), simd.splat(0.0), value)
}

#[derive(Clone, Copy, Debug)]
struct Gelu;

#[derive(Clone, Copy, Debug)]
struct GeluTanh;

#[derive(Clone, Copy, Debug)]
struct Silu;

#[derive(Clone, Copy, Debug)]
struct Sigmoid;

#[derive(Clone, Copy, Debug)]
struct Tanh;

/// `Φ(x) - 1/2 = x P(x²) / Q(x²)` up to 5.5 either way, the lowest power first: fitted by least squares weighted
/// again and again (Lawson), within 3e-9 up to 5.2 and then above 1/2, so that sums of `Φ` end at exactly 0 and 1.
const PHI: [[f32; 6]; 2] = [
    [0.398_942_26, 0.032_544_56, 0.004_608_645_6, 1.568_616_6e-4, 6.407_891e-6, 2.473_113_4e-8],
    [1.0, 0.248_243_45, 0.027_926_693, 0.001_817_203, 7.049_613_5e-5, 1.258_868_9e-6],
];

impl Gelu {
    /// `Φ(x)`, within 3e-7; exactly 0 below -5.5 and 1 above 5.5.
    #[inline(always)]
    fn gate<S: Simd>(simd: S, x: S::V) -> S::V {
        // In this order of operands NaN comes through.
        let z = simd.min(simd.splat(5.5), simd.max(simd.splat(-5.5), x));
        let square = simd.mul(z, z);
        let [[.., p], [.., q]] = PHI;
        let (mut p, mut q) = (simd.splat(p), simd.splat(q));
        for i in (0..PHI[0].len() - 1).rev() {
            p = simd.fma(p, square, simd.splat(PHI[0][i]));
            q = simd.fma(q, square, simd.splat(PHI[1][i]));
        }
        let gate = simd.fma(simd.mul(z, p), simd.inverse(q), simd.splat(0.5));
        simd.min(simd.splat(1.0), simd.max(simd.splat(0.0), gate))
    }
}

impl Pointwise for Gelu {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        simd.mul(x, Self::gate(simd, x))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let at = simd.mul(simd.mul(x, x), simd.splat(-0.5));
        let bell = unless_gone(simd, at, simd.exp_below_zero(at));
        // 1 / sqrt(2 π)
        simd.fma(simd.mul(x, bell), simd.splat(0.398_942_3), Self::gate(simd, x))
    }
}

impl GeluTanh {
    const ROOT: f32 = 0.797_884_6; // sqrt(2 / π)
    const CUBIC: f32 = 0.044_715;

    /// `(1 + tanh u) / 2 = sigmoid(2 u)`
    #[inline(always)]
    fn gate<S: Simd>(simd: S, x: S::V) -> S::V {
        let inner = simd.fma(simd.mul(x, x), simd.splat(Self::CUBIC), simd.splat(1.0));
        let at = simd.mul(simd.mul(x, inner), simd.splat(2.0 * Self::ROOT));
        unless_gone(simd, at, simd.sigmoid(at))
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
        simd.mul(x, unless_gone(simd, x, simd.sigmoid(x)))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let gate = unless_gone(simd, x, simd.sigmoid(x));
        let one = simd.splat(1.0);
        simd.mul(gate, simd.fma(x, simd.sub(one, gate), one))
    }
}

impl Pointwise for Sigmoid {
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        simd.sigmoid(x)
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let gate = unless_gone(simd, x, simd.sigmoid(x));
        simd.mul(gate, simd.sub(simd.splat(1.0), gate))
    }
}

impl Pointwise for Tanh {
    /// `2 sigmoid(2 x) - 1`
    #[inline(always)]
    fn value<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let gate = simd.sigmoid(simd.add(x, x));
        simd.fma(simd.splat(2.0), gate, simd.splat(-1.0))
    }

    #[inline(always)]
    fn slope<S: Simd>(self, simd: S, x: S::V) -> S::V {
        let value = self.value(simd, x);
        simd.fnma(value, value, simd.splat(1.0))
    }
}

#[derive(Clone, Debug)]
struct Activate<P>(P);

/// The function itself.
#[derive(Clone, Copy)]
struct Value<P>(P);

/// The gradient times the derivative.
#[derive(Clone, Copy)]
struct Slope<P>(P);

impl<P: Pointwise> Lanes<0> for Value<P> {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        self.0.value(simd, x)
    }
}

impl<P: Pointwise> Lanes<1> for Slope<P> {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, grad: S::V, [x]: [S::V; 1]) -> S::V {
        simd.mul(grad, self.0.slope(simd, x))
    }
}

impl<P: Pointwise> FusedOp<1> for Activate<P> {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        (x.lanes([], Value(self.0)), ())
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
        [Some(grad.lanes([x.rows()], Slope(self.0)))]
    }
}
