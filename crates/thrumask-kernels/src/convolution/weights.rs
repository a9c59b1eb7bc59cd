//! The gradient of the weights of a convolution.

use rayon::prelude::*;

use super::geometry::{Geometry, Lattice, spread};
use crate::host::{Scratch, Shared};
use crate::simd::{self, Kernel, Simd};

/// Output channels of a task, and about the weights of each of them: their sums stay in the cache.
const TILE: [usize; 2] = [24, 72];

/// Positions that are summed up together.
const CHUNK: usize = 1024;

/// `dw[o, i, tap] = sum_p grad[o, p] x[i, p + tap]` over all images. `x` holds the padded input.
pub(super) fn gradient(of: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let (lattice, out) = (of.lattice(), of.out());
    let mut dw = vec![0.0; of.outputs * of.inputs * of.taps()];
    if dw.is_empty() || of.batch * out.iter().product::<usize>() == 0 {
        return dw;
    }
    let [slice, row] = lattice.strides();
    let span = ((out[0] - 1) * slice + (out[1] - 1) * row + out[2]).next_multiple_of(16);
    let mut dims = lattice.dims;
    dims[0] = out[0];
    let volume: usize = dims.iter().product();
    let tail = span.saturating_sub(volume);
    let grads = Lattice { front: [0; 3], step: [1; 3], dims, tail };
    let grad = spread(grad, out, [1; 3], &grads);
    let taps: Vec<usize> = of.positions().map(|tap| lattice.place(tap)).collect();
    let inputs = (TILE[1] / taps.len()).max(1);
    let blocks = [of.outputs.div_ceil(TILE[0]), of.inputs.div_ceil(inputs)];
    let shared = Shared::new(&mut dw, of.inputs * of.taps());
    (0..blocks[0] * blocks[1]).into_par_iter().with_max_len(1).for_each(|task| {
        let first = [task / blocks[1] * TILE[0], task % blocks[1] * inputs];
        let count = [TILE[0].min(of.outputs - first[0]), inputs.min(of.inputs - first[1])];
        simd::run(Block {
            of,
            x,
            channel: lattice.channel(),
            grad: &grad,
            grad_channel: grads.channel(),
            span,
            taps: &taps,
            first,
            count,
            dw: shared,
        });
    });
    dw
}

/// The weights from some inputs to some outputs.
struct Block<'a> {
    of: &'a Geometry,
    x: &'a [f32],
    channel: usize,
    grad: &'a [f32],
    grad_channel: usize,
    /// Positions of an image; the gradient is zero where there is no output.
    span: usize,
    taps: &'a [usize],
    /// First output and input, and how many of them.
    first: [usize; 2],
    count: [usize; 2],
    dw: Shared<'a>,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [outputs, inputs] = self.count;
        let columns = inputs * self.taps.len();
        let mut offsets = Vec::with_capacity(columns);
        for input in 0..inputs {
            offsets.extend(self.taps.iter().map(|tap| input * self.channel + tap));
        }
        let reach = offsets.iter().max().copied().unwrap_or(0) + self.span;
        let mut memory = Scratch::take(outputs * columns * S::LANES);
        let sums = memory.values();
        sums.fill(0.0);
        for image in 0..self.of.batch {
            let x = &self.x[(image * self.of.inputs + self.first[1]) * self.channel..];
            let grad = &self.grad[(image * self.of.outputs + self.first[0]) * self.grad_channel..];
            assert!(x.len() >= reach, "room to read past the last row");
            assert!(grad.len() >= (outputs - 1) * self.grad_channel + self.span);
            for at in (0..self.span).step_by(CHUNK) {
                let len = CHUNK.min(self.span - at);
                // SAFETY: with at most `span - at` positions from `at` on, all reads are below the
                // bounds just checked; `sums` holds a vector for each output and offset.
                unsafe {
                    let (x, grad) = (x.as_ptr().add(at), grad.as_ptr().add(at));
                    let shape = [outputs, columns, len];
                    dots(simd, shape, (grad, self.grad_channel), (x, &offsets), sums.as_mut_ptr());
                }
            }
        }
        for (o, sums) in sums.chunks_exact(columns * S::LANES).enumerate() {
            let start = self.first[1] * self.taps.len();
            // SAFETY: this task alone writes these weights.
            let to = unsafe { self.dw.piece(self.first[0] + o, start, columns) };
            for (to, sum) in to.iter_mut().zip(sums.chunks_exact(S::LANES)) {
                *to = simd.sum(simd.read(sum));
            }
        }
    }
}

