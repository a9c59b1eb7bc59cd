//! Views with their axes exchanged, copied to row-major order.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{CHUNK, FlexTensor, Host, build};

/// The same values in row-major order: what an operation that needs them so would copy on one thread is copied on all.
/// For views whose axes were exchanged and whose last axis is still the last, such as patches of an image.
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

/// The values of a view in row-major order, if neighbours of its last axis are neighbours in memory and no axis runs
/// backwards.
pub(crate) fn copied(view: &FlexTensor) -> Option<Vec<f32>> {
    let layout = view.layout();
    let len = layout.num_elements();
    let strides = layout.strides().iter().map(|&stride| usize::try_from(stride).ok());
    let strides = strides.collect::<Option<Vec<usize>>>()?;
    let axes = joined(layout.shape().to_vec().into_iter().zip(strides));
    let (&(size, stride), outer) = axes.split_last()?;
    if stride != 1 || len == 0 {
        return None;
    }
    let from = &view.storage::<f32>()[layout.start_offset()..];
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
