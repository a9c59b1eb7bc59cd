//! Attention against its reference, and what masks promise.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use thrumask_kernels::{
    PromptVisibility, TokenGroups, attention, grouped_attention, grouped_cross_attention, reference,
};

type Outcome = (Vec<f32>, [Vec<f32>; 3]);

/// Queries, keys and values of the given shape.
struct Case {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    batch: usize,
    queries: usize,
    keys: usize,
    channels: usize,
}

impl Case {
    fn new(batch: usize, queries: usize, keys: usize, channels: usize, seed: u64) -> Self {
        let wide = |len: usize, seed| noise(len, seed).iter().map(|x| 2.0 * x).collect();
        Self {
            q: wide(batch * queries * channels, seed),
            k: wide(batch * keys * channels, seed + 1),
            v: wide(batch * keys * channels, seed + 2),
            batch,
            queries,
            keys,
            channels,
        }
    }

    fn run(
        &self,
        f: impl FnOnce([burn::tensor::Tensor<3>; 3]) -> burn::tensor::Tensor<3>,
    ) -> Outcome {
        let q = input(&self.q, [self.batch, self.queries, self.channels]);
        let k = input(&self.k, [self.batch, self.keys, self.channels]);
        let v = input(&self.v, [self.batch, self.keys, self.channels]);
        forward_backward([&q, &k, &v], f)
    }
}

fn agree(found: &Outcome, expected: &Outcome) {
    close("output", &found.0, &expected.0, 2e-5);
    for (name, (found, expected)) in ["dq", "dk", "dv"].iter().zip(found.1.iter().zip(&expected.1))
    {
        close(name, found, expected, 1e-4);
    }
}

fn groups_of(seed: u64, batch: usize, tokens: usize, count: usize) -> TokenGroups {
    let ids: Vec<u8> = noise(batch * tokens, seed)
        .iter()
        .map(|x| ((x.abs() * count as f32) as usize).min(count - 1) as u8)
        .collect();
    TokenGroups::new(&ids, batch, tokens)
}

fn visibility_of(
    seed: u64,
    batch: usize,
    tokens: usize,
    prompts: usize,
    padded: usize,
) -> PromptVisibility {
    let visible: Vec<bool> =
        noise(batch * tokens * prompts, seed).iter().map(|x| *x > 0.2).collect();
    let lens: Vec<usize> = noise(batch * prompts, seed + 1)
        .iter()
        .map(|x| (x.abs() * (padded + 1) as f32) as usize)
        .map(|len| len.min(padded))
        .collect();
    PromptVisibility::new(&visible, &lens, [batch, tokens, prompts], padded)
}

#[test]
fn dense_agrees_with_the_reference() {
    for (batch, queries, keys, heads, size) in [
        (2, 150, 150, 2, 32),
        (1, 64, 7, 1, 48),
        (2, 33, 130, 3, 24),
        (1, 1, 1, 1, 5),
        (1, 5, 300, 2, 64),
    ] {
        let case = Case::new(batch, queries, keys, heads * size, 3);
        let fast = case.run(|[q, k, v]| attention(q, k, v, heads, None));
        let plain = case.run(|[q, k, v]| reference::attention(q, k, v, heads, None));
        agree(&fast, &plain);
    }
}

#[test]
fn key_lengths_agree_with_the_reference_and_zero_keys_give_zero() {
    let case = Case::new(3, 70, 40, 64, 5);
    let lens = [17, 0, 40];
    let fast = case.run(|[q, k, v]| attention(q, k, v, 2, Some(&lens)));
    let plain = case.run(|[q, k, v]| reference::attention(q, k, v, 2, Some(&lens)));
    agree(&fast, &plain);
    let row = 70 * 64;
    assert!(fast.0[row..2 * row].iter().all(|x| *x == 0.0));
}

#[test]
fn strided_inputs_need_no_copy_to_be_right() {
    let (batch, tokens, channels) = (2, 40, 64);
    let qkv = input(&noise(batch * tokens * 3 * channels, 8), [batch, tokens, 3 * channels]);
    let split = |x: &burn::tensor::Tensor<3>, i| x.clone().narrow(2, i * channels, channels);
    let run = |fast: bool| {
        forward_backward([&qkv], |[x]| {
            let (q, k, v) = (split(&x, 0), split(&x, 1), split(&x, 2));
            if fast { attention(q, k, v, 2, None) } else { reference::attention(q, k, v, 2, None) }
        })
    };
    let (fast, plain) = (run(true), run(false));
    close("output", &fast.0, &plain.0, 2e-5);
    close("gradient", &fast.1[0], &plain.1[0], 1e-4);
}

