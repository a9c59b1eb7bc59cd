//! Every operator against 64-bit floats: outputs with outputs, gradients with differences, with each
//! instruction set.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;
mod exact;

#[test]
fn every_instruction_set_passes() {
    common::pass_with_fewer_instructions(&["checks::"]);
}

/// What each instruction set must pass.
mod checks {
    use thrumask_kernels::{ConvolutionOptions, pull_back, reference};

    use crate::common::{SAME, noise};
    use crate::exact::*;

    #[test]
    fn every_operator_at_small_sizes() {
        for operator in every_operator() {
            check(&operator, MANY);
        }
    }

    #[test]
    fn attention_over_one_tile_and_several() {
        // Tiles hold 64 queries.
        for (sizes, lens) in [
            ([1, 1, 1, 1, 1], None),
            ([1, 64, 16, 1, 16], None),
            ([1, 65, 17, 2, 17], None),
            ([1, 130, 70, 1, 8], None),
            ([2, 3, 40, 3, 33], Some(vec![40, 1])),
        ] {
            check(&attention(sizes, lens, 31), SOME);
        }
        check(&attention_to_itself([2, 21, 3, 7], 32), MANY);
    }

    #[test]
    fn attention_over_several_blocks() {
        // Blocks hold 512 keys, and 1,024 queries go over them together.
        let few = Effort { entries: 6, directions: 1 };
        let operator = attention([1, 1030, 600, 1, 6], Some(vec![530]), 33);
        check(&operator, few);
        // A head that is two tasks.
        let fewer = Effort { entries: 3, directions: 1 };
        check(&attention([1, 600, 530, 1, 28], Some(vec![520]), 33), fewer);
        // A group over two blocks, with a few tokens in others.
        let ids = (0..530).map(|i| if i % 90 == 7 { 500 - i } else { 0 }).collect();
        check(&grouped([1, 530, 1, 5], ids, 34), few);
        let prompts = Prompts {
            visible: (0..40 * 9).map(|i| i % 9 < 8 || i / 9 % 2 == 0).collect(),
            lens: vec![70; 9],
            count: 9,
            padded: 70,
        };
        check(&prompted([1, 40, 1, 5], prompts, 35), few);
    }

    #[test]
    fn groups_and_prompts() {
        let single = (0..30).map(|i| i * 7 % 30).collect();
        check(&grouped([1, 30, 2, 8], single, 36), MANY);
        let one = vec![65_535; 70];
        check(&grouped([1, 70, 1, 12], one, 37), SOME);
        let nothing = Prompts { visible: vec![true; 20], lens: vec![0, 0], count: 2, padded: 3 };
        check(&prompted([1, 10, 1, 8], nothing, 38), MANY);
        let overlapping = Prompts {
            visible: noise(80 * 5, 39).iter().map(|x| *x > -0.3).collect(),
            lens: vec![3, 0, 7, 1, 7],
            count: 5,
            padded: 7,
        };
        check(&prompted([1, 80, 2, 11], overlapping, 39), SOME);
    }

    #[test]
    fn functions_near_zero_and_far_from_it() {
        for spread in [1e-3, 1.0, 12.0, 60.0] {
            for function in Function::ALL {
                check(&pointwise(function, [1, 3, 67], spread, 41), MANY);
            }
            check(&softmax([1, 4, 67], spread, 42), MANY);
        }
        check(&softmax([3, 2, 1], 1.0, 43), MANY);
    }

    #[test]
    fn norms_of_any_width() {
        for (channels, seed) in [(1, 1), (2, 2), (5, 3), (16, 4), (33, 5), (64, 6), (150, 7)] {
            check(&layer_norm([2, 5, channels], 100 + seed), SOME);
            check(&layer_norm_modulate([2, 5, channels], 110 + seed), SOME);
            check(&rms_norm([2, 5, channels], channels, 120 + seed), SOME);
            check(&rms_norm([2, 2, 3 * channels], channels, 130 + seed), SOME);
        }
        for (dims, groups) in
            [([1, 2, 2, 1], 1), ([2, 6, 1, 1], 3), ([1, 4, 3, 11], 4), ([2, 32, 4, 4], 32)]
        {
            check(&group_norm(dims, groups, false, 141), SOME);
            check(&group_norm(dims, groups, true, 142), SOME);
        }
    }

