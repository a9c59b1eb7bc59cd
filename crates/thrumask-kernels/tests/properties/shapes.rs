//! Any shape against 64-bit floats, gradients included.

use proptest::collection::vec;
use proptest::prelude::*;
use thrumask_kernels::ConvolutionOptions;

use crate::exact::*;

/// A number of batch rows with as many key lengths, and the number of keys.
pub fn key_lengths() -> impl Strategy<Value = (usize, Vec<usize>)> {
    (1usize..90, 1usize..4).prop_flat_map(|(keys, batch)| (Just(keys), vec(0..=keys, batch)))
}

/// Batch rows, tokens, and a group for each token: of a few, all alike, or nearly all their own.
pub fn groups() -> impl Strategy<Value = ([usize; 2], Vec<u16>)> {
    (1usize..4, 1usize..80, prop_oneof![Just(1u16), 2u16..6, 20u16..60, Just(u16::MAX)])
        .prop_flat_map(move |(batch, tokens, most)| {
            (Just([batch, tokens]), vec(0..most, batch * tokens))
        })
}

/// Batch rows, tokens, and prompts that each token sees with some probability.
pub fn prompts() -> impl Strategy<Value = ([usize; 2], Prompts)> {
    (1usize..3, 1usize..70, 1usize..6, 1usize..9, prop_oneof![Just(0.0), 0.1..0.9, Just(1.0)])
        .prop_flat_map(|(batch, tokens, count, padded, often)| {
            let visible = vec(prop::bool::weighted(often), batch * tokens * count);
            let lens = vec(0..=padded, batch * count);
            (Just([batch, tokens]), visible, lens, Just((count, padded)))
        })
        .prop_map(|(dims, visible, lens, (count, padded))| {
            (dims, Prompts { visible, lens, count, padded })
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn attention_of_any_shape(
        (keys, lens) in key_lengths(),
        queries in 1usize..90,
        (heads, size) in (1usize..4, 1usize..40),
        masked in any::<bool>(),
        seed in 0u64..1000,
    ) {
        let dims = [lens.len(), queries, keys, heads, size];
        check(&attention(dims, masked.then_some(lens), seed), FEW);
    }

    #[test]
    fn any_groups(
        ([batch, tokens], ids) in groups(),
        (heads, size) in (1usize..4, 1usize..40),
        seed in 0u64..1000,
    ) {
        check(&grouped([batch, tokens, heads, size], ids, seed), FEW);
    }

    #[test]
    fn any_prompts(
        ([batch, tokens], prompts) in prompts(),
        (heads, size) in (1usize..4, 1usize..40),
        seed in 0u64..1000,
    ) {
        check(&prompted([batch, tokens, heads, size], prompts, seed), FEW);
    }

    #[test]
    fn rows_of_any_width(
        (batch, tokens, channels) in (1usize..4, 1usize..40, 1usize..90),
        (outputs, shared) in (1usize..40, any::<bool>()),
        seed in 0u64..1000,
    ) {
        let dims = [batch, tokens, channels];
        for function in Function::ALL {
            // Far below zero they are exact as part of usual values only: there must be such values.
            check(&pointwise(function, [batch, tokens + 9, channels], 5.0, seed), FEW);
        }
        check(&softmax(dims, 5.0, seed), FEW);
        check(&linear(dims, outputs, shared, seed), FEW);
        check(&gated_residual(dims, shared, seed), FEW);
    }

    #[test]
    fn norms_of_any_shape(
        (batch, tokens, channels) in (1usize..4, 1usize..40, 5usize..90),
        (groups, height, width) in (1usize..4, 1usize..12, 1usize..12),
        (silu, seed) in (any::<bool>(), 0u64..1000),
    ) {
        let dims = [batch, tokens, channels];
        check(&layer_norm(dims, seed), FEW);
        check(&layer_norm_modulate(dims, seed), FEW);
        check(&rms_norm([batch, tokens, groups * channels], channels, seed), FEW);
        let dims = [batch, groups * (1 + channels % 4), height, 4 + width];
        check(&group_norm(dims, groups, silu, seed), FEW);
    }

    #[test]
    fn rope_of_any_shape(
        (batch, tokens, heads, pairs) in (1usize..4, 1usize..40, 1usize..4, 1usize..30),
        seed in 0u64..1000,
    ) {
        check(&rope([batch, tokens, heads, pairs], seed), FEW);
    }

    #[test]
    fn convolutions_of_any_shape(
        (batch, inputs, outputs) in (1usize..3, 1usize..18, 1usize..18),
        (height, width) in (1usize..12, 1usize..20),
        (rows, columns, stride) in (1usize..6, 1usize..6, 1usize..4),
        (padding, magnify, silu) in (0usize..4, 1usize..3, any::<bool>()),
        seed in 0u64..1000,
    ) {
        prop_assume!(rows <= height * magnify + 2 * padding);
        prop_assume!(columns <= width * magnify + 2 * padding);
        let options = ConvolutionOptions { stride, padding, magnify, silu };
        let x = [batch, inputs, height, width];
        check(&conv2d(x, outputs, [rows, columns], options, seed), FEW);
    }

    /// Three by three weights in steps of one or two, and five in a row, take another way from twelve channels on.
    #[test]
    fn usual_convolutions_of_any_shape(
        (batch, inputs, outputs) in (1usize..3, 12usize..18, 12usize..18),
        (height, width) in (7usize..12, 7usize..20),
        (kernel, stride) in prop_oneof![
            Just(([3, 3], 1)), Just(([3, 3], 2)), Just(([1, 5], 1)), Just(([5, 1], 1))
        ],
        (padding, silu) in (1usize..4, any::<bool>()),
        seed in 0u64..1000,
    ) {
        let options = ConvolutionOptions { stride, padding, magnify: 1, silu };
        check(&conv2d([batch, inputs, height, width], outputs, kernel, options, seed), FEW);
    }

    #[test]
    fn convolutions_that_keep_any_size(
        (batch, inputs, outputs) in (1usize..3, 1usize..18, 1usize..18),
        (height, width) in (1usize..12, 1usize..20),
        (rows, columns) in (0usize..3, 0usize..4),
        seed in 0u64..1000,
    ) {
        let kernel = [2 * rows + 1, 2 * columns + 1];
        check(&conv2d_same([batch, inputs, height, width], outputs, kernel, seed), FEW);
    }

    #[test]
    fn windows_of_any_shape(
        (batch, height, width, channels) in (1usize..4, 1usize..9, 1usize..9, 1usize..20),
        window in (1usize..6, 1usize..6).prop_map(|(high, wide)| [high, wide]),
        seed in 0u64..1000,
    ) {
        check(&split_windows([batch, height, width, channels], window, seed), FEW);
        check(&merge_windows([batch, height, width, channels], window, seed), FEW);
    }

    #[test]
    fn axes_in_any_order(
        dims in [1usize..9, 1usize..9, 1usize..9, 1usize..20],
        axes in Just([0usize, 1, 2, 3]).prop_shuffle(),
        seed in 0u64..1000,
    ) {
        check(&exchanged(dims, axes, seed), FEW);
    }

    #[test]
    fn convolutions_over_any_frames(
        (batch, inputs, outputs) in (1usize..3, 1usize..18, 1usize..18),
        (frames, height, width) in (1usize..10, 1usize..6, 1usize..8),
        (taps, seed) in (0usize..3, 0u64..1000),
    ) {
        let x = [batch, inputs, frames, height, width];
        check(&temporal_conv(x, outputs, 2 * taps + 1, seed), FEW);
    }
}
