//! What masked attention promises (paper eqs. 2 and 3), on the whole transformer: what a token may
//! not see has exactly zero influence on its output and on gradients.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, Tensor};
use common::*;
use proptest::prelude::*;
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput,
        dit::{Dit, DitConfig},
    },
    weights::{WeightFile, gradients, parameters},
};

/// Large, so that a small influence shows, and finite: the silenced plain attention multiplies what
/// it sees by zero.
const LARGE: f32 = 1e4;

/// Tokens that a prompt may reach through two blocks: those that see it, and their groups.
fn reached_by_prompt(objects: &Objects, row: usize, prompt: usize) -> Vec<bool> {
    let ids = &objects.ids[row * TOKENS..(row + 1) * TOKENS];
    let seen = |group: u8| (0..TOKENS).any(|t| ids[t] == group && objects.sees(row, t, prompt));
    ids.iter().map(|&id| seen(id)).collect()
}

struct Case {
    network: Dit,
    objects: Objects,
    input: DenoiserInput,
    prompts: Vec<f32>,
    device: Device,
}

impl Case {
    fn new(seed: u64, device: Device) -> Self {
        let config = config(layers(MASKED, MASKED));
        let network = object_layers_only(network(&config, seed, &device));
        let objects = Objects::random(seed, 2);
        let prompts = normal("prompts", seed, objects.prompt_shape());
        let input = input(&config, seed, 2, None, &device);
        Self { network, objects, input, prompts, device }
    }

    fn predict(&self, latents: Tensor<5>, prompts: Tensor<3>) -> Tensor<5> {
        let objects = vec![self.objects.context(prompts)];
        self.network.predict(&DenoiserInput { latents, objects, ..self.input.clone() }).unwrap()
    }

    /// The output with other values for latents and prompts.
    fn output(&self, latents: Vec<f32>, prompts: Vec<f32>) -> Vec<u32> {
        let latents = tensor(latents, self.input.latents.dims(), &self.device);
        bits(&self.predict(latents, tensor(prompts, self.objects.prompt_shape(), &self.device)))
    }

    fn latents(&self) -> Vec<f32> {
        values(&self.input.latents)
    }
}

/// Asserts that outputs differ at tokens that `may` holds for only; returns whether any does.
fn differs_only_where(a: &[u32], b: &[u32], may: impl Fn(usize, usize) -> bool) -> bool {
    let mut any = false;
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        let (row, token) = token_of_latent(2, i);
        assert!(x == y || may(row, token), "value {i}, row {row}, token {token} changed");
        any |= x != y;
    }
    any
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_prompt_reaches_only_those_who_see_it_and_their_objects(seed in 0u64..1_000_000) {
        let case = Case::new(seed, Device::flex());
        let before = case.output(case.latents(), case.prompts.clone());
        let per_prompt = case.objects.padded * TEXT;
        for prompt in 0..case.objects.prompts {
            let mut prompts = case.prompts.clone();
            prompts[prompt * per_prompt..(prompt + 1) * per_prompt].fill(LARGE);
            let after = case.output(case.latents(), prompts);
            let reached = reached_by_prompt(&case.objects, 0, prompt);
            let any = differs_only_where(&before, &after, |row, token| row == 0 && reached[token]);
            prop_assert_eq!(any, reached.contains(&true));
        }
    }

    #[test]
    fn padding_reaches_nobody(seed in 0u64..1_000_000) {
        let case = Case::new(seed, Device::flex());
        let mut prompts = case.prompts.clone();
        for (i, token) in prompts.chunks_exact_mut(TEXT).enumerate() {
            if i % case.objects.padded >= case.objects.lengths[i / case.objects.padded] {
                // Not even a value that spoils all it touches.
                token.fill(f32::NAN);
            }
        }
        let before = case.output(case.latents(), case.prompts.clone());
        prop_assert_eq!(before, case.output(case.latents(), prompts));
    }

    #[test]
    fn an_object_reaches_no_other_object(seed in 0u64..1_000_000) {
        let case = Case::new(seed, Device::flex());
        let before = case.output(case.latents(), case.prompts.clone());
        let group = |row: usize, token: usize| case.objects.ids[row * TOKENS + token];
        for id in 0..4 {
            let mut latents = case.latents();
            for (i, v) in latents.iter_mut().enumerate() {
                let (row, token) = token_of_latent(2, i);
                if row == 1 && group(row, token) == id {
                    *v = LARGE;
                }
            }
            let after = case.output(latents, case.prompts.clone());
            let any = differs_only_where(&before, &after, |r, t| r == 1 && group(r, t) == id);
            prop_assert_eq!(any, case.objects.ids[TOKENS..].contains(&id));
        }
    }

    #[test]
    fn what_cannot_be_reached_gets_no_gradient(seed in 0u64..1_000_000) {
        let case = Case::new(seed, Device::flex().autodiff());
        // The loss looks at one object of row 0.
        let watched = case.objects.ids[(seed % TOKENS as u64) as usize];
        let shape = case.input.latents.dims();
        let looked_at = |i: usize| {
            let (row, token) = token_of_latent(2, i);
            row == 0 && case.objects.ids[token] == watched
        };
        let weights = (0..shape.iter().product()).map(|i| f32::from(u8::from(looked_at(i))));
        let weights = tensor(weights.collect(), shape, &case.device);
        let latents = case.input.latents.clone().require_grad();
        let prompts = tensor(case.prompts.clone(), case.objects.prompt_shape(), &case.device);
        let prompts = prompts.require_grad();
        let loss = (case.predict(latents.clone(), prompts.clone()) * weights).sum();
        let found = loss.backward();

        let to_latents = values(&latents.grad(&found).unwrap());
        for (i, g) in to_latents.iter().enumerate() {
            prop_assert!(looked_at(i) || *g == 0.0, "latent {i} got {g}");
        }
        prop_assert!(to_latents.iter().any(|&g| g != 0.0));

        let to_prompts = values(&prompts.grad(&found).unwrap());
        let per_row = to_prompts.len() / 2;
        prop_assert!(to_prompts[per_row..].iter().all(|&g| g == 0.0), "the other row's prompts");
        for (prompt, g) in to_prompts[..per_row].chunks_exact(case.objects.padded * TEXT).enumerate() {
            let reaches = (0..TOKENS).any(|t| {
                case.objects.ids[t] == watched && case.objects.sees(0, t, prompt)
            });
            let valid = case.objects.lengths[prompt] * TEXT;
            prop_assert_eq!(g[..valid].iter().any(|&g| g != 0.0), reaches, "prompt {}", prompt);
            prop_assert!(g[valid..].iter().all(|&g| g == 0.0), "padding of prompt {prompt}");
        }
    }
}

