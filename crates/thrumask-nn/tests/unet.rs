//! The U-Net's own promises: closed gates, prompts nobody sees, rows and frames that do not meet,
//! parameter counts of the baselines, sizes that do not fit.
#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroUsize;

use burn::tensor::{Device, Tensor};
use common::{SIDE, TEXT, bits, normal, slopes, tensor, unet_config as config, values};
use thrumask_core::{LabelMap, Size, Trajectory};
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput, FirstFrame, ObjectContext, ObjectGrid, ObjectLayer, ObjectLayers,
        groups::Visibility,
        unet::{MotionModules, Unet, UnetConfig},
    },
    layers::{Context, Init, KeyMask, Rotary},
    weights::{FloatType, WeightFile, parameters, with_values},
};

const WORDS: usize = 3;

fn layers(self_attention: ObjectLayer, cross_attention: ObjectLayer) -> ObjectLayers {
    ObjectLayers { blocks: 2, self_attention, cross_attention, gate_start: 0.5 }
}

fn both(gate_start: f32) -> ObjectLayers {
    ObjectLayers { gate_start, ..layers(ObjectLayer::Masked, ObjectLayer::Masked) }
}

fn network(config: &UnetConfig, seed: u64) -> Unet {
    Unet::new(&mut Init::new(seed, &Device::flex()), config).unwrap()
}

/// Object 1 in the left quarter, object 2 nowhere.
fn trajectory() -> Trajectory {
    let ids = (0..SIDE * SIDE).map(|i| u8::from(i % SIDE < SIDE / 4)).collect();
    let frame = LabelMap::new(Size::new(SIDE, SIDE), ids).unwrap();
    Trajectory::new(vec![frame; 3], 2, 8.0).unwrap()
}

/// [`seen`] of the usual trajectory.
fn objects(network: &Unet, seeds: [u64; 2]) -> Vec<ObjectContext> {
    seen(network, &trajectory(), seeds)
}

/// Objects on each grid, with prompts that depend on a seed of their own each.
fn seen(network: &Unet, trajectory: &Trajectory, seeds: [u64; 2]) -> Vec<ObjectContext> {
    let prompts = seeds.map(|seed| {
        tensor(normal("prompt", seed, [1, WORDS, TEXT]), [1, WORDS, TEXT], &Device::flex())
    });
    let prompts = Tensor::cat(prompts.to_vec(), 1); // [1, S·L, D]
    let on = |grid: [usize; 3]| {
        let grids = [ObjectGrid::new(trajectory, grid, Visibility::Box).unwrap()];
        let visible = ObjectGrid::visibility(&grids, &[vec![WORDS; 2]], WORDS).unwrap();
        ObjectContext {
            groups: ObjectGrid::groups(&grids).unwrap(),
            prompts: Context::new(prompts.clone(), KeyMask::Prompts(visible)),
        }
    };
    network.config().object_grids().into_iter().map(on).collect()
}

fn input(config: &UnetConfig, seed: u64, objects: Vec<ObjectContext>) -> DenoiserInput {
    input_on(config, seed, objects, &Device::flex())
}

fn input_on(
    config: &UnetConfig,
    seed: u64,
    objects: Vec<ObjectContext>,
    device: &Device,
) -> DenoiserInput {
    let [t, h, w] = config.latent_size;
    let video = |name: &str, channels: usize| {
        let shape = [1, channels, t, h, w];
        tensor(normal(name, seed, shape), shape, device)
    };
    let text = [1, WORDS, TEXT];
    DenoiserInput {
        latents: video("latents", config.latent_channels),
        time: vec![700.0],
        conditions: video("conditions", config.condition_channels).into(),
        text: Context::new(
            tensor(normal("text", seed, text), text, device),
            KeyMask::Lengths(vec![WORDS]),
        ),
        objects,
    }
}

#[test]
fn closed_gates_leave_the_plain_network_to_the_bit() {
    let (plain, closed) = (config(ObjectLayers::NONE), config(both(0.0)));
    let ours = network(&plain, 1);
    let mut file = WeightFile::default();
    file.insert_module("", &ours);
    let (with_layers, report) = file.load_report("", network(&closed, 2));
    assert!(report.unused.is_empty() && report.mis_shaped.is_empty(), "{report}");
    assert!(report.missing.iter().all(|name| name.contains("object_")), "{report}");
    let expected = ours.predict(&input(&plain, 3, Vec::new())).unwrap();
    let seen = objects(&with_layers, [1, 2]);
    assert_eq!(seen.len(), 2, "two levels have masked layers");
    let found = with_layers.predict(&input(&closed, 3, seen.clone())).unwrap();
    assert_eq!(bits(&found), bits(&expected));
    let open = network(&config(both(0.5)), 2);
    let (open, _) = file.load_report("", open);
    let found = open.predict(&input(&closed, 3, seen)).unwrap();
    assert_ne!(bits(&found), bits(&expected), "open gates change the prediction");
}

