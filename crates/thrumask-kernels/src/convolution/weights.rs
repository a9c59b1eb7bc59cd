//! The gradient of the weights of a convolution.

use super::geometry::{Geometry, SLACK, Spread};
use crate::host::{LINE, Scratch, Shared};
use crate::matrix::{DEPTH, Packed};
use crate::simd::{self, Kernel, Simd};
use crate::target::as_memory;
use crate::team;

/// Weights of each output that a task makes, at most.
const COLUMNS: usize = 64;

/// Tasks that there should be; images are shared out where the weights alone make fewer.
const TASKS: usize = 16;

/// `dw[o, i, tap] = sum_p grad[o, p] x[i, p + tap]` over all images of `x [B, I, stored]`: a product of the
/// gradient with panels of shifted inputs, positions down and weights across.
pub(super) fn gradient(of: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let (columns, positions) = (of.inputs * of.taps(), of.out().iter().product::<usize>());
    let len = of.outputs * columns;
    if len == 0 || of.batch * positions == 0 {
        return vec![0.0; len];
    }
    let packed = |image: usize| {
        Packed::alone(&grad[image * of.outputs * positions..], [of.outputs, positions])
    };
    let grads: Vec<Packed> = team::map(of.batch, packed);
    let blocks = columns.div_ceil(COLUMNS);
    // What is summed up apart depends on the sizes alone.
    let groups = TASKS.div_ceil(blocks).min(of.batch);
    let mut sums = vec![0.0; groups * len];
    let shared = Shared::new(&mut sums, columns);
    team::each(groups * blocks, |task| {
        let (group, first) = (task / blocks, task % blocks * COLUMNS);
        simd::run(Block {
            of,
            x,
            spread: of.spread(of.lattice()),
            grads: &grads,
            images: [group * of.batch / groups, (group + 1) * of.batch / groups],
            columns: [first, columns.min(first + COLUMNS)],
            to: (shared, group * of.outputs),
        });
    });
    let (all, rest) = sums.split_at_mut(len);
    for part in rest.chunks_exact(len) {
        all.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sums.truncate(len);
    sums
}

/// Some of the weights to all outputs, summed up over some images.
struct Block<'a> {
    of: &'a Geometry,
    x: &'a [f32],
    spread: Spread,
    /// The gradient of each image, `[O, positions]`.
    grads: &'a [Packed],
    images: [usize; 2],
    /// Of the weights `[I, taps]` of an output.
    columns: [usize; 2],
    /// The sums, and which row is that of the first output.
    to: (Shared<'a>, usize),
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, spread, columns: [begin, end], .. } = self;
        let (taps, outputs) = (of.taps(), of.outputs);
        let (positions, wide) = (of.out().iter().product::<usize>(), 2 * S::LANES);
        let channels = [begin / taps, (end - 1) / taps + 1];
        let channel = spread.lattice.channel();
        let values = (channels[1] - channels[0]) * channel + SLACK;
        let [values, row] = [values, spread.row()].map(|len| len.next_multiple_of(LINE));
        let width = (end - begin).next_multiple_of(wide);
        let panel = (DEPTH + S::LANES) * wide;
        let mut memory = Scratch::take(values + row + panel + outputs * width);
        let (x, rest) = memory.values().split_at_mut(values);
        let (row, rest) = rest.split_at_mut(row);
        let (panel, sums) = rest.split_at_mut(panel);
        let places: Vec<usize> = of.positions().map(|tap| spread.lattice.place(tap)).collect();
        // The last weight again where a panel has room for more.
        let place = |column: usize| (column / taps - channels[0]) * channel + places[column % taps];
        let offsets: Vec<usize> =
            (begin..begin + width).map(|column| place(column.min(end - 1))).collect();
        sums.fill(0.0);
        for image in self.images[0]..self.images[1] {
            self.read(simd, image, channels, row, x);
            for first in (0..positions).step_by(DEPTH) {
                let range = [first, positions.min(first + DEPTH)];
                for (offsets, at) in offsets.chunks_exact(wide).zip((0..).step_by(wide)) {
                    self.shifted(simd, x, offsets, range, panel);
                    // SAFETY: `sums` has rows of `width` values for all outputs.
                    unsafe {
                        let to = (sums.as_mut_ptr().add(at), width);
                        let (shape, inner) = ([outputs, 2], range[0]..range[1]);
                        let start = Some((to.0.cast_const(), width));
                        self.grads[image].times(simd, shape, inner, panel, to, start);
                    }
                }
            }
        }
        for (output, sums) in sums.chunks_exact(width).enumerate() {
            // SAFETY: this task alone writes these weights.
            let to = unsafe { self.to.0.piece(self.to.1 + output, begin, end - begin) };
            to.copy_from_slice(&sums[..end - begin]);
        }
    }
}

impl Block<'_> {
    /// Spreads some channels of an image.
    #[inline(always)]
    fn read<S: Simd>(
        &self,
        simd: S,
        image: usize,
        channels: [usize; 2],
        row: &mut [f32],
        to: &mut [f32],
    ) {
        let Self { of, x, spread, .. } = self;
        let volume = spread.stored.iter().product::<usize>();
        let to = to.chunks_exact_mut(spread.lattice.channel());
        for (channel, to) in (channels[0]..channels[1]).zip(to) {
            let from = (image * of.inputs + channel) * volume;
            // SAFETY: what is spread are values of the image and zeros.
            let to = unsafe { as_memory(to) };
            spread.window(simd, &x[from..][..volume], [0; 2], row, to);
        }
    }

    /// A panel: for each position of a range what lies there in `x`, at each offset.
    ///
    /// # Panics
    /// When a slice is too short.
    #[inline(always)]
    fn shifted<S: Simd>(
        &self,
        simd: S,
        x: &[f32],
        offsets: &[usize],
        [first, end]: [usize; 2],
        panel: &mut [f32],
    ) {
        let ([_, height, width], [slice, line]) = (self.of.out(), self.spread.lattice.strides());
        let wide = offsets.len();
        let mut at = first;
        while at < end {
            let (z, y, inside) = (at / width / height, at / width % height, at % width);
            let from = &x[z * slice + y * line + inside..];
            let to = &mut panel[(at - first) * wide..][..S::LANES * wide];
            for half in (0..wide).step_by(S::LANES) {
                let mut square = [simd.splat(0.0); 16];
                for (square, offset) in square.iter_mut().zip(&offsets[half..half + S::LANES]) {
                    *square = simd.read(&from[*offset..]);
                }
                simd.turn(&mut square);
                for (row, to) in square.into_iter().zip(to.chunks_exact_mut(wide)) {
                    simd.write(&mut to[half..], row);
                }
            }
            // What is behind the end of a row, or of the range, is covered by what follows, or not used.
            at += S::LANES.min(width - inside);
        }
    }
}
