//! Our side of the networks of `benches/compare.sh`: times the forward pass and a training step of one
//! case of `benches/networks.json`, and prints a line of JSON: `{"name", "forward": [ms],
//! "both": [ms], "extra_mib", "extra_both_mib"}`. The weights, inputs and outputs go into a safetensors
//! file, for `benches/peers/network.py` to do the same with and to compare.
//!
//! `cargo run --release -p thrumask --example compare_network -- benches/networks.json INDEX FILE`

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod comparison;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use comparison::{Memory, insert, time};
use serde::Deserialize;
use thrumask::train::{Optimizer, OptimizerConfig};
use thrumask_kernels::{PromptVisibility, TokenGroups};
use thrumask_nn::backbone::dit::{Dit, DitConfig};
use thrumask_nn::backbone::{Denoiser, DenoiserInput, ObjectContext};
use thrumask_nn::diffusion::noise::Noise;
use thrumask_nn::layers::{Context, Init, KeyMask};
use thrumask_nn::weights::{WeightFile, gradients, parameters, with_shared_values, without_values};

/// One case; see `benches/networks.json`.
#[derive(Deserialize)]
struct Case {
    name: String,
    /// Left out with `weights`.
    config: Option<DitConfig>,
    /// A model whose denoiser is taken; fresh weights without.
    weights: Option<String>,
    batch: usize,
    /// Tokens of the text, the last of them padding in every second row.
    text: usize,
    objects: usize,
    matrix_rate: f32,
}

/// Padded tokens of an object's prompt.
const PROMPT: usize = 8;

/// Steps of the run that the training step is taken from.
const STEPS: u64 = 1000;

/// What goes in, on the host.
struct Inputs {
    latents: Tensor<5>,
    conditions: Tensor<5>,
    target: Tensor<5>,
    time: Vec<f32>,
    text: Tensor<3>,
    lengths: Vec<usize>,
    prompts: Tensor<3>,
    prompt_lengths: Vec<usize>,
    ids: Vec<u8>,
    visible: Vec<bool>,
}

fn main() {
    thrumask_kernels::keep_freed_memory();
    // On a thread of the pool, as the program does.
    rayon::scope(|_| bench());
}

fn bench() {
    let mut args = std::env::args().skip(1);
    let [file, index, to] = [(); 3].map(|()| args.next().unwrap());
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let case = &cases[index.parse::<usize>().unwrap()];
    let (config, network) = network(case, &Device::flex());
    let inputs = Inputs::new(case, &config);
    let input = inputs.on(&config, &Device::flex());
    let mut file = WeightFile::default();
    file.insert_module("denoiser.", &network);
    inputs.insert(&mut file);
    file.metadata.insert("config".into(), serde_json::to_string(&config).unwrap());

    let memory = Memory::new();
    insert(&mut file, "output", network.predict(&input).unwrap());
    let forward = time(2.0, || drop(network.predict(&input).unwrap()));
    let extra = memory.extra();

    let tracked = Device::flex().autodiff();
    let mut training = self::network(case, &tracked).1;
    let optimizing = OptimizerConfig { matrix_rate: case.matrix_rate, ..Default::default() };
    let mut optimizer = Optimizer::new(optimizing, parameters(&training));
    let tracked_input = inputs.on(&config, &tracked);
    let target = inputs.target.clone().to_device(&tracked);
    training = train_step(training, &mut optimizer, &tracked_input, &target);
    let values = |i: usize| Some(optimizer.slots[i].values.clone());
    let output = with_shared_values(network, values).predict(&input).unwrap();
    insert(&mut file, "output_after_step", output);
    let mut training = Some(training);
    let both = time(2.0, || {
        let last = training.take().unwrap();
        training = Some(train_step(last, &mut optimizer, &tracked_input, &target));
    });
    let extra_both = memory.extra();

    std::fs::write(to, file.write(false).unwrap()).unwrap();
    let line = serde_json::json!({
        "name": case.name, "forward": forward, "both": both, "extra_mib": extra,
        "extra_both_mib": extra_both,
    });
    println!("{line}");
}

/// One step as `thrumask::train` takes it: the network for the next one, without the optimizer's values.
fn train_step(
    last: Dit,
    optimizer: &mut Optimizer,
    input: &DenoiserInput,
    target: &Tensor<5>,
) -> Dit {
    let values = |i: usize| Some(optimizer.slots[i].values.clone());
    let network = with_shared_values(last, values).train();
    let loss = (network.predict(input).unwrap() - target.clone()).square().mean();
    let gradients = gradients(&network, loss.backward());
    let network = without_values(network, |_| true);
    optimizer.step(gradients, STEPS);
    network
}