#[test]
fn a_prompt_that_nobody_sees_changes_nothing() {
    let config = config(both(0.5));
    let network = network(&config, 4);
    let predict =
        |seeds| bits(&network.predict(&input(&config, 5, objects(&network, seeds))).unwrap());
    let first = predict([1, 2]);
    assert_eq!(first, predict([1, 9]), "object 2 is nowhere");
    assert_ne!(first, predict([9, 2]), "object 1 is somewhere");
}

#[test]
fn rows_of_a_batch_do_not_meet() {
    let config = config(layers(ObjectLayer::Unmasked, ObjectLayer::Unmasked));
    let network = network(&config, 6);
    let rows = [input(&config, 7, Vec::new()), input(&config, 8, Vec::new())];
    let join =
        |f: &dyn Fn(&DenoiserInput) -> Tensor<5>| Tensor::cat(rows.iter().map(f).collect(), 0);
    let text = Tensor::cat(rows.iter().map(|r| r.text.tokens.clone()).collect(), 0);
    let together = DenoiserInput {
        latents: join(&|r| r.latents.clone()),
        time: vec![700.0; 2],
        conditions: join(&|r| r.conditions.latents.clone()).into(),
        text: Context::new(text, KeyMask::Lengths(vec![WORDS; 2])),
        objects: Vec::new(),
    };
    let together = network.predict(&together).unwrap();
    for (i, row) in rows.iter().enumerate() {
        let alone = network.predict(row).unwrap();
        assert_eq!(bits(&together.clone().narrow(0, i, 1)), bits(&alone), "row {i}");
    }
}

/// Wide enough for each way in which a product or a convolution is made, in five frames; with positions.
fn chunked(object_layers: ObjectLayers) -> UnetConfig {
    UnetConfig {
        latent_size: [5, 16, 16],
        channels: vec![64; 3],
        heads: 4,
        rotary: Some(Rotary::even(16)),
        norm_groups: 8,
        motion: Some(MotionModules { heads: 4, max_frames: 5, middle: true }),
        ..config(object_layers)
    }
}

/// Of five frames for [`chunked`], object 1 in the left quarter.
fn long_trajectory() -> Trajectory {
    let ids = (0..16 * 16).map(|i| u8::from(i % 16 < 4)).collect();
    let frame = LabelMap::new(Size::new(16, 16), ids).unwrap();
    Trajectory::new(vec![frame; 5], 2, 8.0).unwrap()
}

#[test]
fn frames_in_chunks_change_no_bit() {
    use ObjectLayer::{Absent, Masked, Unmasked};
    let chunks = [1, 2, 3, 4, 5, 9].map(NonZeroUsize::new);
    let both_of = |layer| layers(layer, layer);
    for object_layers in [ObjectLayers::NONE, both_of(Unmasked), layers(Absent, Unmasked)] {
        let config = chunked(object_layers);
        let network = network(&config, 13);
        // Two rows: a chunk is of the same frames of both.
        let rows = [14, 15].map(|seed| input(&config, seed, Vec::new()));
        let join = |f: &dyn Fn(&DenoiserInput) -> Tensor<5>| {
            Tensor::cat(rows.iter().map(f).collect::<Vec<_>>(), 0)
        };
        let text = Tensor::cat(rows.iter().map(|r| r.text.tokens.clone()).collect(), 0);
        let input = DenoiserInput {
            latents: join(&|r| r.latents.clone()),
            time: vec![700.0, 20.0],
            conditions: join(&|r| r.conditions.latents.clone()).into(),
            text: Context::new(text, KeyMask::Lengths(vec![WORDS, WORDS - 1])),
            objects: Vec::new(),
        };
        let expected = bits(&network.predict(&input).unwrap());
        for chunk in chunks {
            let found = network.clone().in_chunks(chunk).predict(&input).unwrap();
            assert!(bits(&found) == expected, "{object_layers:?} by {chunk:?}");
        }
    }
    let config = chunked(both_of(Masked));
    let network = network(&config, 16);
    let mut input = input(&config, 17, seen(&network, &long_trajectory(), [1, 2]));
    input.text = input.text.kept();
    let expected = bits(&network.predict(&input).unwrap());
    for chunk in chunks {
        let found = network.clone().in_chunks(chunk).predict(&input).unwrap();
        assert!(bits(&found) == expected, "masked by {chunk:?}");
    }
}

