use super::correlate::{Correlation, Part};
use super::geometry::{Geometry, Lattice};
use super::weights;
use super::winograd::Method;
use crate::bridge::FusedOp;
use crate::host::{Host, build, filled};
use crate::matrix::Packed;
use crate::simd::{self, Kernel, Simd, basic::Sum};

/// A convolution with inputs `x`, `w` and the bias.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolve {
    pub of: Geometry,
    /// Whether `x * sigmoid(x)` of the result is wanted; there is no backward pass then.
    pub silu: bool,
    /// Shape of the output.
    pub shape: (usize, [usize; 5]),
}

impl FusedOp<3> for Convolve {
    type Saved = ();
    const KEEPS_INPUT: [bool; 3] = [true, true, false];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x, w, b]: [Host; 3]) -> (Host, ()) {
        let [x, w, b] = [x, w, b].map(Host::contiguous);
        let out = convolve(&self.of, x.values(), w.values(), Some(b.values()), self.silu);
        (Host::from_vec(out, &self.shape.1[..self.shape.0]), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x, w, _]: [Option<Host>; 3],
        _output: Option<Host>,
        _saved: (),
        [want_x, want_w, want_b]: [bool; 3],
    ) -> [Option<Host>; 3] {
        assert!(!self.silu, "a fused activation has no backward pass");
        let (Some(x), Some(w)) = (x, w) else { unreachable!("convolutions keep x and w") };
        let (x_dims, w_dims) = (x.dims(), w.dims());
        let [grad, x, w] = [grad, x, w].map(Host::contiguous);
        let of = &self.of;
        let dx =
            want_x.then(|| Host::from_vec(input_gradient(of, w.values(), grad.values()), &x_dims));
        let dw = want_w.then(|| Host::from_vec(weight_gradient(of, &x, &grad), &w_dims));
        let db = want_b.then(|| Host::from_vec(bias_gradient(of, grad.values()), &[of.outputs]));
        [dx, dw, db]
    }
}

fn weight_gradient(of: &Geometry, x: &Host, grad: &Host) -> Vec<f32> {
    let (x, grad) = (x.values(), grad.values());
    Method::of(of)
        .and_then(|method| method.weight_gradient(of, x, grad))
        .unwrap_or_else(|| weights::gradient(of, x, grad))
}

/// The convolution of `x [B, I, stored]`.
fn convolve(of: &Geometry, x: &[f32], w: &[f32], bias: Option<&[f32]>, silu: bool) -> Vec<f32> {
    if let Some(method) = Method::of(of) {
        return method.convolve(of, x, w, bias, silu);
    }
    let size = of.out();
    let part = Part {
        weights: Packed::new(w, [of.outputs, of.inputs * of.taps()]),
        taps: of.positions().collect(),
        grid: size,
        start: [0; 3],
    };
    let correlation = Correlation {
        x,
        spread: of.spread(of.lattice()),
        images: of.batch,
        inputs: of.inputs,
        outputs: of.outputs,
        parts: &[part],
        bias,
        silu,
        size,
        step: [1; 3],
    };
    // SAFETY: the grid is the whole output.
    unsafe {
        filled(of.batch * of.outputs * size.iter().product::<usize>(), |out| correlation.run(out))
    }
}

