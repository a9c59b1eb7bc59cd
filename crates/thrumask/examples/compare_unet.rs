//! Our side of `benches/unet.sh`: one denoising step of the full-size U-Net, with and without the object
//! layers of stage 2. Prints a line of JSON for each: `{"name", "load_s", "forward": [ms], "extra_mib",
//! "peak_mib", "own_mib"}`, the last what is no part of a file when all is done. Random weights, inputs and
//! the output without object layers go into a folder, for `benches/peers/unet.py` to do the same with and to
//! compare.
//!
//! `cargo run --release -p thrumask --example compare_unet -- FOLDER KIND [FRAMES SIDE]`, the side
//! in latents. KIND is `plain`, `objects`, or of the memory modes `f16`, `chunks` (of 4 frames), `f16+chunks`,
//! `mapped` (of a file in 32 bits) or `f16+mapped`, whose output must be that of `plain`, made before, to the bit.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod comparison;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Instant,
};

use burn::tensor::{Device, Tensor};
use comparison::{Memory, insert, time};
use thrumask_core::{LabelMap, Size, Trajectory};
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput, ObjectContext, ObjectGrid, ObjectLayer, ObjectLayers,
        groups::Visibility,
        unet::{Unet, UnetConfig, names},
    },
    diffusion::noise::Noise,
    layers::{Context, Init, KeyMask},
    pixels::host_values,
    weights::{
        Checkpoint, Conversion, FloatType, FreshTensors, Keeping, WeightFile, convert,
        public_shapes,
    },
};

/// Tokens of the text.
const TEXT: usize = 77;
/// Frames of a chunk.
const CHUNK: NonZeroUsize = NonZeroUsize::new(4).unwrap();
/// Objects, one in each quarter of the first rows.
const OBJECTS: usize = 4;

fn main() {
    thrumask_kernels::keep_freed_memory();
    // On a thread of the pool, as the program does.
    rayon::scope(|_| bench());
}

fn bench() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (folder, kind) = (Path::new(&args[0]), args[1].as_str());
    let number = |i: usize, usual: usize| args.get(i).map_or(usual, |n| n.parse().unwrap());
    let (frames, side) = (number(2, 16), number(3, 32));
    let plain = UnetConfig::sd15_animatediff_v3([frames, side, side], 2);
    let layers = match kind {
        "objects" => ObjectLayers {
            blocks: 6,
            self_attention: ObjectLayer::Masked,
            cross_attention: ObjectLayer::Masked,
            gate_start: 0.5,
        },
        _ => ObjectLayers::NONE,
    };
    let config = UnetConfig { object_layers: layers, ..plain.clone() };
    let device = Device::flex();
    let weights = folder.join("unet.safetensors");
    if !weights.exists() {
        let network = Unet::new(&mut Init::new(0, &device), &plain).unwrap();
        let fresh = FreshTensors::new(1, public_shapes(&network, names::diffusers));
        fresh.write(&weights, FloatType::F16, &mut |_, _| Ok(())).unwrap();
    }

    let mapped = kind.contains("mapped");
    let float = if kind.contains("f16") { FloatType::F16 } else { FloatType::F32 };
    let weights = match mapped && float == FloatType::F32 {
        true => in_32_bits(&weights),
        false => weights,
    };

    let memory = Memory::new();
    let start = Instant::now();
    let checkpoint = Keeping { float, mapped }.open(&weights).unwrap();
    let network = match kind {
        // Object layers are in no file.
        "objects" => Unet::load_public("unet", &[&checkpoint], &config, 1, &device).unwrap(),
        _ => {
            let init = Init::new(1, &device).keeping(float);
            Unet::load_stage("unet", &checkpoint, &config, init).unwrap()
        }
    };
    let network = network.in_chunks(kind.contains("chunks").then_some(CHUNK));
    let load = start.elapsed().as_secs_f64();
    let input = input(&network, &config);
    let output = network.predict(&input).unwrap();
    if !["plain", "objects"].contains(&kind) {
        let what = folder.join("io.safetensors");
        let plain = WeightFile::read("plain", &std::fs::read(what).unwrap()).unwrap();
        assert!(host_values(output) == plain.tensors["output"].1, "{kind} changes the output");
    } else if kind == "plain" {
        let mut file = WeightFile::default();
        insert(&mut file, "latents", input.latents.clone());
        insert(&mut file, "conditions", input.conditions.latents.clone());
        insert(&mut file, "text", input.text.tokens.clone());
        insert(&mut file, "time", Tensor::<1>::from_floats(input.time.as_slice(), &device));
        insert(&mut file, "output", output);
        file.metadata.insert("config".into(), serde_json::to_string(&config).unwrap());
        std::fs::write(folder.join("io.safetensors"), file.write(false).unwrap()).unwrap();
    }
    let forward = time(0.0, || drop(network.predict(&input).unwrap()));
    let name = match kind {
        "objects" => "U-Net with object layers, 4 objects".to_owned(),
        "plain" => "U-Net".to_owned(),
        mode => format!("U-Net, {mode}"),
    };
    let line = serde_json::json!({
        "name": format!("{name}, {frames} frames of {side}x{side} latents"), "load_s": load,
        "forward": forward, "extra_mib": memory.extra(), "peak_mib": memory.peak(), "own_mib": memory.own(),
    });
    println!("{line}");
}

/// The same weights in 32 bits, in a file beside the other.
fn in_32_bits(weights: &Path) -> PathBuf {
    let wide = weights.with_file_name("unet-f32.safetensors");
    if !wide.exists() {
        let how = Conversion { float: Some(FloatType::F32), ..Conversion::default() };
        convert(&Checkpoint::open(weights).unwrap(), &wide, how, &mut |_, _| Ok(())).unwrap();
    }
    wide
}

fn input(network: &Unet, config: &UnetConfig) -> DenoiserInput {
    let device = Device::flex();
    let [t, h, w] = config.latent_size;
    let normal = |name: &str, shape: [usize; 5]| Noise::new(2, name).normal_tensor(shape, &device);
    let text = |name: &str, prompts: usize| -> Tensor<3> {
        let shape = [1, prompts * TEXT, config.text_width, 1, 1];
        normal(name, shape).reshape([1, prompts * TEXT, config.text_width])
    };
    let ids = (0..h * w).map(|i| (if i / w < h / 2 { 1 + i % w * OBJECTS / w } else { 0 }) as u8);
    let frame = LabelMap::new(Size::new(w, h), ids.collect()).unwrap();
    let trajectory = Trajectory::new(vec![frame; t], OBJECTS, 8.0).unwrap();
    let on = |grid: [usize; 3]| {
        let grids = [ObjectGrid::new(&trajectory, grid, Visibility::Box).unwrap()];
        let visible = ObjectGrid::visibility(&grids, &[vec![TEXT; OBJECTS]], TEXT).unwrap();
        ObjectContext {
            groups: ObjectGrid::groups(&grids).unwrap(),
            prompts: Context::new(text("prompts", OBJECTS), KeyMask::Prompts(visible)),
        }
    };
    DenoiserInput {
        latents: normal("latents", [1, config.latent_channels, t, h, w]),
        time: vec![601.0],
        conditions: normal("conditions", [1, config.condition_channels, t, h, w]).into(),
        text: Context::new(text("text", 1), KeyMask::Lengths(vec![TEXT])),
        objects: network.config().object_grids().into_iter().map(on).collect(),
    }
}
