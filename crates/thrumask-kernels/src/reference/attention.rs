//! Attention that forms its scores, a slice of the queries at a time.

use std::ops::Range;

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
    let [batch, ..] = q.dims();
    let keys = k.dims()[1];
    let Some(lens) = key_len else { return in_slices(q, k, v, heads, |_, q, k, v| open(q, k, v)) };
    let mask = lens.iter().flat_map(|&len| (0..keys).map(move |key| key < len)).collect();
    let mask = mask_tensor(mask, [batch, 1, keys], &q);
    seen_by(q, k, v, heads, |rows| mask.clone().expand([batch, rows.len(), keys]))
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
    seen_by(q, k, v, heads, |rows| {
        let all = [batch, rows.len(), tokens];
        let own = ids.clone().narrow(1, rows.start, rows.len()).reshape([batch, rows.len(), 1]);
        own.expand(all).equal(ids.clone().reshape([batch, 1, tokens]).expand(all))
    })
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
    let seen = mask_tensor(seen, [batch, tokens, prompts, 1], &q);
    let words = mask_tensor(words, [batch, 1, prompts, padded], &q);
    seen_by(q, k, v, heads, |rows| {
        let all = [batch, rows.len(), prompts, padded];
        let seen = seen.clone().narrow(1, rows.start, rows.len()).expand(all);
        let mask = seen.bool_and(words.clone().expand(all));
        mask.reshape([batch, rows.len(), prompts * padded])
    })
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
    match visible {
        None => attention(q, k, v, heads, None),
        Some(visible) => {
            seen_by(q, k, v, heads, |rows| visible.clone().narrow(1, rows.start, rows.len()))
        }
    }
}

/// Masked attention in slices, where `visible` makes the mask `[B, R, Nk]` of some queries.
fn seen_by(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    visible: impl Fn(Range<usize>) -> Tensor<3, Bool>,
) -> Tensor<3> {
    let [batch, queries, channels] = q.dims();
    let keys = k.dims()[1];
    // Of no weight alone is not enough: products with what is not a number are not zero. Masks of slices are made
    // again below, as all of them together would be the mask that slices are to save.
    let seen = slices([batch, heads, queries, keys])
        .map(|rows| visible(rows).any_dim(1)) // [B, 1, Nk]
        .reduce(Tensor::bool_or);
    let Some(seen) = seen else { return q };
    let unseen = seen.bool_not().swap_dims(1, 2).expand([batch, keys, channels]);
    let (k, v) = (k.mask_fill(unseen.clone(), 0.0), v.mask_fill(unseen, 0.0));
    in_slices(q, k, v, heads, |rows, q, k, v| {
        let [.., size] = q.dims();
        let visible = visible(rows.clone());
        let blind = visible.clone().any_dim(2).bool_not(); // [B, R, 1]
        let blind = blind.reshape([batch, 1, rows.len(), 1]);
        let hidden = visible.bool_not().reshape([batch, 1, rows.len(), keys]);
        let hidden = hidden.expand([batch, heads, rows.len(), keys]);
        let q = q.mask_fill(blind.expand([batch, heads, rows.len(), size]), 0.0);
        let scores = scores(q, k).mask_fill(hidden.clone(), -1e30);
        // The second fill makes rows without a visible key exactly zero.
        activation::softmax(scores, 3).mask_fill(hidden, 0.0).matmul(v)
    })
}

/// Attention of some queries, split into heads, to every key.
fn open(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    activation::softmax(scores(q, k), 3).matmul(v)
}

/// `[B, H, R, Nk]`
fn scores(q: Tensor<4>, k: Tensor<4>) -> Tensor<4> {
    let size = q.dims()[3] as f64;
    q.matmul(k.swap_dims(2, 3)) / size.sqrt()
}

