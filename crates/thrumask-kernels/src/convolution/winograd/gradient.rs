//! The gradient of the weights: the adjoint of the way that the weights take, so that it too needs a
//! quarter (over frames half) of the products.

use super::kernels::{Forth, Gradients, Inputs, Transform};
use super::points::{OUT, POINTS, bring_back};
use super::tiles::{Run, count, is_plane, lattice, passes, places, points, stride};
use crate::convolution::geometry::{Geometry, Lattice};
use crate::host::{Aligned, Shared, build};
use crate::matrix::{Product, Right, Start, View};
use crate::simd;
use crate::team;

/// Bytes of inputs and gradients at their points that are held at once, about.
const HELD: usize = 8 << 20;

/// Rows and columns of a point's matrix that make a task, at most.
const TILE: [usize; 2] = [264, 256];

/// `dw [O, I, taps]` of a convolution for which [`serves`](super::serves) holds, from `x [B, I, size]` and
/// the gradient of its output.
pub(in crate::convolution) fn weight_gradient(of: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let (points, lattice) = (points(of), lattice(of));
    // The same places, without padding: zeros stand behind the last output, not before the first.
    let of_grad = Lattice { front: [0; 3], ..lattice };
    let x = of.spread(lattice).all(x);
    let grad = of.spread_out(of_grad).all(grad);
    let [reads, reads_grad] = [POINTS, OUT].map(|reach| places(of, &lattice, reach));
    let most = (HELD / 4 / points / (of.inputs + of.outputs)).max(64);
    let passes = passes(of, &lattice, most, false);
    let stride = stride(&passes);
    let mut at_points = Aligned::zeros(points * of.inputs * stride);
    let mut grad_at_points = Aligned::zeros(points * of.outputs * stride);
    let mut sums = Aligned::zeros(points * of.outputs * of.inputs);
    let [rows, columns] = [of.outputs.min(TILE[0]), of.inputs.min(TILE[1])];
    let [down, across] = [of.outputs.div_ceil(rows), of.inputs.div_ceil(columns)];
    for (pass, runs) in passes.iter().enumerate() {
        let from = (&x[..], lattice.channel(), &reads[..]);
        forth(of, Inputs, of.inputs, from, runs, Shared::new(&mut at_points, stride));
        let from = (&grad[..], lattice.channel(), &reads_grad[..]);
        forth(of, Gradients, of.outputs, from, runs, Shared::new(&mut grad_at_points, stride));
        let to = Shared::new(&mut sums, of.inputs);
        team::each(points * down * across, |task| {
            let (point, task) = (task / (down * across), task % (down * across));
            let (top, side) = (task / across * rows, task % across * columns);
            let shape = [rows.min(of.outputs - top), columns.min(of.inputs - side), count(runs)];
            let left = &grad_at_points[(point * of.outputs + top) * stride..];
            let right = &at_points[(point * of.inputs + side) * stride..];
            let product = Product {
                shape,
                left: View { data: left, row: stride, column: 1 },
                right: Right::View(View { data: right, row: 1, column: stride }),
                start: if pass == 0 { Start::Zeros } else { Start::Out },
            };
            let (out, apart) = to.tile(point * of.outputs + top, side, [shape[0], shape[1]]);
            // SAFETY: this task alone writes this part of the point's matrix.
            unsafe { product.write(out, apart) };
        });
    }
    from_points(of, &sums)
}

/// All channels at the points.
fn forth<T: Transform + Sync>(
    of: &Geometry,
    by: T,
    channels: usize,
    from: (&[f32], usize, &[usize]),
    runs: &[Run],
    to: Shared,
) {
    team::each(channels, |channel| {
        simd::run(Forth { by, channels, from, channel, runs, plane: is_plane(of), to });
    });
}

/// Gradients of taps from those at the points, `[points, O, I]`.
fn from_points(of: &Geometry, sums: &[f32]) -> Vec<f32> {
    let (taps, matrix) = (of.taps(), of.outputs * of.inputs);
    build(matrix * taps, of.inputs * taps, |at, to| {
        let first = at / taps;
        for (i, to) in to.zeros().chunks_exact_mut(taps).enumerate() {
            let row =
                |y: usize| std::array::from_fn(|x| sums[(y * POINTS + x) * matrix + first + i]);
            if !is_plane(of) {
                to.copy_from_slice(&bring_back(row(0)));
                continue;
            }
            let rows: [[f32; 3]; POINTS] = std::array::from_fn(|y| bring_back(row(y)));
            for x in 0..3 {
                let column = bring_back(rows.map(|row| row[x]));
                column.into_iter().enumerate().for_each(|(y, value)| to[y * 3 + x] = value);
            }
        }
    })
}
