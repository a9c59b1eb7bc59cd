//! Attention on token-major tensors: dense, within token groups (eq. 3) and over the prompts that a
//! token sees (eq. 2). The scale is `1 / sqrt(D)`, memory is linear in the number of tokens, and a
//! key that a query may not attend to has no influence on outputs or gradients, whatever its value. On
//! devices without a fast kernel this holds of any value for keys that no query of the batch row attends to,
//! and of finite ones for the others.

mod few;
mod groups;
mod kernel;
mod op;
mod plan;
mod visibility;

use burn::tensor::Tensor;

pub use groups::TokenGroups;
pub use visibility::PromptVisibility;

use op::Attention;
use plan::Plan;

use crate::bridge;
use crate::reference;

/// Multi-head attention of every query over the first `key_len[b]` keys of its batch row (all keys
/// when `None`). A row of length 0 gives exactly zero.
///
/// # Shapes
/// `q` `[B, Nq, C]`, `k` and `v` `[B, Nk, C]` give `[B, Nq, C]`; `C` is a multiple of `heads`.
///
/// # Panics
/// When shapes disagree, or `key_len` does not hold one length of at most `Nk` for each batch row.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    key_len: Option<&[usize]>,
) -> Tensor<3> {
    check(&q, &k, &v, heads);
    let [batch, keys, _] = k.dims();
    if let Some(lens) = key_len {
        assert_eq!(lens.len(), batch, "one key length for each batch row");
        assert!(lens.iter().all(|&len| len <= keys), "key lengths {lens:?} of at most {keys}");
    }
    if bridge::is_fast(&q) {
        return fused(q, k, v, heads, Plan::Dense(key_len.map(Into::into)));
    }
    match key_len {
        None if keys <= few::MOST_KEYS => few::attention(q, k, v, heads),
        _ => reference::attention(q, k, v, heads, key_len),
    }
}

/// Exact masked self-attention (eq. 3): a token attends only to the tokens of its own group. Costs
/// the sum of the squared group sizes.
///
/// # Shapes
/// `q`, `k`, `v` `[B, N, C]` give `[B, N, C]`.
///
/// # Panics
/// When shapes disagree with each other or with `groups`.
pub fn grouped_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    groups: &TokenGroups,
) -> Tensor<3> {
    check(&q, &k, &v, heads);
    let [batch, tokens, _] = q.dims();
    assert_eq!([batch, tokens], [groups.batch(), groups.tokens()], "[B, N] of q and the groups");
    assert_eq!(k.dims()[1], tokens, "keys and queries are the same tokens");
    if bridge::is_fast(&q) {
        return fused(q, k, v, heads, Plan::Groups(groups.clone()));
    }
    reference::grouped_attention(q, k, v, heads, groups)
}

/// Masked cross-attention (eq. 2): a token attends to the valid text tokens of the prompts that it
/// sees; a token that sees none gives exactly zero.
///
/// # Shapes
/// `q` `[B, N, C]`, `k` and `v` `[B, S * L, C]` give `[B, N, C]`.
///
/// # Panics
/// When shapes disagree with each other or with `visible`.
pub fn grouped_cross_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    visible: &PromptVisibility,
) -> Tensor<3> {
    let [batch, tokens, _] = q.dims();
    assert_eq!([batch, tokens], [visible.batch(), visible.tokens()], "[B, N] of q and visible");
    if visible.prompts() == 0 || visible.padded_len() == 0 {
        return q.zeros_like();
    }
    check(&q, &k, &v, heads);
    assert_eq!(k.dims()[1], visible.prompts() * visible.padded_len(), "S * L keys");
    if bridge::is_fast(&q) {
        return fused(q, k, v, heads, Plan::Prompts(visible.clone()));
    }
    reference::grouped_cross_attention(q, k, v, heads, visible)
}

fn fused(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize, plan: Plan) -> Tensor<3> {
    bridge::apply3(Attention { heads, plan }, q, k.into_dispatch(), v.into_dispatch())
}

fn check(q: &Tensor<3>, k: &Tensor<3>, v: &Tensor<3>, heads: usize) {
    let [batch, _, channels] = q.dims();
    assert_eq!(k.dims(), v.dims(), "keys and values have one shape");
    assert_eq!([k.dims()[0], k.dims()[2]], [batch, channels], "[B, C] of keys and queries");
    assert!(heads > 0 && channels % heads == 0, "{channels} channels in {heads} heads");
}