/// Splits into heads and has each slice of the queries attended, by `attend` of its rows, `[B, H, R, D]` and all keys and
/// values, `[B, H, Nk, D]`.
fn in_slices(
    q: Tensor<3>,
    k: Tensor<3>,
    v: Tensor<3>,
    heads: usize,
    attend: impl Fn(Range<usize>, Tensor<4>, Tensor<4>, Tensor<4>) -> Tensor<4>,
) -> Tensor<3> {
    let [batch, queries, channels] = q.dims();
    let keys = k.dims()[1];
    if queries == 0 {
        return q;
    }
    let split = |x: Tensor<3>, tokens: usize| {
        x.reshape([batch, tokens, heads, channels / heads]).swap_dims(1, 2) // [B, H, N, D]
    };
    let (q, k, v) = (split(q, queries), split(k, keys), split(v, keys));
    let parts = slices([batch, heads, queries, keys]).map(|rows| {
        let q = q.clone().narrow(2, rows.start, rows.len());
        attend(rows, q, k.clone(), v.clone())
    });
    Tensor::cat(parts.collect(), 2).swap_dims(1, 2).reshape([batch, queries, channels])
}

/// The most scores that are formed at a time: 512 MiB of them. All of them are 8.6 GB in a masked layer of eight heads for 16
/// frames of 256 x 256 pixels, 137 GB for 512 x 512. Gradients need them all the same.
#[cfg(not(test))]
const MOST_SCORES: usize = 128 << 20;
/// Few enough that small cases have several.
#[cfg(test)]
const MOST_SCORES: usize = 100;

/// Slices of the queries whose scores `[B, H, R, Nk]` are not too many; one row at least.
fn slices([batch, heads, queries, keys]: [usize; 4]) -> impl Iterator<Item = Range<usize>> {
    let rows = (MOST_SCORES / (batch * heads * keys).max(1)).clamp(1, queries.max(1));
    (0..queries).step_by(rows).map(move |from| from..queries.min(from + rows))
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

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution, Tolerance};

    use super::*;

    #[test]
    fn slices_give_what_the_whole_gives() {
        let device = Device::flex();
        let (batch, tokens, keys, channels, heads) = (2, 11, 13, 6, 3);
        // 100 scores at a time: one row.
        let all: Vec<_> = slices([batch, heads, tokens, keys]).collect();
        assert_eq!((all.len(), all[0].clone(), all[tokens - 1].clone()), (11, 0..1, 10..11));
        let some: Vec<_> = slices([1, 2, 11, 13]).collect();
        assert_eq!(some, [0..3, 3..6, 6..9, 9..11]);
        assert_eq!(slices([1, 1, 0, 13]).count(), 0);

        let draw = |n| Tensor::<3>::random([batch, n, channels], Distribution::Default, &device);
        let (q, k, v) = (draw(tokens), draw(keys), draw(keys));
        let heads_of = |x: Tensor<3>| {
            let n = x.dims()[1];
            x.reshape([batch, n, heads, channels / heads]).swap_dims(1, 2)
        };
        let parts = [q.clone(), k.clone(), v.clone()].map(heads_of);
        let whole = |mask: Option<Tensor<3, Bool>>| {
            let [q, k, v] = parts.clone();
            let scores = scores(q, k);
            let scores = match mask {
                None => scores,
                Some(mask) => {
                    let shape = [batch, 1, tokens, keys];
                    let hidden = mask.bool_not().reshape(shape);
                    scores.mask_fill(hidden.expand([batch, heads, tokens, keys]), -1e30)
                }
            };
            let made = activation::softmax(scores, 3).matmul(v);
            made.swap_dims(1, 2).reshape([batch, tokens, channels])
        };
        let agree = |found: Tensor<3>, expected: Tensor<3>| {
            let tolerance = Tolerance::<f32>::absolute(1e-6);
            found.into_data().assert_approx_eq(&expected.into_data(), tolerance);
        };
        agree(attention(q.clone(), k.clone(), v.clone(), heads, None), whole(None));
        let chances = Distribution::Uniform(0.0, 1.0);
        let mask = Tensor::<3>::random([batch, tokens, keys], chances, &device).greater_elem(0.3);
        let made = masked_attention(q, k, v, heads, Some(mask.clone()));
        agree(made, whole(Some(mask)));
        let none = Tensor::<3>::zeros([batch, 0, channels], &device);
        let made = attention(none.clone(), none.clone(), none, heads, None);
        assert_eq!(made.dims(), [batch, 0, channels]);
    }
}
