//! Attention.

use super::Array;

/// Attention of `q [B, Nq, C]` over `k` and `v` `[B, Nk, C]`: a query of a batch row attends to the keys
/// of the row that `sees(row, query, key)` names, and gives zero when there is none.
pub fn attention(
    [q, k, v]: [&Array<f64>; 3],
    heads: usize,
    sees: impl Fn(usize, usize, usize) -> bool,
) -> Vec<f64> {
    let (queries, keys, channels) = (q.dims[1], k.dims[1], q.dims[2]);
    let size = channels / heads;
    let mut out = vec![0.0; q.values.len()];
    for at in 0..q.dims[0] * queries * heads {
        let (row, query, head) = (at / heads / queries, at / heads % queries, at % heads);
        let seen: Vec<usize> = (0..keys).filter(|&key| sees(row, query, key)).collect();
        let part = |x: &'_ Array<f64>, token: usize| -> std::ops::Range<usize> {
            let start = (row * x.dims[1] + token) * channels + head * size;
            start..start + size
        };
        let own = &q.values[part(q, query)];
        let score = |&key: &usize| {
            let key = &k.values[part(k, key)];
            own.iter().zip(key).map(|(q, k)| q * k).sum::<f64>() / (size as f64).sqrt()
        };
        let scores: Vec<f64> = seen.iter().map(score).collect();
        let max = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
        let total: f64 = weights.iter().sum();
        let out = &mut out[part(q, query)];
        for (weight, &key) in weights.iter().zip(&seen) {
            for (out, v) in out.iter_mut().zip(&v.values[part(v, key)]) {
                *out += weight / total * v;
            }
        }
    }
    out
}