    #[test]
    fn sums_over_many_rows() {
        // The gradients of parameters are sums over several tasks of some 8,192 values.
        let few = Effort { entries: 8, directions: 2 };
        check(&layer_norm([3, 150, 70], 151), few);
        check(&layer_norm_modulate([2, 300, 40], 152), few);
        check(&rms_norm([2, 150, 64], 16, 153), few);
        check(&group_norm([3, 8, 40, 40], 2, true, 154), few);
        check(&gated_residual([2, 300, 40], false, 155), few);
        check(&gated_residual([3, 200, 40], true, 156), few);
        check(&gated_residual_of_itself([2, 21, 40], 157), few);
        check(&linear([2, 250, 40], 33, true, 158), few);
        check(&rope([2, 300, 3, 10], 159), few);
    }

    #[test]
    fn linear_layers() {
        for (dims, outputs) in
            [([1, 1, 1], 1), ([1, 1, 70], 9), ([3, 7, 1], 5), ([1, 40, 17], 1), ([1, 5, 70], 140)]
        {
            check(&linear(dims, outputs, true, 161), SOME);
            check(&linear(dims, outputs, false, 162), SOME);
        }
    }

    #[test]
    fn convolutions_of_images() {
        for (x, outputs, kernel, options) in [
            // In four by four outputs at once: tiles whole and cut, and several of them in a vector.
            ([1, 12, 4, 4], 12, [3, 3], SAME),
            ([2, 12, 9, 70], 13, [3, 3], SAME),
            ([1, 17, 8, 6], 12, [3, 3], ConvolutionOptions { padding: 0, ..SAME }),
            ([1, 12, 5, 7], 12, [3, 3], ConvolutionOptions { padding: 2, ..SAME }),
            ([1, 12, 6, 5], 12, [3, 3], ConvolutionOptions { padding: 3, ..SAME }),
            ([1, 12, 3, 5], 14, [3, 3], ConvolutionOptions { magnify: 2, silu: true, ..SAME }),
            // In steps of two, and of five taps.
            ([1, 13, 9, 10], 12, [3, 3], ConvolutionOptions { stride: 2, ..SAME }),
            ([1, 12, 8, 9], 13, [3, 3], ConvolutionOptions { stride: 2, silu: true, ..SAME }),
            ([2, 12, 5, 11], 13, [1, 5], SAME),
            ([1, 14, 12, 3], 12, [5, 1], ConvolutionOptions { silu: true, ..SAME }),
            // One by one.
            ([1, 1, 1, 1], 1, [1, 1], ConvolutionOptions { padding: 0, ..SAME }),
            ([2, 11, 9, 20], 13, [3, 3], SAME),
            ([1, 3, 2, 9], 30, [5, 2], ConvolutionOptions { padding: 2, ..SAME }),
            ([1, 5, 9, 11], 4, [1, 1], ConvolutionOptions { stride: 2, padding: 0, ..SAME }),
            ([1, 11, 9, 10], 12, [3, 3], ConvolutionOptions { stride: 2, ..SAME }),
            ([1, 3, 11, 14], 7, [3, 3], ConvolutionOptions { stride: 3, padding: 2, ..SAME }),
            ([2, 3, 12, 9], 7, [4, 4], ConvolutionOptions { stride: 4, padding: 0, ..SAME }),
            ([1, 3, 7, 6], 4, [2, 3], ConvolutionOptions { stride: 3, padding: 4, ..SAME }),
            ([1, 3, 5, 4], 4, [3, 3], ConvolutionOptions { stride: 2, magnify: 3, ..SAME }),
            ([1, 4, 5, 7], 26, [3, 3], ConvolutionOptions { silu: true, ..SAME }),
        ] {
            check(&conv2d(x, outputs, kernel, options, 171), SOME);
        }
    }

