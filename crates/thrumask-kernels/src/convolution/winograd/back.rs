//! The outputs of tiles from their values at the points, one channel at a time.

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::rules::{OUT, POINTS, Rule};
use super::tiles::{Run, Tiling};
use crate::convolution::correlate::Finish;
use crate::host::Shared;
use crate::simd::{Kernel, Lanes, Simd};

/// One channel of the outputs of a pass.
pub(super) struct Back<'a, R> {
    pub by: PhantomData<R>,
    pub tiling: &'a Tiling,
    /// `[channels, points, stride]`
    pub sums: &'a [f32],
    pub stride: usize,
    pub channels: usize,
    pub channel: usize,
    pub runs: &'a [Run],
    pub finish: Finish,
    pub out: Shared<'a, MaybeUninit<f32>>,
}

impl<R: Rule> Kernel for Back<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [frames, high, wide] = self.tiling.out;
        // Frames follow each other as rows do.
        let shape = [frames * high, wide];
        let mut lines = [[0.0; OUT * 16]; OUT];
        for run in self.runs {
            for at in (0..run.len).step_by(S::LANES) {
                // Rows of outputs, those of a tile in as many vectors as it has columns.
                let made = if self.tiling.plane {
                    self.plane(s, run.at + at)
                } else {
                    self.line(s, run.at + at, wide > 1)
                };
                self.place(s, run, at, made, shape, &mut lines);
            }
        }
    }
}

impl<R: Rule> Back<'_, R> {
    #[inline(always)]
    fn read<S: Simd>(&self, s: S, point: usize, at: usize) -> S::V {
        s.read(&self.sums[(self.channel * self.tiling.points() + point) * self.stride + at..])
    }

    #[inline(always)]
    fn plane<S: Simd>(&self, s: S, at: usize) -> [[S::V; OUT]; OUT] {
        let mut rows = [[s.splat(0.0); OUT]; POINTS];
        for (y, row) in rows.iter_mut().enumerate().take(R::POINTS) {
            let mut m = [s.splat(0.0); POINTS];
            for (x, m) in m.iter_mut().enumerate().take(R::POINTS) {
                *m = self.read(s, y * R::POINTS + x, at);
            }
            *row = R::back(s, m);
        }
        let mut made = [[s.splat(0.0); OUT]; OUT];
        for x in 0..R::OUT {
            let mut m = [s.splat(0.0); POINTS];
            for (m, row) in m.iter_mut().zip(&rows) {
                *m = row[x];
            }
            for (made, value) in made.iter_mut().zip(R::back(s, m)) {
                made[x] = self.finish.of(s, value, []);
            }
        }
        made
    }

    #[inline(always)]
    fn line<S: Simd>(&self, s: S, at: usize, across: bool) -> [[S::V; OUT]; OUT] {
        let mut m = [s.splat(0.0); POINTS];
        for (i, m) in m.iter_mut().enumerate().take(R::POINTS) {
            *m = self.read(s, i, at);
        }
        let mut made = [[s.splat(0.0); OUT]; OUT];
        for (i, value) in R::back(s, m).into_iter().enumerate() {
            let value = self.finish.of(s, value, []);
            if across {
                made[0][i] = value;
            } else {
                made[i][0] = value;
            }
        }
        made
    }

    /// Puts the outputs of tiles side by side, and where they belong.
    #[inline(always)]
    fn place<S: Simd>(
        &self,
        s: S,
        run: &Run,
        at: usize,
        made: [[S::V; OUT]; OUT],
        [high, wide]: [usize; 2],
        lines: &mut [[f32; OUT * 16]; OUT],
    ) {
        let image = run.image * self.channels + self.channel;
        let tiles = S::LANES.min(run.len - at);
        for (line, [a, b, c, d]) in lines.iter_mut().zip(made).take(high) {
            match wide {
                1 => s.write(line, a),
                2 => {
                    let [first, second] = s.zip(a, b);
                    s.write(line, first);
                    s.write(&mut line[S::LANES..], second);
                }
                _ => {
                    let ([ac, ac_on], [bd, bd_on]) = (s.zip(a, c), s.zip(b, d));
                    let ([first, second], [third, last]) = (s.zip(ac, bd), s.zip(ac_on, bd_on));
                    s.write(line, first);
                    s.write(&mut line[S::LANES..], second);
                    s.write(&mut line[2 * S::LANES..], third);
                    s.write(&mut line[3 * S::LANES..], last);
                }
            }
        }
        // The tiles of each row, the last of which may have columns that there are not.
        let mut tile = 0;
        while tile < tiles {
            let (row, column) = ((at + tile) / run.apart, (at + tile) % run.apart);
            let (top, side) = (row * high, column * wide);
            let width = (run.width - side).min(wide * (tiles - tile));
            for (i, line) in lines.iter().enumerate().take((run.rows - top).min(high)) {
                let at = run.to + (top + i) * run.width + side;
                // SAFETY: this task alone writes this channel.
                let to = unsafe { self.out.piece(image, at, width) };
                to.write_copy_of_slice(&line[wide * tile..][..width]);
            }
            tile += run.apart - column;
        }
    }
}
