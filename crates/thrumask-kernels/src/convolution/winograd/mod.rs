//! Convolutions with three taps along an axis in fewer products: four outputs in a row from six products
//! instead of twelve (Winograd's F(4, 3); Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, 2016), nested over both axes of an image, or over the frames of a video alone.
//!
//! Inputs, weights and outputs are brought to points at which the convolution is a product of matrices of
//! channels, one for each point. Sums are rounded otherwise than those of the plain loop: the error is
//! some 1e-6 of the largest value.

mod gradient;
mod kernels;
mod points;
mod tiles;
mod weights;

use std::mem::MaybeUninit;

use super::correlate::Finish;
use super::geometry::Geometry;
use crate::host::{Aligned, Shared, filled};
use crate::simd;
use crate::team;
use kernels::{Back, Forth, Inputs, Multiply};
use points::{OUT, POINTS};
use tiles::{count, is_plane, lattice, passes, places, points, stride};

pub(super) use gradient::weight_gradient;
use weights::Weights;

/// Values of the inputs at their points that are held at once, in bytes, about.
const HELD: usize = 2 << 20;

/// Tiles whose products are made in one task.
const COLUMNS: usize = 256;

/// Channels from which on it pays.
const CHANNELS: usize = 12;

/// Whether the method serves a convolution, and pays.
pub(super) fn serves(of: &Geometry) -> bool {
    let axes = matches!(of.kernel, [1, 3, 3] | [3, 1, 1]);
    let long = (0..3).all(|i| of.kernel[i] == 1 || of.out()[i] >= OUT);
    axes && long && of.stride == [1; 3] && of.inputs >= CHANNELS && of.outputs >= CHANNELS
}

/// A convolution for which [`serves`] holds, of `x [B, I, size]`, with the bias and perhaps a SiLU.
pub(super) fn convolve(
    of: &Geometry,
    x: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    silu: bool,
) -> Vec<f32> {
    let (plane, points) = (is_plane(of), points(of));
    let lattice = lattice(of);
    let from = of.spread(lattice).all(x);
    let weights = Weights::new(of, w, points);
    let size = of.out();
    let volume: usize = size.iter().product();
    let most = (HELD / 4 / points / of.inputs.max(of.outputs)).clamp(COLUMNS, 4096);
    let places = places(of, &lattice, POINTS);
    let passes = passes(of, &lattice, most, true);
    let stride = stride(&passes);
    let mut values = Aligned::zeros(points * of.inputs * stride);
    let mut sums = Aligned::zeros(points * of.outputs * stride);
    let fill = |out: &mut [MaybeUninit<f32>]| {
        let done = Shared::new(out, volume);
        for runs in passes {
            let tiles = count(&runs);
            let held = Shared::new(&mut values, stride);
            team::each(of.inputs, |channel| {
                let from = (&from[..], lattice.channel(), &places[..]);
                let (by, channels) = (Inputs, of.inputs);
                simd::run(Forth { by, channels, from, channel, runs: &runs, plane, to: held });
            });
            let to = Shared::new(&mut sums, stride);
            let blocks = tiles.div_ceil(COLUMNS);
            team::each(points * blocks, |task| {
                let (point, first) = (task / blocks, task % blocks * COLUMNS);
                let columns = COLUMNS.min(tiles - first);
                simd::run(Multiply {
                    of,
                    weights: &weights,
                    values: &values,
                    point,
                    first,
                    columns,
                    to,
                });
            });
            team::each(of.outputs, |channel| {
                let finish = Finish { bias: b.map_or(0.0, |b| b[channel]), silu };
                simd::run(Back {
                    of,
                    sums: &sums,
                    stride,
                    channel,
                    runs: &runs,
                    plane,
                    finish,
                    out: done,
                });
            });
        }
    };
    // SAFETY: the tiles of all passes cover the whole output.
    unsafe { filled(of.batch * of.outputs * volume, fill) }
}
