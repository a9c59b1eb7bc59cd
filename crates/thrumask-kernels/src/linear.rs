//! Matrix product with a weight over the last axis, with its bias.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows, Shared, build};
use crate::matrix::{Panels, Product, Right, Start, View};
use crate::reference;
use crate::team;

/// `x w + b` over the last axis. Weights whose columns lie one after the other (the transpose of a matrix, as
/// PyTorch keeps affine maps) are taken as they are.
///
/// # Shapes
/// `x` `[.., K]`, `w` `[K, M]`, `b` `[M]` give `[.., M]`.
///
/// # Panics
/// When shapes disagree.
pub fn linear<const D: usize>(x: Tensor<D>, w: Tensor<2>, b: Option<Tensor<1>>) -> Tensor<D> {
    let [inputs, outputs] = w.dims();
    assert_eq!(x.dims()[D - 1], inputs, "last axis of x and first axis of w");
    if let Some(b) = &b {
        assert_eq!(b.dims(), [outputs], "bias of shape [M]");
    }
    if bridge::is_fast(&x) {
        let w = w.into_dispatch();
        return match b {
            Some(b) => bridge::apply3(Linear, x, w, b.into_dispatch()),
            None => bridge::apply2(Linear, x, w),
        };
    }
    reference::linear(x, w, b)
}

/// Rows that make a task, at most.
const BLOCK: usize = 192;

/// Rows and columns of the gradient of `w` that make a task, at most.
const TILE: [usize; 2] = [264, 256];

/// `x w + b` with inputs `x`, `w` and perhaps `b`.
#[derive(Clone, Copy, Debug)]
struct Linear;

impl FusedOp<2> for Linear {
    type Saved = ();
    const KEEPS_INPUT: [bool; 2] = [true, true];
    const KEEPS_OUTPUT: bool = false;
    const TAKES_TURNED: [bool; 2] = [false, true];

    fn forward(&self, [x, w]: [Host; 2]) -> (Host, ()) {
        (forward(&x, w, None), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x, w]: [Option<Host>; 2],
        _output: Option<Host>,
        _saved: (),
        [want_x, want_w]: [bool; 2],
    ) -> [Option<Host>; 2] {
        let (Some(x), Some(w)) = (x, w) else { unreachable!("linear keeps x and w") };
        let dims = (x.dims(), w.dims());
        let (dx, _) = grad_rows(&grad, w, want_x, false);
        let dw = want_w.then(|| Host::from_vec(grad_weight(&x, grad.rows()), &dims.1));
        [dx.map(|dx| Host::from_vec(dx, &dims.0)), dw]
    }
}

impl FusedOp<3> for Linear {
    type Saved = ();
    const KEEPS_INPUT: [bool; 3] = [true, true, false];
    const KEEPS_OUTPUT: bool = false;
    const TAKES_TURNED: [bool; 3] = [false, true, false];

    fn forward(&self, [x, w, b]: [Host; 3]) -> (Host, ()) {
        (forward(&x, w, Some(b)), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x, w, _]: [Option<Host>; 3],
        _output: Option<Host>,
        _saved: (),
        [want_x, want_w, want_b]: [bool; 3],
    ) -> [Option<Host>; 3] {
        let (Some(x), Some(w)) = (x, w) else { unreachable!("linear keeps x and w") };
        let dims = (x.dims(), w.dims());
        let (dx, db) = grad_rows(&grad, w, want_x, want_b);
        let dw = want_w.then(|| Host::from_vec(grad_weight(&x, grad.rows()), &dims.1));
        let db = db.map(|db| Host::from_vec(db, &dims.1[1..]));
        [dx.map(|dx| Host::from_vec(dx, &dims.0)), dw, db]
    }
}

fn forward(x: &Host, w: Host, b: Option<Host>) -> Host {
    let w = w.dense();
    let b = b.map(Host::contiguous);
    let mut dims = x.dims();
    let ([inputs, outputs], x) = (sizes(&w), x.rows());
    let axis = dims.len() - 1;
    dims[axis] = outputs;
    let count = dims[..axis].iter().product();
    let start = b.as_ref().map_or(Start::Zeros, |b| Start::Row(b.values()));
    let out = rows_times(x, w.matrix(), start, [count, outputs, inputs]);
    Host::from_vec(out, &dims)
}

