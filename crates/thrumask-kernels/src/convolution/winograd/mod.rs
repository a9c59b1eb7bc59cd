//! Convolutions in fewer products: four outputs in a row from six instead of twelve with three taps (Winograd's F(4, 3);
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016), from nine in steps of two, two outputs
//! from six instead of ten with five taps; nested over both axes of an image, or along one, or over the frames of a
//! video.
//!
//! Inputs, weights and outputs are brought to points at which the convolution is a product of matrices of
//! channels, one for each point. Sums are rounded otherwise than those of the plain loop: the error is
//! some 1e-6 of the largest value.

mod back;
mod forth;
mod gradient;
mod multiply;
mod planes;
mod rules;
mod tiles;
mod weights;
mod windows;

use std::marker::PhantomData;
use std::mem::MaybeUninit;

use super::correlate::Finish;
use super::geometry::Geometry;
use crate::aligned::Aligned;
use crate::host::{Shared, filled};
use crate::simd;
use crate::team;
use back::Back;
use forth::{Inputs, forth};
use multiply::Multiply;
use rules::{Five, Halves, Rule, Three};
use tiles::{Tiling, count, distance, evenly};
use weights::Weights;
use windows::Reads;

/// Values of inputs and outputs at their points that are held at once, in bytes, about.
const HELD: usize = 4 << 20;

/// Tiles of a pass, at least: as many as have as many values as the weights, which are read once a pass, within bounds.
const LEAST: [usize; 2] = [128, 256];

/// Tiles whose products are made in one task, about at most.
const COLUMNS: usize = 256;

/// Channels from which on it pays.
const CHANNELS: usize = 12;

/// The rule of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Three,
    Five,
    Halves,
}

impl Method {
    /// The one that serves a convolution and pays, if any does.
    pub fn of(of: &Geometry) -> Option<Self> {
        let (method, out) = match (of.kernel, of.stride) {
            ([1, 3, 3] | [3, 1, 1], [1, 1, 1]) => (Self::Three, Three::OUT),
            ([1, 1, 5] | [1, 5, 1], [1, 1, 1]) => (Self::Five, Five::OUT),
            ([1, 3, 3], [1, 2, 2]) => (Self::Halves, Halves::OUT),
            _ => return None,
        };
        let long = (0..3).all(|i| of.out()[i] >= if of.kernel[i] == 1 { 1 } else { out });
        let many = of.inputs >= CHANNELS && of.outputs >= CHANNELS;
        (long && many).then_some(method)
    }

    /// The convolution of `x [B, I, size]` with the bias and perhaps a SiLU.
    pub fn convolve(
        self,
        of: &Geometry,
        x: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        silu: bool,
    ) -> Vec<f32> {
        match self {
            Self::Three => convolve::<Three>(of, x, w, bias, silu),
            Self::Five => convolve::<Five>(of, x, w, bias, silu),
            Self::Halves => convolve::<Halves>(of, x, w, bias, silu),
        }
    }

    /// `dw [O, I, taps]` from `x [B, I, size]` and the gradient of the output, where that pays too. In steps of two
    /// it was measured to take longer than the plain way.
    pub fn weight_gradient(self, of: &Geometry, x: &[f32], grad: &[f32]) -> Option<Vec<f32>> {
        match self {
            Self::Three => Some(gradient::of_weights::<Three>(of, x, grad)),
            Self::Five => Some(gradient::of_weights::<Five>(of, x, grad)),
            Self::Halves => None,
        }
    }
}

fn convolve<R: Rule>(
    of: &Geometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    silu: bool,
) -> Vec<f32> {
    let tiling = Tiling::new::<R>(of);
    let reads = Reads::inputs(of, &tiling);
    let (points, matrices) = (tiling.points(), tiling.matrices());
    let weights = Weights::new::<R>(of, w, &tiling);
    let volume: usize = of.out().iter().product();
    let held = matrices * of.inputs + points * of.outputs;
    let least = (matrices * of.inputs * of.outputs / held).clamp(LEAST[0], LEAST[1]);
    let passes = tiling.passes(of.batch, (HELD / 4 / held).clamp(least, 4096));
    let stride = distance(&passes);
    let mut values = Aligned::room(matrices * of.inputs * stride);
    let mut sums = Aligned::room(points * of.outputs * stride);
    let fill = |out: &mut [MaybeUninit<f32>]| {
        let done = Shared::new(out, volume);
        for runs in passes {
            forth::<Inputs<R>>(&tiling, &runs, &reads, (x, of.inputs), &mut values, stride);
            let (tiles, len) = (count(&runs), points * of.outputs * stride);
            let fresh = sums.len() < len;
            let block = evenly(tiles, COLUMNS);
            let blocks = tiles.div_ceil(block);
            // SAFETY: tasks write values, and of fresh memory every one: those of the tiles and of the rest of their
            // vectors, and what is behind them.
            unsafe {
                let to = Shared::new(sums.memory(len), points * stride);
                team::each(points * blocks, |task| {
                    let (point, first) = (task / blocks, task % blocks * block);
                    let last = fresh && first + block >= tiles;
                    simd::run(Multiply {
                        tiling: &tiling,
                        weights: &weights,
                        values: &values,
                        stride,
                        inputs: of.inputs,
                        outputs: of.outputs,
                        point,
                        first,
                        columns: block.min(tiles - first),
                        behind: if last { tiles..stride } else { 0..0 },
                        to,
                    });
                });
                sums.fill(len);
            }
            team::each(of.outputs, |channel| {
                simd::run(Back {
                    by: PhantomData::<R>,
                    tiling: &tiling,
                    sums: &sums,
                    stride,
                    channels: of.outputs,
                    channel,
                    runs: &runs,
                    finish: Finish { bias: bias.map_or(0.0, |bias| bias[channel]), silu },
                    out: done,
                });
            });
        }
    };
    // SAFETY: the tiles of all passes cover the whole output.
    unsafe { filled(of.batch * of.outputs * volume, fill) }
}
