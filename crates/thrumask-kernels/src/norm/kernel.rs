use rayon::prelude::*;

use crate::bridge::FusedOp;
use crate::host::{Host, Rows, build, row_tasks, sum_tasks, whole_rows};
use crate::simd::{self, Kernel, Simd};

/// `(gain_offset + gain) * norm(x) + shift` of rows, with inputs `x`, `gain` and `shift`. The gain
/// `[sets, width]` serves equal runs of rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Norm {
    /// Whether the mean is taken off.
    pub centred: bool,
    /// Added to the gain.
    pub gain_offset: f32,
    /// Added to the variance.
    pub eps: f32,
}

/// [`Norm`] without a shift; rows are chunks of the length of the gain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scaled(pub Norm);

impl FusedOp<3> for Norm {
    type Saved = ();
    const KEEPS_INPUT: [bool; 3] = [true, true, false];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x, gain, shift]: [Host; 3]) -> (Host, ()) {
        let (gain, shift) = (gain.contiguous(), shift.contiguous());
        let dims = x.dims();
        let out = self.rows(x.rows(), x.len(), gain.values(), Some(shift.values()));
        (Host::from_vec(out, &dims), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x, gain, _]: [Option<Host>; 3],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 3],
    ) -> [Option<Host>; 3] {
        let (Some(x), Some(gain)) = (x, gain) else { unreachable!("norms keep x and gain") };
        let dims = gain.dims();
        let gain = gain.contiguous();
        let (dx, dgain, dshift) = self.gradients(grad, x.rows(), gain.values());
        [dx, Host::from_vec(dgain, &dims), Host::from_vec(dshift, &dims)].map(Some)
    }
}

impl FusedOp<2> for Scaled {
    type Saved = ();
    const KEEPS_INPUT: [bool; 2] = [true, true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x, gain]: [Host; 2]) -> (Host, ()) {
        let (dims, len) = (x.dims(), x.len());
        let (x, gain) = (x.contiguous(), gain.contiguous());
        let width = gain.len();
        let rows = Rows { data: x.values(), stride: width, width };
        let out = self.0.rows(rows, len, gain.values(), None);
        (Host::from_vec(out, &dims), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x, gain]: [Option<Host>; 2],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 2],
    ) -> [Option<Host>; 2] {
        let (Some(x), Some(gain)) = (x, gain) else { unreachable!("norms keep x and gain") };
        let (x, gain) = (x.contiguous(), gain.contiguous());
        let width = gain.len();
        let rows = Rows { data: x.values(), stride: width, width };
        let (dx, dgain, _) = self.0.gradients(grad, rows, gain.values());
        [Some(dx), Some(Host::from_vec(dgain, &[width]))]
    }
}

impl Norm {
    fn rows(&self, x: Rows, len: usize, gain: &[f32], shift: Option<&[f32]>) -> Vec<f32> {
        let per = len / gain.len().max(1); // rows of one set
        build(len, whole_rows(x.width), |at, out| {
            let first = at / x.width;
            simd::run(Forward { norm: *self, x, gain, shift, per, first, out });
        })
    }

    /// Mean (0 when the mean stays) and reciprocal deviation of a row.
    #[inline(always)]
    fn moments<S: Simd>(&self, simd: S, x: &[f32]) -> (f32, f32) {
        let count = x.len() as f32;
        let mut mean = 0.0;
        if self.centred {
            let mut sum = simd.splat(0.0);
            for j in (0..x.len()).step_by(S::LANES) {
                sum = simd.add(sum, simd.read_at(x, j, 0.0));
            }
            mean = simd.sum(sum) / count;
        }
        let centre = simd.splat(mean);
        let mut power = simd.splat(0.0);
        for j in (0..x.len()).step_by(S::LANES) {
            let x = simd.sub(simd.read_at(x, j, mean), centre);
            power = simd.fma(x, x, power);
        }
        (mean, 1.0 / (simd.sum(power) / count + self.eps).sqrt())
    }