#[test]
fn large_scores_stay_finite() {
    let mut case = Case::new(1, 80, 80, 32, 9);
    case.q.iter_mut().for_each(|x| *x *= 1000.0);
    let (out, grads) = case.run(|[q, k, v]| attention(q, k, v, 1, None));
    assert!(out.iter().chain(grads.iter().flatten()).all(|x| x.is_finite()));
}

#[test]
fn several_blocks_of_keys_agree_with_the_reference_however_scores_rise_and_fall() {
    // Blocks hold 512 keys, and 1,024 queries go over them together.
    for (queries, keys, rising) in [(1100, 1300, true), (70, 1025, false), (1030, 513, true)] {
        let mut case = Case::new(2, queries, keys, 16, 29);
        for (i, k) in case.k.chunks_exact_mut(16).enumerate() {
            let at = (i % keys) as f32 / keys as f32;
            let size = if rising { 6.0 * at } else { 6.0 * (1.0 - at) };
            k.iter_mut().for_each(|k| *k *= size);
        }
        let lens = [keys - 200, keys];
        let fast = case.run(|[q, k, v]| attention(q, k, v, 2, Some(&lens)));
        let plain = case.run(|[q, k, v]| reference::attention(q, k, v, 2, Some(&lens)));
        agree(&fast, &plain);
    }
}

#[test]
fn groups_agree_with_the_reference() {
    for (count, tokens) in [(1, 90), (3, 130), (20, 100), (200, 64), (3, 2500)] {
        let case = Case::new(2, tokens, tokens, 64, 11);
        let groups = groups_of(12, 2, tokens, count);
        let fast = case.run(|[q, k, v]| grouped_attention(q, k, v, 2, &groups));
        let plain = case.run(|[q, k, v]| reference::grouped_attention(q, k, v, 2, &groups));
        agree(&fast, &plain);
    }
}

#[test]
fn prompts_agree_with_the_reference() {
    for (prompts, padded) in [(1, 8), (4, 8), (20, 5)] {
        let case = Case::new(2, 110, prompts * padded, 64, 13);
        let visible = visibility_of(14, 2, 110, prompts, padded);
        let fast = case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 2, &visible));
        let plain = case.run(|[q, k, v]| reference::grouped_cross_attention(q, k, v, 2, &visible));
        agree(&fast, &plain);
    }
}

#[test]
fn no_prompts_give_zero() {
    let visible = PromptVisibility::new(&[], &[], [1, 10, 0], 8);
    let q = input(&noise(10 * 32, 1), [1, 10, 32]);
    let kv = input(&[0.0; 32], [1, 1, 32]);
    let out = grouped_cross_attention(q, kv.clone(), kv, 1, &visible);
    assert_eq!(out.dims(), [1, 10, 32]);
    assert!(values(&out).iter().all(|x| *x == 0.0));
}

#[test]
fn empty_texts_give_zero_and_no_gradient() {
    let visible = PromptVisibility::new(&[true; 30], &[0, 0, 0], [1, 10, 3], 4);
    let case = Case::new(1, 10, 12, 32, 2);
    let (out, grads) = case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 1, &visible));
    assert!(out.iter().chain(grads.iter().flatten()).all(|x| *x == 0.0));
}

#[test]
fn a_token_that_sees_nothing_gives_exactly_zero() {
    let (tokens, prompts, padded) = (30, 2, 4);
    let visible: Vec<bool> = (0..tokens * prompts).map(|i| (i / prompts) % 3 == 0).collect();
    // The second prompt is empty, so that seeing it alone is seeing nothing.
    let visible = PromptVisibility::new(&visible, &[3, 0], [1, tokens, prompts], padded);
    let case = Case::new(1, tokens, prompts * padded, 32, 15);
    let (out, [dq, dk, _]) = case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 1, &visible));
    for token in 0..tokens {
        let range = token * 32..(token + 1) * 32;
        let zero = |x: &[f32]| x[range.clone()].iter().all(|x| *x == 0.0);
        assert_eq!(zero(&out), token % 3 != 0);
        assert_eq!(zero(&dq), token % 3 != 0);
    }
    assert!(dk[3 * 32..].iter().all(|x| *x == 0.0), "padding and empty prompts get no gradient");
}

/// Changing keys and values that are masked for all queries must not change a bit.
#[test]
fn masked_keys_have_no_influence() {
    let lens = [9, 30];
    let mut case = Case::new(2, 50, 30, 64, 17);
    let before = case.run(|[q, k, v]| attention(q, k, v, 2, Some(&lens)));
    for i in 9 * 64..30 * 64 {
        (case.k[i], case.v[i]) = (f32::NAN, f32::INFINITY);
    }
    let after = case.run(|[q, k, v]| attention(q, k, v, 2, Some(&lens)));
    assert_eq!(before, after);
    assert!(before.1[1][9 * 64..30 * 64].iter().all(|x| *x == 0.0));
    assert!(before.1[2][9 * 64..30 * 64].iter().all(|x| *x == 0.0));
}

