//! Convolution as products of matrices in ordinary tensor operations, for devices without a fast kernel of
//! ours: on a graphics card a product keeps all of it busy, above all for the gradient of the weights, which
//! as a convolution of its own has too few results to share out.

use burn::tensor::{Slice, Tensor};

use super::ConvolutionOptions;
use crate::{reference, silu};

/// Columns of a product, about: enough for whole tiles, and enough products that all units have one.
const COLUMNS: usize = 1024;

/// As [`conv2d`](super::conv2d), with zeros above and below, and left and right.
///
/// # Shapes
/// `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]`, `b` `[O]` give `[B, O, H', W']`.
pub(super) fn conv2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Tensor<1>,
    options: ConvolutionOptions,
    [above, beside]: [usize; 2],
) -> Tensor<4> {
    let ConvolutionOptions { stride, magnify, silu: activate, .. } = options;
    let x = reference::magnified(x, magnify);
    let x = if above + beside > 0 { x.pad((beside, beside, above, above), 0.0) } else { x };
    let ([batch, inputs, height, width], [outputs, _, rows, columns]) = (x.dims(), w.dims());
    let [out_height, out_width] = [(height - rows) / stride + 1, (width - columns) / stride + 1];
    let places = out_height * out_width;
    // Small images share a product; large ones are cut into bands of rows.
    let most = |count: usize, size: usize| {
        (1..=count).rev().find(|n| count.is_multiple_of(*n) && n * size <= COLUMNS).unwrap_or(1)
    };
    let (share, band) = (most(batch, places), most(out_height, out_width));
    let (groups, bands) = (batch / share, out_height / if share > 1 { out_height } else { band });
    let columns_of_one = share * places / bands;
    let x = x.reshape([groups, share, inputs, height, width]).swap_dims(1, 2); // [G, I, S, H, W]
    let along = |from: usize, count: usize| {
        Slice::with_step(
            from as isize,
            Some((from + (count - 1) * stride + 1) as isize),
            stride as isize,
        )
    };
    let mut seen = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let all = Slice::full();
            let part = [all, all, all, along(row, out_height), along(column, out_width)];
            seen.push(x.clone().slice(part)); // [G, I, S, H', W']
        }
    }
    let inner = rows * columns * inputs;
    let seen = Tensor::cat(seen, 1)
        .reshape([groups, inner, bands, columns_of_one])
        .swap_dims(1, 2)
        .reshape([groups * bands, inner, columns_of_one]);
    let w = w.permute([0, 2, 3, 1]).reshape([1, outputs, inner]);
    let out = w.matmul(seen) + b.reshape([1, outputs, 1]); // [G · bands, O, columns]
    // One of the two is 1: images that share a product, or bands of one image.
    let out = out
        .reshape([groups, bands, outputs, share, places / bands])
        .permute([0, 3, 2, 1, 4]) // [G, S, O, bands, ..]
        .reshape([batch, outputs, out_height, out_width]);
    if activate { silu(out) } else { out }
}

/// As [`temporal_conv`](super::temporal_conv).
///
/// # Shapes
/// `x` `[B, I, F, H, W]`, `w` `[O, I, K, 1, 1]`, `b` `[O]` give `[B, O, F, H, W]`.
pub(super) fn temporal_conv(x: Tensor<5>, w: Tensor<5>, b: Tensor<1>) -> Tensor<5> {
    let ([batch, inputs, frames, height, width], [outputs, _, taps, _, _]) = (x.dims(), w.dims());
    let images = conv2d(
        // Frames as rows, and all places as columns, under a kernel one column wide.
        x.reshape([batch, inputs, frames, height * width]).pad((0, 0, taps / 2, taps / 2), 0.0),
        w.reshape([outputs, inputs, taps, 1]),
        b,
        ConvolutionOptions::default(),
        [0; 2],
    );
    images.reshape([batch, outputs, frames, height, width])
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor<const D: usize>(shape: [usize; D], seed: f32) -> Tensor<D> {
        let count = shape.iter().product::<usize>();
        let values = (0..count).map(|i| ((i as f32 + seed) * 1.7).sin()).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
    }

    /// Output and gradients.
    fn outcome<const D: usize>(
        x: [usize; D],
        w: [usize; D],
        f: impl FnOnce(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
    ) -> Vec<Vec<f32>> {
        let (x, w, b) = (tensor(x, 0.1), tensor(w, 0.2), tensor([w[0]], 0.3));
        let out = f(x.clone(), w.clone(), b.clone());
        let pulled = tensor(out.dims(), 0.4).detach();
        let grads = (out.clone() * pulled).sum().backward();
        let values = |x: Tensor<D>| x.into_data().try_to_vec::<f32>().unwrap();
        let db = b.grad(&grads).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let [dx, dw] = [x, w].map(|x| values(x.grad(&grads).unwrap()));
        vec![values(out), dx, dw, db]
    }

    fn agree(found: &[Vec<f32>], expected: &[Vec<f32>]) {
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 2e-4 * b.abs().max(1.0), "{a} against {b}");
            }
        }
    }

    #[test]
    fn products_are_the_convolution_over_space() {
        let same = ConvolutionOptions { padding: 1, ..Default::default() };
        for (x, w, options) in [
            ([6, 3, 5, 7], [4, 3, 3, 3], same),
            ([2, 3, 8, 8], [4, 3, 1, 1], ConvolutionOptions::default()),
            ([5, 2, 40, 30], [3, 2, 3, 3], ConvolutionOptions { stride: 2, ..same }),
            ([3, 4, 6, 5], [2, 4, 3, 3], ConvolutionOptions { magnify: 2, silu: true, ..same }),
            ([1, 2, 7, 9], [2, 2, 4, 2], ConvolutionOptions { stride: 3, ..same }),
        ] {
            let found = outcome(x, w, |x, w, b| conv2d(x, w, b, options, [options.padding; 2]));
            agree(&found, &outcome(x, w, |x, w, b| reference::conv2d(x, w, b, options)));
        }
    }

    #[test]
    fn products_are_the_convolution_over_frames() {
        for (x, w) in [([2, 3, 6, 4, 5], [4, 3, 3, 1, 1]), ([1, 2, 2, 3, 3], [3, 2, 5, 1, 1])] {
            let found = outcome(x, w, temporal_conv);
            agree(&found, &outcome(x, w, reference::temporal_conv));
        }
    }
}
