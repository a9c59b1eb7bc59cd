//! The U-Net against diffusers' `UNetMotionModel`, loaded under each of its public names.

use std::collections::BTreeMap;

use burn::tensor::Device;
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput,
        unet::{MotionModules, Unet, UnetConfig, names},
    },
    layers::{Context, Init, KeyMask},
    weights::{Checkpoint, TensorSource, WeightFile, load_public, parameters, recognise, renamed},
};

use crate::fixture::{BLOCK, Fixture, MODEL};

fn config(case: &str) -> UnetConfig {
    let v3 = UnetConfig {
        latent_channels: 2,
        condition_channels: 3,
        latent_size: [3, 8, 4],
        channels: vec![4, 8, 8],
        attention: vec![true, true, false],
        layers: 2,
        heads: 2,
        norm_groups: 2,
        text_width: 6,
        motion: Some(MotionModules { heads: 4, max_frames: 8, middle: false }),
        ..UnetConfig::tiny(0)
    };
    match case {
        "v3" => v3,
        _ => UnetConfig {
            latent_channels: 3,
            condition_channels: 0,
            latent_size: [2, 4, 6],
            channels: vec![4, 8],
            attention: vec![true, false],
            layers: 1,
            heads: 4,
            norm_groups: 4,
            text_width: 4,
            motion: Some(MotionModules { heads: 2, max_frames: 8, middle: true }),
            ..v3
        },
    }
}

/// The tensors under a prefix that are parameters.
fn weights(fixture: &Fixture, prefix: &str) -> WeightFile {
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &fixture.0.tensors {
        if let Some(name) = name.strip_prefix(prefix).filter(|name| !names::is_table(name)) {
            tensors.insert(name.to_owned(), tensor.clone());
        }
    }
    WeightFile { tensors, ..Default::default() }
}

fn load(fixture: &Fixture, case: &str, device: &Device) -> Unet {
    let network = Unet::new(&mut Init::new(0, device), &config(case)).unwrap();
    let file = weights(fixture, &format!("{case}.net."));
    load_public(case, &file, network, names::diffusers).unwrap()
}

#[test]
fn predictions_and_gradients() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    for case in ["v3", "v2"] {
        let device = Device::flex().autodiff();
        let (network, config) = (load(&fixture, case, &device), config(case));
        let x = fixture.input::<5>(&format!("{case}.x"));
        let text = fixture.input::<3>(&format!("{case}.text"));
        let [batch, tokens, _] = text.dims();
        let (latents, conditions) = (config.latent_channels, config.condition_channels);
        let rest =
            x.clone().narrow(1, if conditions == 0 { 0 } else { latents }, conditions.max(1));
        let [_, _, t, h, w] = x.dims();
        let none = burn::tensor::Tensor::zeros([batch, 0, t, h, w], &device);
        let out = network.predict(&DenoiserInput {
            latents: x.clone().narrow(1, 0, latents),
            time: fixture.values(&format!("{case}.time")).to_vec(),
            conditions: if conditions == 0 { none } else { rest }.into(),
            text: Context::new(text.clone(), KeyMask::Lengths(vec![tokens; batch])),
            objects: Vec::new(),
        });
        let found = fixture.backward(&format!("{case}."), out.unwrap(), BLOCK);
        fixture.gradient(&format!("{case}.d_x"), &x, &found, MODEL);
        fixture.gradient(&format!("{case}.d_text"), &text, &found, MODEL);
    }
}

/// A checkpoint that `original.py` wrote.
fn published(name: &str) -> Checkpoint {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/unet");
    Checkpoint::open(format!("{folder}/{name}.ckpt")).unwrap()
}

#[test]
fn the_original_checkpoints_hold_the_same_network() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let (device, config) = (Device::flex(), config("v2"));
    let expected = parameters(&load(&fixture, "v2", &device));
    let [single, motion] = ["single", "motion"].map(published);
    // As training on several devices writes it.
    let wrapped = renamed(&motion, |name| Some(format!("module.{name}"))).unwrap();
    let [mut unet, mut adapter] = [WeightFile::default(), WeightFile::default()];
    (adapter.tensors, unet.tensors) = weights(&fixture, "v2.net.")
        .tensors
        .into_iter()
        .partition(|(name, _)| name.contains("motion_modules"));
    let pairs: [[&dyn TensorSource; 2]; 5] = [
        [&single, &motion],
        [&motion, &single],
        [&single, &wrapped],
        [&single, &adapter],
        [&unet, &motion],
    ];
    for (i, sources) in pairs.iter().enumerate() {
        let report = Unet::check_public("original", sources, &config).unwrap();
        assert_eq!(report.applied.len(), expected.len(), "pair {i}");
        // Another seed than that of the network they are compared with.
        let network = Unet::load_public("original", sources, &config, 1, &device).unwrap();
        assert!(parameters(&network) == expected, "pair {i}");
    }
}

#[test]
fn what_the_network_has_no_place_for_is_named() {
    let config = config("v2");
    let [single, motion, low_rank] = ["single", "motion", "adapter"].map(published);
    assert_eq!(recognise(&low_rank).unwrap(), "low-rank adapter (LoRA)");
    let only = |name: &str| {
        let mut file = WeightFile::default();
        file.tensors.insert(name.to_owned(), (vec![1], vec![0.0]));
        file
    };
    let block = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0";
    let lora = format!("{block}.attention_blocks.0.processor.to_q_lora.down.weight");
    let (motion_lora, more) = (only(&format!("module.{lora}")), only(&format!("{block}.more")));
    let refused = |sources: &[&dyn TensorSource], parts: &[&str]| {
        for error in [
            Unet::load_public("start", sources, &config, 0, &Device::flex()).map(drop),
            Unet::check_public("start", sources, &config).map(drop),
        ] {
            let error = error.unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
        }
    };
    let key =
        "64 unused: down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_k_lora";
    refused(&[&single, &motion, &low_rank], &[key]);
    refused(&[&single, &low_rank], &["182 missing", "motion_modules", key]);
    refused(&[&single, &motion_lora], &["182 missing", &format!("1 unused: {lora}")]);
    refused(&[&single, &motion, &motion_lora], &[&format!("1 unused: {lora}")]);
    refused(&[&single, &motion, &more], &[&format!("1 unused: {block}.more")]);
    refused(&[&motion], &["missing", "conv_in"]);
    refused(&[&single, &motion, &motion], &["more than one file"]);
}
