//! Normalisation with learned gains.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::Init;

/// ε of every normalisation here that is not given another.
pub const EPSILON: f32 = 1e-5;

/// Layer normalisation over the last axis.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// `[C]`.
    pub beta: Param<Tensor<1>>,
    /// Added to the variance.
    #[module(skip)]
    pub epsilon: f32,
}

impl LayerNorm {
    /// Gain one, shift zero.
    pub fn new(init: &Init, width: usize) -> Self {
        Self::with_epsilon(init, width, EPSILON)
    }

    /// Gain one, shift zero, and `epsilon` added to the variance.
    pub fn with_epsilon(init: &Init, width: usize, epsilon: f32) -> Self {
        let (gamma, beta) = (init.constant([width], 1.0), init.constant([width], 0.0));
        Self { gamma, beta, epsilon }
    }

    /// # Shapes
    /// - `x`: `[.., C]`
    /// - returns `[.., C]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        thrumask_kernels::layer_norm(x, self.gamma.val(), self.beta.val(), self.epsilon)
    }
}

/// Root-mean-square normalisation of each head's part of the last axis (query-key norm).
#[derive(Module, Debug)]
pub struct RmsNorm {
    /// `[C / heads]`, shared by the heads.
    pub gamma: Param<Tensor<1>>,
}

impl RmsNorm {
    /// Gain one.
    pub fn new(init: &Init, head_width: usize) -> Self {
        Self { gamma: init.constant([head_width], 1.0) }
    }

    /// # Shapes
    /// - `x`: `[B, N, heads · head_width]`
    /// - returns the same shape
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gamma = self.gamma.val();
        let [head_width] = gamma.dims();
        thrumask_kernels::rms_norm(x, gamma, head_width, EPSILON)
    }
}

/// Normalisation over groups of channels and all positions.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// `[C]`.
    pub gamma: Param<Tensor<1>>,
    /// `[C]`.
    pub beta: Param<Tensor<1>>,
    /// Number of groups.
    #[module(skip)]
    pub groups: usize,
    /// Added to the variance.
    #[module(skip)]
    pub epsilon: f32,
}

impl GroupNorm {
    /// Gain one, shift zero; `groups` divides `channels`.
    pub fn new(init: &Init, channels: usize, groups: usize, epsilon: f32) -> Self {
        let (gamma, beta) = (init.constant([channels], 1.0), init.constant([channels], 0.0));
        Self { gamma, beta, groups, epsilon }
    }

    /// # Shapes
    /// - `x`: `[B, C, ..]`
    /// - returns `[B, C, ..]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        thrumask_kernels::group_norm(x, gamma, beta, self.groups, self.epsilon)
    }

    /// The SiLU of [`GroupNorm::forward`].
    ///
    /// # Shapes
    /// - `x`: `[B, C, ..]`
    /// - returns `[B, C, ..]`
    pub fn forward_silu<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let (gamma, beta) = (self.gamma.val(), self.beta.val());
        thrumask_kernels::group_norm_silu(x, gamma, beta, self.groups, self.epsilon)
    }
}
