//! Fused operators on burn tensors, each with a hand-written CPU forward and backward and a plain
//! reference in ordinary tensor operations.
//!
//! On the `flex` CPU backend (32-bit floats, with or without autodiff) the fast kernels run; on any
//! other device the functions of [`reference`](mod@reference) do. Both are differentiable and are
//! tested against each other. Results do not depend on the number of threads: work is split over
//! independent outputs only, and every sum has a fixed order.
//!
//! Axis names: `B` batch, `N` tokens, `C` channels, `H` heads, `D = C / H` size of a head, `S` object
//! prompts, `L` text tokens of one prompt.

pub mod activation;
mod aligned;
mod apply;
pub mod attention;
mod bridge;
#[cfg(debug_assertions)]
mod claims;
pub mod convolution;
pub mod deformable;
pub mod dense;
mod host;
pub mod linear;
mod matrix;
pub mod memory;
pub mod norm;
pub mod optim;
pub mod peak;
pub mod pool;
pub mod pull;
pub mod reference;
pub mod residual;
pub mod rope;
mod simd;
pub mod softmax;
mod target;
mod team;
mod tile;
pub mod windows;

pub use activation::{gelu, gelu_tanh, sigmoid, silu, tanh};
pub use attention::{
    PromptVisibility, TokenGroups, attention, grouped_attention, grouped_cross_attention,
};
pub use bridge::widened;
pub use convolution::{ConvolutionOptions, conv2d, conv2d_same, temporal_conv};
pub use deformable::deformable_attention;
pub use dense::dense;
pub use linear::linear;
pub use memory::{LineAllocator, keep_freed_memory};
pub use norm::{group_norm, group_norm_silu, layer_norm, layer_norm_modulate, rms_norm};
pub use optim::{AdamwHyper, adamw_ema_step, newton_schulz5};
pub use pool::max_of_four;
pub use pull::pull_back;
pub use residual::gated_residual;
pub use rope::{RopeTable, rope};
pub use softmax::softmax_last;
pub use windows::{merge_windows, split_windows};
