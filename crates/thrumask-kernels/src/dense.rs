//! Views with their axes exchanged, copied to row-major order.

use std::mem::MaybeUninit;
use std::ops::Range;

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{CHUNK, FlexTensor, Host, Shared, build, filled};
use crate::simd::{self, Kernel, Simd};
use crate::team;

/// The same values in row-major order: what an operation that needs them so would copy on one thread is copied on all.
/// For views whose axes were exchanged, such as patches of an image or channels behind places, where one of the last two
/// axes lies side by side in memory; others are copied as ever.
///
/// # Shapes
/// Any; the result has that of `x`.
pub fn dense<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if bridge::is_fast(&x) { bridge::apply1(Dense, x) } else { x }
}

#[derive(Clone, Copy, Debug)]
struct Dense;

impl FusedOp<1> for Dense {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [false];
    const KEEPS_OUTPUT: bool = false;
    const TAKES_VIEWS: bool = true;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        (x.contiguous(), ())
    }

    fn backward(
        &self,
        grad: Host,
        _kept: [Option<Host>; 1],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        [Some(grad)]
    }
}

/// Places of a view that are held in a table, at most.
const TABLE: usize = 2048;

/// From so many values on a run is copied as a whole.
const RUN: usize = 16;

/// An axis of a view: its size, and the distance between neighbours.
type Axis = (usize, usize);

/// The values of a view in row-major order, if neighbours of one of its last two axes are neighbours in memory and no
/// axis runs backwards.
pub(crate) fn copied(view: &FlexTensor) -> Option<Vec<f32>> {
    let layout = view.layout();
    let len = layout.num_elements();
    let strides = layout.strides().iter().map(|&stride| usize::try_from(stride).ok());
    let strides = strides.collect::<Option<Vec<usize>>>()?;
    let axes = joined(layout.shape().to_vec().into_iter().zip(strides));
    let (&(size, stride), outer) = axes.split_last()?;
    if len == 0 {
        return None;
    }
    let from = &view.storage::<f32>()[layout.start_offset()..];
    if stride != 1 {
        let (&(rows, _), outer) = outer.split_last().filter(|((_, beside), _)| *beside == 1)?;
        let turned = Turned { from, starts: &places(outer), rows, columns: size, apart: stride };
        return Some(turned.copied());
    }
    if size >= RUN {
        let starts = places(outer);
        let runs = (CHUNK / size).max(1);
        return Some(build(len, runs * size, |at, to| {
            for &start in &starts[at / size..][..to.len() / size] {
                to.copy(Some(&from[start..start + size]), size);
            }
        }));
    }
    // As many of the last axes as the table holds.
    let mut inner = axes.len();
    let mut one = 1;
    while inner > 0 && one * axes[inner - 1].0 <= TABLE {
        inner -= 1;
        one *= axes[inner].0;
    }
    let (starts, table) = (places(&axes[..inner]), places(&axes[inner..]));
    let blocks = (CHUNK / one).max(1);
    Some(build(len, blocks * one, |at, to| {
        let starts = &starts[at / one..][..to.len() / one];
        // SAFETY: as many whole blocks as there are starts, each of which is written whole.
        unsafe {
            to.write_fresh(|to| {
                for (to, &start) in to.chunks_exact_mut(one).zip(starts) {
                    let from = &from[start..];
                    to.iter_mut().zip(&table).for_each(|(to, &place)| _ = to.write(from[place]));
                }
            });
        }
    }))
}

/// Matrices whose columns lie one after the other in memory, from some places on.
#[derive(Clone, Copy)]
struct Turned<'a> {
    from: &'a [f32],
    starts: &'a [usize],
    rows: usize,
    columns: usize,
    /// Distance between columns.
    apart: usize,
}

/// Columns of a matrix that make a task, at most.
const COLUMNS: usize = 256;

impl Turned<'_> {
    fn copied(self) -> Vec<f32> {
        let Self { from, starts, rows, columns, apart } = self;
        let reach = (columns - 1) * apart + rows;
        assert!(
            starts.iter().all(|start| start + reach <= from.len()),
            "{reach} values of a matrix"
        );
        let blocks = columns.div_ceil(COLUMNS);
        let (all, together) = (starts.len() * blocks, (CHUNK / (rows * columns)).max(1));
        let fill = |to: &mut [MaybeUninit<f32>]| {
            let to = Shared::new(to, columns);
            team::each(all.div_ceil(together), |task| {
                for block in task * together..all.min((task + 1) * together) {
                    let (matrix, first) = (block / blocks, block % blocks * COLUMNS);
                    let columns = first..columns.min(first + COLUMNS);
                    simd::run(Turn { of: self, matrix, columns, to });
                }
            });
        };
        // SAFETY: the tasks write all columns of all rows of all matrices.
        unsafe { filled(starts.len() * rows * columns, fill) }
    }
}

/// Some columns of a matrix.
struct Turn<'a> {
    of: Turned<'a>,
    matrix: usize,
    columns: Range<usize>,
    to: Shared<'a, MaybeUninit<f32>>,
}

impl Kernel for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of: Turned { from, starts, rows, apart, .. }, matrix, columns, to } = self;
        let from = &from[starts[matrix]..];
        let whole = [rows, columns.len()].map(|count| count / S::LANES * S::LANES);
        let at = |row: usize, column: usize| column * apart + row;
        for row in (0..whole[0]).step_by(S::LANES) {
            for column in (columns.start..columns.start + whole[1]).step_by(S::LANES) {
                let mut square = [simd.splat(0.0); 16];
                for (j, square) in square.iter_mut().enumerate().take(S::LANES) {
                    *square = simd.read(&from[at(row, column + j)..]);
                }
                simd.turn(&mut square);
                for (i, square) in square.into_iter().enumerate().take(S::LANES) {
                    // SAFETY: this task alone writes these columns of this matrix, each place once; there is room for a
                    // vector.
                    unsafe {
                        let to = to.piece(matrix * rows + row + i, column, S::LANES);
                        simd.store(to.as_mut_ptr().cast(), square);
                    }
                }
            }
        }
        // What no square covers: the last columns of all rows, and the last rows of the others.
        for row in 0..rows {
            let first = if row < whole[0] { columns.start + whole[1] } else { columns.start };
            // SAFETY: as above.
            let to = unsafe { to.piece(matrix * rows + row, first, columns.end - first) };
            to.iter_mut().zip(first..).for_each(|(to, column)| _ = to.write(from[at(row, column)]));
        }
    }
}

/// The axes with more than one place, those together that lie as one.
fn joined(axes: impl Iterator<Item = Axis>) -> Vec<Axis> {
    let mut joined: Vec<Axis> = Vec::new();
    for (size, stride) in axes.filter(|&(size, _)| size != 1) {
        match joined.last_mut() {
            Some(last) if last.1 == size * stride => *last = (last.0 * size, stride),
            _ => joined.push((size, stride)),
        }
    }
    joined
}

/// Where the values of some axes lie, in row-major order.
fn places(axes: &[Axis]) -> Vec<usize> {
    axes.iter().fold(vec![0], |places, &(size, stride)| {
        places.iter().flat_map(|place| (0..size).map(move |i| place + i * stride)).collect()
    })
}