/// Nor on other devices: NaN in keys, values and queries that take no part does not come through.
#[test]
fn hidden_tokens_have_no_influence_on_the_reference() {
    fn spoil(case: &mut Case, queries: &[usize], keys: &[usize]) {
        let channels = case.channels;
        let token = |i: usize| i * channels..(i + 1) * channels;
        queries.iter().for_each(|&i| case.q[token(i)].fill(f32::NAN));
        keys.iter().for_each(|&i| case.k[token(i)].fill(f32::NAN));
        for (n, &i) in keys.iter().enumerate() {
            case.v[token(i)].fill([f32::NAN, f32::INFINITY][n % 2]);
        }
    }
    let finite = |(out, grads): &Outcome| {
        assert!(out.iter().chain(grads.iter().flatten()).all(|x| x.is_finite()));
    };
    // Some keys of the first batch row, and all of the second, whose queries see nothing.
    let mut case = Case::new(2, 5, 8, 24, 41);
    let run = |case: &Case| case.run(|[q, k, v]| reference::attention(q, k, v, 2, Some(&[6, 0])));
    let before = run(&case);
    spoil(&mut case, &[5, 6, 7, 8, 9], &[6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    let after = run(&case);
    finite(&after);
    assert_eq!(before, after);
    assert!(after.0[5 * 24..].iter().all(|x| *x == 0.0));
    assert!(after.1[1][6 * 24..].iter().chain(&after.1[2][6 * 24..]).all(|x| *x == 0.0));
    // The padding of the first prompt, and the second one, which nobody sees; every third token sees nothing.
    let visible: Vec<bool> = (0..9 * 2).map(|i| i % 2 == 0 && i / 2 % 3 > 0).collect();
    let visible = PromptVisibility::new(&visible, &[2, 4], [1, 9, 2], 4);
    let mut case = Case::new(1, 9, 8, 24, 42);
    let run = |case: &Case| {
        case.run(|[q, k, v]| reference::grouped_cross_attention(q, k, v, 2, &visible))
    };
    let before = run(&case);
    spoil(&mut case, &[0, 3, 6], &[2, 3, 4, 5, 6, 7]);
    let after = run(&case);
    finite(&after);
    assert_eq!(before, after);
}

/// Tokens of other groups must not change a bit of a group's outputs and gradients.
#[test]
fn other_groups_have_no_influence() {
    let tokens = 75;
    let ids: Vec<u8> = (0..tokens).map(|i| (i * i % 4) as u8).collect();
    let groups = TokenGroups::new(&ids, 1, tokens);
    let mut case = Case::new(1, tokens, tokens, 32, 19);
    let before = case.run(|[q, k, v]| grouped_attention(q, k, v, 1, &groups));
    for token in (0..tokens).filter(|&token| ids[token] != 0) {
        for i in token * 32..(token + 1) * 32 {
            (case.q[i], case.k[i], case.v[i]) = (3.0, f32::NAN, -1e30);
        }
    }
    let after = case.run(|[q, k, v]| grouped_attention(q, k, v, 1, &groups));
    for token in (0..tokens).filter(|&token| ids[token] == 0) {
        let range = token * 32..(token + 1) * 32;
        assert_eq!(before.0[range.clone()], after.0[range.clone()]);
        for (before, after) in before.1.iter().zip(&after.1) {
            assert_eq!(before[range.clone()], after[range.clone()]);
        }
    }
}

#[test]
fn unseen_prompts_have_no_influence() {
    let (tokens, prompts, padded) = (40, 3, 6);
    // Nobody sees the last prompt.
    let visible: Vec<bool> =
        (0..tokens * prompts).map(|i| i % prompts != 2 && (i / prompts) % 2 == 0).collect();
    let visible = PromptVisibility::new(&visible, &[6, 4, 6], [1, tokens, prompts], padded);
    let mut case = Case::new(1, tokens, prompts * padded, 32, 21);
    let before = case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 1, &visible));
    for i in (10 * 32..12 * 32).chain(12 * 32..18 * 32) {
        (case.k[i], case.v[i]) = (f32::NAN, f32::NAN);
    }
    let after = case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 1, &visible));
    assert_eq!(before, after);
}

