//! The gated residual of a DiT block.

use burn::tensor::Tensor;

use crate::reference;

/// `x + gate * y`, with a gate for each batch row and channel, or one for all batch rows.
///
/// # Shapes
/// `x` and `y` `[B, N, C]`, `gate` `[B, C]` or `[1, C]` give `[B, N, C]`.
///
/// # Panics
/// When shapes disagree.
pub fn gated_residual(x: Tensor<3>, gate: Tensor<2>, y: Tensor<3>) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    let [gates, gate_channels] = gate.dims();
    assert_eq!(x.dims(), y.dims(), "x and y have one shape");
    assert!(gates == batch || gates == 1, "{gates} gates for {batch} batch rows");
    assert_eq!(gate_channels, channels, "channels of the gate and of x");
    reference::gated_residual(x, gate, y)
}
