//! The functions and sums that several kernels use.

use super::{Fold, Lanes, Simd};

/// The sum.
#[derive(Clone, Copy)]
pub(crate) struct Sum;

impl Fold<1, 1> for Sum {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [sum]: [S::V; 1], [x]: [S::V; 1]) -> [S::V; 1] {
        [simd.add(sum, x)]
    }
}

/// The sum of products.
#[derive(Clone, Copy)]
pub(crate) struct Dot;

impl Fold<2, 1> for Dot {
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [sum]: [S::V; 1], [a, b]: [S::V; 2]) -> [S::V; 1] {
        [simd.fma(a, b, sum)]
    }
}

/// `x` times a number.
#[derive(Clone, Copy)]
pub(crate) struct Scale(pub f32);

impl Lanes<0> for Scale {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        simd.mul(x, simd.splat(self.0))
    }
}

/// `a + b`
#[derive(Clone, Copy)]
pub(crate) struct Add;

impl Lanes<1> for Add {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, a: S::V, [b]: [S::V; 1]) -> S::V {
        simd.add(a, b)
    }
}

/// `a * b + x`
#[derive(Clone, Copy)]
pub(crate) struct MulAdd;

impl Lanes<2> for MulAdd {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [a, b]: [S::V; 2]) -> S::V {
        simd.fma(a, b, x)
    }
}

/// `a * x`
#[derive(Clone, Copy)]
pub(crate) struct Mul;

impl Lanes<1> for Mul {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [a]: [S::V; 1]) -> S::V {
        simd.mul(a, x)
    }
}
