//! The passes over tiles, one channel or one point at a time.

use std::mem::MaybeUninit;

use super::points::{OUT, POINTS, back, back_forth, forth};
use super::tiles::Run;
use super::weights::Weights;
use crate::convolution::correlate::Finish;
use crate::convolution::geometry::Geometry;
use crate::host::Shared;
use crate::simd::{Kernel, Lanes, Simd};
use crate::tile::{Even, product};

/// What tiles are brought to the points by: their inputs, or the gradients of their outputs.
pub(super) trait Transform: Copy {
    /// Values along an axis that it reads.
    const READS: usize;
    /// Of the first `READS` values.
    fn of<S: Simd>(self, s: S, d: [S::V; POINTS]) -> [S::V; POINTS];
}

/// [`forth`]
#[derive(Clone, Copy)]
pub(super) struct Inputs;

impl Transform for Inputs {
    const READS: usize = POINTS;

    #[inline(always)]
    fn of<S: Simd>(self, s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        forth(s, d)
    }
}

/// [`back_forth`]
#[derive(Clone, Copy)]
pub(super) struct Gradients;

impl Transform for Gradients {
    const READS: usize = OUT;

    #[inline(always)]
    fn of<S: Simd>(self, s: S, [a, b, c, d, ..]: [S::V; POINTS]) -> [S::V; POINTS] {
        back_forth(s, [a, b, c, d])
    }
}

/// One channel of a pass at the points: `to[point, channel, tile]`.
pub(super) struct Forth<'a, T> {
    pub by: T,
    /// How many channels there are.
    pub channels: usize,
    /// The lattices, the size of a channel, and where a tile's inputs lie.
    pub from: (&'a [f32], usize, &'a [usize]),
    pub channel: usize,
    pub runs: &'a [Run],
    pub plane: bool,
    pub to: Shared<'a>,
}

impl<T: Transform> Kernel for Forth<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { by, channels, from: (from, size, places), channel, runs, plane, to } = self;
        assert_eq!(places.len(), if plane { T::READS.pow(2) } else { T::READS });
        let reach = places.iter().max().copied().unwrap_or(0);
        for run in runs {
            let start = (run.image * channels + channel) * size + run.from;
            for at in (0..run.len).step_by(S::LANES) {
                let from = &from[start + at..][..reach + S::LANES];
                // SAFETY: places lie within `reach` of the start. This task alone writes the rows of
                // this channel, and `stride` leaves room for a vector behind the last tile.
                unsafe {
                    let read = |i: usize| s.load(from.as_ptr().add(*places.get_unchecked(i)));
                    let write = |point: usize, value: S::V| {
                        let to = to.piece(point * channels + channel, run.at + at, S::LANES);
                        s.store(to.as_mut_ptr(), value);
                    };
                    if !plane {
                        let mut d = [s.splat(0.0); POINTS];
                        for (i, d) in d.iter_mut().enumerate().take(T::READS) {
                            *d = read(i);
                        }
                        for (i, value) in by.of(s, d).into_iter().enumerate() {
                            write(i, value);
                        }
                        continue;
                    }
                    let mut rows = [[s.splat(0.0); POINTS]; POINTS];
                    for (y, row) in rows.iter_mut().enumerate().take(T::READS) {
                        let mut d = [s.splat(0.0); POINTS];
                        for (x, d) in d.iter_mut().enumerate().take(T::READS) {
                            *d = read(y * T::READS + x);
                        }
                        *row = by.of(s, d);
                    }
                    for x in 0..POINTS {
                        let mut d = [s.splat(0.0); POINTS];
                        for (d, row) in d.iter_mut().zip(&rows) {
                            *d = row[x];
                        }
                        for (y, value) in by.of(s, d).into_iter().enumerate() {
                            write(y * POINTS + x, value);
                        }
                    }
                }
            }
        }
    }
}

