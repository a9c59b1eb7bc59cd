//! Convolutions against their references.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Tensor;
use common::*;
use proptest::prelude::*;
use thrumask_kernels::{ConvolutionOptions, conv2d, conv2d_same, reference, temporal_conv};

/// Output and gradients of a function of an input, weights and a bias.
fn outcome<const D: usize>(
    x: [usize; D],
    w: [usize; D],
    f: impl FnOnce(Tensor<D>, Tensor<D>, Tensor<1>) -> Tensor<D>,
) -> [Vec<f32>; 4] {
    let values = |dims: &[usize], seed| noise(dims.iter().product(), seed);
    let (x, b) = (input(&values(&x, 41), x), input(&values(&w[..1], 43), [w[0]]));
    let w = input(&values(&w, 42), w);
    let (out, grads) = backward_of(&f(x.clone(), w.clone(), b.clone()));
    [out, gradient(&x, &grads), gradient(&w, &grads), gradient(&b, &grads)]
}

fn agree(found: &[Vec<f32>; 4], expected: &[Vec<f32>; 4]) {
    for (name, (found, expected)) in
        ["output", "dx", "dw", "db"].iter().zip(found.iter().zip(expected))
    {
        // Sums of up to some thousand products of about 1.
        let size = expected.iter().fold(1.0f32, |size, x| size.max(x.abs()));
        let scaled = |x: &[f32]| x.iter().map(|x| x / size).collect::<Vec<f32>>();
        close(name, &scaled(found), &scaled(expected), 2e-5);
    }
}

fn check_2d(x: [usize; 4], outputs: usize, kernel: [usize; 2], options: ConvolutionOptions) {
    let w = [outputs, x[1], kernel[0], kernel[1]];
    let fast = outcome(x, w, |x, w, b| conv2d(x, w, b, options));
    let plain = outcome(x, w, |x, w, b| reference::conv2d(x, w, b, options));
    agree(&fast, &plain);
}

#[test]
fn images_agree_with_the_reference() {
    for (x, outputs) in [
        ([2, 3, 9, 7], 5),
        ([1, 1, 1, 1], 1),
        ([3, 20, 16, 16], 30),
        ([1, 40, 33, 18], 26),
        ([2, 64, 8, 40], 3),
        ([1, 33, 70, 70], 17),
    ] {
        check_2d(x, outputs, [3, 3], SAME);
    }
}

#[test]
fn kernels_strides_paddings_and_magnifications_agree_with_the_reference() {
    for (kernel, stride, padding, magnify) in [
        ([1, 1], 1, 0, 1),
        ([1, 1], 2, 0, 1),
        ([3, 3], 2, 1, 1),
        ([4, 4], 4, 0, 1),
        ([5, 2], 3, 2, 1),
        ([3, 3], 1, 0, 1),
        ([3, 3], 1, 3, 1),
        ([3, 3], 1, 1, 2),
        ([3, 3], 2, 1, 3),
    ] {
        let options = ConvolutionOptions { stride, padding, magnify, silu: false };
        check_2d([2, 7, 13, 10], 9, kernel, options);
        check_2d([1, 18, 6, 21], 14, kernel, ConvolutionOptions { silu: true, ..options });
    }
}

#[test]
fn ways_of_fewer_products_agree_with_the_reference() {
    // Channels enough for them: heights and widths of every rest by the size of a tile.
    for (stride, padding, magnify) in [(1, 1, 1), (1, 0, 2), (2, 1, 1), (2, 0, 1), (2, 2, 2)] {
        let options = ConvolutionOptions { stride, padding, magnify, silu: false };
        for (x, outputs) in [
            ([2, 12, 9, 24], 14),
            ([3, 14, 16, 17], 12),
            ([1, 13, 26, 10], 17),
            ([2, 12, 19, 71], 13),
            ([1, 30, 111, 12], 15),
        ] {
            check_2d(x, outputs, [3, 3], options);
        }
    }
    for kernel in [[1, 5], [5, 1]] {
        for padding in [0, 1, 2, 4] {
            for (x, outputs) in [([2, 12, 9, 24], 14), ([3, 40, 7, 33], 12), ([1, 12, 60, 75], 13)]
            {
                check_2d(x, outputs, kernel, ConvolutionOptions { padding, ..SAME });
            }
        }
        let magnified = ConvolutionOptions { magnify: 2, ..SAME };
        check_2d([2, 12, 9, 24], 14, kernel, magnified);
    }
}

