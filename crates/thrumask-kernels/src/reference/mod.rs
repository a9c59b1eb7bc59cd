//! The same operators in ordinary tensor operations: the meaning of each kernel, what the tests
//! compare with, and what runs on devices without a fast kernel.

mod attention;
mod convolution;
mod deformable;
mod maps;
mod pointwise;

pub use attention::{
    attention, grouped_attention, grouped_cross_attention, masked_attention, rope,
};
pub(crate) use convolution::magnified;
pub use convolution::{conv2d, conv2d_same, temporal_conv};
pub use deformable::deformable_attention;
pub use maps::{max_of_four, merge_windows, split_windows};
pub use pointwise::{
    gated_residual, gelu, gelu_tanh, group_norm, layer_norm, layer_norm_modulate, linear,
    pull_back, rms_norm, sigmoid, silu, softmax_last, tanh,
};
