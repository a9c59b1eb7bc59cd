//! Our side of `benches/sam2.sh`: SAM 2.1 of the size of Hiera-T on a picture of 1024×1024 pixels. Prints a line
//! of JSON: `{"name", "load_s", "forward": [ms], "decode": [ms], "extra_mib", "peak_mib"}`; `forward` is the
//! encoder, `decode` the masks of one box. Random weights, the picture and what comes of it go into a folder, for
//! `benches/peers/sam2.py` to do the same with and to compare.
//!
//! `cargo run --release -p thrumask-nn --example compare_sam2 -- FOLDER [SECONDS]`, each of the two being timed
//! for so many seconds after a first time; once with none.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

#[path = "../../thrumask-kernels/examples/measure/mod.rs"]
mod measure;

use std::{path::Path, time::Instant};

use burn::tensor::{Device, Tensor};
use measure::{Memory, time};
use thrumask_nn::{
    diffusion::noise::Noise,
    layers::Init,
    perception::sam2::{DecoderInput, PointKind, PromptPoint, Sam2, Sam2Config, Sam2Naming},
    weights::{Checkpoint, FloatType, FreshTensors, WeightFile, public_shapes},
};

fn main() {
    thrumask_kernels::keep_freed_memory();
    // On a thread of the pool, as the program does.
    rayon::scope(|_| bench());
}

fn bench() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(&args[0]);
    let seconds: f64 = args.get(1).map_or(0.0, |s| s.parse().unwrap());
    let (config, device) = (Sam2Config::tiny(), Device::flex());
    let weights = folder.join("sam2.safetensors");
    if !weights.exists() {
        let network = Sam2::new(&mut Init::new(0, &device), &config).unwrap();
        let rename = |path: &str| Sam2Naming::Transformers.rename(path, &config);
        let fresh = FreshTensors::new(1, public_shapes(&network, rename));
        fresh.write(&weights, FloatType::F32, &mut |_, _| Ok(())).unwrap();
    }

    let memory = Memory::new();
    let start = Instant::now();
    let checkpoint = Checkpoint::open(&weights).unwrap();
    let network = Sam2::load("sam2", &checkpoint, &config, &device).unwrap();
    let load = start.elapsed().as_secs_f64();
    let side = config.image_size;
    let pixels = Noise::new(2, "pixels").normal_tensor([1, 3, side, side], &device);
    let features = network.image_encoder.forward(pixels.clone());
    let corner = |x, y, kind| PromptPoint { x, y, kind };
    let bounds =
        [corner(200.0, 300.0, PointKind::TopLeft), corner(700.0, 800.0, PointKind::BottomRight)];
    let decode = || {
        let [finest, finer, coarse] = features.levels.clone();
        let nothing = network.no_memory.value.val().reshape([1, config.width, 1, 1]);
        let input = DecoderInput {
            features: coarse + nothing,
            fine: [finest, finer],
            positions: network.prompt_encoder.picture_positions(),
            prompts: network.prompt_encoder.forward(&[bounds.to_vec()], None).unwrap(),
        };
        network.mask_decoder.forward(input, true)
    };
    let io = folder.join("sam2-io.safetensors");
    if !io.exists() {
        let mut file = WeightFile::default();
        insert(&mut file, "pixels", pixels.clone());
        for (i, level) in features.levels.iter().enumerate() {
            insert(&mut file, &format!("level{i}"), level.clone());
        }
        insert(&mut file, "masks", decode().masks);
        file.metadata.insert("bounds".into(), "[200, 300, 700, 800]".into());
        std::fs::write(io, file.write(false).unwrap()).unwrap();
    }
    let forward = time(seconds, || drop(network.image_encoder.forward(pixels.clone())));
    let decoded = time(seconds, || drop(decode()));
    let line = serde_json::json!({
        "name": "SAM 2.1 tiny, 1024x1024", "load_s": load, "forward": forward, "decode": decoded,
        "extra_mib": memory.extra(), "peak_mib": memory.peak(),
    });
    println!("{line}");
}

/// Puts a tensor into the file that the peer reads.
fn insert<const D: usize>(file: &mut WeightFile, name: &str, tensor: Tensor<D>) {
    let shape = tensor.dims().to_vec();
    let values = tensor.into_data().try_into_vec::<f32>().unwrap();
    file.tensors.insert(name.into(), (shape, values));
}
