//! Our side of `tests/parity/check.py`: one network with the weights and inputs of a file that the reference
//! wrote, or whole runs of samplers, the output into another.
//!
//! `cargo run --release -p thrumask-nn --example parity_case -- NETWORK CASE.safetensors OUT.safetensors`

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod perception;

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig, Portions},
    backbone::{
        Denoiser, DenoiserInput,
        unet::{Unet, UnetConfig},
    },
    diffusion::sampler::{Sampler, sample},
    layers::{Context, KeyMask},
    text::clip::{ClipText, ClipTextConfig},
    weights::{WeightFile, only_prefix},
};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, from, to] = args.as_slice() else { panic!("expected KIND CASE OUT, got {args:?}") };
    let file = WeightFile::read(from, &std::fs::read(from).unwrap()).unwrap();
    let mut out = WeightFile::default();
    match kind.as_str() {
        "unet" => unet(&file, &mut out),
        "vae" => vae(&file, &mut out),
        "clip" => clip(&file, &mut out),
        "sampler" => sampler(&file, &mut out),
        "sam2" => perception::sam2(&file, &mut out),
        "raft" => perception::raft(&file, &mut out),
        "sam2-video" => perception::sam2_video(&file, &mut out),
        "grounding-dino" => perception::grounding_dino(&file, &mut out),
        other => panic!("expected a network that check.py names, got {other}"),
    }
    std::fs::write(to, out.write(false).unwrap()).unwrap();
}

fn tensor<const D: usize>(file: &WeightFile, name: &str) -> Tensor<D> {
    let (shape, values) = &file.tensors[name];
    Tensor::from_data(TensorData::new(values.clone(), shape.clone()), &Device::flex())
}

fn insert<const D: usize>(file: &mut WeightFile, name: &str, tensor: Tensor<D>) {
    let shape = tensor.dims().to_vec();
    let values = tensor.into_data().try_into_vec::<f32>().unwrap();
    file.tensors.insert(name.into(), (shape, values));
}

fn unet(file: &WeightFile, out: &mut WeightFile) {
    let (x, text) = (tensor::<5>(file, "x"), tensor::<3>(file, "text"));
    let [_, channels, t, h, w] = x.dims();
    let config = UnetConfig::from_diffusers(&file.metadata["config"], [t, h, w]).unwrap();
    let state = only_prefix(file, "state.");
    let network = Unet::load_public("state", &[&state], &config, 0, &Device::flex()).unwrap();
    let (own, rest) = (config.latent_channels, channels - config.latent_channels);
    let [batch, tokens, _] = text.dims();
    let conditions = match rest {
        0 => Tensor::zeros([batch, 0, t, h, w], &Device::flex()),
        _ => x.clone().narrow(1, own, rest),
    };
    let input = DenoiserInput {
        latents: x.narrow(1, 0, own),
        time: file.tensors["time"].1.clone(),
        conditions: conditions.into(),
        text: Context::new(text, KeyMask::Lengths(vec![tokens; batch])),
        objects: Vec::new(),
    };
    insert(out, "out", network.predict(&input).unwrap());
}

fn vae(file: &WeightFile, out: &mut WeightFile) {
    let config = KlConfig::from_diffusers(&file.metadata["config"]).unwrap();
    let state = only_prefix(file, "state.");
    let network = AutoencoderKl::load("state", &state, &config, &Device::flex()).unwrap();
    // Whole frames, and in bands that are no divisor of the height.
    for (name, portions) in [("", Portions::FRAMES), ("bands.", Portions::bands(6))] {
        let latents = network.encode(tensor::<5>(file, "pixels"), portions).unwrap();
        insert(out, &format!("{name}encoded"), latents);
        let pixels = network.decode(tensor::<5>(file, "latents"), portions).unwrap();
        insert(out, &format!("{name}decoded"), pixels);
    }
}

fn clip(file: &WeightFile, out: &mut WeightFile) {
    let config = ClipTextConfig::from_transformers(&file.metadata["config"]).unwrap();
    let state = only_prefix(file, "state.");
    let network = ClipText::load("state", &state, &config, &Device::flex()).unwrap();
    let (shape, ids) = &file.tensors["ids"];
    let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
    let ids: Vec<Vec<u32>> = ids.chunks(shape[1]).map(<[u32]>::to_vec).collect();
    insert(out, "out", network.forward(&ids, 0).unwrap());
}

/// One run: solver and what the network was trained for, as configurations have them.
#[derive(serde::Deserialize)]
struct Run {
    name: String,
    process: thrumask_nn::diffusion::process::Process,
    method: thrumask_nn::diffusion::sampler::Method,
    steps: usize,
}

/// States as the network sees them, and the end, of every run.
fn sampler(file: &WeightFile, out: &mut WeightFile) {
    #[derive(serde::Deserialize)]
    struct Config {
        cases: Vec<Run>,
    }
    let config: Config = serde_json::from_str(&file.metadata["config"]).unwrap();
    let [noise, data, pull] = ["noise", "data", "pull"].map(|name| tensor::<5>(file, name));
    let draws = tensor::<6>(file, "draws");
    for Run { name, process, method, steps } in config.cases {
        let sampler = Sampler { process, method, steps };
        let mut states = Vec::new();
        sample::<thrumask_nn::Error>(
            &sampler,
            noise.clone(),
            |step| draws.clone().narrow(0, step, 1).squeeze_dim::<5>(0),
            |x, t| Ok(pull.clone() * x.clone().tanh() + data.clone() * (t / 1000.0)),
            |_, x| {
                states.push(x.clone().unsqueeze_dim::<6>(0));
                Ok(x)
            },
        )
        .unwrap();
        insert(out, &name, Tensor::cat(states, 0));
    }
}
