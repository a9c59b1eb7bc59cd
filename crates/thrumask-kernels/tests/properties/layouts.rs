//! Inputs and gradients that do not lie in one piece: the result is that of a copy which does.

use burn::tensor::{Slice, Tensor};

use crate::common::noise;
use crate::exact::*;

/// A tensor as a part or another order of values.
#[derive(Clone, Copy, Debug)]
enum View {
    /// Part of a tensor that is longer along an axis.
    Part(usize),
    /// Every second value along an axis.
    Stepped(usize),
    /// Two axes exchanged.
    Swapped(usize, usize),
    /// An axis backwards.
    Flipped(usize),
    /// One value repeated along an axis.
    Repeated(usize),
    /// One value in all places.
    Constant,
}

/// All views of a tensor with so many axes.
fn views(axes: usize) -> Vec<View> {
    let one =
        |axis| [View::Part(axis), View::Stepped(axis), View::Flipped(axis), View::Repeated(axis)];
    let swaps = (0..axes).flat_map(|a| (a + 1..axes).map(move |b| View::Swapped(a, b)));
    (0..axes).flat_map(one).chain(swaps).chain([View::Constant]).collect()
}

impl View {
    /// The sizes of the tensor that is viewed.
    fn stored(self, dims: &[usize]) -> Vec<usize> {
        let mut dims = dims.to_vec();
        match self {
            View::Part(axis) => dims[axis] += 5,
            View::Stepped(axis) => dims[axis] *= 2,
            View::Swapped(a, b) => dims.swap(a, b),
            View::Flipped(_) => {}
            View::Repeated(axis) => dims[axis] = 1,
            View::Constant => dims.fill(1),
        }
        dims
    }

    fn of<const D: usize>(self, x: Tensor<D>, dims: &[usize]) -> Tensor<D> {
        let dims = <[usize; D]>::try_from(dims).unwrap();
        match self {
            View::Part(axis) => x.narrow(axis, 2, dims[axis]),
            View::Stepped(axis) => x.slice_dim(axis, Slice::new(1, None, 2)),
            View::Swapped(a, b) => x.swap_dims(a, b),
            View::Flipped(axis) => x.flip([axis]),
            View::Repeated(_) | View::Constant => x.expand(dims),
        }
    }

    /// A leaf with seeded values, and its view of the given sizes.
    fn leaf(self, dims: &[usize], seed: u64) -> [Ranked; 2] {
        let stored = self.stored(dims);
        let values = noise(stored.iter().product(), seed).iter().map(|x| 1.5 * x + 0.3).collect();
        let leaf = Ranked::leaf(&Array { dims: stored, values });
        let view = ranked!(leaf.clone(), |x| self.of(x, dims).into());
        [leaf, view]
    }
}

/// Runs an operator on views, and on copies of what they show; both must give the same bits.
fn compare(operator: &mut Operator, views: &[Option<View>], seed: u64) {
    let name = format!("{} through {views:?}", operator.name);
    let dims: Vec<Vec<usize>> = operator.inputs.iter().map(|x| x.dims.clone()).collect();
    let made: Vec<[Ranked; 2]> = views
        .iter()
        .zip(&dims)
        .zip(&operator.inputs)
        .zip(seed..)
        .map(|(((view, dims), own), seed)| match view {
            Some(view) => view.leaf(dims, seed),
            None => [Ranked::leaf(own), Ranked::leaf(own)],
        })
        .collect();
    for (own, [_, view]) in operator.inputs.iter_mut().zip(&made) {
        *own = view.array();
    }
    let expected = operator.run();
    let leaves: Vec<Ranked> = made
        .iter()
        .zip(views)
        .map(|([leaf, own], view)| if view.is_some() { leaf.clone() } else { own.clone() })
        .collect();
    let out = (operator.kernel)(Inputs::new(made.iter().map(|[_, view]| view.clone())));
    let found = operator.backward(&leaves, out);
    assert_eq!(found.out, expected.out, "output of {name}");
    for (i, (found, expected)) in found.grads.iter().zip(&expected.grads).enumerate() {
        let Some(view) = views[i] else {
            assert_eq!(found, expected, "gradient {i} of {name}");
            continue;
        };
        // What goes back through the view alone.
        let [leaf, shown] = view.leaf(&dims[i], seed + i as u64);
        let grad = Ranked::leaf(&Array { dims: dims[i].clone(), values: expected.clone() });
        let grads = ranked!(shown, |x| (x * grad.get()).sum().backward());
        assert_eq!(found, &leaf.gradient(&grads), "gradient {i} of {name}");
    }
}

