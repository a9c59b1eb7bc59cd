//! The largest of neighbouring places of a map.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows, build};
use crate::reference;
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::target::Target;

/// The largest value of each 2×2 places, channel by channel; what is left over at odd ends is dropped. Of
/// equal ones the first, row by row, gets the gradient.
///
/// # Shapes
/// `[B, H, W, C]` gives `[B, H / 2, W / 2, C]`, rounded down.
pub fn max_of_four(x: Tensor<4>) -> Tensor<4> {
    if bridge::is_fast(&x) && x.dims().iter().all(|&size| size > 0) {
        return bridge::apply1(MaxOfFour, x);
    }
    reference::max_of_four(x)
}

#[derive(Clone, Copy, Debug)]
struct MaxOfFour;

/// Sizes of a map.
#[derive(Clone, Copy)]
struct Map {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
}

impl Map {
    fn of(x: &Host) -> Self {
        let dims = x.dims();
        Self { batch: dims[0], height: dims[1], width: dims[2], channels: dims[3] }
    }

    /// The number of the first of the four places of a place of the halved map.
    #[inline(always)]
    fn first(&self, place: usize) -> usize {
        let (rows, columns) = (self.height / 2, self.width / 2);
        let (line, column) = (place / columns, place % columns);
        (line / rows * self.height + line % rows * 2) * self.width + column * 2
    }
}

impl FusedOp<1> for MaxOfFour {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        let map = Map::of(&x);
        let Map { batch, height, width, channels } = map;
        let (rows, columns) = (height / 2, width / 2);
        let x = x.rows();
        // A row of the halved map at a time.
        let line = columns * channels;
        let out = build(batch * rows * line, line, |at, out| {
            simd::run(Halve { map, x, first: at / channels, out });
        });
        (Host::from_vec(out, &[batch, rows, columns, channels]), ())
    }

    fn backward(
        &self,
        grad: Host,
        [x]: [Option<Host>; 1],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        let Some(x) = x else { unreachable!("the largest keeps its input") };
        let (dims, map, grad) = (x.dims(), Map::of(&x), grad.contiguous());
        let Map { batch, height, width, channels } = map;
        let (rows, columns) = (height / 2, width / 2);
        let (x, grad) = (x.rows(), grad.values());
        let line = width * channels;
        let dx = build(batch * height * line, line, |at, dx| {
            let (image, row) = (at / line / height, at / line % height);
            if row / 2 < rows {
                let first = (image * rows + row / 2) * columns;
                simd::run(Share { map, x, grad, first, below: row % 2, dx });
            }
            // Behind the last pair of columns, and in a row that has no pair.
            dx.zeros();
        });
        [Some(Host::from_vec(dx, &dims))]
    }
}

/// The largest of `x` and three more.
#[derive(Clone, Copy)]
struct Largest;

impl Lanes<3> for Largest {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [a, b, c]: [S::V; 3]) -> S::V {
        simd.max(simd.max(x, a), simd.max(b, c))
    }
}

/// Places of the halved map, from the `first` on.
struct Halve<'a, 'b> {
    map: Map,
    x: Rows<'a>,
    first: usize,
    out: &'a mut Target<'b>,
}

impl Kernel for Halve<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { map, x, first, out } = self;
        let (width, channels) = (map.width, map.channels);
        for place in first..first + out.len() / channels {
            let at = map.first(place);
            let [a, b, c] = [1, width, width + 1].map(|step| x.row(at + step));
            out.apply(simd, Largest, Some(x.row(at)), [a, b, c], channels);
        }
    }
}

/// What one of four places gets of the gradient: all if its value, the `own`-th, is the largest and the first of equal
/// ones, as a search in order finds them.
#[derive(Clone, Copy)]
struct Won {
    own: usize,
}

impl Lanes<4> for Won {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, grad: S::V, four: [S::V; 4]) -> S::V {
        let own = four[self.own];
        let mut won = grad;
        if self.own > 0 {
            let mut before = four[0];
            for &x in &four[1..self.own] {
                before = simd.choose(simd.sub(before, x), x, before);
            }
            won = simd.choose(simd.sub(before, own), won, simd.splat(0.0));
        }
        for &x in &four[self.own + 1..] {
            won = simd.choose(simd.sub(own, x), simd.splat(0.0), won);
        }
        won
    }
}

/// Gradients of a row of a map, the upper or the one `below` of those whose largest are the places of the halved map
/// from the `first` on.
struct Share<'a, 'b, 'c> {
    map: Map,
    x: Rows<'a>,
    grad: &'a [f32],
    first: usize,
    below: usize,
    dx: &'c mut Target<'b>,
}

impl Kernel for Share<'_, '_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { map, x, grad, first, below, dx } = self;
        let (width, channels) = (map.width, map.channels);
        for place in first..first + width / 2 {
            let at = map.first(place);
            let four = [0, 1, width, width + 1].map(|step| x.row(at + step));
            let grad = &grad[place * channels..][..channels];
            for right in [0, 1] {
                dx.apply(simd, Won { own: 2 * below + right }, Some(grad), four, channels);
            }
        }
    }
}
