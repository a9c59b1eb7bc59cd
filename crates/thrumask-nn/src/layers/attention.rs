//! Self- and cross-attention; the same modules serve the plain and the masked layers
//! (paper eqs. 2 and 3), which differ only in what a token may see.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use thrumask_kernels::{RopeTable, TokenGroups};

use super::{Context, Init, KeyMask, Linear, RmsNorm};

/// Multi-head attention with optional query-key norm and rotary positions: of tokens to each other, or
/// to a context of other tokens.
#[derive(Module, Debug)]
pub struct Attention {
    /// `[C, C]`.
    pub query: Linear,
    /// `[D, C]`; `D` is `C` where tokens attend to each other.
    pub key: Linear,
    /// `[D, C]`.
    pub value: Linear,
    /// `[C, C]`; without bias a token that sees nothing passes through unchanged.
    pub output: Linear,
    /// Norm of the queries.
    pub query_norm: Option<RmsNorm>,
    /// Norm of the keys.
    pub key_norm: Option<RmsNorm>,
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
            query_norm: Some(RmsNorm::new(init, width / heads)),
            key_norm: Some(RmsNorm::new(init, width / heads)),
            heads,
        }
    }

    /// As [`Self::with_context`] without norms of queries and keys, as the U-Net has it.
    pub fn without_norms(
        init: &mut Init,
        width: usize,
        context_width: usize,
        heads: usize,
        output_gain: f32,
    ) -> Self {
        let plain = Self::with_context(init, width, context_width, heads, output_gain);
        Self { query_norm: None, key_norm: None, ..plain }
    }

    /// Attention of `heads` heads over `inner` channels from `width` channels to others of `width`, for
    /// [`Self::between`]; every map has a bias and nothing a norm.
    pub fn through(init: &mut Init, width: usize, inner: usize, heads: usize) -> Self {
        Self::through_to(init, width, width, inner, heads)
    }

    /// As [`Self::through`], to others of `context_width`.
    pub fn through_to(
        init: &mut Init,
        width: usize,
        context_width: usize,
        inner: usize,
        heads: usize,
    ) -> Self {
        Self {
            query: Linear::new(init, width, inner, 1.0),
            key: Linear::new(init, context_width, inner, 1.0),
            value: Linear::new(init, context_width, inner, 1.0),
            output: Linear::new(init, inner, width, 1.0),
            query_norm: None,
            key_norm: None,
            heads,
        }
    }

    /// With a bias at the output, zero at first.
    pub fn biased(mut self, init: &Init) -> Self {
        let width = self.output.weight.lazy_shape()[1];
        self.output.bias = Some(init.constant([width], 0.0));
        self
    }

    /// A start at which tokens that turn by rotary positions look at their own place and those around it: a
    /// constant in queries and keys, whose products fall off with the distance, stands out from what they
    /// say. Without it a network has to find out first that places matter.
    pub fn looking_around(mut self, init: &Init) -> Self {
        for map in [&mut self.query, &mut self.key] {
            let width = map.weight.lazy_shape()[1];
            map.weight = map.weight.clone().map(|weight| weight * 0.3);
            map.bias = Some(init.constant([width], 2.5));
        }
        self
    }

    /// Queries of tokens.
    fn queries(&self, x: Tensor<3>) -> Tensor<3> {
        normed(self.query_norm.as_ref(), self.query.forward(x))
    }

    /// Keys of tokens.
    fn keys(&self, x: Tensor<3>) -> Tensor<3> {
        normed(self.key_norm.as_ref(), self.key.forward(x))
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
        let query = rotate(self.queries(x.clone()));
        let key = rotate(self.keys(x.clone()));
        let value = self.value.forward(x);
        let mixed = match groups {
            Some(groups) => {
                thrumask_kernels::grouped_attention(query, key, value, self.heads, groups)
            }
            None => thrumask_kernels::attention(query, key, value, self.heads, lengths),
        };
        self.output.forward(mixed)
    }

    /// Attention whose queries, keys and values are made of different tokens.
    ///
    /// # Shapes
    /// - `query`: `[B, N, C]`
    /// - `key`, `value`: `[B, L, D]`
    /// - returns `[B, N, C]`
    pub fn between(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        let (query, key) = (self.queries(query), self.keys(key));
        let value = self.value.forward(value);
        self.output.forward(thrumask_kernels::attention(query, key, value, self.heads, None))
    }

    /// [`Self::between`] with rotary positions of queries and of keys, neighbouring channels of a head being
    /// a pair, as in SAM 2, and not those of its two halves. Norms are passed over.
    ///
    /// # Shapes
    /// - `query`: `[B, N, C]`, its table for `N` tokens
    /// - `key`, `value`: `[B, L, D]`, their table for `L`
    /// - returns `[B, N, C]`
    pub fn between_turned(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        [queries, keys]: [&RopeTable; 2],
    ) -> Tensor<3> {
        // Scores are sums over channels: in another order they are the same.
        let order = neighbours(self.heads, 2 * queries.pairs(), &query.device());
        let turned = |map: &Linear, x: Tensor<3>, table: &RopeTable| {
            thrumask_kernels::rope(map.forward_ordered(x, order.clone()), self.heads, table)
        };
        let query = turned(&self.query, query, queries); // [B, N, inner]
        let key = turned(&self.key, key, keys); // [B, L, inner]
        let value = self.value.forward(value);
        self.output.forward(thrumask_kernels::attention(query, key, value, self.heads, None))
    }

    /// As [`Self::between`], with numbers added to the scores before the softmax.
    ///
    /// # Shapes
    /// - `query`: `[B, N, C]`
    /// - `key`, `value`: `[B, L, D]`
    /// - `biases`: each `[R, heads, N, L]` or `[R, 1, N, L]`; `R` divides `B`, and row `i` gets bias `i mod R`
    /// - returns `[B, N, C]`
    pub fn between_biased(
        &self,
        query: Tensor<3>,
        key: Tensor<3>,
        value: Tensor<3>,
        biases: &[Tensor<4>],
    ) -> Tensor<3> {
        let ([batch, n, _], [_, l, _]) = (query.dims(), key.dims());
        let (query, key) = (self.queries(query), self.keys(key));
        let (heads, inner) = (self.heads, query.dims()[2]);
        let size = inner / heads;
        let split = |x: Tensor<3>, tokens: usize| {
            x.reshape([batch, tokens, heads, size]).swap_dims(1, 2) // [B, h, tokens, size]
        };
        let query = split(query / (size as f32).sqrt(), n);
        let (key, value) = (split(key, l), split(self.value.forward(value), l));
        let mut scores = query.matmul(key.swap_dims(2, 3)); // [B, h, N, L]
        for bias in biases {
            let [rows, parts, ..] = bias.dims();
            let apart = scores.reshape([batch / rows, rows, heads, n * l]);
            let bias = bias.clone().reshape([1, rows, parts, n * l]);
            scores = (apart + bias).reshape([batch, heads, n, l]);
        }
        let mixed = thrumask_kernels::softmax_last(scores).matmul(value).swap_dims(1, 2); // [B, N, h, size]
        self.output.forward(mixed.reshape([batch, n, inner]))
    }

    /// Cross-attention to a context.
    ///
    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - `context.tokens`: `[B, L, D]`
    /// - returns `[B, N, C]`; exactly zero for a token that may see no key
    pub fn to(&self, x: Tensor<3>, context: &Context) -> Tensor<3> {
        let query = self.queries(x);
        let (key, value) = context.projected(self.key.weight.id, |tokens| {
            (self.keys(tokens.clone()), self.value.forward(tokens)) // [B, L, C] each
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

/// The channels of each head: the first of every neighbouring pair, then the second of each.
fn neighbours(heads: usize, width: usize, device: &Device) -> Tensor<1, Int> {
    let of_head =
        |h: usize| (0..2).flat_map(move |i| (i..width).step_by(2).map(move |c| h * width + c));
    let order: Vec<i32> = (0..heads).flat_map(of_head).map(|c| c as i32).collect();
    Tensor::from_data(TensorData::new(order, [heads * width]), device)
}

fn normed(norm: Option<&RmsNorm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
