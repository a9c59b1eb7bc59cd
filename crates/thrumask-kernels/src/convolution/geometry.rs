//! Sizes of a convolution, and where the values that it reads lie.

use std::mem::MaybeUninit;

use super::phases::deal;
use crate::host::LINE;
use crate::simd::Simd;

/// A convolution of volumes `[D, H, W]`; images have one slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub batch: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Size of the input after magnification.
    pub size: [usize; 3],
    pub kernel: [usize; 3],
    pub stride: [usize; 3],
    /// Zeros on both sides.
    pub padding: [usize; 3],
    /// How many times each input value is repeated along an axis.
    pub magnify: [usize; 3],
}

/// A padded volume, split by the rest of each coordinate by the stride: a strided convolution reads each
/// part in steps of one. All parts have the same size and follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lattice {
    /// Zeros before the first value.
    pub front: [usize; 3],
    pub step: [usize; 3],
    /// Size of a part.
    pub dims: [usize; 3],
    /// Zeros behind each channel.
    pub tail: usize,
}

impl Lattice {
    /// Values of a channel.
    pub fn channel(&self) -> usize {
        self.step.iter().chain(&self.dims).product::<usize>() + self.tail
    }

    /// Place of a padded coordinate within a channel.
    #[inline]
    pub fn place(&self, at: [usize; 3]) -> usize {
        let (mut part, mut inside) = (0, 0);
        for (axis, at) in at.into_iter().enumerate() {
            part = part * self.step[axis] + at % self.step[axis];
            inside = inside * self.dims[axis] + at / self.step[axis];
        }
        part * self.dims.iter().product::<usize>() + inside
    }

    /// The lattice with slices and channels at distances that are no multiples of a page: rows that one
    /// product reads would otherwise fall into the same few lines of the first-level cache.
    pub fn spaced(mut self) -> Self {
        if self.dims[0] > 1 && (self.dims[1] * self.dims[2]).is_multiple_of(256) {
            self.dims[1] += 1;
        }
        self.tail = 0;
        let lines = self.channel().div_ceil(16) | 1;
        self.tail = 16 * lines - self.channel();
        self
    }

    /// Distance between slices, and between rows.
    pub fn strides(&self) -> [usize; 2] {
        [self.dims[1] * self.dims[2], self.dims[2]]
    }
}

impl Geometry {
    /// Size of the output; an axis too short for the kernel has none.
    pub fn out(&self) -> [usize; 3] {
        std::array::from_fn(|axis| {
            let padded = self.size[axis] + 2 * self.padding[axis];
            padded.checked_sub(self.kernel[axis]).map_or(0, |rest| rest / self.stride[axis] + 1)
        })
    }

    /// Size of the input as it lies in memory.
    pub fn stored(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.size[axis] / self.magnify[axis])
    }

    /// Kernel positions.
    pub fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The padded input.
    pub fn lattice(&self) -> Lattice {
        let dims = std::array::from_fn(|axis| {
            (self.size[axis] + 2 * self.padding[axis]).div_ceil(self.stride[axis])
        });
        Lattice { front: self.padding, step: self.stride, dims, tail: 0 }.spaced()
    }

    /// How the input becomes a lattice.
    pub fn spread(&self, lattice: Lattice) -> Spread {
        Spread { stored: self.stored(), magnify: self.magnify, lattice }
    }

    /// How the gradient of the output becomes a lattice.
    pub fn spread_out(&self, lattice: Lattice) -> Spread {
        Spread { stored: self.out(), magnify: [1; 3], lattice }
    }

    /// Kernel positions in the order of the weights.
    pub fn positions(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [depth, height, width] = self.kernel;
        (0..depth * height * width)
            .map(move |tap| [tap / (height * width), tap / width % height, tap % width])
    }
}

/// How volumes become lattices.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    /// Size of a volume in memory.
    pub stored: [usize; 3],
    /// How many times its values are repeated along each axis.
    pub magnify: [usize; 3],
    pub lattice: Lattice,
}

impl Spread {
    /// Values of a magnified row: the room that [`Spread::window`] needs for one.
    pub fn row(&self) -> usize {
        if self.magnify[2] > 1 { self.stored[2] * self.magnify[2] } else { 0 }
    }

