//! Sizes of a convolution, and where the values that it reads lie.

use crate::host::build;

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
pub(super) fn spread(
    from: &[f32],
    stored: [usize; 3],
    magnify: [usize; 3],
    lattice: &Lattice,
) -> Vec<f32> {
    let volume: usize = stored.iter().product();
    let channels = from.len() / volume.max(1);
    let channel = lattice.channel();
    build(channels * channel + SLACK, channel, |at, to| {
        let to = to.zeros();
        let Some(from) = from.get(at / channel.max(1) * volume..).filter(|from| !from.is_empty())
        else {
            return;
        };
        let size: [usize; 3] = std::array::from_fn(|axis| stored[axis] * magnify[axis]);
        let (front, step) = (lattice.front, lattice.step);
        let mut wide = vec![0.0; size[2]];
        for row in 0..size[0] * size[1] {
            let (z, y) = (row / size[1], row % size[1]);
            let row = (z / magnify[0] * stored[1] + y / magnify[1]) * stored[2];
            let mut from = &from[row..row + stored[2]];
            if magnify[2] > 1 {
                for (wide, from) in wide.chunks_exact_mut(magnify[2]).zip(from) {
                    wide.fill(*from);
                }
                from = &wide;
            }
            let start = |x: usize| lattice.place([z + front[0], y + front[1], x + front[2]]);
            match step[2] {
                1 => to[start(0)..][..from.len()].copy_from_slice(from),
                2 => deal::<2>(from, to, start),
                4 => deal::<4>(from, to, start),
                step => {
                    for first in 0..step.min(from.len()) {
                        let to = &mut to[start(first)..];
                        let from = from[first..].iter().step_by(step);
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    })
}

/// Every `N`-th value to its own place: value `i` starts those at `start(i)`, for `i` below `N`.
fn deal<const N: usize>(from: &[f32], to: &mut [f32], start: impl Fn(usize) -> usize) {
    let starts: [usize; N] = std::array::from_fn(start);
    let whole = from.chunks_exact(N);
    for (first, value) in whole.remainder().iter().enumerate() {
        to[starts[first] + from.len() / N] = *value;
    }
    let end = starts.iter().max().map_or(0, |start| start + from.len() / N);
    let to = &mut to[..end];
    for (i, from) in whole.enumerate() {
        for (start, value) in starts.iter().zip(from) {
            to[start + i] = *value;
        }
    }
}

/// Values behind the last channel that whole vectors may read.
pub(super) const SLACK: usize = 64;
