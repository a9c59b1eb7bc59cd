//! Stable Diffusion's autoencoder against diffusers' `AutoencoderKL`.

use burn::tensor::{Device, Tensor};
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig, Portions},
    weights::only_prefix,
};

use crate::fixture::{BLOCK, Fixture, values};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

/// Frames of one video, `[B, C, H, W]` to `[1, C, B, H, W]`.
fn video(frames: Tensor<4>) -> Tensor<5> {
    frames.swap_dims(0, 1).unsqueeze()
}

/// The frames of a video.
fn frames(video: Tensor<5>) -> Vec<f32> {
    values(video.squeeze_dim::<4>(0).swap_dims(0, 1))
}

fn load(fixture: &Fixture, prefix: &str, config: &KlConfig) -> AutoencoderKl {
    let state = only_prefix(&fixture.0, &format!("{prefix}state."));
    AutoencoderKl::load("fixture", &state, config, &Device::flex()).unwrap()
}

#[test]
fn moments_samples_and_pictures() {
    let (fixture, device) = (fixture(), Device::flex());
    let kl = load(&fixture, "", &KlConfig::tiny());
    let input = |name: &str| video(fixture.tensor(name, &device));
    let (pixels, latents) = (input("pixels"), input("latents"));
    for portions in [Portions::FRAMES, Portions { frames: 2, rows: None }, Portions::bands(8)] {
        let posterior = kl.posterior(pixels.clone(), portions).unwrap();
        fixture.close("deviation", &frames(posterior.deviation.clone()), BLOCK);
        fixture.close("mode", &frames(posterior.clone().mode()), BLOCK);
        let sample = posterior.sample(input("noise")).unwrap();
        fixture.close("sample", &frames(sample), BLOCK);
        let decoded = kl.decode(latents.clone(), portions).unwrap();
        fixture.close("decoded", &frames(decoded), BLOCK);
    }
}

#[test]
fn without_attention_and_outer_convolutions() {
    let (fixture, device) = (fixture(), Device::flex());
    let config = KlConfig {
        channels: vec![4, 8],
        norm_groups: 2,
        shift_factor: 0.1,
        quant: false,
        post_quant: false,
        attention: false,
        ..KlConfig::tiny()
    };
    let kl = load(&fixture, "bare.", &config);
    let mode = kl.encode(video(fixture.tensor("pixels", &device)), Portions::FRAMES).unwrap();
    fixture.close("bare.mode", &frames(mode), BLOCK);
    let latents = video(fixture.tensor("latents", &device));
    fixture.close("bare.decoded", &frames(kl.decode(latents, Portions::FRAMES).unwrap()), BLOCK);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let mut fixture = fixture();
    let gone = "decoder.mid_block.attentions.0.to_q.weight";
    let tensor = fixture.0.tensors.remove(&format!("state.{gone}")).unwrap();
    fixture.0.tensors.insert("state.decoder.more".into(), tensor);
    let state = only_prefix(&fixture.0, "state.");
    let load = |config: &KlConfig| {
        let loaded = AutoencoderKl::load("vae", &state, config, &Device::flex());
        loaded.unwrap_err().to_string()
    };
    let error = load(&KlConfig::tiny());
    assert!(error.contains(gone) && error.contains("1 unused: decoder.more"), "{error}");
    let wider = KlConfig { latent_channels: 8, ..KlConfig::tiny() };
    assert!(
        load(&wider).contains("has shape [8, 16, 3, 3] where [16, 16, 3, 3]"),
        "{}",
        load(&wider)
    );
}
