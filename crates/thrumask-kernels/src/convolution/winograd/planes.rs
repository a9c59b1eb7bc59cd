//! Windows of images dealt out so that neighbouring tiles find their values side by side.

use crate::convolution::geometry::magnified;
use crate::simd::Simd;

/// An image, or what is read of it: padded coordinates from `origin` on in steps, one step for each tile. All values that
/// tiles read at one coordinate from their starts make a plane, whose rows and columns are those of the tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planes {
    /// Size of the image in memory, and how many times it is magnified, each value repeated along both axes.
    pub stored: [usize; 2],
    pub magnify: [usize; 2],
    /// Zeros above and to the left of the magnified image.
    pub front: [usize; 2],
    /// The first padded row, and coordinates between neighbouring tiles.
    pub origin: usize,
    pub step: [usize; 2],
    /// Coordinates along a row that a tile reads.
    pub reach: usize,
    /// Rows of a plane: those of tiles, and those behind that the last ones reach.
    pub rows: usize,
    /// Tiles in a row.
    pub columns: usize,
}

/// Values of a vector, at most.
const VECTOR: usize = 16;

impl Planes {
    /// Distance between planes, with room for a vector behind each.
    fn apart(&self) -> usize {
        self.rows * self.columns + VECTOR
    }

    /// Values of all planes, with room for a vector behind them.
    pub fn len(&self) -> usize {
        self.step[0] * self.reach * self.apart()
    }

    /// Where the value at a coordinate from the start of the first tile lies.
    pub fn place(&self, [y, x]: [usize; 2]) -> usize {
        assert!(x < self.reach, "column {x} of the {} that a tile reads", self.reach);
        let (rest, row) = (y % self.step[0], y / self.step[0]);
        (rest * self.reach + x) * self.apart() + row * self.columns
    }

    /// Padded coordinates of a row that are read.
    fn pitch(&self) -> usize {
        self.step[1] * (self.columns - 1) + self.reach
    }

    /// Rows of the magnified image that are read.
    fn inside(&self) -> [usize; 2] {
        let height = self.stored[0] * self.magnify[0];
        let at = |padded: usize| padded.saturating_sub(self.front[0]).min(height);
        [at(self.origin), at(self.origin + self.step[0] * self.rows)]
    }

    /// Values that [`deal`](Self::deal) needs room for.
    pub fn room(&self) -> usize {
        let [first, end] = self.inside();
        (end - first) * self.pitch() + (self.step[1] + 1) * VECTOR + self.reach
    }

    /// Deals an image out. Behind each plane, as far as a vector reaches, may be anything.
    ///
    /// # Panics
    /// When a slice is too short, or the step along rows is none of 1, 2, 4 and 8.
    #[inline(always)]
    pub fn deal<S: Simd>(&self, simd: S, from: &[f32], to: &mut [f32], room: &mut [f32]) {
        let padded = self.padded(from, room);
        match self.step[1] {
            1 => self.deal_by::<1, S>(simd, padded, to),
            2 => self.deal_by::<2, S>(simd, padded, to),
            4 => self.deal_by::<4, S>(simd, padded, to),
            8 => self.deal_by::<8, S>(simd, padded, to),
            step => unreachable!("tiles {step} columns apart"),
        }
    }

    /// The rows that are read, with zeros around them and some values behind.
    #[inline(always)]
    fn padded<'a>(&self, from: &[f32], room: &'a mut [f32]) -> &'a [f32] {
        let ([first, end], pitch) = (self.inside(), self.pitch());
        let (width, left) = (self.stored[1], self.front[1].min(pitch));
        let count = (width * self.magnify[1]).min(pitch - left);
        let room = &mut room[..self.room()];
        let (lines, behind) = room.split_at_mut((end - first) * pitch);
        behind.fill(0.0);
        for (y, line) in (first..end).zip(lines.chunks_exact_mut(pitch)) {
            let from = &from[y / self.magnify[0] * width..][..width];
            let (before, line) = line.split_at_mut(left);
            let (line, after) = line.split_at_mut(count);
            before.fill(0.0);
            after.fill(0.0);
            match self.magnify[1] {
                1 => line.copy_from_slice(&from[..count]),
                times => magnified(&from[..count.div_ceil(times)], times, line),
            }
        }
        room
    }

    #[inline(always)]
    fn deal_by<const STEP: usize, S: Simd>(&self, simd: S, image: &[f32], to: &mut [f32]) {
        let (reach, apart, pitch) = (self.reach, self.apart(), self.pitch());
        let ([first_row, end], [high, _]) = (self.inside(), self.step);
        for rest in 0..high {
            let planes = &mut to[rest * reach * apart..][..reach * apart];
            for row in 0..self.rows {
                let y = (self.origin + high * row + rest).checked_sub(self.front[0]);
                let y = y.filter(|y| (first_row..end).contains(y));
                for first in (0..self.columns).step_by(S::LANES) {
                    // What is too much of a vector lies where later ones will, or behind the plane.
                    let place = row * self.columns + first;
                    let Some(y) = y else {
                        for plane in 0..reach {
                            simd.write(&mut planes[plane * apart + place..], simd.splat(0.0));
                        }
                        continue;
                    };
                    for begin in (0..reach).step_by(STEP) {
                        let from = &image[(y - first_row) * pitch + STEP * first + begin..];
                        let from = &from[..STEP * S::LANES];
                        let mut values = [simd.splat(0.0); 8];
                        for (i, values) in values.iter_mut().enumerate().take(STEP) {
                            *values = simd.read(&from[i * S::LANES..]);
                        }
                        let values = by_rests::<STEP, S>(simd, values);
                        let count = STEP.min(reach - begin);
                        for (i, values) in values.into_iter().enumerate().take(count) {
                            simd.write(&mut planes[(begin + i) * apart + place..], values);
                        }
                    }
                }
            }
        }
    }
}

