use burn::tensor::{Bool, Int, Tensor, TensorData, activation};

use crate::attention::{PromptVisibility, TokenGroups};
use crate::rope::RopeTable;

/// Multi-head attention of every query over the first `key_len[b]` keys of its batch row.
///
/// # Shapes
/// `q` `[B, Nq, C]`, `k` and `v` `[B, Nk, C]` give `[B, Nq, C]`.
pub fn attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    key_len: Option<&[usize]>,
) -> Tensor<3> {
    let [batch, queries, _] = q.dims();
    let keys = k.dims()[1];
    let visible = key_len.map(|lens| {
        let mask = lens.iter().flat_map(|&len| (0..keys).map(move |key| key < len)).collect();
        mask_tensor(mask, [batch, 1, keys], &q).expand([batch, queries, keys])
    });
    masked_attention(q, k, v, heads, visible)
}

/// Masked self-attention (eq. 3): a token attends to the tokens of its own group.
///
/// # Shapes
/// `q`, `k`, `v` `[B, N, C]` give `[B, N, C]`.
pub fn grouped_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    groups: &TokenGroups,
) -> Tensor<3> {
    let [batch, tokens, _] = q.dims();
    let ids: Vec<i32> = groups.ids().iter().map(|&id| i32::from(id)).collect();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [batch, tokens]), &q.device());
    let of = |shape: [usize; 3]| ids.clone().reshape(shape).expand([batch, tokens, tokens]);
    let visible = of([batch, tokens, 1]).equal(of([batch, 1, tokens])); // [B, N, N]
    masked_attention(q, k, v, heads, Some(visible))
}

/// Masked cross-attention (eq. 2): a token attends to the text of the prompts it sees.
///
/// # Shapes
/// `q` `[B, N, C]`, `k` and `v` `[B, S * L, C]` give `[B, N, C]`.
pub fn grouped_cross_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    visible: &PromptVisibility,
) -> Tensor<3> {
    if visible.prompts() == 0 || visible.padded_len() == 0 {
        return q.zeros_like();
    }
    let [batch, tokens, _] = q.dims();
    let (prompts, padded) = (visible.prompts(), visible.padded_len());
    let (mut seen, mut words) = (Vec::new(), Vec::new());
    for row in 0..batch {
        for token in 0..tokens {
            seen.extend((0..prompts).map(|prompt| visible.sees(row, token, prompt)));
        }
        for prompt in 0..prompts {
            let len = visible.text_len(row, prompt);
            words.extend((0..padded).map(|at| at < len));
        }
    }
    let all = [batch, tokens, prompts, padded];
    let seen = mask_tensor(seen, [batch, tokens, prompts, 1], &q).expand(all);
    let words = mask_tensor(words, [batch, 1, prompts, padded], &q).expand(all);
    let mask = seen.bool_and(words).reshape([batch, tokens, prompts * padded]);
    masked_attention(q, k, v, heads, Some(mask))
}

/// Attention with an explicit mask (true = may attend); a query that may attend to nothing gives
/// exactly zero.
///
/// Queries that attend to nothing, and keys and values that no query of the batch row attends to, have no
/// influence on outputs or gradients, whatever their value. Those that some queries attend to and others
/// do not must be finite, or they are not hidden from the others: zero times NaN is NaN.
///
/// # Shapes
/// `q` `[B, Nq, C]`, `k` and `v` `[B, Nk, C]`, `visible` `[B, Nq, Nk]` give `[B, Nq, C]`.
pub fn masked_attention(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    visible: Option<Tensor<3, Bool>>,
) -> Tensor<3> {
    let [batch, queries, channels] = q.dims();
    let keys = k.dims()[1];
    let size = channels / heads;
    let (mut q, mut k, mut v) = (q, k, v);
    if let Some(visible) = &visible {
        // Of no weight alone is not enough: products with what is not a number are not zero.
        let blind = visible.clone().any_dim(2).bool_not(); // [B, Nq, 1]
        let unseen = visible.clone().any_dim(1).bool_not().swap_dims(1, 2); // [B, Nk, 1]
        let unseen = unseen.expand([batch, keys, channels]);
        q = q.mask_fill(blind.expand([batch, queries, channels]), 0.0);
        k = k.mask_fill(unseen.clone(), 0.0);
        v = v.mask_fill(unseen, 0.0);
    }
    let split = |x: Tensor<3>, tokens: usize| {
        x.reshape([batch, tokens, heads, size]).swap_dims(1, 2) // [B, H, N, D]
    };
    let (q, k, v) = (split(q, queries), split(k, keys), split(v, keys));
    let scores = q.matmul(k.swap_dims(2, 3)) / (size as f64).sqrt(); // [B, H, Nq, Nk]
    let probs = match visible {
        None => activation::softmax(scores, 3),
        Some(visible) => {
            let hidden = visible
                .bool_not()
                .reshape([batch, 1, queries, keys])
                .expand([batch, heads, queries, keys]);
            // The second fill makes rows without a visible key exactly zero.
            activation::softmax(scores.mask_fill(hidden.clone(), -1e30), 3).mask_fill(hidden, 0.0)
        }
    };
    probs.matmul(v).swap_dims(1, 2).reshape([batch, queries, channels])
}

/// Rotates the pairs (first half, second half) of each head by the angles of its token.
///
/// # Shapes
/// `x` `[B, N, C]` gives `[B, N, C]`; the table holds `[N, D / 2]`.
pub fn rope(x: Tensor<3>, heads: usize, table: &RopeTable) -> Tensor<3> {
    let [batch, tokens, channels] = x.dims();
    let half = channels / heads / 2;
    let device = x.device();
    let factor = |values: &[f32]| {
        let data = TensorData::new(values.to_vec(), [1, tokens, 1, half]);
        Tensor::<4>::from_data(data, &device.clone().without_autodiff())
            .to_device(&device)
            .expand([batch, tokens, heads, half])
    };
    let (cos, sin) = (factor(table.cos()), factor(table.sin()));
    let x = x.reshape([batch, tokens, heads, 2 * half]);
    let first = x.clone().narrow(3, 0, half);
    let second = x.narrow(3, half, half);
    let turned_first = first.clone() * cos.clone() - second.clone() * sin.clone();
    let turned_second = first * sin + second * cos;
    Tensor::cat(vec![turned_first, turned_second], 3).reshape([batch, tokens, channels])
}

fn mask_tensor<const D: usize>(
    mask: Vec<bool>,
    shape: [usize; D],
    like: &Tensor<3>,
) -> Tensor<D, Bool> {
    Tensor::from_data(TensorData::new(mask, shape), &like.device())
}
