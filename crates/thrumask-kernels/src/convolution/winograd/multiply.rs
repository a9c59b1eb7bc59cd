//! The products of a point.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::tiles::Tiling;
use super::weights::Weights;
use crate::host::Shared;
use crate::simd::{Kernel, Simd};
use crate::tile::{Even, product};

/// The products of one point for some tiles.
pub(super) struct Multiply<'a> {
    pub tiling: &'a Tiling,
    pub weights: &'a Weights,
    /// `[matrices, I, stride]`
    pub values: &'a [f32],
    pub stride: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub point: usize,
    pub first: usize,
    pub columns: usize,
    /// Columns of the sums to be filled besides.
    pub behind: Range<usize>,
    /// `[O, points * stride]`, as the pass over the outputs reads them.
    pub to: Shared<'a, MaybeUninit<f32>>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { tiling, weights, values, stride, inputs, outputs, point, first, .. } = self;
        let (columns, behind, to) = (self.columns, self.behind, self.to);
        let [matrix, count] = tiling.matrices_of(point);
        let vectors = columns.div_ceil(S::LANES);
        let place = point * stride + first;
        let (start, apart) = to.tile(0, place, [outputs, vectors * S::LANES]);
        // The inputs of all its parts follow each other.
        let right = &values[matrix * inputs * stride + first..];
        assert!(right.len() >= (count * inputs - 1) * stride + vectors * S::LANES);
        for output in 0..outputs {
            // SAFETY: this task alone writes these columns of this point.
            let behind = unsafe { to.piece(output, point * stride + behind.start, behind.len()) };
            behind.fill(MaybeUninit::new(0.0));
        }
        let left = weights.at(simd, matrix, count);
        let shape = [outputs, vectors, count * inputs];
        // SAFETY: the operands were just checked; this task alone writes these columns of this point.
        unsafe {
            product(simd, shape, left, right.as_ptr(), Even(stride), start.cast(), apart, None)
        };
    }
}