/// The first `STEP` vectors, of values that follow each other, by the rests of their places.
#[inline(always)]
fn by_rests<const STEP: usize, S: Simd>(simd: S, values: [S::V; 8]) -> [S::V; 8] {
    let [a, b, c, d, e, f, g, h] = values;
    match STEP {
        2 => {
            let [a, b] = simd.unzip(a, b);
            [a, b, c, d, e, f, g, h]
        }
        4 => {
            let [a, b, c, d] = in_fours(simd, [a, b, c, d]);
            [a, b, c, d, e, f, g, h]
        }
        8 => {
            let ([ab, ab_odd], [cd, cd_odd]) = (simd.unzip(a, b), simd.unzip(c, d));
            let ([ef, ef_odd], [gh, gh_odd]) = (simd.unzip(e, f), simd.unzip(g, h));
            let [first, third, fifth, seventh] = in_fours(simd, [ab, cd, ef, gh]);
            let [second, fourth, sixth, last] = in_fours(simd, [ab_odd, cd_odd, ef_odd, gh_odd]);
            [first, second, third, fourth, fifth, sixth, seventh, last]
        }
        _ => values,
    }
}

#[inline(always)]
fn in_fours<S: Simd>(simd: S, [a, b, c, d]: [S::V; 4]) -> [S::V; 4] {
    let ([even, odd], [even_on, odd_on]) = (simd.unzip(a, b), simd.unzip(c, d));
    let ([first, third], [second, last]) = (simd.unzip(even, even_on), simd.unzip(odd, odd_on));
    [first, second, third, last]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{self, Kernel};

    struct Image {
        planes: Planes,
    }

    impl Kernel for Image {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let Planes { stored: [height, width], magnify, front, origin, step, .. } = self.planes;
            // What is not the row's own must not come through, whatever it is.
            let value = |i: usize| if i.is_multiple_of(7) { f32::NAN } else { i as f32 + 1.0 };
            let from: Vec<f32> = (0..height * width).map(value).collect();
            let mut planes = vec![-1.0; self.planes.len()];
            let mut room = vec![-2.0; self.planes.room()];
            self.planes.deal(simd, &from, &mut planes, &mut room);
            let stored = |padded: usize, axis: usize| {
                let at = padded.checked_sub(front[axis])? / magnify[axis];
                Some(at).filter(|at| *at < self.planes.stored[axis])
            };
            for row in 0..self.planes.rows {
                for column in 0..self.planes.columns {
                    for (y, x) in
                        (0..step[0]).flat_map(|y| (0..self.planes.reach).map(move |x| (y, x)))
                    {
                        let place = self.planes.place([y, x]) + row * self.planes.columns + column;
                        let y = stored(origin + row * step[0] + y, 0);
                        let found = y.zip(stored(column * step[1] + x, 1));
                        let expected = found.map_or(0.0, |(y, x)| from[y * width + x]);
                        let found = planes[place].to_bits();
                        assert_eq!(found, expected.to_bits(), "{:?}, place {place}", self.planes);
                    }
                }
            }
        }
    }

    #[test]
    fn images_are_dealt_out() {
        for stored in [[1usize, 1], [4, 3], [7, 24], [12, 12], [6, 61], [3, 64], [2, 130]] {
            for (front, origin) in [([0usize, 0], 0), ([1, 1], 8), ([2, 3], 4), ([5, 9], 0)] {
                for (step, reach) in
                    [([2, 1], 1), ([1, 2], 6), ([4, 4], 6), ([4, 4], 4), ([8, 8], 9)]
                {
                    for (magnify, more) in [([1, 1], 0), ([2, 2], 1), ([3, 3], 0)] {
                        let columns = (front[1] + stored[1] * magnify[1]).div_ceil(step[1]) + more;
                        let rows = (front[0] + stored[0] * magnify[0]).div_ceil(step[0]) + more;
                        let planes =
                            Planes { stored, magnify, front, origin, step, reach, rows, columns };
                        simd::run(Image { planes });
                        // Fewer than there are.
                        simd::run(Image { planes: Planes { rows: 1, columns: 1, ..planes } });
                    }
                }
            }
        }
    }
}
