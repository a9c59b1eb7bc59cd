//! Norms over groups of channels.

use std::sync::Arc;

use crate::apply::rows_and_sums;
use crate::bridge::FusedOp;
use crate::host::Host;
use crate::norm::kernel::{Affine, moments};
use crate::simd::{self, Fold, Kernel, Lanes, Simd};
use crate::target::Target;

/// `gamma * norm(x) + beta` with inputs `x [B, C, ..]`, `gamma` and `beta` `[C]`, and perhaps its SiLU.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupNorm {
    pub groups: usize,
    pub eps: f32,
    pub silu: bool,
}

impl FusedOp<3> for GroupNorm {
    /// Mean and reciprocal deviation of each group of each image.
    type Saved = Arc<[f32]>;
    const KEEPS_INPUT: [bool; 3] = [true; 3];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, inputs: [Host; 3]) -> (Host, Arc<[f32]>) {
        let dims = inputs[0].dims();
        let [x, gamma, beta] = inputs.map(Host::contiguous);
        let sizes = self.sizes(&dims);
        let [x, gamma, beta] = [&x, &gamma, &beta].map(Host::values);
        let shape = [dims[0] * self.groups, 1, sizes.group(), 2];
        let (out, saved) = rows_and_sums(shape, |group, out, saved| {
            let set = Set { of: *self, sizes, gamma, beta, x, group };
            simd::run(Forward { set, out, saved });
        });
        (Host::from_vec(out, &dims), saved.into())
    }

    fn backward(
        &self,
        grad: Host,
        kept: [Option<Host>; 3],
        _output: Option<Host>,
        saved: Arc<[f32]>,
        _wanted: [bool; 3],
    ) -> [Option<Host>; 3] {
        let [Some(x), Some(gamma), Some(beta)] = kept else { unreachable!("inputs are kept") };
        let dims = x.dims();
        let [grad, x, gamma, beta] = [grad, x, gamma, beta].map(Host::contiguous);
        let sizes = self.sizes(&dims);
        let [grad, x, gamma, beta] = [&grad, &x, &gamma, &beta].map(Host::values);
        let shape = [dims[0] * self.groups, 1, sizes.group(), 2 * sizes.channels];
        let (dx, sums) = rows_and_sums(shape, |group, dx, sums| {
            let set = Set { of: *self, sizes, gamma, beta, x, group };
            let grad = &grad[group * sizes.group()..][..sizes.group()];
            let affine =
                Affine { mean: saved[2 * group], inverse: saved[2 * group + 1], offset: 0.0 };
            simd::run(Backward { set, affine, grad, dx, sums });
        });
        let channels = dims[1];
        let (mut dgamma, mut dbeta) = (vec![0.0; channels], vec![0.0; channels]);
        for image in sums.chunks_exact((2 * channels).max(1)) {
            for (channel, sums) in image.chunks_exact(2).enumerate() {
                dbeta[channel] += sums[0];
                dgamma[channel] += sums[1];
            }
        }
        let [dgamma, dbeta] = [dgamma, dbeta].map(|sums| Host::from_vec(sums, &[channels]));
        [Some(Host::from_vec(dx, &dims)), Some(dgamma), Some(dbeta)]
    }
}

/// Channels of a group, and values of a channel.
#[derive(Clone, Copy)]
struct Sizes {
    channels: usize,
    values: usize,
}

impl Sizes {
    fn group(&self) -> usize {
        self.channels * self.values
    }
}

impl GroupNorm {
    fn sizes(&self, dims: &[usize]) -> Sizes {
        Sizes { channels: dims[1] / self.groups, values: dims[2..].iter().product() }
    }
}

/// One group of one image; `group` counts those of all images.
#[derive(Clone, Copy)]
struct Set<'a> {
    of: GroupNorm,
    sizes: Sizes,
    gamma: &'a [f32],
    beta: &'a [f32],
    x: &'a [f32],
    group: usize,
}

impl<'a> Set<'a> {
    /// The group's values, and number of its first channel.
    fn values(&self) -> (&'a [f32], usize) {
        let size = self.sizes.group();
        let first = self.group % self.of.groups * self.sizes.channels;
        (&self.x[self.group * size..][..size], first)
    }

