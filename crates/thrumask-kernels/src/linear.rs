//! Matrix product with a weight over the last axis, with its bias.

use burn::tensor::Tensor;

use crate::reference;

/// `x w + b` over the last axis.
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
    reference::linear(x, w, b)
}