/// `sums[i, k] += left[i, p] right[p + offsets[k]]`, lane by lane, for `p` below `len`.
///
/// # Safety
/// All values named may be read, `len` is a multiple of the lanes, and `sums` is valid for `rows * columns`
/// vectors.
#[inline(always)]
unsafe fn dots<S: Simd>(
    simd: S,
    [rows, columns, len]: [usize; 3],
    left: (*const f32, usize),
    right: (*const f32, &[usize]),
    sums: *mut f32,
) {
    let (tall, wide) = if S::TILE_ROWS == 12 { (4, 6) } else { (2, 4) };
    let mut row = 0;
    while row < rows {
        let tall = if rows - row >= tall { tall } else { 1 };
        let mut column = 0;
        while column < columns {
            let wide = if columns - column >= wide { wide } else { 1 };
            // SAFETY: rows and columns are among those promised by the caller.
            unsafe {
                let left = (left.0.add(row * left.1), left.1);
                let right = (right.0, &right.1[column..]);
                let sums = sums.add((row * columns + column) * S::LANES);
                match (tall, wide) {
                    (4, 6) => tile::<S, 4, 6>(simd, columns, len, left, right, sums),
                    (2, 4) => tile::<S, 2, 4>(simd, columns, len, left, right, sums),
                    (4, _) => tile::<S, 4, 1>(simd, columns, len, left, right, sums),
                    (2, _) => tile::<S, 2, 1>(simd, columns, len, left, right, sums),
                    (_, 6) => tile::<S, 1, 6>(simd, columns, len, left, right, sums),
                    (_, 4) => tile::<S, 1, 4>(simd, columns, len, left, right, sums),
                    _ => tile::<S, 1, 1>(simd, columns, len, left, right, sums),
                }
            }
            column += wide;
        }
        row += tall;
    }
}

/// `R` rows by `C` columns of [`dots`], held in registers.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const C: usize>(
    simd: S,
    columns: usize,
    len: usize,
    (left, left_row): (*const f32, usize),
    (right, offsets): (*const f32, &[usize]),
    sums: *mut f32,
) {
    // SAFETY: all accesses are to values promised by the caller of `dots`.
    unsafe {
        let mut held = [[simd.splat(0.0); C]; R];
        let mut from = [right; C];
        for (from, offset) in from.iter_mut().zip(offsets) {
            *from = right.add(*offset);
        }
        for (i, held) in held.iter_mut().enumerate() {
            for (k, held) in held.iter_mut().enumerate() {
                *held = simd.load(sums.add((i * columns + k) * S::LANES));
            }
        }
        for at in (0..len).step_by(S::LANES) {
            let mut lefts = [simd.splat(0.0); R];
            for (i, value) in lefts.iter_mut().enumerate() {
                *value = simd.load(left.add(i * left_row + at));
            }
            for (k, from) in from.iter().enumerate() {
                let value = simd.load(from.add(at));
                for (held, left) in held.iter_mut().zip(lefts) {
                    held[k] = simd.fma(left, value, held[k]);
                }
            }
        }
        for (i, held) in held.iter().enumerate() {
            for (k, held) in held.iter().enumerate() {
                simd.store(sums.add((i * columns + k) * S::LANES), *held);
            }
        }
    }
}
