use crate::apply::rows_and_sums;
use crate::bridge::FusedOp;
use crate::host::{Host, Rows, build, whole_rows};
use crate::simd::basic::{Add, Sum};
use crate::simd::{self, Fold, Kernel, Lanes, Simd};
use crate::target::Target;

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
        let (dx, dgain, dshift) = self.gradients(grad.rows(), x.rows(), x.len(), gain.values());
        let dx = Host::from_vec(dx, &x.dims());
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
        let grad = grad.contiguous();
        let [x_rows, grad] =
            [x.values(), grad.values()].map(|data| Rows { data, stride: width, width });
        let (dx, dgain, _) = self.0.gradients(grad, x_rows, x.len(), gain.values());
        [Some(Host::from_vec(dx, &x.dims())), Some(Host::from_vec(dgain, &[width]))]
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

    #[inline(always)]
    fn affine<S: Simd>(&self, simd: S, x: &[f32]) -> Affine {
        Affine { offset: self.gain_offset, ..moments(simd, x, self.centred, self.eps) }
    }

    /// Gradients of `x`, gain and shift.
    fn gradients(
        &self,
        grad: Rows,
        x: Rows,
        len: usize,
        gain: &[f32],
    ) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let width = x.width;
        let sets = gain.len() / width.max(1);
        let per = len / gain.len().max(1); // rows of one set
        let (dx, sums) = rows_and_sums([sets, per, width, 2 * width], |first, dx, sums| {
            let gain = &gain[first / per * width..][..width];
            simd::run(Backward { norm: *self, grad, x, gain, first, dx, sums });
        });
        let half = |at: usize| {
            sums.chunks_exact((2 * width).max(1))
                .flat_map(|sums| &sums[at..at + width])
                .copied()
                .collect()
        };
        (dx, half(0), half(width))
    }
}

/// Mean (0 when the mean stays) and reciprocal deviation of a row.
#[inline(always)]
pub(super) fn moments<S: Simd>(simd: S, x: &[f32], centred: bool, eps: f32) -> Affine {
    let count = x.len() as f32;
    let mut mean = 0.0;
    if centred {
        let [sum] = simd::fold(simd, Sum, [0.0], [x]);
        mean = simd.sum(sum) / count;
    }
    let [power] = simd::fold(simd, Power { mean }, [0.0], [x]);
    Affine { mean, inverse: 1.0 / (simd.sum(power) / count + eps).sqrt(), offset: 0.0 }
}

/// The sum of `(x - mean)²`.
#[derive(Clone, Copy)]
struct Power {
    mean: f32,
}

impl Fold<1, 1> for Power {
    fn fill(self) -> f32 {
        self.mean
    }
    #[inline(always)]
    fn add<S: Simd>(self, simd: S, [sum]: [S::V; 1], [x]: [S::V; 1]) -> [S::V; 1] {
        let x = simd.sub(x, simd.splat(self.mean));
        [simd.fma(x, x, sum)]
    }
}

/// `(offset + gain) * n + shift` for `n = (x - mean) * inverse`.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    pub mean: f32,
    pub inverse: f32,
    pub offset: f32,
}

impl Affine {
    #[inline(always)]
    pub fn norm<S: Simd>(self, simd: S, x: S::V) -> S::V {
        simd.mul(simd.sub(x, simd.splat(self.mean)), simd.splat(self.inverse))
    }

    #[inline(always)]
    fn gain<S: Simd>(self, simd: S, gain: S::V) -> S::V {
        simd.add(simd.splat(self.offset), gain)
    }
}

impl Lanes<2> for Affine {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [gain, shift]: [S::V; 2]) -> S::V {
        simd.fma(self.norm(simd, x), self.gain(simd, gain), shift)
    }
}

impl Lanes<1> for Affine {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [gain]: [S::V; 1]) -> S::V {
        simd.mul(self.norm(simd, x), self.gain(simd, gain))
    }
}

/// A running gradient of the gain with `grad * n` of one more row.
#[derive(Clone, Copy)]
struct GainSum(Affine);

impl Lanes<2> for GainSum {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, sum: S::V, [grad, x]: [S::V; 2]) -> S::V {
        simd.fma(grad, self.0.norm(simd, x), sum)
    }
}

/// The sums of `g = grad * gain` and of `g * n`.
#[derive(Clone, Copy)]
struct Means(Affine);

impl Fold<3, 2> for Means {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [plain, crossed]: [S::V; 2],
        [grad, x, gain]: [S::V; 3],
    ) -> [S::V; 2] {
        let g = simd.mul(grad, self.0.gain(simd, gain));
        [simd.add(plain, g), simd.fma(g, self.0.norm(simd, x), crossed)]
    }
}

/// `(g - plain - n * crossed) * inverse`
#[derive(Clone, Copy)]
struct Down {
    affine: Affine,
    plain: f32,
    crossed: f32,
}

impl Lanes<2> for Down {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, grad: S::V, [x, gain]: [S::V; 2]) -> S::V {
        let g = simd.mul(grad, self.affine.gain(simd, gain));
        let n = self.affine.norm(simd, x);
        let dx = simd.fnma(n, simd.splat(self.crossed), simd.sub(g, simd.splat(self.plain)));
        simd.mul(dx, simd.splat(self.affine.inverse))
    }
}

struct Forward<'a, 'b> {
    norm: Norm,
    x: Rows<'a>,
    gain: &'a [f32],
    shift: Option<&'a [f32]>,
    per: usize,
    first: usize,
    out: &'a mut Target<'b>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { norm, x, gain, shift, per, first, out } = self;
        let width = x.width;
        for row in first..first + out.len() / width {
            let x = x.row(row);
            let set = row / per * width;
            let gain = &gain[set..set + width];
            let affine = norm.affine(simd, x);
            match shift {
                Some(shift) => {
                    out.apply(simd, affine, Some(x), [gain, &shift[set..set + width]], width)
                }
                None => out.apply(simd, affine, Some(x), [gain], width),
            };
        }
    }
}

struct Backward<'a, 'b> {
    norm: Norm,
    grad: Rows<'a>,
    x: Rows<'a>,
    gain: &'a [f32],
    first: usize,
    dx: &'a mut Target<'b>,
    /// Sums over the rows of the gradients of gain and shift.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_, '_> {
    type Output = ();

    /// With `g = grad * gain` and `n = norm(x)`: `dx = (g - mean(g) - n mean(g n)) / deviation`.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { norm, grad, x, gain, first, dx, sums } = self;
        let (width, count) = (x.width, x.width as f32);
        let (gain_sums, shift_sums) = sums.split_at_mut(width);
        for row in first..first + dx.len() / width {
            let (x, grad) = (x.row(row), grad.row(row));
            let affine = norm.affine(simd, x);
            simd::change(simd, GainSum(affine), gain_sums, [grad, x]);
            simd::change(simd, Add, shift_sums, [grad]);
            let [plain, crossed] = simd::fold(simd, Means(affine), [0.0; 2], [grad, x, gain]);
            let plain = if norm.centred { simd.sum(plain) / count } else { 0.0 };
            let crossed = simd.sum(crossed) / count;
            dx.apply(simd, Down { affine, plain, crossed }, Some(grad), [x, gain], width);
        }
    }
}