    #[inline(always)]
    fn channel(&self, affine: Affine, channel: usize) -> Channel {
        let (gamma, beta) = (self.gamma[channel], self.beta[channel]);
        Channel { affine, gamma, beta, silu: self.of.silu }
    }
}

/// What is done to the values of a channel.
#[derive(Clone, Copy)]
struct Channel {
    affine: Affine,
    gamma: f32,
    beta: f32,
    silu: bool,
}

impl Lanes<0> for Channel {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        let n = self.affine.norm(simd, x);
        let z = simd.fma(n, simd.splat(self.gamma), simd.splat(self.beta));
        if self.silu { simd.mul(z, simd.sigmoid(z)) } else { z }
    }
}

impl Channel {
    /// The normed value, and the gradient of what goes into the SiLU.
    #[inline(always)]
    fn inner<S: Simd>(self, simd: S, grad: S::V, x: S::V) -> [S::V; 2] {
        let n = self.affine.norm(simd, x);
        if !self.silu {
            return [n, grad];
        }
        let z = simd.fma(n, simd.splat(self.gamma), simd.splat(self.beta));
        let (gate, one) = (simd.sigmoid(z), simd.splat(1.0));
        let slope = simd.mul(gate, simd.fma(z, simd.sub(one, gate), one));
        [n, simd.mul(grad, slope)]
    }
}

impl Fold<2, 2> for Channel {
    /// The sums of the inner gradient, and of it times the normed value.
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, sums: [S::V; 2], [grad, x]: [S::V; 2]) -> [S::V; 2] {
        let [n, grad] = self.inner(simd, grad, x);
        [simd.add(sums[0], grad), simd.fma(grad, n, sums[1])]
    }
}

/// `(g - plain - n * crossed) * inverse` for `g = gamma * ` the inner gradient.
#[derive(Clone, Copy)]
struct Down {
    channel: Channel,
    plain: f32,
    crossed: f32,
}

impl Lanes<1> for Down {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, grad: S::V, [x]: [S::V; 1]) -> S::V {
        let [n, grad] = self.channel.inner(simd, grad, x);
        let g = simd.fma(grad, simd.splat(self.channel.gamma), simd.splat(-self.plain));
        let dx = simd.fnma(n, simd.splat(self.crossed), g);
        simd.mul(dx, simd.splat(self.channel.affine.inverse))
    }
}

struct Forward<'a, 'b> {
    set: Set<'a>,
    out: &'a mut Target<'b>,
    saved: &'a mut [f32],
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (x, first) = self.set.values();
        let affine = moments(simd, x, true, self.set.of.eps);
        self.saved.copy_from_slice(&[affine.mean, affine.inverse]);
        for (i, x) in x.chunks_exact(self.set.sizes.values).enumerate() {
            let channel = self.set.channel(affine, first + i);
            self.out.apply(simd, channel, Some(x), [], x.len());
        }
    }
}

struct Backward<'a, 'b> {
    set: Set<'a>,
    affine: Affine,
    grad: &'a [f32],
    dx: &'a mut Target<'b>,
    /// For each channel the sums of the gradient of beta and of gamma.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { set, affine, grad, dx, sums } = self;
        let (x, first) = set.values();
        let size = set.sizes.values;
        let (mut plain, mut crossed) = (0.0, 0.0);
        let channels = x.chunks_exact(size).zip(grad.chunks_exact(size)).enumerate();
        for ((i, (x, grad)), sums) in channels.zip(sums.chunks_exact_mut(2)) {
            let channel = set.channel(affine, first + i);
            let [shift, gain] = simd::fold(simd, channel, [0.0; 2], [grad, x]);
            sums.copy_from_slice(&[simd.sum(shift), simd.sum(gain)]);
            plain += channel.gamma * sums[0];
            crossed += channel.gamma * sums[1];
        }
        let count = x.len() as f32;
        let (plain, crossed) = (plain / count, crossed / count);
        for (i, (x, grad)) in x.chunks_exact(size).zip(grad.chunks_exact(size)).enumerate() {
            let channel = set.channel(affine, first + i);
            dx.apply(simd, Down { channel, plain, crossed }, Some(grad), [x], size);
        }
    }
}
