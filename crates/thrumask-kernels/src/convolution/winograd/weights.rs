//! The weights at the points, as the register tile reads them.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::rules::{POINTS, Rule, TAPS};
use super::tiles::Tiling;
use crate::aligned::Aligned;
use crate::convolution::geometry::Geometry;
use crate::host::{Scratch, Shared};
use crate::simd::{self, Kernel, Simd};
use crate::team;
use crate::tile::{Left, TileRows};

/// Input channels of a group of outputs that make a task.
const TOGETHER: usize = 32;

/// `[groups of outputs, matrices, I, outputs of a group]`.
pub(super) struct Weights {
    values: Aligned,
    matrices: usize,
    inputs: usize,
}

impl Weights {
    /// The weights `w [O, I, taps]` at the points, in parallel.
    pub fn new<R: Rule>(of: &Geometry, w: &[f32], tiling: &Tiling) -> Self {
        let tall = simd::run(TileRows);
        let (matrices, inputs) = (tiling.matrices(), of.inputs);
        let parts: Vec<Part> = tiling
            .parts()
            .map(|rests| Part { rests, matrices: tiling.matrices_at(rests) })
            .collect();
        let len = of.outputs.div_ceil(tall) * matrices * inputs * tall;
        let mut values = Aligned::room(len);
        // SAFETY: tasks write values, and all of them: each matrix is one part's.
        unsafe {
            let to = Shared::new(values.memory(len), tall);
            let blocks = inputs.div_ceil(TOGETHER);
            team::each(of.outputs.div_ceil(tall) * blocks, |task| {
                simd::run(Group {
                    by: PhantomData::<R>,
                    of,
                    w,
                    parts: &parts,
                    plane: tiling.plane,
                    matrices,
                    group: task / blocks,
                    first: task % blocks * TOGETHER,
                    to,
                });
            });
            values.fill(len);
        }
        Self { values, matrices, inputs }
    }

    /// The matrices `[O, I]` that follow each other from one on, as one `[O, count * I]`.
    #[inline(always)]
    pub fn at<S: Simd>(&self, _simd: S, matrix: usize, count: usize) -> Left {
        let of_matrix = self.inputs * S::TILE_ROWS;
        assert!(matrix + count <= self.matrices, "matrix {matrix} of {}", self.matrices);
        let start = self.values[matrix * of_matrix..].as_ptr();
        Left { start, row: 1, inner: S::TILE_ROWS, group: self.matrices * of_matrix }
    }
}

/// The matrices of a part, which is that of the rests of the coordinates by the step.
struct Part {
    rests: [usize; 2],
    matrices: Vec<usize>,
}

/// The weights of one group of outputs and some inputs.
struct Group<'a, R> {
    by: PhantomData<R>,
    of: &'a Geometry,
    /// `[O, I, taps]`.
    w: &'a [f32],
    parts: &'a [Part],
    plane: bool,
    matrices: usize,
    group: usize,
    /// The first input.
    first: usize,
    /// `[groups of outputs, matrices, I, TILE_ROWS]`.
    to: Shared<'a, MaybeUninit<f32>>,
}

impl<R: Rule> Kernel for Group<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (tall, inputs, taps) = (S::TILE_ROWS, self.of.inputs, self.of.taps());
        let outputs = tall.min(self.of.outputs - self.group * tall);
        let w = &self.w[self.group * tall * inputs * taps..][..outputs * inputs * taps];
        let wide = tall.next_multiple_of(S::LANES);
        let mut memory = Scratch::take(taps * wide);
        let apart = memory.values();
        apart.fill(0.0);
        for input in self.first..inputs.min(self.first + TOGETHER) {
            // The outputs side by side, for each tap; missing ones are zero.
            for (lane, from) in w.chunks_exact(inputs * taps).enumerate() {
                for (tap, &value) in from[input * taps..][..taps].iter().enumerate() {
                    apart[tap * wide + lane] = value;
                }
            }
            for lane in (0..tall).step_by(S::LANES) {
                for part in self.parts {
                    self.bring(s, &apart[lane..], wide, part, input, lane);
                }
            }
        }
    }
}

impl<R: Rule> Group<'_, R> {
    /// The taps of an input that a part meets, at the points that it has, for some outputs.
    #[inline(always)]
    fn bring<S: Simd>(
        &self,
        s: S,
        taps: &[f32],
        apart: usize,
        Part { rests: [part_y, part_x], matrices }: &Part,
        input: usize,
        lane: usize,
    ) {
        let (high, wide) = (R::POINTS - part_y, R::POINTS - part_x);
        let down = if self.plane { R::TAPS } else { 1 };
        // In loops: what a closure does for `map` is compiled on its own, for any processor.
        let mut rows = [[s.splat(0.0); POINTS]; TAPS];
        for (y, row) in rows.iter_mut().enumerate().take(down) {
            let mut d = [s.splat(0.0); TAPS];
            for (x, d) in d.iter_mut().enumerate().take(R::TAPS) {
                *d = s.read(&taps[(y * R::TAPS + x) * apart..]);
            }
            *row = R::bring(s, *part_x, d);
        }
        if !self.plane {
            for (matrix, value) in matrices.iter().zip(rows[0]) {
                self.put(s, *matrix, input, lane, value);
            }
            return;
        }
        for column in 0..wide {
            let mut d = [s.splat(0.0); TAPS];
            for (d, row) in d.iter_mut().zip(&rows).take(R::TAPS) {
                *d = row[column];
            }
            for (y, value) in R::bring(s, *part_y, d).into_iter().enumerate().take(high) {
                self.put(s, matrices[y * wide + column], input, lane, value);
            }
        }
    }

    #[inline(always)]
    fn put<S: Simd>(&self, s: S, matrix: usize, input: usize, lane: usize, value: S::V) {
        let row = (self.group * self.matrices + matrix) * self.of.inputs + input;
        let count = S::LANES.min(S::TILE_ROWS - lane);
        let last = input + 1 == self.of.inputs.min(self.first + TOGETHER);
        // SAFETY: this task alone writes these inputs of its group. What is too much of a vector lies where the next
        // input's will.
        unsafe {
            if count < S::LANES && last {
                let mut lanes = [0.0; 16];
                s.write(&mut lanes, value);
                self.to.piece(row, lane, count).write_copy_of_slice(&lanes[..count]);
            } else {
                let to = self.to.piece(row, lane, S::LANES);
                s.store(to.as_mut_ptr().cast(), value);
            }
        }
    }
}
