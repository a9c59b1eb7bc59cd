//! Rotary position embedding with given angles (one table for one grid of tokens).

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows};
use crate::reference;
use crate::simd::{self, Kernel, Simd};
use crate::target::Target;

/// Cosine and sine of the angle of every token and pair, shared by heads, batch rows and layers:
/// cloning copies a pointer.
#[derive(Clone, Debug)]
pub struct RopeTable(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tokens: usize,
    pairs: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeTable {
    /// A table from angles in radians.
    ///
    /// # Shapes
    /// `angles` holds `[N, D / 2]`, where `pairs` is `D / 2`.
    ///
    /// # Panics
    /// When `angles` does not hold `tokens * pairs` values.
    pub fn from_angles(angles: &[f32], tokens: usize, pairs: usize) -> Self {
        let cos = angles.iter().map(|angle| angle.cos()).collect();
        let sin = angles.iter().map(|angle| angle.sin()).collect();
        Self::new(cos, sin, tokens, pairs)
    }

    /// A table from cosines and sines.
    ///
    /// # Shapes
    /// `cos` and `sin` hold `[N, D / 2]`, where `pairs` is `D / 2`.
    ///
    /// # Panics
    /// When either does not hold `tokens * pairs` values.
    pub fn new(cos: Vec<f32>, sin: Vec<f32>, tokens: usize, pairs: usize) -> Self {
        assert_eq!(cos.len(), tokens * pairs, "cosines of shape [{tokens}, {pairs}]");
        assert_eq!(sin.len(), tokens * pairs, "sines of shape [{tokens}, {pairs}]");
        Self(Arc::new(Inner { tokens, pairs, cos, sin }))
    }

    /// Number of tokens `N`.
    pub fn tokens(&self) -> usize {
        self.0.tokens
    }

    /// Number of pairs of a head, `D / 2`.
    pub fn pairs(&self) -> usize {
        self.0.pairs
    }

    /// Cosines, `[N, D / 2]`.
    pub fn cos(&self) -> &[f32] {
        &self.0.cos
    }

    /// Sines, `[N, D / 2]`.
    pub fn sin(&self) -> &[f32] {
        &self.0.sin
    }
}

/// Rotates each head of each token: dimension `i` of the first half and dimension `i` of the second
/// half (`i + D / 2`) are a pair (the "rotate-half" layout), turned by angle `i` of the token:
/// `(a, b) -> (a cos - b sin, a sin + b cos)`.
///
/// # Shapes
/// `x` `[B, N, C]` gives `[B, N, C]`; the table holds `[N, D / 2]`.
///
/// # Panics
/// When `C` is not `heads * 2 * pairs` or the table is for another number of tokens.
pub fn rope(x: Tensor<3>, heads: usize, table: &RopeTable) -> Tensor<3> {
    let [_, tokens, channels] = x.dims();
    if x.dims().contains(&0) {
        return x;
    }
    assert_eq!(tokens, table.tokens(), "tokens of x and of the rotary table");
    assert_eq!(channels, heads * 2 * table.pairs(), "channels of x and of the rotary table");
    if bridge::is_fast(&x) {
        return bridge::apply1(Rotate { heads, table: table.clone() }, x);
    }
    reference::rope(x, heads, table)
}

#[derive(Clone, Debug)]
struct Rotate {
    heads: usize,
    table: RopeTable,
}

impl FusedOp<1> for Rotate {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [false];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        (self.turn(x, 1.0), ())
    }

    /// The gradient turns back.
    fn backward(
        &self,
        grad: Host,
        _kept: [Option<Host>; 1],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        [Some(self.turn(grad, -1.0))]
    }
}

impl Rotate {
    fn turn(&self, x: Host, sign: f32) -> Host {
        let channels = self.heads * 2 * self.table.pairs();
        assert_eq!(x.rows().width, channels, "a row for each token");
        x.by_rows(|x, at, to| {
            simd::run(Turn { table: &self.table, sign, first: at / channels, channels, x, to });
        })
    }
}

/// Turns whole tokens; `first` is the number of the first, over all batch rows.
struct Turn<'a, 'b> {
    table: &'a RopeTable,
    sign: f32,
    first: usize,
    channels: usize,
    /// Tokens, those of `to` when `None`.
    x: Option<Rows<'a>>,
    to: &'a mut Target<'b>,
}

impl Kernel for Turn<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (tokens, pairs) = (self.table.tokens(), self.table.pairs());
        let sign = simd.splat(self.sign);
        for token in self.first..self.first + self.to.len() / self.channels {
            let row = token % tokens * pairs;
            let cos = &self.table.cos()[row..row + pairs];
            let sin = &self.table.sin()[row..row + pairs];
            let token = self.to.copy(self.x.map(|x| x.row(token)), self.channels);
            for head in token.chunks_exact_mut(2 * pairs) {
                let (a, b) = head.split_at_mut(pairs);
                for j in (0..pairs).step_by(S::LANES) {
                    let cos = simd.read_at(cos, j, 1.0);
                    let sin = simd.mul(sign, simd.read_at(sin, j, 0.0));
                    let (x, y) = (simd.read_at(a, j, 0.0), simd.read_at(b, j, 0.0));
                    simd.write_at(a, j, simd.fnma(y, sin, simd.mul(x, cos)));
                    simd.write_at(b, j, simd.fma(x, sin, simd.mul(y, cos)));
                }
            }
        }
    }
}