/// Few heads of many queries are cut into tasks of some queries each, many heads are not: the bits are the
/// same, and so they are with any number of threads.
#[test]
fn parts_of_a_head_give_the_bits_of_the_whole() {
    let (copies, queries, keys, channels) = (64, 1100, 520, 32);
    let one = Case::new(1, queries, keys, channels, 43);
    let many = Case {
        q: one.q.repeat(copies),
        k: one.k.repeat(copies),
        v: one.v.repeat(copies),
        batch: copies,
        ..Case::new(1, queries, keys, channels, 43)
    };
    let run = |case: &Case, len: usize| {
        let lens = vec![len; case.batch];
        values(&attention(
            input(&case.q, [case.batch, queries, channels]),
            input(&case.k, [case.batch, keys, channels]),
            input(&case.v, [case.batch, keys, channels]),
            1,
            Some(&lens),
        ))
    };
    for len in [keys, 300, 0] {
        let whole = run(&many, len);
        for threads in [1, 2, 3] {
            let parts = with_threads(threads, || run(&one, len));
            assert!(whole.chunks(parts.len()).all(|whole| whole == parts), "{len} keys");
        }
    }
    // Groups, of which a part may begin in the middle, and prompts.
    let case = Case::new(1, 1500, 1500, 64, 44);
    let texts = Case::new(1, 1500, 300, 64, 44);
    let groups = groups_of(45, 1, 1500, 3);
    let visible = visibility_of(46, 1, 1500, 3, 100);
    let run = |threads| {
        with_threads(threads, || {
            let grouped = case.run(|[q, k, v]| grouped_attention(q, k, v, 1, &groups));
            let cross = texts.run(|[q, k, v]| grouped_cross_attention(q, k, v, 1, &visible));
            (grouped, cross)
        })
    };
    let found = run(1);
    assert_eq!(found, run(3));
    agree(&found.0, &case.run(|[q, k, v]| reference::grouped_attention(q, k, v, 1, &groups)));
    agree(
        &found.1,
        &texts.run(|[q, k, v]| reference::grouped_cross_attention(q, k, v, 1, &visible)),
    );
}

#[test]
fn gradients_agree_with_differences() {
    let case = Case::new(1, 6, 5, 8, 25);
    let weights = noise(6 * 8, 77);
    // The same sum in 64 bits, written from the definition.
    let loss = |q: &[f32], k: &[f32], v: &[f32], dq: usize, step: f64| {
        let at = |x: &[f32], i: usize| f64::from(x[i]);
        let shifted = |i: usize| at(q, i) + if i == dq { step } else { 0.0 };
        let mut sum = 0.0;
        for i in 0..6 {
            let scores: Vec<f64> = (0..5)
                .map(|j| (0..8).map(|c| shifted(i * 8 + c) * at(k, j * 8 + c)).sum::<f64>())
                .map(|score| (score / 8f64.sqrt()).exp())
                .collect();
            let total: f64 = scores.iter().sum();
            for c in 0..8 {
                let out: f64 = (0..5).map(|j| scores[j] / total * at(v, j * 8 + c)).sum();
                sum += out * f64::from(weights[i * 8 + c]);
            }
        }
        sum
    };
    let (_, [dq, _, _]) = case.run(|[q, k, v]| attention(q, k, v, 1, None));
    for (i, &found) in dq.iter().enumerate() {
        let (up, down) =
            (loss(&case.q, &case.k, &case.v, i, 1e-5), loss(&case.q, &case.k, &case.v, i, -1e-5));
        let expected = (up - down) / 2e-5;
        assert!((f64::from(found) - expected).abs() < 1e-5, "dq[{i}]: {found} against {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_shape_agrees(
        batch in 1usize..3, queries in 1usize..140, keys in 1usize..90,
        heads in 1usize..4, size in 1usize..40, seed in 0u64..1000,
    ) {
        let case = Case::new(batch, queries, keys, heads * size, seed);
        let lens: Vec<usize> = (0..batch).map(|row| (seed as usize + 7 * row) % (keys + 1)).collect();
        agree(
            &case.run(|[q, k, v]| attention(q, k, v, heads, Some(&lens))),
            &case.run(|[q, k, v]| reference::attention(q, k, v, heads, Some(&lens))),
        );
    }

    #[test]
    fn any_groups_agree(tokens in 1usize..120, count in 1usize..30, seed in 0u64..1000) {
        let case = Case::new(2, tokens, tokens, 32, seed);
        let groups = groups_of(seed + 5, 2, tokens, count);
        agree(
            &case.run(|[q, k, v]| grouped_attention(q, k, v, 2, &groups)),
            &case.run(|[q, k, v]| reference::grouped_attention(q, k, v, 2, &groups)),
        );
    }

    #[test]
    fn any_visibility_agrees(
        tokens in 1usize..100, prompts in 1usize..6, padded in 1usize..9, seed in 0u64..1000,
    ) {
        let case = Case::new(2, tokens, prompts * padded, 32, seed);
        let visible = visibility_of(seed + 9, 2, tokens, prompts, padded);
        agree(
            &case.run(|[q, k, v]| grouped_cross_attention(q, k, v, 2, &visible)),
            &case.run(|[q, k, v]| reference::grouped_cross_attention(q, k, v, 2, &visible)),
        );
    }
}