#[test]
fn several_passes_of_tiles_are_one_convolution() {
    // Images that are cut, and several of which not all go into one pass.
    for (x, outputs, stride) in
        [([1, 64, 64, 64], 64, 1), ([6, 128, 20, 20], 128, 1), ([1, 64, 120, 121], 64, 2)]
    {
        check_2d(x, outputs, [3, 3], ConvolutionOptions { stride, ..SAME });
    }
    for kernel in [[1, 5], [5, 1]] {
        let w = [128, 200, kernel[0], kernel[1]];
        let fast = outcome([1, 200, 40, 41], w, conv2d_same);
        agree(&fast, &outcome([1, 200, 40, 41], w, reference::conv2d_same));
    }
    let (x, w) = ([1, 128, 7, 30, 31], [128, 128, 3, 1, 1]);
    agree(&outcome(x, w, temporal_conv), &outcome(x, w, reference::temporal_conv));
}

#[test]
fn a_fused_activation_is_that_of_its_own_operator() {
    // The plain way with sums in a buffer and without, and those of fewer products.
    for ([inputs, outputs], kernel, stride) in [
        ([6, 8], [3, 3], 1),
        ([6, 30], [3, 3], 1),
        ([40, 30], [3, 3], 3),
        ([12, 14], [3, 3], 1),
        ([12, 14], [3, 3], 2),
        ([12, 14], [1, 5], 1),
        ([12, 14], [5, 1], 1),
    ] {
        let x = input(&noise(2 * inputs * 990, 3), [2, inputs, 30, 33]).inner();
        let taps = kernel[0] * kernel[1];
        let w = noise(outputs * inputs * taps, 4);
        let w = input(&w, [outputs, inputs, kernel[0], kernel[1]]).inner();
        let b = input(&noise(outputs, 5), [outputs]).inner();
        let plain = ConvolutionOptions { stride, ..SAME };
        let fused = ConvolutionOptions { silu: true, ..plain };
        let found = conv2d(x.clone(), w.clone(), b.clone(), fused);
        let expected = thrumask_kernels::silu(conv2d(x, w, b, plain));
        close("fused", &values(&found), &values(&expected), 1e-6);
    }
}

#[test]
fn videos_agree_with_the_reference() {
    for (x, outputs, taps) in [
        ([2, 5, 8, 6, 5], 7, 3),
        ([1, 32, 16, 9, 9], 40, 3),
        ([1, 3, 2, 4, 4], 2, 5),
        ([1, 4, 1, 3, 3], 4, 1),
    ] {
        let w = [outputs, x[1], taps, 1, 1];
        let fast = outcome(x, w, temporal_conv);
        agree(&fast, &outcome(x, w, reference::temporal_conv));
    }
}

#[test]
fn threads_and_batch_size_leave_the_bytes_as_they_are() {
    // The plain way twice, and those of fewer products, of which not all images go into one pass.
    for ([inputs, outputs], kernel, stride) in [
        ([3, 30], [3, 3], 1),
        ([40, 30], [3, 3], 3),
        ([128, 128], [3, 3], 1),
        ([128, 140], [3, 3], 2),
        ([300, 26], [1, 5], 1),
        ([300, 26], [5, 1], 1),
    ] {
        let options = ConvolutionOptions { stride, ..SAME };
        let w = [outputs, inputs, kernel[0], kernel[1]];
        let run = |images| outcome([images, inputs, 20, 23], w, |x, w, b| conv2d(x, w, b, options));
        let one = with_threads(1, || run(9));
        assert_eq!(one, with_threads(3, || run(9)));
        let first = run(1);
        assert_eq!(one[0][..first[0].len()], first[0], "the first image alone");
    }
}

