//! The gated residual of a DiT block.

use burn::tensor::Tensor;

use crate::apply::rows_and_sums;
use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows};
use crate::reference;
use crate::simd::basic::{Mul, MulAdd};
use crate::simd::{self, Kernel, Simd};
use crate::target::Target;

/// `x + gate * y`, with a gate for each batch row and channel, or one for all batch rows.
///
/// # Shapes
/// `x` and `y` `[B, N, C]`, `gate` `[B, C]` or `[1, C]` give `[B, N, C]`.
///
/// # Panics
/// When shapes disagree.
pub fn gated_residual(x: Tensor<3>, gate: Tensor<2>, y: Tensor<3>) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    let [gates, gate_channels] = gate.dims();
    assert_eq!(x.dims(), y.dims(), "x and y have one shape");
    assert!(gates == batch || gates == 1, "{gates} gates for {batch} batch rows");
    assert_eq!(gate_channels, channels, "channels of the gate and of x");
    if bridge::is_fast(&x) {
        return bridge::apply3(GatedResidual, x, gate.into_dispatch(), y.into_dispatch());
    }
    reference::gated_residual(x, gate, y)
}

#[derive(Clone, Copy, Debug)]
struct GatedResidual;

impl FusedOp<3> for GatedResidual {
    type Saved = ();
    const KEEPS_INPUT: [bool; 3] = [false, true, true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x, gate, y]: [Host; 3]) -> (Host, ()) {
        if x.len() == 0 {
            return (x, ());
        }
        let gate = gate.contiguous();
        let per = x.len() / gate.len(); // rows of one gate
        let (y, gate) = (y.rows(), gate.values());
        let out = x.by_rows(|x, at, out| {
            simd::run(Add { x, y, gate, per, first: at / y.width, out });
        });
        (out, ())
    }

    fn backward(
        &self,
        grad: Host,
        [_, gate, y]: [Option<Host>; 3],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 3],
    ) -> [Option<Host>; 3] {
        let (Some(gate), Some(y)) = (gate, y) else { unreachable!("gate and y are kept") };
        let (gate_dims, dims) = (gate.dims(), y.dims());
        let (gate, width) = (gate.contiguous(), y.rows().width);
        let sets = gate.len() / width.max(1);
        let per = grad.len() / gate.len().max(1); // rows of one gate
        let rows = [grad.rows(), y.rows()];
        let gates = gate.values();
        let (dy, dgate) = rows_and_sums([sets, per, width, width], |first, dy, sums| {
            let gate = &gates[first / per * width..][..width];
            simd::run(Split { rows, gate, first, dy, sums });
        });
        [grad, Host::from_vec(dgate, &gate_dims), Host::from_vec(dy, &dims)].map(Some)
    }
}

/// `out = x + gate * y`, with `x` in `out` when `None`; `first` is the number of the first row.
struct Add<'a, 'b> {
    x: Option<Rows<'a>>,
    y: Rows<'a>,
    gate: &'a [f32],
    per: usize,
    first: usize,
    out: &'a mut Target<'b>,
}

impl Kernel for Add<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { x, y, gate, per, first, out } = self;
        let width = y.width;
        for row in first..first + out.len() / width {
            let gate = &gate[row / per * width..][..width];
            out.apply(simd, MulAdd, x.map(|x| x.row(row)), [gate, y.row(row)], width);
        }
    }
}

/// `dy = grad * gate`, and the sum of `grad * y` over the rows.
struct Split<'a, 'b> {
    /// `grad` and `y`.
    rows: [Rows<'a>; 2],
    gate: &'a [f32],
    first: usize,
    dy: &'a mut Target<'b>,
    sums: &'a mut [f32],
}

impl Kernel for Split<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { rows, gate, first, dy, sums } = self;
        let width = gate.len();
        for row in first..first + dy.len() / width {
            let [grad, y] = rows.map(|rows| rows.row(row));
            simd::change(simd, MulAdd, sums, [grad, y]);
            dy.apply(simd, Mul, Some(grad), [gate], width);
        }
    }
}
