//! Attention over few keys in ordinary tensor operations, for devices without a fast kernel of ours: a
//! graphics card takes thousands of small matrix products one tile each, nearly all of it empty, but sums of
//! products of elements at full width. Attention over the frames of each position is of this kind.

use burn::tensor::{Tensor, activation};

/// The most keys for which it pays: the products of elements that are formed are `D` times the scores.
pub(super) const MOST_KEYS: usize = 32;

/// As [`attention`](super::attention) over all keys.
///
/// # Shapes
/// `q` `[B, Nq, C]`, `k` and `v` `[B, Nk, C]` give `[B, Nq, C]`.
pub(super) fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, queries, channels] = q.dims();
    let keys = k.dims()[1];
    let size = channels / heads;
    let q = q.reshape([batch, queries, 1, heads, size]) / (size as f64).sqrt();
    let [k, v] = [k, v].map(|x| x.reshape([batch, 1, keys, heads, size]));
    let scores = (q * k).sum_dim(4); // [B, Nq, Nk, H, 1]
    let probs = activation::softmax(scores, 2);
    (probs * v).sum_dim(2).reshape([batch, queries, channels]) // [B, Nq, 1, H, D]
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::reference;

    /// A tensor of which gradients are asked.
    fn tensor(shape: [usize; 3], seed: f32) -> Tensor<3> {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| ((i as f32 + seed) * 1.7).sin()).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
    }

    #[test]
    fn sums_are_attention_with_its_gradients() {
        for [batch, queries, keys, heads, size] in [[5, 12, 12, 4, 8], [2, 3, 7, 1, 5]] {
            let outcome = |attend: &dyn Fn(Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>| {
                let channels = heads * size;
                let q = tensor([batch, queries, channels], 0.1);
                let [k, v] = [0.2, 0.3].map(|seed| tensor([batch, keys, channels], seed));
                let out = attend(q.clone(), k.clone(), v.clone());
                let pulled = tensor(out.dims(), 0.4).detach();
                let grads = (out.clone() * pulled).sum().backward();
                let [dq, dk, dv] = [q, k, v].map(|x| x.grad(&grads).unwrap());
                [out, dq, dk, dv].map(|x| x.into_data().try_to_vec::<f32>().unwrap())
            };
            let found = outcome(&|q, k, v| attention(q, k, v, heads));
            let expected = outcome(&|q, k, v| reference::attention(q, k, v, heads, None));
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found.len(), expected.len());
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} against {b}");
                }
            }
        }
    }
}