#[test]
fn not_a_number_stays_near_its_place() {
    let mut values_in = noise(4 * 400, 8);
    values_in[400 + 10 * 20 + 10] = f32::NAN;
    let x = input(&values_in, [1, 4, 20, 20]).inner();
    let (w, b) = (input(&noise(72, 9), [2, 4, 3, 3]).inner(), input(&[0.0; 2], [2]).inner());
    for (i, value) in values(&conv2d(x, w, b, SAME)).iter().enumerate() {
        let (y, x) = (i % 400 / 20, i % 20);
        let near = y.abs_diff(10) <= 1 && x.abs_diff(10) <= 1;
        assert_eq!(value.is_nan(), near, "at {y}, {x}");
    }
}

#[test]
fn not_a_number_stays_in_the_tiles_that_read_it() {
    for (kernel, stride) in [([3, 3], 1), ([3, 3], 2), ([1, 5], 1), ([5, 1], 1)] {
        let run = |spoilt: bool| {
            let mut x = noise(12 * 1600, 8);
            if spoilt {
                x[3 * 1600 + 20 * 40 + 20] = f32::NAN;
            }
            let x = input(&x, [1, 12, 40, 40]).inner();
            let w = noise(12 * 12 * kernel[0] * kernel[1], 9);
            let w = input(&w, [12, 12, kernel[0], kernel[1]]).inner();
            let out = conv2d(
                x,
                w,
                input(&[0.0; 12], [12]).inner(),
                ConvolutionOptions { stride, ..SAME },
            );
            (out.dims(), values(&out))
        };
        let (([_, _, height, width], clean), (_, spoilt)) = (run(false), run(true));
        for (i, (clean, found)) in clean.iter().zip(spoilt).enumerate() {
            // From the output whose middle it is, in outputs; a tile has at most four along an axis.
            let apart = |at: usize, taps: usize| (at * stride + taps / 2).abs_diff(21) / stride;
            let (y, x) = (apart(i / width % height, kernel[0]), apart(i % width, kernel[1]));
            if y > 5 || x > 5 {
                assert_eq!(
                    clean.to_bits(),
                    found.to_bits(),
                    "{kernel:?}, {y} and {x} outputs away"
                );
            } else if (y, x) == (0, 0) {
                assert!(found.is_nan(), "{kernel:?} in steps of {stride}");
            }
        }
    }
}

#[test]
#[should_panic(expected = "a kernel of [1, 5, 5] in a volume of [1, 3, 3]")]
fn a_kernel_larger_than_the_image_is_named() {
    let options = ConvolutionOptions { padding: 0, ..SAME };
    check_2d([1, 1, 3, 3], 1, [5, 5], options);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_shape_agrees(
        batch in 1usize..4,
        channels in (1usize..40, 1usize..40),
        size in (1usize..24, 1usize..24),
        kernel in (1usize..6, 1usize..6),
        stride in 1usize..4,
        padding in 0usize..4,
        magnify in 1usize..3,
    ) {
        prop_assume!(kernel.0 <= size.0 * magnify + 2 * padding);
        prop_assume!(kernel.1 <= size.1 * magnify + 2 * padding);
        let options = ConvolutionOptions { stride, padding, magnify, silu: false };
        check_2d([batch, channels.0, size.0, size.1], channels.1, [kernel.0, kernel.1], options);
    }
}

#[test]
fn kernels_of_two_sides_keep_the_size() {
    for (x, w) in [
        ([2, 3, 9, 7], [5, 3, 1, 5]),
        ([1, 14, 30, 54], [26, 14, 5, 1]),
        ([1, 14, 30, 54], [26, 14, 1, 5]),
        ([2, 12, 5, 4], [12, 12, 3, 3]),
        ([1, 4, 2, 3], [2, 4, 7, 3]),
        ([1, 2, 6, 6], [3, 2, 1, 1]),
    ] {
        let fast = outcome(x, w, conv2d_same);
        assert_eq!(fast[0].len(), x[0] * w[0] * x[2] * x[3]);
        agree(&fast, &outcome(x, w, reference::conv2d_same));
    }
}
