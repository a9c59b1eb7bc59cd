//! The weights at the points, as the register tile reads them.

use std::mem::MaybeUninit;

use super::points::{POINTS, bring};
use crate::convolution::geometry::Geometry;
use crate::host::{Aligned, Scratch};
use crate::simd::{self, Kernel, Simd};
use crate::tile::{Left, TileRows, pack};

/// Input channels that are brought to the points together: those of a group of outputs stay in the
/// second-level cache until they are packed.
const CHANNELS: usize = 128;

/// `[groups of outputs, points, I, outputs of a group]`.
pub(super) struct Weights {
    values: Aligned,
    points: usize,
    inputs: usize,
}

impl Weights {
    /// The weights `w [O, I, taps]` at `points` points, in parallel.
    pub fn new(of: &Geometry, w: &[f32], points: usize) -> Self {
        let tall = simd::run(TileRows);
        let group = points * of.inputs * tall;
        let values = Aligned::build(of.outputs.div_ceil(tall) * group, group, |at, to| {
            let first = at / group * tall;
            let outputs = tall.min(of.outputs - first);
            let w = &w[first * of.inputs * of.taps()..][..outputs * of.inputs * of.taps()];
            // SAFETY: the kernel writes every place of the group.
            unsafe { to.write_fresh(|to| simd::run(Group { of, w, outputs, points, to })) };
        });
        Self { values, points, inputs: of.inputs }
    }

    /// The matrix `[O, I]` of a point.
    #[inline(always)]
    pub fn at<S: Simd>(&self, _simd: S, point: usize) -> Left {
        let of_point = self.inputs * S::TILE_ROWS;
        assert!(point < self.points, "point {point} of {}", self.points);
        let start = self.values[point * of_point..].as_ptr();
        Left { start, row: 1, inner: S::TILE_ROWS, group: self.points * of_point }
    }
}

/// The weights of one group of outputs.
struct Group<'a, 'b> {
    of: &'a Geometry,
    /// `[outputs, I, taps]`.
    w: &'a [f32],
    outputs: usize,
    points: usize,
    /// `[points, I, TILE_ROWS]`.
    to: &'b mut [MaybeUninit<f32>],
}

impl Kernel for Group<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { of, w, outputs, points, to } = self;
        let (tall, inputs, taps) = (S::TILE_ROWS, of.inputs, of.taps());
        let room = CHANNELS.min(inputs).next_multiple_of(S::LANES);
        let of_point = inputs * tall;
        assert!(to.len() >= points * of_point && w.len() >= outputs * inputs * taps);
        let mut memory = Scratch::take(points * tall * room + 9 * S::LANES);
        let (found, apart) = memory.values().split_at_mut(points * tall * room);
        for first in (0..inputs).step_by(CHANNELS) {
            let count = CHANNELS.min(inputs - first);
            for output in 0..outputs {
                for at in (0..count).step_by(S::LANES) {
                    let lanes = S::LANES.min(count - at);
                    let from = &w[(output * inputs + first + at) * taps..][..lanes * taps];
                    // Taps of neighbouring inputs lie side by side; here each tap has a vector.
                    for (lane, from) in from.chunks_exact(taps).enumerate() {
                        for (tap, &value) in from.iter().enumerate() {
                            apart[tap * S::LANES + lane] = value;
                        }
                    }
                    let tap = |tap: usize| s.read(&apart[tap * S::LANES..]);
                    let mut put = |point: usize, value: S::V| {
                        s.write(&mut found[(point * tall + output) * room + at..], value);
                    };
                    if points == POINTS {
                        let values = bring(s, [tap(0), tap(1), tap(2)]);
                        for (i, value) in values.into_iter().enumerate() {
                            put(i, value);
                        }
                        continue;
                    }
                    // In loops: what a closure does for `map` is compiled on its own, for any processor.
                    let mut rows = [[s.splat(0.0); POINTS]; 3];
                    for (i, row) in rows.iter_mut().enumerate() {
                        *row = bring(s, [tap(3 * i), tap(3 * i + 1), tap(3 * i + 2)]);
                    }
                    for column in 0..POINTS {
                        let mut taps = [s.splat(0.0); 3];
                        for (tap, row) in taps.iter_mut().zip(&rows) {
                            *tap = row[column];
                        }
                        let values = bring(s, taps);
                        for (i, value) in values.into_iter().enumerate() {
                            put(i * POINTS + column, value);
                        }
                    }
                }
            }
            for point in 0..points {
                let from = Left::strided::<S>(found[point * tall * room..].as_ptr(), room, 1);
                let to = &mut to[point * of_point + first * tall..][..count * tall];
                // SAFETY: `outputs` rows of at least `count` values.
                unsafe { pack(s, from, [outputs, count], to) };
            }
        }
    }
}
