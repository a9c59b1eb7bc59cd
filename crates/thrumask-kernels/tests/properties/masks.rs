//! What attention may not see has no influence: outputs and gradients keep every bit.

use proptest::prelude::*;

use crate::exact::*;
use crate::shapes::{groups, key_lengths, prompts};

/// Values that spoil all they touch.
fn poison() -> impl Strategy<Value = f32> {
    prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30])
}

/// Replaces the tokens of `[B, N, C]` that `chosen(row, token)` names.
fn spoil(x: &mut Array<f32>, value: f32, chosen: impl Fn(usize, usize) -> bool) {
    let [tokens, channels] = [x.dims[1], x.dims[2]];
    for (i, x) in x.values.chunks_mut(channels).enumerate() {
        if chosen(i / tokens, i % tokens) {
            x.fill(value);
        }
    }
}

/// Whether the tokens of `[B, N, C]` that `chosen(row, token)` names have the same bits; and are zero
/// where `expected` is `None`.
fn kept(
    dims: &[usize],
    found: &[f32],
    expected: Option<&[f32]>,
    chosen: impl Fn(usize, usize) -> bool,
) -> bool {
    let (tokens, channels) = (dims[1], dims[2]);
    found.iter().enumerate().all(|(i, x)| {
        let token = i / channels;
        let expected = expected.map_or(0.0, |expected| expected[i]);
        !chosen(token / tokens, token % tokens) || x.to_bits() == expected.to_bits()
    })
}

