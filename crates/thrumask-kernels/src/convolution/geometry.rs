//! Sizes of a convolution, and where the values that it reads lie.

use std::mem::MaybeUninit;

use crate::host::build;
use crate::simd::{self, Kernel, Simd};

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

    /// Kernel positions in the order of the weights.
    pub fn positions(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [depth, height, width] = self.kernel;
        (0..depth * height * width)
            .map(move |tap| [tap / (height * width), tap / width % height, tap % width])
    }
}

/// Every channel as a lattice, with some zeros behind the last. `from` holds volumes of size `stored`,
/// whose values are repeated `magnify` times along each axis.
///
/// # Panics
/// When the lattice has no room for a volume.
pub(super) fn spread(
    from: &[f32],
    stored: [usize; 3],
    magnify: [usize; 3],
    lattice: &Lattice,
) -> Vec<f32> {
    let volume: usize = stored.iter().product();
    let channels = from.len() / volume.max(1);
    let channel = lattice.channel();
    let size = std::array::from_fn(|axis| stored[axis] * magnify[axis]);
    let room: [usize; 3] = std::array::from_fn(|axis| lattice.step[axis] * lattice.dims[axis]);
    let fits = |axis: usize| lattice.front[axis] + size[axis] <= room[axis];
    assert!((0..3).all(fits), "room for {size:?} in {lattice:?}");
    build(channels * channel + SLACK, channel, |at, to| {
        let from = from.get(at / channel.max(1) * volume..).filter(|from| !from.is_empty());
        let Some(from) = from else {
            to.zeros();
            return;
        };
        // SAFETY: every value of the channel is written: each padded coordinate has a place of its own,
        // and the tail lies behind all of them.
        unsafe {
            to.write(|to| simd::run(Spread { from, stored, magnify, size, room, lattice, to }))
        };
    })
}

/// One channel as a lattice.
struct Spread<'a> {
    /// A volume of size `stored`.
    from: &'a [f32],
    stored: [usize; 3],
    magnify: [usize; 3],
    /// Sizes after the magnification, and with the padding.
    size: [usize; 3],
    room: [usize; 3],
    lattice: &'a Lattice,
    /// Valid for writing a channel.
    to: *mut f32,
}

impl Kernel for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        let Self { from, stored, magnify, size, room, lattice, to } = self;
        let (front, step, width) = (lattice.front, lattice.step[2], lattice.dims[2]);
        // A row with its padding.
        let mut row = vec![0.0; room[2]];
        for z in 0..room[0] {
            for y in 0..room[1] {
                let inside = |at: usize, axis: usize| at.wrapping_sub(front[axis]) < size[axis];
                let there = inside(z, 0) && inside(y, 1);
                if there {
                    let (z, y) = ((z - front[0]) / magnify[0], (y - front[1]) / magnify[1]);
                    let from = &from[(z * stored[1] + y) * stored[2]..][..stored[2]];
                    let to = &mut row[front[2]..front[2] + size[2]];
                    match magnify[2] {
                        1 => to.copy_from_slice(from),
                        2 => repeat::<2>(from, to),
                        times => {
                            let to = to.chunks_exact_mut(times).zip(from);
                            to.for_each(|(to, from)| to.fill(*from));
                        }
                    }
                }
                for first in 0..step {
                    // SAFETY: the places of a row's coordinates `first`, `first + step`, … follow each
                    // other, `width` of them, inside of the channel.
                    let to = unsafe {
                        let at = lattice.place([z, y, first]);
                        std::slice::from_raw_parts_mut(to.add(at).cast::<MaybeUninit<f32>>(), width)
                    };
                    match (there, step) {
                        (false, _) => to.fill(MaybeUninit::new(0.0)),
                        (true, 1) => every::<1>(&row, first, to),
                        (true, 2) => every::<2>(&row, first, to),
                        (true, 4) => every::<4>(&row, first, to),
                        (true, step) => {
                            let row = row[first..].iter().step_by(step);
                            to.iter_mut().zip(row).for_each(|(to, x)| _ = to.write(*x));
                        }
                    }
                }
            }
        }
        let tail = lattice.channel() - lattice.tail;
        // SAFETY: the end of the channel.
        unsafe { to.add(tail).write_bytes(0, lattice.tail) };
    }
}

/// Each value `N` times.
#[inline(always)]
fn repeat<const N: usize>(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.as_chunks_mut::<N>().0.iter_mut().zip(from) {
        *to = [*from; N];
    }
}

/// Every `N`-th value from number `first` on.
#[inline(always)]
fn every<const N: usize>(from: &[f32], first: usize, to: &mut [MaybeUninit<f32>]) {
    for (to, from) in to.iter_mut().zip(from.as_chunks::<N>().0) {
        to.write(from[first]);
    }
}

/// Values behind the last channel that whole vectors may read.
pub(super) const SLACK: usize = 64;