/// A network and the same network, weight for weight, with other object layers.
fn twins(a: &DitConfig, b: &DitConfig) -> (Dit, Dit) {
    let device = Device::flex();
    let first = network(a, 7, &device);
    let mut file = WeightFile::default();
    file.insert_module("", &first);
    let (second, report) = file.load_report("", network(b, 8, &device));
    assert!(report.missing.is_empty() && report.mis_shaped.is_empty(), "{report}");
    assert!(report.unused.iter().all(|name| name.contains(".object_")), "{report}");
    (first, second)
}

#[test]
fn tokens_in_no_box_pass_through_unchanged() {
    let (with, without) = (config(layers(ABSENT, MASKED)), config(layers(ABSENT, ABSENT)));
    // One block, so that no later layer carries what the others saw to those in no box.
    let one = |mut c: DitConfig| {
        (c.depth, c.object_layers.blocks) = (1, 1);
        c
    };
    let (with, without) = (one(with), one(without));
    let (masked, plain) = twins(&with, &without);
    let device = Device::flex();
    let objects = Objects::random(5, 2);
    let shape = objects.prompt_shape();
    let context = objects.context(tensor(normal("prompts", 5, shape), shape, &device));
    let a = bits(&masked.predict(&input(&with, 5, 2, Some(context), &device)).unwrap());
    let b = bits(&plain.predict(&input(&without, 5, 2, None, &device)).unwrap());
    let in_some_box = |row, token| (0..3).any(|prompt| objects.sees(row, token, prompt));
    assert!((0..2 * TOKENS).any(|i| !in_some_box(i / TOKENS, i % TOKENS)));
    assert!(differs_only_where(&a, &b, in_some_box), "the layer does nothing at all");
}

#[test]
fn a_closed_gate_is_no_layer_and_can_open() {
    let mut closed = layers(MASKED, MASKED);
    closed.gate_start = 0.0;
    let (closed, none) = (config(closed), config(layers(ABSENT, ABSENT)));
    let (with, without) = twins(&closed, &none);
    let device = Device::flex();
    let objects = Objects::random(6, 2);
    let shape = objects.prompt_shape();
    let prompts = normal("prompts", 6, shape);
    let context = objects.context(tensor(prompts.clone(), shape, &device));
    let a = with.predict(&input(&closed, 6, 2, Some(context), &device)).unwrap();
    let b = without.predict(&input(&none, 6, 2, None, &device)).unwrap();
    assert_eq!(bits(&a), bits(&b));

    let device = device.autodiff();
    let network = network(&closed, 7, &device);
    let context = objects.context(tensor(prompts, shape, &device));
    let out = network.predict(&input(&closed, 6, 2, Some(context), &device)).unwrap();
    let weights = tensor(normal("weights", 1, out.dims()), out.dims(), &device);
    let found = gradients(&network, (out * weights).sum().backward());
    for (parameter, gradient) in parameters(&network).iter().zip(found) {
        if parameter.name.contains(".object_") {
            let open = parameter.name.ends_with(".gate");
            let moves = gradient.unwrap().iter().any(|&g| g != 0.0);
            assert_eq!(moves, open, "{}", parameter.name);
        }
    }
}

#[test]
fn a_layer_whose_prompts_nobody_sees_does_nothing_and_learns_nothing() {
    let config = config(layers(MASKED, MASKED));
    let device = Device::flex().autodiff();
    let network = network(&config, 3, &device);
    let mut objects = Objects::random(3, 2);
    objects.visible.fill(false);
    let shape = objects.prompt_shape();
    let prompts = tensor(normal("prompts", 3, shape), shape, &device);
    let input = input(&config, 3, 2, Some(objects.context(prompts)), &device);
    let out = network.predict(&input).unwrap();
    let weights = tensor(normal("weights", 3, out.dims()), out.dims(), &device);
    let found = gradients(&network, (out * weights).sum().backward());
    let mut seen = 0;
    for (parameter, gradient) in parameters(&network).iter().zip(found) {
        let learns = gradient.is_some_and(|g| g.iter().any(|&g| g != 0.0));
        let prompts = parameter.name.contains(".object_cross_attention.");
        assert_eq!(learns, !prompts, "{}", parameter.name);
        seen += usize::from(prompts);
    }
    assert_eq!(seen, 2 * 9, "parameters of two masked cross-attention layers");
}