    /// Gradients of `x`, gain and shift.
    fn gradients(&self, grad: Host, x: Rows, gain: &[f32]) -> (Host, Vec<f32>, Vec<f32>) {
        let width = x.width;
        let mut grad = grad.contiguous().into_values();
        let len = grad.len();
        let (Some(values), true) = (grad.unique(), len > 0) else {
            return (grad, vec![0.0; gain.len()], vec![0.0; gain.len()]);
        };
        let sets = gain.len() / width;
        let per = len / width / sets;
        let tasks = row_tasks(values, width, per);
        let firsts: Vec<usize> = tasks.iter().map(|(first, _)| *first).collect();
        let mut partials = vec![0.0; 2 * width * tasks.len()];
        let parts = partials.par_chunks_mut(2 * width);
        tasks.into_par_iter().zip(parts).for_each(|((first, grad), sums)| {
            let gain = &gain[first / per * width..][..width];
            simd::run(Backward { norm: *self, x, gain, first, grad, sums });
        });
        let sums = sum_tasks(&firsts, &partials, 2 * width, per, sets);
        let half = |at: usize| {
            sums.chunks_exact(2 * width).flat_map(|sums| &sums[at..at + width]).copied().collect()
        };
        (grad, half(0), half(width))
    }
}

struct Forward<'a> {
    norm: Norm,
    x: Rows<'a>,
    gain: &'a [f32],
    shift: Option<&'a [f32]>,
    per: usize,
    first: usize,
    out: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { norm, x, gain, shift, per, first, out } = self;
        let width = x.width;
        let offset = simd.splat(norm.gain_offset);
        for (i, out) in out.chunks_exact_mut(width).enumerate() {
            let x = x.row(first + i);
            let set = (first + i) / per * width;
            let gain = &gain[set..set + width];
            let (mean, inverse) = norm.moments(simd, x);
            let (centre, inverse) = (simd.splat(mean), simd.splat(inverse));
            for j in (0..width).step_by(S::LANES) {
                let gain = simd.mul(inverse, simd.add(offset, simd.read_at(gain, j, 0.0)));
                let x = simd.sub(simd.read_at(x, j, 0.0), centre);
                let shift = match shift {
                    Some(shift) => simd.read_at(&shift[set..set + width], j, 0.0),
                    None => simd.splat(0.0),
                };
                simd.write_at(out, j, simd.fma(x, gain, shift));
            }
        }
    }
}

struct Backward<'a> {
    norm: Norm,
    x: Rows<'a>,
    gain: &'a [f32],
    first: usize,
    /// The gradient of the output, replaced by that of `x`.
    grad: &'a mut [f32],
    /// Sums over the rows of the gradients of gain and shift.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { norm, x, gain, first, grad, sums } = self;
        let (width, count) = (x.width, x.width as f32);
        let offset = simd.splat(norm.gain_offset);
        let (gain_sums, shift_sums) = sums.split_at_mut(width);
        for (i, grad) in grad.chunks_exact_mut(width).enumerate() {
            let x = x.row(first + i);
            let (mean, inverse) = norm.moments(simd, x);
            let (mean, inverse) = (simd.splat(mean), simd.splat(inverse));
            // With g = grad * gain and n = norm(x): dx = (g - mean(g) - n mean(g n)) / deviation.
            let (mut plain, mut crossed) = (simd.splat(0.0), simd.splat(0.0));
            for j in (0..width).step_by(S::LANES) {
                let grad = simd.read_at(grad, j, 0.0);
                let n = simd.mul(simd.sub(simd.read_at(x, j, 0.0), mean), inverse);
                let crossing = simd.mul(grad, n);
                simd.write_at(gain_sums, j, simd.add(simd.read_at(gain_sums, j, 0.0), crossing));
                simd.write_at(shift_sums, j, simd.add(simd.read_at(shift_sums, j, 0.0), grad));
                let gain = simd.add(offset, simd.read_at(gain, j, 0.0));
                plain = simd.fma(grad, gain, plain);
                crossed = simd.fma(crossing, gain, crossed);
            }
            let plain = if norm.centred { simd.sum(plain) / count } else { 0.0 };
            let (plain, crossed) = (simd.splat(plain), simd.splat(simd.sum(crossed) / count));
            for j in (0..width).step_by(S::LANES) {
                let gain = simd.add(offset, simd.read_at(gain, j, 0.0));
                let n = simd.mul(simd.sub(simd.read_at(x, j, 0.0), mean), inverse);
                let g = simd.mul(simd.read_at(grad, j, 0.0), gain);
                let dx = simd.fnma(n, crossed, simd.sub(g, plain));
                simd.write_at(grad, j, simd.mul(dx, inverse));
            }
        }
    }
}
