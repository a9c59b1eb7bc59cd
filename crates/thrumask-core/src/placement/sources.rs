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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(203, 9);

    /// Few levels, so that many patches cost the same.
    fn picture() -> Picture {
        let level = |i: usize| (i * i % 97 % 5 * 40) as u8;
        Picture::new(SIZE, (0..3 * SIZE.area()).map(level).collect()).unwrap()
    }

    /// All sources that are near, or the nearest, one after the other.
    fn plain(colors: &Planes, sources: &[usize], at: usize, given: &[usize]) -> Vec<Source> {
        let apart = |from: usize| {
            let place = |i: usize| [i % SIZE.width, i / SIZE.width];
            [0, 1].map(|axis| place(from)[axis].abs_diff(place(at)[axis]))
        };
        let judged = |&from: &usize| {
            let (mut sums, mut squares) = ([0f32; 3], [0f32; 3]);
            for &i in given {
                let (here, there) = (colors.at(i), colors.at(i + from - at));
                for c in 0..3 {
                    let off = here[c] - there[c];
                    sums[c] += off;
                    squares[c] += off * off;
                }
            }
            let count = given.len() as f32;
            let shift = sums.map(|sum| (sum / count).clamp(-SHIFT.1, SHIFT.1));
            let explained = |c: usize| (2.0 * sums[c] - count * shift[c]) * shift[c];
            let explained = explained(0) + explained(1) + explained(2);
            let far = |axis: usize| FAR[axis] * (apart(from)[axis] * apart(from)[axis]) as f32;
            let squares = squares[0] + squares[1] + squares[2];
            Source { from, shift, cost: squares - (1.0 - SHIFT.0) * explained + far(0) + far(1) }
        };
        let mut near: Vec<usize> = sources.to_vec();
        near.retain(|&from| apart(from).iter().all(|&d| d <= REACH));
        if near.is_empty() {
            let far = |from: &usize| apart(*from).iter().map(|d| d * d).sum::<usize>();
            near.extend(sources.iter().copied().min_by_key(far));
        }
        let mut found: Vec<Source> = near.iter().map(judged).collect();
        found.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(a.from.cmp(&b.from)));
        found.truncate(VOICES);
        found
    }

    #[test]
    fn the_best_are_those_of_a_search_of_all() {
        let colors = Planes::new(&picture());
        let place = |x: usize, y: usize| y * SIZE.width + x;
        // With gaps; one alone; none near what lies at the other end; none at all.
        let kinds: [&dyn Fn(usize, usize) -> bool; 4] = [
            &|x, y| x >= 1 && x + 1 < SIZE.width && (1..8).contains(&y) && (x / 7 + y) % 5 != 0,
            &|x, y| (x, y) == (150, 4),
            &|x, y| x > 140 && x + 1 < SIZE.width && (1..8).contains(&y),
            &|_, _| false,
        ];
        for is_one in kinds {
            let is_one = |i: usize| is_one(i % SIZE.width, i / SIZE.width);
            let sources = Sources::new(SIZE, is_one);
            let all: Vec<usize> = (0..SIZE.area()).filter(|&i| is_one(i)).collect();
            assert_eq!(sources.is_empty(), all.is_empty());
            for (x, y) in [(1, 1), (20, 4), (101, 5), (180, 7), (201, 1)] {
                let around = [(x - 1, y - 1), (x + 1, y - 1), (x, y), (x - 1, y + 1), (x, y + 1)];
                let given: Vec<usize> = around.iter().map(|&(x, y)| place(x, y)).collect();
                let found = sources.best(&colors, place(x, y), &given);
                assert_eq!(found, plain(&colors, &all, place(x, y), &given), "{x}, {y}");
            }
        }
    }
}