#[test]
fn positions_are_told_apart_where_asked_for() {
    use ObjectLayer::{Absent, Unmasked};
    for object_layers in [ObjectLayers::NONE, layers(Unmasked, Absent)] {
        let with = chunked(object_layers);
        let without = UnetConfig { rotary: None, ..with.clone() };
        // The same parameters: positions have none.
        let [found, plain] = [&with, &without].map(|config| {
            bits(&network(config, 18).predict(&input(config, 19, Vec::new())).unwrap())
        });
        assert_ne!(found, plain, "{object_layers:?}");
        // Frames attend within themselves, so only object layers know the frames' order by them.
        let turned = Rotary { pairs: [8, 0, 0], ..Rotary::even(16) };
        let frames = UnetConfig { rotary: Some(turned), ..with };
        let found = bits(&network(&frames, 18).predict(&input(&frames, 19, Vec::new())).unwrap());
        assert_eq!(found == plain, object_layers == ObjectLayers::NONE, "{object_layers:?}");
    }
}

#[test]
fn positions_that_do_not_fit_the_heads_are_refused() {
    let config = UnetConfig { rotary: Some(Rotary::even(8)), ..chunked(ObjectLayers::NONE) };
    let error = config.check().unwrap_err().to_string();
    assert!(
        error.contains("rotary.pairs") && error.contains("channels[0] = 64, got [1, 1, 2]"),
        "{error}"
    );
}

#[test]
fn frames_meet_in_the_motion_modules_and_object_layers_alone() {
    let meets = |config: &UnetConfig| {
        let network = network(config, 9);
        let given = input(config, 10, Vec::new());
        let mut other = given.clone();
        let last = other.latents.clone().narrow(2, 2, 1) + 1.0;
        other.latents = Tensor::cat(vec![other.latents.narrow(2, 0, 2), last], 2);
        let of = |input: &DenoiserInput| bits(&network.predict(input).unwrap().narrow(2, 0, 2));
        of(&given) != of(&other)
    };
    let plain = config(ObjectLayers::NONE);
    assert!(meets(&plain), "motion modules");
    let still = UnetConfig { motion: None, ..plain };
    assert!(!meets(&still), "neither");
    let own = layers(ObjectLayer::Unmasked, ObjectLayer::Absent);
    assert!(meets(&UnetConfig { object_layers: own, ..still.clone() }), "object self-attention");
    let cross = layers(ObjectLayer::Absent, ObjectLayer::Unmasked);
    assert!(!meets(&UnetConfig { object_layers: cross, ..still }), "object cross-attention");
}

#[test]
fn the_baseline_has_as_many_parameters_as_the_model() {
    let count = |layers: ObjectLayers| -> usize {
        parameters(&network(&config(layers), 1)).iter().map(|p| p.values.len()).sum()
    };
    use ObjectLayer::{Absent, Masked, Unmasked};
    let masked = count(layers(Masked, Masked));
    assert_eq!(masked, count(layers(Unmasked, Unmasked)));
    let none = count(ObjectLayers::NONE);
    let (own, cross) = (count(layers(Masked, Absent)), count(layers(Absent, Masked)));
    assert!(none < own && none < cross);
    assert_eq!(masked - none, (own - none) + (cross - none));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let good = config(both(0.5));
    type Spoil = fn(&mut UnetConfig);
    let bad: [(&str, Spoil); 12] = [
        ("channels", |c| c.channels.clear()),
        ("channels", |c| c.layers = 0),
        ("attention", |c| c.attention.truncate(1)),
        ("heads", |c| c.heads = 3),
        ("norm_groups", |c| c.norm_groups = 0),
        ("motion.heads", |c| c.motion.as_mut().unwrap().heads = 3),
        ("latent_size", |c| c.latent_size = [3, 8, 6]),
        ("latent_size", |c| c.latent_size = [5, 8, 8]),
        ("latent_size", |c| c.patch = [1, 4, 2]),
        ("latent_size", |c| c.patch = [0, 1, 1]),
        ("first_frame_channel", |c| {
            (c.first_frame, c.first_frame_channel) = (FirstFrame::Gated, 1);
        }),
        ("object_layers.blocks", |c| c.object_layers.blocks = 3),
    ];
    for (name, spoil) in bad {
        let mut config = good.clone();
        spoil(&mut config);
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("expected"), "{name}: {error}");
    }
    let network = network(&good, 1);
    let seen = objects(&network, [1, 2]);
    assert!(network.predict(&input(&good, 1, seen.clone())).is_ok());
    for objects in [Vec::new(), seen[..1].to_vec(), seen.iter().rev().cloned().collect()] {
        let error = network.predict(&input(&good, 1, objects)).unwrap_err().to_string();
        assert!(error.contains("objects") && error.contains("expected"), "{error}");
    }
}

/// Patches, with the first frame and the noise around the network.
fn patched(first_frame: FirstFrame, object_layers: ObjectLayers) -> UnetConfig {
    UnetConfig {
        latent_size: [6, 2 * SIDE, SIDE],
        patch: [3, 2, 1],
        condition_channels: 4,
        first_frame,
        first_frame_channel: 2,
        mixed: true,
        ..config(object_layers)
    }
}

