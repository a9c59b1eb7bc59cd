//! Our side of `benches/raft.sh`: flow of one pair of pictures by the large RAFT. Prints a line of JSON:
//! `{"name", "forward": [ms], "extra_mib", "peak_mib"}`. Random weights, pictures and the flow go into a
//! folder, for `benches/peers/raft.py` to do the same with and to compare.
//!
//! `cargo run --release -p thrumask-nn --example compare_raft -- FOLDER WIDTH HEIGHT [on-demand]`

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

#[path = "../../thrumask-kernels/examples/measure/mod.rs"]
mod measure;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use measure::{Memory, time};
use thrumask_nn::{
    diffusion::noise::Noise,
    layers::Init,
    perception::raft::{Raft, RaftConfig, RaftNaming, RaftOptions, Similarities},
    pixels::host_values,
    weights::{FloatType, FreshTensors, WeightFile, public_shapes},
};

fn main() {
    thrumask_kernels::keep_freed_memory();
    // On a thread of the pool, as the program does.
    rayon::scope(|_| bench());
}

fn insert(file: &mut WeightFile, name: &str, tensor: Tensor<4>) {
    let shape = tensor.dims().to_vec();
    file.tensors.insert(name.into(), (shape, host_values(tensor)));
}

fn bench() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(&args[0]);
    let [width, height] = [1, 2].map(|i| args[i].parse::<usize>().unwrap());
    let similarities = args.get(3).map(|_| Similarities::OnDemand);
    let (device, config) = (Device::flex(), RaftConfig::large());
    let weights = folder.join("raft.safetensors");
    if !weights.exists() {
        let network = Raft::new(&mut Init::new(0, &device), &config).unwrap();
        let names = public_shapes(&network, |p| RaftNaming::Torchvision.rename(p, &config));
        let fresh = FreshTensors::new(1, names);
        fresh.write(&weights, FloatType::F32, &mut |_, _| Ok(())).unwrap();
    }
    let [first, second] = ["first", "second"].map(|name| {
        let shape = [1, 3, height, width];
        let noise = Noise::new(7, name);
        let pixels = (0..3 * height * width).map(|i| 2.0 * noise.uniform(i as u64) - 1.0);
        Tensor::<4>::from_data(TensorData::new(pixels.collect::<Vec<_>>(), shape), &device)
    });

    let memory = Memory::new();
    let raft = Raft::open(&weights, &device).unwrap();
    let options = RaftOptions { similarities, ..RaftOptions::default() };
    let run = || raft.forward(first.clone(), second.clone(), None, &options).unwrap();
    let mut file = WeightFile::default();
    insert(&mut file, "flow", run().full);
    let forward = time(4.0, || drop(run()));
    let (extra, peak) = (memory.extra(), memory.peak());
    insert(&mut file, "first", first.clone());
    insert(&mut file, "second", second.clone());
    file.metadata.insert("iterations".into(), options.iterations.to_string());
    std::fs::write(folder.join("io.safetensors"), file.write(false).unwrap()).unwrap();
    let name = if similarities.is_some() { "ours, on demand" } else { "ours" };
    let line = serde_json::json!({
        "name": name, "forward": forward, "extra_mib": extra, "peak_mib": peak,
    });
    println!("{line}");
}
