//! Pointwise activations and softmax.

use burn::tensor::Tensor;

use crate::reference;

/// `x * Φ(x)` with the Gaussian distribution function (the "erf" form).
///
/// # Shapes
/// Any shape, kept.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::gelu(x)
}

/// The tanh approximation of [`gelu`]: `x / 2 * (1 + tanh(sqrt(2 / π) (x + 0.044715 x³)))`.
///
/// # Shapes
/// Any shape, kept.
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::gelu_tanh(x)
}

/// `x * sigmoid(x)`.
///
/// # Shapes
/// Any shape, kept.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::silu(x)
}

/// Softmax over the last axis.
///
/// # Shapes
/// Any shape, kept.
pub fn softmax_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    reference::softmax_last(x)
}