/// The network of a case, with the weights of a model or fresh ones.
fn network(case: &Case, device: &Device) -> (DitConfig, Dit) {
    let init = &mut Init::new(7, device);
    let Some(path) = &case.weights else {
        let config = case.config.clone().unwrap();
        let network = Dit::new(init, &config).unwrap();
        return (config, network);
    };
    let file = WeightFile::read(path, &std::fs::read(path).unwrap()).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&file.metadata["config"]).unwrap();
    let config: DitConfig = serde_json::from_value(settings["denoiser"].clone()).unwrap();
    let network = Dit::new(init, &config).unwrap();
    let network = file.load_report("denoiser.", network);
    assert!(network.1.missing.is_empty(), "the model lacks {:?}", network.1.missing);
    (config, network.0)
}

impl Inputs {
    fn new(case: &Case, config: &DitConfig) -> Self {
        let noise = |name: &str| Noise::new(7, name);
        let video = |name: &str, channels: usize| {
            let [t, h, w] = config.latent_size;
            noise(name).normal_tensor([case.batch, channels, t, h, w], &Device::flex())
        };
        let tokens = |name: &str, length: usize| {
            let count = case.batch * length * config.text_width;
            let shape = [case.batch, length, config.text_width];
            let data = TensorData::new(noise(name).normals(0, count), shape);
            Tensor::<3>::from_data(data, &Device::flex())
        };
        let [_, rows, columns] = config.grid();
        // Objects in columns of their own, side by side, over half of the picture's height.
        let id = |token: usize| {
            let (y, x) = (token / columns % rows, token % columns);
            let inside = y >= rows / 4 && y < rows - rows / 4;
            if inside && case.objects > 0 { (x * (case.objects + 1) / columns) as u8 } else { 0 }
        };
        let ids: Vec<u8> =
            (0..case.batch * config.tokens()).map(|i| id(i % config.tokens())).collect();
        let sees = |&found: &u8| (1..=case.objects).map(move |object| usize::from(found) == object);
        Self {
            latents: video("latents", config.latent_channels),
            conditions: video("conditions", config.condition_channels),
            target: video("target", config.latent_channels),
            time: (0..case.batch).map(|b| (b as f32 + 0.5) / case.batch as f32).collect(),
            text: tokens("text", case.text),
            lengths: (0..case.batch).map(|b| case.text - b % 2).collect(),
            prompts: tokens("prompts", case.objects * PROMPT),
            prompt_lengths: (0..case.batch * case.objects).map(|i| PROMPT - i % 3).collect(),
            visible: ids.iter().flat_map(sees).collect(),
            ids,
        }
    }

    fn on(&self, config: &DitConfig, device: &Device) -> DenoiserInput {
        let batch = self.time.len();
        let objects = self.visible.len() / self.ids.len();
        let text = self.text.clone().to_device(device);
        let shape = [batch, config.tokens(), objects];
        DenoiserInput {
            latents: self.latents.clone().to_device(device),
            time: self.time.clone(),
            conditions: self.conditions.clone().to_device(device).into(),
            text: Context::new(text, KeyMask::Lengths(self.lengths.clone())),
            objects: Vec::from_iter((objects > 0).then(|| ObjectContext {
                groups: TokenGroups::new(&self.ids, batch, config.tokens()),
                prompts: Context::new(
                    self.prompts.clone().to_device(device),
                    KeyMask::Prompts(PromptVisibility::new(
                        &self.visible,
                        &self.prompt_lengths,
                        shape,
                        PROMPT,
                    )),
                ),
            })),
        }
    }

    fn insert(&self, file: &mut WeightFile) {
        insert(file, "latents", self.latents.clone());
        insert(file, "conditions", self.conditions.clone());
        insert(file, "target", self.target.clone());
        insert(file, "text", self.text.clone());
        let mut list = |name: &str, values: Vec<f32>| {
            file.tensors.insert(name.into(), (vec![values.len()], values));
        };
        list("time", self.time.clone());
        list("lengths", self.lengths.iter().map(|&n| n as f32).collect());
        if !self.visible.is_empty() {
            list("ids", self.ids.iter().map(|&id| f32::from(id)).collect());
            list("prompt_lengths", self.prompt_lengths.iter().map(|&n| n as f32).collect());
            list("visible", self.visible.iter().map(|&v| f32::from(u8::from(v))).collect());
            insert(file, "prompts", self.prompts.clone());
        }
    }
}