/// The gradient of `x`: for each rest of the coordinates by the stride, a correlation of the gradient with
/// the kernel positions of the same rest.
fn input_gradient(of: &Geometry, w: &[f32], grad: &[f32]) -> Vec<f32> {
    let (out, size) = (of.out(), of.size);
    let axes = [0, 1, 2];
    if of.stride == [1; 3] && axes.iter().all(|&i| of.padding[i] < of.kernel[i]) {
        return full_gradient(of, w, grad);
    }
    let front = axes.map(|i| (of.kernel[i] - 1) / of.stride[i]);
    // Of each rest: the first coordinate inside of the input, in steps, and how many there are.
    let range = |i: usize, rest: usize| {
        let first = of.padding[i].saturating_sub(rest).div_ceil(of.stride[i]);
        let end = (size[i] + of.padding[i]).saturating_sub(rest).div_ceil(of.stride[i]);
        (first, end.saturating_sub(first))
    };
    let dims = axes.map(|i| {
        let reach =
            (0..of.stride[i]).map(|rest| range(i, rest)).map(|(first, count)| first + count);
        front[i] + reach.max().unwrap_or(0).max(out[i])
    });
    let lattice = Lattice { front, step: [1; 3], dims, tail: 0 };
    let part = |number: usize| {
        let rest = [
            number / (of.stride[1] * of.stride[2]),
            number / of.stride[2] % of.stride[1],
            number % of.stride[2],
        ];
        let found = axes.map(|i| range(i, rest[i]));
        let positions: Vec<(usize, [usize; 3])> = of
            .positions()
            .enumerate()
            .filter(|(_, tap)| axes.iter().all(|&i| tap[i] % of.stride[i] == rest[i]))
            .collect();
        let reads = |tap: [usize; 3]| axes.map(|i| found[i].0 + front[i] - tap[i] / of.stride[i]);
        let mut turned = Vec::with_capacity(of.inputs * of.outputs * positions.len());
        for input in 0..of.inputs {
            for output in 0..of.outputs {
                let w = &w[(output * of.inputs + input) * of.taps()..][..of.taps()];
                turned.extend(positions.iter().map(|(tap, _)| w[*tap]));
            }
        }
        Part {
            weights: Packed::new(&turned, [of.inputs, of.outputs * positions.len()]),
            taps: positions.into_iter().map(|(_, tap)| reads(tap)).collect(),
            grid: found.map(|(_, count)| count),
            start: axes
                .map(|i| (found[i].0 * of.stride[i] + rest[i]).saturating_sub(of.padding[i])),
        }
    };
    let parts: Vec<Part> = (0..of.stride.iter().product()).map(part).collect();
    let correlation = Correlation {
        x: grad,
        spread: of.spread_out(lattice),
        images: of.batch,
        inputs: of.outputs,
        outputs: of.inputs,
        parts: &parts,
        bias: None,
        silu: false,
        size,
        step: of.stride,
    };
    let count = of.batch * of.inputs * size.iter().product::<usize>();
    // SAFETY: each coordinate of the input has one rest, and is in the grid of that.
    let dx = unsafe { filled(count, |out| correlation.run(out)) };
    gather(of, dx)
}

/// The gradient of `x` in steps of one: a convolution with the weights turned around.
fn full_gradient(of: &Geometry, w: &[f32], grad: &[f32]) -> Vec<f32> {
    let turned = Geometry {
        inputs: of.outputs,
        outputs: of.inputs,
        size: of.out(),
        padding: std::array::from_fn(|i| of.kernel[i] - 1 - of.padding[i]),
        magnify: [1; 3],
        ..*of
    };
    let mut weights = Vec::with_capacity(w.len());
    for input in 0..of.inputs {
        for output in 0..of.outputs {
            let w = &w[(output * of.inputs + input) * of.taps()..][..of.taps()];
            weights.extend(w.iter().rev());
        }
    }
    gather(of, convolve(&turned, grad, &weights, None, false))
}

/// Sums of the gradients of the copies of each value.
fn gather(of: &Geometry, dx: Vec<f32>) -> Vec<f32> {
    if of.magnify == [1; 3] {
        return dx;
    }
    let (size, stored, times) = (of.size, of.stored(), of.magnify);
    let [volume, small] = [size, stored].map(|size| size.iter().product::<usize>());
    build(of.batch * of.inputs * small, small, |at, to| {
        let to = to.zeros();
        let from = &dx[at / small * volume..][..volume];
        for (row, from) in from.chunks_exact(size[2]).enumerate() {
            let (z, y) = (row / size[1] / times[0], row % size[1] / times[1]);
            let to = &mut to[(z * stored[1] + y) * stored[2]..][..stored[2]];
            for (to, from) in to.iter_mut().zip(from.chunks_exact(times[2])) {
                *to += from.iter().sum::<f32>();
            }
        }
    })
}

/// Sums of the gradients of each output channel.
fn bias_gradient(of: &Geometry, grad: &[f32]) -> Vec<f32> {
    let volume: usize = of.out().iter().product();
    build(of.outputs, 1, |channel, to| {
        let to = to.zeros();
        for image in 0..of.batch {
            let values = &grad[(image * of.outputs + channel) * volume..][..volume];
            to[0] += simd::run(Total(values));
        }
    })
}

struct Total<'a>(&'a [f32]);

impl Kernel for Total<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let [sum] = simd::fold(simd, Sum, [0.0], [self.0]);
        simd.sum(sum)
    }
}