    /// Asks for what [`Spread::window`] will read of a volume that begins at `from`, which need not be a valid address.
    #[inline(always)]
    pub fn fetch<S: Simd>(&self, simd: S, from: *const f32, origin: [usize; 2]) {
        let Self { stored, magnify, lattice } = self;
        // The stored slices or rows that the window reaches.
        let reached = |axis: usize| {
            let stored_at =
                |padded: usize| padded.saturating_sub(lattice.front[axis]) / magnify[axis];
            let end = origin[axis] + lattice.dims[axis] * lattice.step[axis];
            stored_at(origin[axis])..stored_at(end + magnify[axis] - 1).min(stored[axis])
        };
        let rows = reached(1);
        for z in reached(0) {
            let values =
                (z * stored[1] + rows.start) * stored[2]..(z * stored[1] + rows.end) * stored[2];
            values.step_by(LINE).for_each(|at| simd.fetch(from.wrapping_add(at)));
        }
    }

    /// The lattice of a part of one volume: that from padded slice and row `origin` on, both multiples of the
    /// step. `row` is room for [`Spread::row`] values.
    ///
    /// Writes every value of the channel: each padded coordinate has a place of its own, and the tail lies
    /// behind all of them.
    ///
    /// # Panics
    /// When `to` is no whole channel, or the lattice's rows are too short for those of the volume.
    #[inline(always)]
    pub fn window<S: Simd>(
        &self,
        simd: S,
        from: &[f32],
        origin: [usize; 2],
        row: &mut [f32],
        to: &mut [MaybeUninit<f32>],
    ) {
        let Self { stored, magnify, lattice } = self;
        let (front, step) = (lattice.front, lattice.step);
        let apart: usize = lattice.dims.iter().product();
        let volume: usize = stored.iter().product();
        let (from, to) = (&from[..volume], &mut to[..lattice.channel()]);
        // Where a padded coordinate lies in memory. Divisions take as long as a short row.
        let stored_at = |at: usize, axis: usize| {
            let at = at.checked_sub(front[axis])?;
            let at = if magnify[axis] == 1 { at } else { at / magnify[axis] };
            (at < stored[axis]).then_some(at)
        };
        // Slices and rows in the order of their places: by their rests, then by what is left.
        let ordered = |axis: usize| {
            (0..step[axis]).flat_map(move |rest| (0..lattice.dims[axis]).map(move |i| (rest, i)))
        };
        for (rest_z, z) in ordered(0) {
            let z_at = stored_at(origin[0] + z * step[0] + rest_z, 0);
            for (rest_y, y) in ordered(1) {
                let found = z_at.zip(stored_at(origin[1] + y * step[1] + rest_y, 1));
                let line = match found {
                    None => &[],
                    Some((z, y)) => {
                        let from = &from[(z * stored[1] + y) * stored[2]..][..stored[2]];
                        match magnify[2] {
                            1 => from,
                            times => {
                                magnified(from, times, row);
                                &row[..stored[2] * times]
                            }
                        }
                    }
                };
                // The rests along a row lie one volume apart.
                let part = (rest_z * step[1] + rest_y) * step[2] * apart;
                let to = &mut to[part + (z * lattice.dims[1] + y) * lattice.dims[2]..];
                deal(simd, line, front[2], step[2], to, [lattice.dims[2], apart]);
            }
        }
        to[lattice.channel() - lattice.tail..].fill(MaybeUninit::new(0.0));
    }
}

/// Each value `times` times, the last one as often as there is room.
#[inline(always)]
pub(super) fn magnified(from: &[f32], times: usize, to: &mut [f32]) {
    // A length that the compiler knows.
    if times == 2 && to.len() == 2 * from.len() {
        to.as_chunks_mut::<2>().0.iter_mut().zip(from).for_each(|(to, from)| *to = [*from; 2]);
    } else {
        to.chunks_mut(times).zip(from).for_each(|(to, from)| to.fill(*from));
    }
}

/// Values behind the last channel that whole vectors may read.
pub(super) const SLACK: usize = 64;