/// `x w`, each row from `start` on. `shape` is rows and columns of the result, then the inner size.
fn rows_times(x: Rows, w: View, start: Start, [count, columns, inner]: [usize; 3]) -> Vec<f32> {
    let panels = Panels::new(w, [inner, columns]);
    // As many tasks for each thread, but not so few rows in each that the weights are fetched too often.
    let tasks = count.div_ceil(BLOCK).next_multiple_of(rayon::current_num_threads());
    let block = count.div_ceil(tasks.clamp(1, count.div_ceil(BLOCK / 4).max(1)));
    let block = block.next_multiple_of(12).max(12);
    build(count * columns, block * columns, |at, out| {
        let shape = [out.len() / columns, columns, inner];
        let (left, right) = (rows_from(x, at / columns), Right::Panels(&panels));
        let product = Product { shape, left, right, start };
        // SAFETY: dense rows that the product writes all, and does not read before.
        unsafe { out.write(|out| product.write(out, columns)) };
    })
}

/// `grad wᵀ`, and the sums of the columns of `grad`.
fn grad_rows(
    grad: &Host,
    w: Host,
    want_x: bool,
    want_b: bool,
) -> (Option<Vec<f32>>, Option<Vec<f32>>) {
    let w = w.dense();
    let [inputs, outputs] = sizes(&w);
    // Rows without columns count too: their gradient of `x` is zero.
    let count = grad.dims().iter().rev().skip(1).product::<usize>();
    let grad = grad.rows();
    let dx = want_x
        .then(|| rows_times(grad, w.matrix().turned(), Start::Zeros, [count, inputs, outputs]));
    let db = want_b.then(|| {
        let partials = build(count.div_ceil(BLOCK) * outputs, outputs, |at, sums| {
            let first = at / outputs * BLOCK;
            let sums = sums.zeros();
            for i in first..count.min(first + BLOCK) {
                for (sum, grad) in sums.iter_mut().zip(grad.row(i)) {
                    *sum += grad;
                }
            }
        });
        let mut sums = vec![0.0; outputs];
        for partial in partials.chunks_exact(outputs.max(1)) {
            for (sum, part) in sums.iter_mut().zip(partial) {
                *sum += part;
            }
        }
        sums
    });
    (dx, db)
}

/// `xᵀ grad`. Tasks are tiles of the result, each the whole sum over the rows.
fn grad_weight(x: &Host, grad: Rows) -> Vec<f32> {
    let (count, x) = (x.len() / x.rows().width.max(1), x.rows());
    let (inputs, outputs) = (x.width, grad.width);
    let mut dw = vec![0.0; inputs * outputs];
    if count == 0 || dw.is_empty() {
        return dw;
    }
    let shared = Shared::new(&mut dw, outputs);
    let tile = tile_of([inputs, outputs]);
    let across = outputs.div_ceil(tile[1]);
    team::each(inputs.div_ceil(tile[0]) * across, |task| {
        let (top, side) = (task / across * tile[0], task % across * tile[1]);
        let (height, width) = (tile[0].min(inputs - top), tile[1].min(outputs - side));
        let left = View { data: &x.data[top..], row: 1, column: x.stride };
        let right = Right::View(View { data: &grad.data[side..], row: grad.stride, column: 1 });
        let product = Product { shape: [height, width, count], left, right, start: Start::Zeros };
        let (out, stride) = shared.tile(top, side, [height, width]);
        // SAFETY: this task alone writes this tile, and its elements are inside of the matrix.
        unsafe { product.write(out, stride) };
    });
    dw
}

/// Sizes of the tasks that make a matrix of so many rows and columns: two for each thread, where they do
/// not become too small or too large. An element is the same whatever they are.
fn tile_of([rows, columns]: [usize; 2]) -> [usize; 2] {
    let mut tile = [rows, columns];
    let tasks = |tile: [usize; 2]| rows.div_ceil(tile[0]) * columns.div_ceil(tile[1]);
    loop {
        let large = tile[0] > TILE[0] || tile[1] > TILE[1];
        let can = [tile[0] >= 96, tile[1] >= 128];
        if !large && (tasks(tile) >= 2 * rayon::current_num_threads() || can == [false; 2]) {
            return tile;
        }
        // The wider side is halved, in whole register tiles.
        if !can[1] || (can[0] && tile[0] > tile[1]) {
            tile[0] = tile[0].div_ceil(2).next_multiple_of(12);
        } else {
            tile[1] = tile[1].div_ceil(2).next_multiple_of(32);
        }
    }
}

/// Rows from `first` on.
fn rows_from(rows: Rows<'_>, first: usize) -> View<'_> {
    View { data: &rows.data[first * rows.stride..], row: rows.stride, column: 1 }
}

fn sizes(w: &Host) -> [usize; 2] {
    let dims = w.dims();
    [dims[0], dims[1]]
}