#[test]
fn each_input_may_be_a_view() {
    for mut operator in every_operator() {
        for input in 0..operator.inputs.len() {
            for view in views(operator.inputs[input].dims.len()) {
                let mut chosen = vec![None; operator.inputs.len()];
                chosen[input] = Some(view);
                compare(&mut operator, &chosen, 7);
            }
        }
    }
}

#[test]
fn all_inputs_may_be_views() {
    for mut operator in every_operator() {
        for round in 0..12 {
            let chosen: Vec<Option<View>> = operator
                .inputs
                .iter()
                .enumerate()
                .map(|(i, x)| {
                    let views = views(x.dims.len());
                    Some(views[(round * (2 * i + 1) + i) % views.len()])
                })
                .collect();
            compare(&mut operator, &chosen, 20 + round as u64);
        }
    }
}

/// The gradient of an output that is viewed, or summed up, before the loss.
#[test]
fn gradients_may_be_views() {
    for operator in every_operator() {
        let plain = operator.run();
        let leaves: Vec<Ranked> = operator.inputs.iter().map(Ranked::leaf).collect();
        let run = || (operator.kernel)(Inputs::new(leaves.iter().cloned()));
        let dims = run().dims;
        let own = Array { dims: dims.clone(), values: plain.out };
        let loss = |use_of: Use, out: Ranked| ranked!(out, |out| use_of.loss(out).backward());
        for use_of in uses(dims.len()) {
            let name = format!("{} used as {use_of:?}", operator.name);
            // The gradient of the output in one piece.
            let leaf = Ranked::leaf(&own);
            let grads = loss(use_of, leaf.clone());
            let weights = Array { dims: dims.clone(), values: leaf.gradient(&grads) };
            let weights = Ranked::leaf(&weights);
            let expected = ranked!(run(), |out| (out * weights.get()).sum().backward());
            let found = loss(use_of, run());
            for leaf in &leaves {
                assert_eq!(leaf.gradient(&found), leaf.gradient(&expected), "{name}");
            }
        }
    }
}

/// What becomes of an output.
#[derive(Clone, Copy, Debug)]
enum Use {
    Swapped(usize, usize),
    Flipped(usize),
    /// All but the first along an axis.
    Rest(usize),
    /// Every second along an axis.
    Stepped(usize),
    /// The sums along an axis.
    Sums(usize),
    /// One sum of all.
    Sum,
}

fn uses(axes: usize) -> Vec<Use> {
    let one = |axis| [Use::Flipped(axis), Use::Rest(axis), Use::Stepped(axis), Use::Sums(axis)];
    let swaps = (0..axes).flat_map(|a| (a + 1..axes).map(move |b| Use::Swapped(a, b)));
    (0..axes).flat_map(one).chain(swaps).chain([Use::Sum]).collect()
}

impl Use {
    fn loss<const D: usize>(self, out: Tensor<D>) -> Tensor<1> {
        let used = match self {
            Use::Swapped(a, b) => out.swap_dims(a, b),
            Use::Flipped(axis) => out.flip([axis]),
            Use::Rest(axis) => {
                let size = out.dims()[axis];
                out.narrow(axis, usize::from(size > 1), size.saturating_sub(1).max(1))
            }
            Use::Stepped(axis) => out.slice_dim(axis, Slice::new(0, None, 2)),
            Use::Sums(axis) => out.sum_dim(axis),
            Use::Sum => return out.sum(),
        };
        let values = weights(used.dims().iter().product());
        (used.clone() * Ranked::leaf(&Array { dims: used.dims().to_vec(), values }).get()).sum()
    }
}