#[test]
fn patches_and_what_goes_around_the_network_have_their_slopes() {
    for first_frame in [FirstFrame::None, FirstFrame::Residual, FirstFrame::Gated] {
        let config = patched(first_frame, ObjectLayers::NONE);
        // Fresh layers that begin at zero would hide what is before them.
        let network = |device: &Device| {
            let fresh = Unet::new(&mut Init::new(20, device), &config).unwrap();
            let start = parameters(&fresh);
            with_values(fresh, |i, _, _| {
                let values = start[i].values.iter();
                let shift = normal("shift", i as u64, [start[i].values.len()]);
                Some(values.zip(shift).map(|(v, s)| v + 0.1 * s).collect())
            })
        };
        let [slope, measured] = slopes(network, |network, device| {
            let out = network.predict(&input_on(&config, 21, Vec::new(), device)).unwrap();
            assert_eq!(out.dims(), [1, 2, 6, 2 * SIDE, SIDE]);
            let weights = tensor(normal("weights", 21, out.dims()), out.dims(), device);
            (out * weights).sum()
        });
        let error = (measured - slope).abs() / slope.abs().max(1.0);
        assert!(error < 0.02, "{first_frame:?}: slope {slope}, measured {measured}");
    }
}

#[test]
fn a_fresh_mixture_is_what_the_network_makes_with_its_sign_turned() {
    let mixed = patched(FirstFrame::Gated, ObjectLayers::NONE);
    let alone = UnetConfig { mixed: false, ..mixed.clone() };
    let [found, plain] = [&mixed, &alone].map(|config| {
        let prediction = network(config, 22).predict(&input(config, 23, Vec::new())).unwrap();
        values(&prediction)
    });
    assert!(found.iter().zip(&plain).all(|(a, b)| a + b == 0.0));
}

#[test]
fn masked_layers_of_a_patched_network_work_on_its_grids() {
    let config = patched(FirstFrame::Residual, both(0.5));
    let network = network(&config, 24);
    assert_eq!(network.config().object_grids(), [[2, 8, 8], [2, 4, 4]]);
    let size = Size::new(4 * SIDE, 2 * SIDE);
    let ids = (0..size.area()).map(|i| u8::from(i % size.width < size.width / 4)).collect();
    let frame = LabelMap::new(size, ids).unwrap();
    let trajectory = Trajectory::new(vec![frame; 6], 2, 8.0).unwrap();
    let predict = |seeds| {
        let seen = seen(&network, &trajectory, seeds);
        bits(&network.predict(&input(&config, 25, seen)).unwrap())
    };
    assert_eq!(predict([1, 2]), predict([1, 3]), "object 2 is nowhere");
    assert_ne!(predict([1, 2]), predict([4, 2]), "object 1 hears its prompt");
}

#[test]
fn predictions_are_finite_at_every_time() {
    let config = config(both(0.5));
    let network = network(&config, 11);
    for time in [0.0, 1.0, 999.0] {
        let input =
            DenoiserInput { time: vec![time], ..input(&config, 12, objects(&network, [1, 2])) };
        assert!(values(&network.predict(&input).unwrap()).iter().all(|v| v.is_finite()), "{time}");
    }
}

#[test]
fn weights_in_16_bits_count_as_their_rounded_values() {
    let config = chunked(both(0.5));
    for (kept, round) in [
        (FloatType::F16, (|v| half::f16::from_f32(v).to_f32()) as fn(f32) -> f32),
        (FloatType::BF16, |v| half::bf16::from_f32(v).to_f32()),
    ] {
        let narrow = Unet::new(&mut Init::new(18, &Device::flex()).keeping(kept), &config).unwrap();
        let whole = parameters(&network(&config, 18));
        let rounded = with_values(network(&config, 18), |i, _, shape| {
            // Norms and biases stay.
            let values = whole[i].values.iter();
            Some(values.map(|&v| if shape.len() > 1 { round(v) } else { v }).collect())
        });
        assert_eq!(parameters(&narrow), parameters(&rounded));
        assert_ne!(parameters(&narrow), whole, "{kept:?} rounds");
        let input = input(&config, 19, seen(&narrow, &long_trajectory(), [1, 2]));
        let predict = |network: &Unet| bits(&network.predict(&input).unwrap());
        let expected = predict(&rounded);
        assert!(predict(&narrow) == expected, "{kept:?}");
        // A file's values are rounded as they are read.
        let mut file = WeightFile::default();
        file.insert_module("", &network(&config, 18));
        let blank = Unet::new(&mut Init::new(0, &Device::flex()).keeping(kept), &config).unwrap();
        let read = file.load_into("file", "", blank).unwrap();
        assert!(predict(&read) == expected, "{kept:?} of a file");
    }
}
