//! The gradient of the weights: the adjoint of the way that the weights take, so that it needs as few products as the
//! convolution.

use super::forth::{Gradients, Inputs, forth};
use super::rules::{Adjoint, POINTS};
use super::tiles::{Tiling, count, distance};
use super::windows::Reads;
use crate::aligned::Aligned;
use crate::convolution::geometry::Geometry;
use crate::host::{Shared, build};
use crate::matrix::{Product, Right, Start, View};
use crate::team;

/// Bytes of inputs and gradients at their points that are held at once, about.
const HELD: usize = 8 << 20;

/// Rows and columns of a point's matrix that make a task, at most.
const TILE: [usize; 2] = [264, 256];

/// `dw [O, I, taps]` from `x [B, I, size]` and the gradient of the output.
pub(super) fn of_weights<R: Adjoint>(of: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let tiling = Tiling::new::<R>(of);
    let [reads, reads_grad] = [Reads::inputs(of, &tiling), Reads::gradients(of, &tiling)];
    let points = tiling.points();
    let most = (HELD / 4 / points / (of.inputs + of.outputs)).max(64);
    let passes = tiling.passes(of.batch, most);
    let stride = distance(&passes);
    let mut at_points = Aligned::room(points * of.inputs * stride);
    let mut grad_at_points = Aligned::room(points * of.outputs * stride);
    let mut sums = Aligned::zeros(points * of.outputs * of.inputs);
    let [rows, columns] = [of.outputs.min(TILE[0]), of.inputs.min(TILE[1])];
    let [down, across] = [of.outputs.div_ceil(rows), of.inputs.div_ceil(columns)];
    for (pass, runs) in passes.iter().enumerate() {
        let from = (x, of.inputs);
        forth::<Inputs<R>>(&tiling, runs, &reads, from, &mut at_points, stride);
        let from = (grad, of.outputs);
        forth::<Gradients<R>>(&tiling, runs, &reads_grad, from, &mut grad_at_points, stride);
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
    from_points::<R>(of, tiling.plane, &sums)
}

/// Gradients of taps from those at the points, `[points, O, I]`.
fn from_points<R: Adjoint>(of: &Geometry, plane: bool, sums: &[f32]) -> Vec<f32> {
    let (taps, matrix) = (of.taps(), of.outputs * of.inputs);
    build(matrix * taps, of.inputs * taps, |at, to| {
        let first = at / taps;
        for (i, to) in to.zeros().chunks_exact_mut(taps).enumerate() {
            let mut rows = [[0.0; POINTS]; POINTS];
            for (point, values) in sums.chunks_exact(matrix).enumerate() {
                rows[point / R::POINTS][point % R::POINTS] = values[first + i];
            }
            if !plane {
                to.copy_from_slice(&R::bring_back(rows[0])[..taps]);
                continue;
            }
            let rows = rows.map(R::bring_back);
            for x in 0..R::TAPS {
                let column = R::bring_back(rows.map(|row| row[x]));
                for (y, value) in column.into_iter().enumerate().take(R::TAPS) {
                    to[y * R::TAPS + x] = value;
                }
            }
        }
    })
}