/// The products of one point for some tiles.
pub(super) struct Multiply<'a> {
    pub of: &'a Geometry,
    pub weights: &'a Weights,
    /// `[points, I, stride]`.
    pub values: &'a [f32],
    pub point: usize,
    pub first: usize,
    pub columns: usize,
    /// `[points, O, stride]`.
    pub to: Shared<'a>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, weights, values, point, first, columns, to } = self;
        let (inputs, outputs) = (of.inputs, of.outputs);
        let vectors = columns.div_ceil(S::LANES);
        let (start, stride) = to.tile(point * outputs, first, [outputs, vectors * S::LANES]);
        let right = &values[point * inputs * stride + first..];
        assert!(right.len() >= (inputs - 1) * stride + vectors * S::LANES);
        let left = weights.at(simd, point);
        let shape = [outputs, vectors, inputs];
        // SAFETY: the operands were just checked; this task alone writes these columns of this point.
        unsafe { product(simd, shape, left, right.as_ptr(), Even(stride), start, stride, None) };
    }
}

/// One channel of the outputs of a pass.
pub(super) struct Back<'a> {
    pub of: &'a Geometry,
    /// `[points, O, stride]`.
    pub sums: &'a [f32],
    pub stride: usize,
    pub channel: usize,
    pub runs: &'a [Run],
    pub plane: bool,
    pub finish: Finish,
    pub out: Shared<'a, MaybeUninit<f32>>,
}

impl Kernel for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { of, sums, stride, channel, runs, plane, finish, out } = self;
        let read =
            |point: usize, at: usize| s.read(&sums[(point * of.outputs + channel) * stride + at..]);
        for run in runs {
            let image = run.image * of.outputs + channel;
            for at in (0..run.len).step_by(S::LANES) {
                let tiles = S::LANES.min(run.len - at);
                if !plane {
                    let mut m = [s.splat(0.0); POINTS];
                    for (i, m) in m.iter_mut().enumerate() {
                        *m = read(i, run.at + at);
                    }
                    for (row, value) in back(s, m).into_iter().enumerate().take(run.rows) {
                        // SAFETY: this task alone writes this channel.
                        let to = unsafe { out.piece(image, run.to + row * run.width + at, tiles) };
                        let mut lanes = [0.0; 16];
                        s.write(&mut lanes, finish.of(s, value, []));
                        to.write_copy_of_slice(&lanes[..tiles]);
                    }
                    continue;
                }
                let mut rows = [[s.splat(0.0); OUT]; POINTS];
                for (y, row) in rows.iter_mut().enumerate() {
                    let mut m = [s.splat(0.0); POINTS];
                    for (x, m) in m.iter_mut().enumerate() {
                        *m = read(y * POINTS + x, run.at + at);
                    }
                    *row = back(s, m);
                }
                // The four columns of outputs of each tile, row by row.
                let mut made = [[s.splat(0.0); OUT]; OUT];
                for x in 0..OUT {
                    let mut m = [s.splat(0.0); POINTS];
                    for (m, row) in m.iter_mut().zip(&rows) {
                        *m = row[x];
                    }
                    for (made, value) in made.iter_mut().zip(back(s, m)) {
                        made[x] = finish.of(s, value, []);
                    }
                }
                // Side by side.
                let mut lines = [[0.0; OUT * 16]; OUT];
                for (line, [a, b, c, d]) in lines.iter_mut().zip(made) {
                    let ([ac, ac_on], [bd, bd_on]) = (s.zip(a, c), s.zip(b, d));
                    let ([first, second], [third, last]) = (s.zip(ac, bd), s.zip(ac_on, bd_on));
                    s.write(line, first);
                    s.write(&mut line[S::LANES..], second);
                    s.write(&mut line[2 * S::LANES..], third);
                    s.write(&mut line[3 * S::LANES..], last);
                }
                // The tiles of each row, without what lies between the rows.
                let mut tile = 0;
                while tile < tiles {
                    let (row, column) = ((at + tile) / run.apart, (at + tile) % run.apart);
                    let (top, side) = (row * OUT, column * OUT);
                    let width = run.width.saturating_sub(side).min(OUT * (tiles - tile));
                    for (i, line) in lines.iter().enumerate().take(run.rows - top) {
                        let at = run.to + (top + i) * run.width + side.min(run.width);
                        // SAFETY: this task alone writes this channel.
                        let to = unsafe { out.piece(image, at, width) };
                        to.write_copy_of_slice(&line[OUT * tile..][..width]);
                    }
                    tile += run.apart - column;
                }
            }
        }
    }
}
