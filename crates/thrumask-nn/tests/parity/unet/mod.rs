//! The U-Net against diffusers' `UNetMotionModel`, loaded under each of its public names.

use std::collections::BTreeMap;

use burn::tensor::Device;
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput,
        unet::{MotionModules, Unet, UnetConfig, names},
    },
    layers::{Context, Init, KeyMask},
    weights::{WeightFile, load_public, parameters},
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
            conditions: if conditions == 0 { none } else { rest },
            text: Context::new(text.clone(), KeyMask::Lengths(vec![tokens; batch])),
            objects: Vec::new(),
        });
        let found = fixture.backward(&format!("{case}."), out.unwrap(), BLOCK);
        fixture.gradient(&format!("{case}.d_x"), &x, &found, MODEL);
        fixture.gradient(&format!("{case}.d_text"), &text, &found, MODEL);
    }
}

#[test]
fn the_original_files_hold_the_same_network() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let (device, config) = (Device::flex(), config("v2"));
    let expected = load(&fixture, "v2", &device);
    let network = Unet::new(&mut Init::new(1, &device), &config).unwrap();
    let called: BTreeMap<String, String> =
        serde_json::from_str(&fixture.0.metadata["v2.original"]).unwrap();
    let rename = |(name, tensor): (String, _)| (called[&name].clone(), tensor);
    let tensors = weights(&fixture, "v2.net.").tensors.into_iter().map(rename).collect();
    let original = WeightFile { tensors, ..Default::default() };
    let rename = |path: &str| match path.contains("motion_modules") {
        true => names::animatediff(path),
        false => names::single_file(path, &config),
    };
    let loaded = load_public("original", &original, network, rename).unwrap();
    assert_eq!(parameters(&loaded), parameters(&expected));
}
