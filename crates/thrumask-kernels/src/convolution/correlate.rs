//! The inner loop of convolutions: products of weights with rows that lie at shifted places.

use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::geometry::Lattice;
use crate::host::{Scratch, Shared};
use crate::matrix::Packed;
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::target::Target;
use crate::tile::{Even, Left, Table, product};

/// `out[o, p] = bias[o] + sum_k weights[o, k] from[p + offsets[k]]` for the positions of a grid.
#[derive(Clone, Copy)]
pub(super) struct Correlation<'a> {
    /// Channels of all images as lattices, with some values behind the last.
    pub from: &'a [f32],
    pub lattice: &'a Lattice,
    /// Channels of an image in `from`.
    pub inputs: usize,
    /// One for each column of the weights: where grid position 0 reads.
    pub offsets: &'a [usize],
    /// `[outputs, offsets]`.
    pub weights: &'a [f32],
    pub bias: Option<&'a [f32]>,
    /// Whether `x * sigmoid(x)` of the sums is wanted.
    pub silu: bool,
    pub images: usize,
    pub outputs: usize,
    /// Positions along each axis.
    pub grid: [usize; 3],
    /// Size of the output.
    pub size: [usize; 3],
    /// Output position of the first grid position, and the distance to the next.
    pub start: [usize; 3],
    pub step: [usize; 3],
}

/// Output channels that are made together.
const ROWS: usize = 12;

/// Offsets of a panel, at most: it stays in the first-level cache.
const DEPTH: usize = 192;

/// Positions that are made together, about: their inputs stay in the second-level cache.
const SPAN: usize = 256;

impl Correlation<'_> {
    /// Writes all of the grid's positions of the output `[images, outputs, size]`, and no others.
    ///
    /// # Panics
    /// When a slice is too short for the grid.
    pub fn run(&self, out: &mut [MaybeUninit<f32>]) {
        let [depth, height, width] = self.grid;
        let [_, row_stride] = self.lattice.strides();
        if self.images * self.outputs * depth * height * width == 0 {
            return;
        }
        // Bands of about one height, at places that depend on the sizes alone.
        let bands = height.div_ceil((SPAN / row_stride.max(1)).max(1));
        let shared = Shared::new(out, self.size.iter().product());
        let weights = Packed::new(self.weights, [self.outputs, self.offsets.len()]);
        (0..self.images * depth * bands).into_par_iter().with_max_len(1).for_each(|task| {
            let (image, z, band) = (task / bands / depth, task / bands % depth, task % bands);
            let rows = [band * height / bands, (band + 1) * height / bands];
            simd::run(Band { of: self, weights: &weights, image, z, rows, out: shared });
        });
    }
}

/// Some rows of the grid.
struct Band<'a> {
    of: &'a Correlation<'a>,
    weights: &'a Packed,
    image: usize,
    z: usize,
    rows: [usize; 2],
    out: Shared<'a, MaybeUninit<f32>>,
}

/// The sum with the bias, and its SiLU.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub bias: f32,
    pub silu: bool,
}

impl Lanes<0> for Finish {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        let x = simd.add(x, simd.splat(self.bias));
        if self.silu { simd.mul(x, simd.sigmoid(x)) } else { x }
    }
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, weights, image, z, rows: [top, bottom], out } = self;
        let [slice_stride, row_stride] = of.lattice.strides();
        let width = of.grid[2];
        let span = (bottom - top - 1) * row_stride + width;
        let vectors = span.div_ceil(S::LANES);
        let len = vectors * S::LANES;
        let inner = of.offsets.len();
        let base = image * of.inputs * of.lattice.channel() + z * slice_stride + top * row_stride;
        let last = of.offsets.iter().max().map_or(0, |offset| base + offset + len);
        assert!(last <= of.from.len(), "{last} values to read of {}", of.from.len());
        // What several groups of outputs read is brought together for them, from shifted places that most
        // vectors lie across the lines of, to whole lines.
        let (wide, several) = (2 * S::LANES, of.outputs > ROWS);
        let held = if several { inner.min(DEPTH) * wide } else { 0 };
        let mut memory = Scratch::take(held + of.outputs * len);
        let (panel, sums) = memory.values().split_at_mut(held);
        if inner == 0 {
            sums.fill(0.0);
        }
        let groups = (0..of.outputs).step_by(ROWS);
        let rows = |first: usize| (ROWS.min(of.outputs - first), weights.rows(simd, first));
        // SAFETY: offsets were checked above, the weights are packed for all outputs; `sums` has a row of
        // `len` values for each output, and the panel one of `wide` values for each of some offsets.
        unsafe {
            let (from, to) = (of.from.as_ptr().add(base), sums.as_mut_ptr());
            if !several {
                let (count, left) = rows(0);
                let shape = [count, vectors, inner];
                product(simd, shape, left, from, Table(of.offsets), to, len, None);
            }
            let parts = (0..if several { vectors } else { 0 })
                .step_by(2)
                .flat_map(|column| (0..inner).step_by(DEPTH).map(move |first| (column, first)));
            for (column, from_offset) in parts {
                let across = 2.min(vectors - column);
                let depth = DEPTH.min(inner - from_offset);
                let (from, to) = (from.add(column * S::LANES), to.add(column * S::LANES));
                let offsets = &of.offsets[from_offset..][..depth];
                for (panel, offset) in panel.chunks_exact_mut(wide).zip(offsets) {
                    for i in 0..across {
                        let from = simd.load(from.add(offset + i * S::LANES));
                        simd.store(panel.as_mut_ptr().add(i * S::LANES), from);
                    }
                }
                for first in groups.clone() {
                    let ((count, left), to) = (rows(first), to.add(first * len));
                    let left = Left { start: left.start.add(from_offset * left.inner), ..left };
                    let start = (from_offset > 0).then_some((to.cast_const(), len));
                    let shape = [count, across, depth];
                    product(simd, shape, left, panel.as_ptr(), Even(wide), to, len, start);
                }
            }
        }
        for (first, sums) in groups.zip(sums.chunks(ROWS * len)) {
            let count = ROWS.min(of.outputs - first);
            for (i, sums) in sums.chunks_exact(len).enumerate().take(count) {
                let bias = of.bias.map_or(0.0, |bias| bias[first + i]);
                let finish = Finish { bias, silu: of.silu };
                let channel = image * of.outputs + first + i;
                for (y, sums) in (top..bottom).zip(sums.chunks(row_stride)) {
                    let [z, y] = [of.start[0] + z * of.step[0], of.start[1] + y * of.step[1]];
                    let row = (z * of.size[1] + y) * of.size[2];
                    // SAFETY: this task alone writes these rows of the grid.
                    let to = unsafe { out.piece(channel, row, of.size[2]) };
                    if of.step[2] == 1 {
                        let mut to = Target::fresh(&mut to[of.start[2]..][..width]);
                        to.apply(simd, finish, Some(&sums[..width]), [], width);
                    } else {
                        // Gradients have neither bias nor activation.
                        let to = to[of.start[2]..].iter_mut().step_by(of.step[2]);
                        to.zip(&sums[..width]).for_each(|(to, &sum)| _ = to.write(sum));
                    }
                }
            }
        }
    }
}
