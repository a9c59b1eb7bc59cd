//! Patches of a picture that may be copied to another place of it, and which of them fit best there.

use std::array::from_fn;
use std::cmp::Ordering;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use crate::{Picture, Size};

/// How far a patch may come from, in pixels, along each axis.
const REACH: usize = 64;
/// What a shift of the colours costs, as a share of what it explains, and the greatest in levels.
const SHIFT: (f32, f32) = (0.1, 32.0);
/// What a pixel of distance costs across and along the height, squared, beside a squared difference of colours in
/// levels: what lies at the same height is alike in most pictures.
const FAR: [f32; 2] = [0.02, 20.0];
/// How many patches speak for a place at most.
pub(super) const VOICES: usize = 11;

/// Neighbouring sources that are compared at once.
const BLOCK: usize = 16;

/// Red, green and blue in levels.
pub(super) type Color = [f32; 3];

/// A picture's colours, channel by channel.
pub(super) struct Planes([Vec<f32>; 3]);

impl Planes {
    pub fn new(picture: &Picture) -> Self {
        let colors = picture.rgb().as_chunks::<3>().0;
        // A block may lie across the end.
        let zeros = || std::iter::repeat_n(0.0, BLOCK);
        Self(from_fn(|c| colors.iter().map(|rgb| f32::from(rgb[c])).chain(zeros()).collect()))
    }

    pub fn at(&self, i: usize) -> Color {
        from_fn(|c| self.0[c][i])
    }

    pub fn set(&mut self, i: usize, color: Color) {
        self.0.iter_mut().zip(color).for_each(|(plane, v)| plane[i] = v);
    }
}

/// A patch that may be copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Source {
    /// The pixel in its middle.
    pub from: usize,
    /// What is added to its colours.
    pub shift: Color,
    pub cost: f32,
}

/// The pixels whose patches may be copied: runs of columns of a row, in the order of the picture.
pub(super) struct Sources {
    width: usize,
    runs: Vec<(usize, Range<usize>)>,
}

impl Sources {
    /// The pixels of a picture of which something is true.
    pub fn new(size: Size, is_one: impl Fn(usize) -> bool) -> Self {
        let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
        for i in (0..size.area()).filter(|&i| is_one(i)) {
            let (x, y) = (i % size.width, i / size.width);
            match runs.last_mut() {
                Some((row, run)) if *row == y && run.end == x => run.end += 1,
                _ => runs.push((y, x..x + 1)),
            }
        }
        Self { width: size.width, runs }
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The best patches for the place of that around `at`, of which the pixels `given` are known: those that cost least
    /// first, the first of the picture among equals. They come from near; where none is near the nearest is taken.
    pub fn best(&self, colors: &Planes, at: usize, given: &[usize]) -> Vec<Source> {
        let (x, y) = (at % self.width, at / self.width);
        let mut found = Vec::with_capacity(VOICES + 1);
        for (row, run) in self.runs.iter().filter(|(row, _)| row.abs_diff(y) <= REACH) {
            let near = run.start.max(x.saturating_sub(REACH))..run.end.min(x + REACH + 1);
            for first in near.clone().step_by(BLOCK) {
                let block = row * self.width + first;
                let count = BLOCK.min(near.end - first);
                self.judge(colors, at, given, block..block + count, &mut found);
            }
        }
        if found.is_empty() {
            let nearest = |(row, run): &(usize, Range<usize>)| {
                let column = x.clamp(run.start, run.end - 1);
                let far = column.abs_diff(x).pow(2) + row.abs_diff(y).pow(2);
                (far, row * self.width + column)
            };
            if let Some((_, from)) = self.runs.iter().map(nearest).min() {
                self.judge(colors, at, given, from..from + 1, &mut found);
            }
        }
        found
    }

    /// Puts some neighbouring sources, at most [`BLOCK`], among the best.
    fn judge(
        &self,
        colors: &Planes,
        at: usize,
        given: &[usize],
        block: Range<usize>,
        best: &mut Vec<Source>,
    ) {
        let place = |i: usize| [i % self.width, i / self.width];
        let ([x, y], [first, row]) = (place(at), place(block.start));
        let squared = |axis: usize, far: usize| FAR[axis] * (far * far) as f32;
        let across = from_fn(|lane| squared(0, x.abs_diff(first + lane)));
        let (start, up) = (block.start, squared(1, y.abs_diff(row)));
        let judged = Arch::new().dispatch(Judge { colors, given, at, start, across, up });
        for (lane, from) in block.enumerate() {
            let cost = judged.costs[lane];
            let dearer = |other: &Source| other.cost.total_cmp(&cost) == Ordering::Greater;
            if best.len() < VOICES || best.last().is_some_and(dearer) {
                let place = best.partition_point(|other| !dearer(other));
                let shift = judged.shifts.map(|shift| shift[lane]);
                best.insert(place, Source { from, shift, cost });
                best.truncate(VOICES);
            }
        }
    }
}

/// What [`BLOCK`] neighbouring patches, those around the pixels from `start` on, cost in the place of that around `at`,
/// of which the pixels `given` are known, and the shift of their colours.
struct Judge<'a> {
    colors: &'a Planes,
    given: &'a [usize],
    at: usize,
    start: usize,
    /// What the distance of each costs along a row, and that of all between rows.
    across: [f32; BLOCK],
    up: f32,
}

/// What comes of it, for each patch.
struct Judged {
    costs: [f32; BLOCK],
    shifts: [[f32; BLOCK]; 3],
}

impl WithSimd for Judge<'_> {
    type Output = Judged;

    // Every lane by itself, in operations that round alike with every instruction set.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> Judged {
        let Self { colors, given, at, start, across, up } = self;
        let count = given.len().max(1) as f32;
        let (mut squares, mut explained) = ([0f32; BLOCK], [0f32; BLOCK]);
        let mut shifts = [[0f32; BLOCK]; 3];
        for (plane, shift) in colors.0.iter().zip(&mut shifts) {
            let (mut sums, mut squared) = ([0f32; BLOCK], [0f32; BLOCK]);
            for &i in given {
                let (here, there) = (plane[i], &plane[i + start - at..][..BLOCK]);
                for lane in 0..BLOCK {
                    let off = here - there[lane];
                    sums[lane] += off;
                    squared[lane] += off * off;
                }
            }
            for lane in 0..BLOCK {
                shift[lane] = (sums[lane] / count).clamp(-SHIFT.1, SHIFT.1);
                explained[lane] += (2.0 * sums[lane] - count * shift[lane]) * shift[lane];
                squares[lane] += squared[lane];
            }
        }
        let mut costs = [0f32; BLOCK];
        for lane in 0..BLOCK {
            let unlike = squares[lane] - (1.0 - SHIFT.0) * explained[lane];
            costs[lane] = unlike + across[lane] + up;
        }
        Judged { costs, shifts }
    }
}