    #[test]
    fn convolutions_of_videos() {
        for (x, outputs, taps) in [
            ([1, 12, 4, 3, 3], 12, 3),
            ([2, 13, 7, 3, 5], 12, 3),
            ([1, 12, 9, 7, 9], 12, 3),
            ([1, 1, 1, 1, 1], 1, 1),
            ([2, 5, 6, 3, 2], 7, 3),
            ([1, 14, 3, 3, 3], 12, 3),
            ([1, 3, 4, 3, 5], 2, 5),
            ([1, 12, 5, 2, 3], 12, 1),
        ] {
            check(&temporal_conv(x, outputs, taps, 181), SOME);
        }
    }

    #[test]
    fn convolutions_that_keep_the_size() {
        for (x, outputs, kernel) in [
            ([1, 1, 1, 1], 1, [1, 1]),
            ([1, 12, 9, 20], 12, [3, 3]),
            ([2, 5, 9, 20], 13, [1, 7]),
            ([1, 14, 6, 4], 12, [5, 1]),
            ([1, 3, 2, 3], 4, [7, 5]),
        ] {
            check(&conv2d_same(x, outputs, kernel, 191), SOME);
        }
    }

    /// Away from where they bend: no seed puts two of four values, or a place and a cell, that near.
    #[test]
    fn places_of_maps() {
        for (dims, seed) in [([1, 2, 2, 1], 1), ([3, 4, 6, 33], 2), ([1, 9, 3, 16], 3)] {
            check(&max_of_four(dims, 200 + seed), SOME);
        }
        for (dims, window) in
            [([1, 1, 1, 1], [2, 3]), ([2, 5, 7, 33], [3, 2]), ([1, 8, 8, 16], [4, 4])]
        {
            check(&split_windows(dims, window, 211), SOME);
            check(&merge_windows(dims, window, 212), SOME);
        }
        for axes in [[0, 2, 1, 3], [2, 1, 0, 3], [3, 0, 2, 1]] {
            check(&exchanged([2, 5, 7, 3], axes, 213), SOME);
        }
        check(&exchanged([1, 2, 19, 20], [0, 1, 3, 2], 214), SOME);
        const LEVELS: &[[usize; 2]] = &[[5, 7], [3, 4], [1, 2]];
        for (sizes, levels, spread) in [
            ([1, 1, 1, 1, 1], &[[1, 1]][..], 0.4),
            ([2, 3, 2, 16, 2], LEVELS, 0.4),
            ([1, 5, 3, 5, 1], LEVELS, 0.7),
            ([1, 3, 1, 20, 4], LEVELS, 1.5),
        ] {
            check(&deformable(sizes, levels, spread, 221), MANY);
        }
    }

    /// The gradients of a pulled-back output are those of `sum(output * cotangent)`.
    #[test]
    fn pulled_back_outputs() {
        for operator in every_operator() {
            let name = &operator.name;
            let expected = operator.run();
            for (factor, fast) in [(1.0, true), (2.0, true), (1.0, false), (2.0, false)] {
                let leaves: Vec<Ranked> = operator.inputs.iter().map(Ranked::leaf).collect();
                let out = (operator.kernel)(Inputs::new(leaves.iter().cloned()));
                let values = weights(expected.out.len());
                let cotangent = Ranked::leaf(&Array { values, dims: out.dims.clone() });
                let given = cotangent.clone();
                let zero = ranked!(out, |out| {
                    let back = if fast { pull_back } else { reference::pull_back };
                    back(out, given.get()).reshape([1])
                });
                assert_eq!(zero.to_data().try_to_vec::<f32>().unwrap(), [0.0], "{name}");
                let grads = zero.mul_scalar(factor).backward();
                for (leaf, expected) in leaves.iter().zip(&expected.grads) {
                    let expected: Vec<f32> = expected.iter().map(|x| factor * x).collect();
                    assert_eq!(leaf.gradient(&grads), expected, "{name}");
                }
                assert!(cotangent.gradient(&grads).iter().all(|x| *x == 0.0), "{name}");
            }
        }
    }
}
