//! Self- and cross-attention; the same modules serve the plain and the masked layers
//! (paper eqs. 2 and 3), which differ only in what a token may see.

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::{RopeTable, TokenGroups};

use super::{Context, Init, KeyMask, Linear, RmsNorm};

/// Multi-head attention with query-key norm and optional rotary positions: of tokens to each other,
/// or to a context of other tokens.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[C, C]`.
    pub query: Linear,
    /// `[D, C]`; `D` is `C` where tokens attend to each other.
    pub key: Linear,
    /// `[D, C]`.
    pub value: Linear,
    /// `[C, C]`, without bias: a token that sees nothing passes through unchanged.
    pub output: Linear,
    /// Norm of the queries.
    pub query_norm: RmsNorm,
    /// Norm of the keys.
    pub key_norm: RmsNorm,
    /// Number of heads.
    #[module(skip)]
    pub heads: usize,
}

impl Attention {
    /// Attention of `heads` heads over `width` channels, for [`Self::among`].
    pub fn new(init: &mut Init, width: usize, heads: usize, output_gain: f32) -> Self {
        Self::with_context(init, width, width, heads, output_gain)
    }

    /// Attention of `heads` heads from `width` channels to a context of `context_width`, for
    /// [`Self::to`].
    pub fn with_context(
        init: &mut Init,
        width: usize,
        context_width: usize,
        heads: usize,
        output_gain: f32,
    ) -> Self {
        Self {
            query: Linear::without_bias(init, width, width, 1.0),
            key: Linear::without_bias(init, context_width, width, 1.0),
            value: Linear::without_bias(init, context_width, width, 1.0),
            output: Linear::without_bias(init, width, width, output_gain),
            query_norm: RmsNorm::new(init, width / heads),
            key_norm: RmsNorm::new(init, width / heads),
            heads,
        }
    }

    /// Self-attention. With `groups`, a token attends to tokens of its own group only (eq. 3);
    /// without, to all.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - `lengths`: valid tokens of each batch row, all when `None`; ignored with `groups`
    /// - returns `[B, N, C]`
    pub fn among(
        &self,
        x: Tensor<3>,
        rope: Option<&RopeTable>,
        groups: Option<&TokenGroups>,
        lengths: Option<&[usize]>,
    ) -> Tensor<3> {
        let rotate = |x: Tensor<3>| match rope {
            Some(table) => thrumask_kernels::rope(x, self.heads, table),
            None => x,
        };
        let query = rotate(self.query_norm.forward(self.query.forward(x.clone())));
        let key = rotate(self.key_norm.forward(self.key.forward(x.clone())));
        let value = self.value.forward(x);
        let mixed = match groups {
            Some(groups) => {
                thrumask_kernels::grouped_attention(query, key, value, self.heads, groups)
            }
            None => thrumask_kernels::attention(query, key, value, self.heads, lengths),
        };
        self.output.forward(mixed)
    }

    /// Cross-attention to a context.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - `context.tokens`: `[B, L, D]`
    /// - returns `[B, N, C]`; exactly zero for a token that may see no key
    pub fn to(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let query = self.query_norm.forward(self.query.forward(x));
        let (key, value) = context.projected(self.key.weight.id, |tokens| {
            let key = self.key_norm.forward(self.key.forward(tokens.clone()));
            (key, self.value.forward(tokens)) // [B, L, C] each
        });
        let mixed = match &context.mask {
            KeyMask::Lengths(lengths) => {
                thrumask_kernels::attention(query, key, value, self.heads, Some(lengths))
            }
            KeyMask::Prompts(visible) => {
                thrumask_kernels::grouped_cross_attention(query, key, value, self.heads, visible)
            }
        };
        self.output.forward(mixed)
    }
}