/// Spoils keys and values that `hidden(row, key)` names, and queries that see no key: nothing changes,
/// what was spoilt has no gradient, and those queries give zero.
fn hidden_is_hidden(
    mut operator: Operator,
    value: f32,
    hidden: impl Fn(usize, usize) -> bool,
    sees_nothing: impl Fn(usize, usize) -> bool,
) {
    let name = operator.name.clone();
    let before = operator.run();
    spoil(&mut operator.inputs[0], value, &sees_nothing);
    spoil(&mut operator.inputs[1], value, &hidden);
    spoil(&mut operator.inputs[2], value, &hidden);
    let after = operator.run();
    assert!(before.same(&after), "{value} in {name}");
    assert!(before.out.iter().chain(before.grads.iter().flatten()).all(|x| x.is_finite()));
    let dims: Vec<&[usize]> = operator.inputs.iter().map(|x| &x.dims[..]).collect();
    assert!(kept(dims[0], &after.out, None, &sees_nothing), "output of {name}");
    assert!(kept(dims[0], &after.grads[0], None, &sees_nothing), "queries of {name}");
    assert!(kept(dims[1], &after.grads[1], None, &hidden), "keys of {name}");
    assert!(kept(dims[2], &after.grads[2], None, &hidden), "values of {name}");
    let untracked = operator.run_untracked();
    assert!(kept(dims[0], &untracked, Some(&before.out), |_, _| true), "without record, {name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn keys_past_the_length_are_hidden(
        (keys, lens) in key_lengths(),
        (queries, heads, size) in (1usize..90, 1usize..4, 1usize..30),
        (value, seed) in (poison(), 0u64..1000),
    ) {
        let operator = attention([lens.len(), queries, keys, heads, size], Some(lens.clone()), seed);
        hidden_is_hidden(operator, value, |row, key| key >= lens[row], |row, _| lens[row] == 0);
    }

    #[test]
    fn unseen_prompts_and_padding_are_hidden(
        ([batch, tokens], prompts) in prompts(),
        (heads, size) in (1usize..4, 1usize..30),
        (value, seed) in (poison(), 0u64..1000),
    ) {
        let operator = prompted([batch, tokens, heads, size], prompts.clone(), seed);
        let keys = prompts.count * prompts.padded;
        let sees = |row, token, key| prompts.sees(tokens, row, token, key);
        hidden_is_hidden(
            operator,
            value,
            |row, key| (0..tokens).all(|token| !sees(row, token, key)),
            |row, token| (0..keys).all(|key| !sees(row, token, key)),
        );
    }

    /// A prompt that some tokens see does not change the others.
    #[test]
    fn prompts_of_other_tokens_are_hidden(
        ([batch, tokens], prompts) in prompts(),
        (heads, size) in (1usize..4, 1usize..30),
        (which, value, seed) in (any::<prop::sample::Index>(), poison(), 0u64..1000),
    ) {
        let mut operator = prompted([batch, tokens, heads, size], prompts.clone(), seed);
        let before = operator.run();
        let prompt = which.index(prompts.count);
        for input in [1, 2] {
            spoil(&mut operator.inputs[input], value, |_, key| key / prompts.padded == prompt);
        }
        let after = operator.run();
        let blind =
            |row: usize, token: usize| !prompts.sees(tokens, row, token, prompt * prompts.padded);
        let dims = &operator.inputs[0].dims;
        assert!(kept(dims, &after.out, Some(&before.out), blind), "{}", operator.name);
        assert!(kept(dims, &after.grads[0], Some(&before.grads[0]), blind), "{}", operator.name);
    }

    #[test]
    fn other_groups_are_hidden(
        ([batch, tokens], ids) in groups(),
        (heads, size) in (1usize..4, 1usize..30),
        (which, value, seed) in (any::<prop::sample::Index>(), poison(), 0u64..1000),
    ) {
        let mut operator = grouped([batch, tokens, heads, size], ids.clone(), seed);
        let before = operator.run();
        // The group of this token in its batch row alone; the id may be used in others too.
        let token = which.index(ids.len());
        let spoilt = |row: usize, at: usize| {
            row == token / tokens && ids[row * tokens + at] == ids[token]
        };
        operator.inputs.iter_mut().for_each(|x| spoil(x, value, spoilt));
        let after = operator.run();
        let dims = &operator.inputs[0].dims;
        let others = |row, at| !spoilt(row, at);
        assert!(kept(dims, &after.out, Some(&before.out), others), "{}", operator.name);
        for (before, after) in before.grads.iter().zip(&after.grads) {
            assert!(kept(dims, after, Some(before), others), "{}", operator.name);
        }
    }

    #[test]
    fn large_scores_stay_finite(
        (keys, lens) in key_lengths(),
        (queries, heads, size) in (1usize..90, 1usize..4, 1usize..30),
        (power, seed) in (1i32..17, 0u64..1000),
    ) {
        let dims = [lens.len(), queries, keys, heads, size];
        let mut operator = attention(dims, Some(lens.clone()), seed);
        for input in [0, 1] {
            let x = &mut operator.inputs[input].values;
            x.iter_mut().for_each(|x| *x *= 10f32.powi(power));
        }
        let found = operator.run();
        prop_assert!(found.out.iter().chain(found.grads.iter().flatten()).all(|x| x.is_finite()));
        // Means of values lie between them.
        let most = operator.inputs[2].values.iter().fold(0.0f32, |a, b| a.max(b.abs()));
        prop_assert!(found.out.iter().all(|x| x.abs() <= most * (1.0 + 1e-5)));
    }
}

/// A batch row that is spoilt leaves the others alone.
#[test]
fn other_batch_rows_are_hidden() {
    for value in [f32::NAN, f32::INFINITY, 1e30] {
        for mut operator in every_operator() {
            let batch = operator.inputs[0].dims[0];
            let before = operator.run();
            // No weights of these operators have as many rows as there are batch rows.
            let by_row = |x: &Array<f32>| x.dims.len() > 1 && x.dims[0] == batch;
            let by_row: Vec<usize> =
                (0..operator.inputs.len()).filter(|&i| by_row(&operator.inputs[i])).collect();
            for &i in &by_row {
                let x = &mut operator.inputs[i].values;
                let row = x.len() / batch;
                x[..row].fill(value);
            }
            let after = operator.run();
            let same = |a: &[f32], b: &[f32]| {
                let row = a.len() / batch;
                a[row..].iter().zip(&b[row..]).all(|(a, b)| a.to_bits() == b.to_bits())
            };
            assert!(same(&before.out, &after.out), "output of {}", operator.name);
            for i in by_row {
                let same = same(&before.grads[i], &after.grads[i]);
                assert!(same, "gradient {i} of {}", operator.name);
            }
        }
    }
}
