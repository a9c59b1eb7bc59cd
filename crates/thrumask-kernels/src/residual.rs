//! The gated residual of a DiT block.

use burn::tensor::Tensor;

use rayon::prelude::*;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows, build, row_tasks, sum_tasks, whole_rows};
use crate::reference;
use crate::simd::{self, Kernel, Simd};

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
        let width = x.rows().width;
        if x.len() == 0 {
            return (x, ());
        }
        let gate = gate.contiguous();
        let per = x.len() / gate.len(); // rows of one gate
        let (y, gate) = (y.rows(), gate.values());
        let out = x.map(whole_rows(width), |at, values| {
            simd::run(Add { values, y, gate, per, first: at / width });
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
        if grad.len() == 0 {
            let dgate = Host::from_vec(vec![0.0; gate.len()], &gate_dims);
            return [Some(grad.clone()), Some(dgate), Some(grad)];
        }
        let per = grad.len() / gate.len(); // rows of one gate
        let mut dy = build(grad.len(), whole_rows(width), |_, _| {});
        let tasks = row_tasks(&mut dy, width, per);
        let firsts: Vec<usize> = tasks.iter().map(|(first, _)| *first).collect();
        let mut partials = vec![0.0; width * tasks.len()];
        let rows = [grad.rows(), y.rows()];
        let gates = gate.values();
        tasks.into_par_iter().zip(partials.par_chunks_mut(width)).for_each(|(task, sums)| {
            let (first, dy) = task;
            let gate = &gates[first / per * width..][..width];
            simd::run(Split { rows, gate, first, dy, sums });
        });
        let dgate = sum_tasks(&firsts, &partials, width, per, gate.len() / width);
        [grad, Host::from_vec(dgate, &gate_dims), Host::from_vec(dy, &dims)].map(Some)
    }
}

/// `values + gate * y`; `first` is the number of the first row.
struct Add<'a> {
    values: &'a mut [f32],
    y: Rows<'a>,
    gate: &'a [f32],
    per: usize,
    first: usize,
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.y.width;
        for (i, x) in self.values.chunks_exact_mut(width).enumerate() {
            let row = self.first + i;
            let (y, gate) = (self.y.row(row), &self.gate[row / self.per * width..][..width]);
            for j in (0..width).step_by(S::LANES) {
                let [x0, y, gate] = [x as &[f32], y, gate].map(|from| simd.read_at(from, j, 0.0));
                simd.write_at(x, j, simd.fma(gate, y, x0));
            }
        }
    }
}

/// `dy = grad * gate`, and the sum of `grad * y` over the rows.
struct Split<'a> {
    /// `grad` and `y`.
    rows: [Rows<'a>; 2],
    gate: &'a [f32],
    first: usize,
    dy: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Split<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { rows, gate, first, dy, sums } = self;
        for (i, dy) in dy.chunks_exact_mut(gate.len()).enumerate() {
            let [grad, y] = rows.map(|rows| rows.row(first + i));
            for j in (0..gate.len()).step_by(S::LANES) {
                let grad = simd.read_at(grad, j, 0.0);
                let sum = simd.fma(grad, simd.read_at(y, j, 0.0), simd.read_at(sums, j, 0.0));
                simd.write_at(sums, j, sum);
                simd.write_at(dy, j, simd.mul(grad, simd.read_at(gate, j, 0.0)));
            }
        }
    }
}
