//! Rotary position embedding with given angles (one table for one grid of tokens).

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::reference;

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
    assert_eq!(tokens, table.tokens(), "tokens of x and of the rotary table");
    assert_eq!(channels, heads * 2 * table.pairs(), "channels of x and of the rotary table");
    reference::rope(x, heads, table)
}
