//! Our side of `benches/compare.sh`: times one case of `benches/cases.json` and prints a line of
//! JSON: `{"name", "forward": [ms], "both": [ms], "extra_mib", "extra_both_mib", "work": {"gflop",
//! "gb"}}`; or the peaks of the machine: `{"name": "peak", "gflop", "gb"}`, of a second.
//!
//! `cargo run --release -p thrumask-kernels --example compare -- benches/cases.json INDEX|peak`

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod measure;

use burn::tensor::{Device, Distribution, Tensor};
use measure::{Memory, time};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_kernels::*;

/// One case; see `benches/cases.json`.
#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    shape: [usize; 3],
    #[serde(default)]
    heads: usize,
    /// Width, or number of keys, on the other side.
    #[serde(default)]
    to: usize,
    /// Prompts that the keys are the texts of.
    #[serde(default)]
    prompts: usize,
    /// Height and width of images and maps.
    #[serde(default)]
    side: usize,
    /// Height and width of windows.
    #[serde(default)]
    window: usize,
    #[serde(default = "one")]
    stride: usize,
    #[serde(default = "one")]
    magnify: usize,
    #[serde(default)]
    silu: bool,
    /// Timed once a round, without a run to warm up.
    #[serde(default)]
    slow: bool,
}

fn one() -> usize {
    1
}

/// Levels of deformable attention, each half as wide as the one before, and places on each.
const LEVELS: usize = 4;
const POINTS: usize = 4;

type Inputs = Vec<Tensor<3>>;

/// What an operator works from besides tensors.
struct Given {
    groups: Option<TokenGroups>,
    visible: Option<PromptVisibility>,
    rope: Option<RopeTable>,
}

#[derive(Serialize)]
struct Found {
    /// Milliseconds.
    forward: Vec<f64>,
    both: Vec<f64>,
    /// Memory beyond inputs and results, of the forward pass.
    extra_mib: f64,
    /// The same with the backward pass, whose results are the gradients; that of the output, which it
    /// starts from, is none of its own either.
    extra_both_mib: f64,
}

fn main() {
    keep_freed_memory();
    // On a thread of the pool, as the program does: its operators then start without a hand-over.
    rayon::scope(|_| bench());
}

fn bench() {
    let mut args = std::env::args().skip(1);
    let (file, index) = (args.next().unwrap(), args.next().unwrap());
    if index == "peak" {
        let (gflop, gb) = (peak::gigaflops(), peak::gigabytes());
        return println!("{}", serde_json::json!({"name": "peak", "gflop": gflop, "gb": gb}));
    }
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let case = &cases[index.parse::<usize>().unwrap()];
    let given = Given::new(case);
    let found = match case.op.as_str() {
        "adamw_ema" => optimizer(case),
        "newton_schulz" => orthogonal(case),
        _ => operator(case, &given),
    };
    let mut line = serde_json::to_value(found).unwrap();
    line["name"] = case.name.as_str().into();
    line["work"] = work(case, &given);
    println!("{line}");
}

fn random(shape: [usize; 3]) -> Tensor<3> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn operator(case: &Case, given: &Given) -> Found {
    let mut inputs: Inputs = shapes(case).into_iter().map(random).collect();
    if case.op == "deformable" {
        // Nearly all places lie in the picture.
        inputs[1] = inputs[1].clone() * 0.2 + 0.5;
    }
    let seconds = if case.slow { 0.0 } else { 0.5 };
    let memory = Memory::new();
    let mut dims = [0; 3];
    let forward = time(seconds, || dims = run(case, &inputs, given).dims());
    let extra_mib = memory.extra() - mib(dims);
    let inputs: Inputs = inputs.into_iter().map(Tensor::autodiff).collect();
    let grad = random(dims).autodiff();
    let both = time(seconds, || {
        let inputs: Inputs = inputs.iter().map(|x| x.clone().require_grad()).collect();
        drop(pull_back(run(case, &inputs, given), grad.clone()).backward());
    });
    let gradients: f64 = inputs.iter().map(|input| mib(input.dims())).sum();
    let extra_both_mib = memory.extra() - 2.0 * mib(dims) - gradients;
    Found { forward, both, extra_mib, extra_both_mib }
}

/// AdamW and the moving average of the parameters, all in place.
fn optimizer(case: &Case) -> Found {
    let count = case.shape.iter().product();
    let values =
        |scale: f32| -> Vec<f32> { (0..count).map(|i| (i as f32 * scale).sin()).collect() };
    let (mut params, grads) = (values(0.7), values(0.3));
    let (mut mean, mut square, mut ema) = (vec![0.0; count], vec![0.0; count], params.clone());
    let mut hyper = AdamwHyper {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.98,
        eps: 1e-8,
        weight_decay: 0.01,
        step: 0,
        grad_scale: 1.0,
        ema_decay: 0.998,
    };
    let mut step = || {
        hyper.step += 1;
        adamw_ema_step(&mut params, &grads, &mut mean, &mut square, &mut ema, &hyper);
    };
    // Zeros take memory when they are first touched.
    step();
    let memory = Memory::new();
    let forward = time(0.5, step);
    Found { forward, both: Vec::new(), extra_mib: memory.extra(), extra_both_mib: 0.0 }
}

/// Newton-Schulz steps of some matrices, each on a thread, as the optimiser takes them.
fn orthogonal(case: &Case) -> Found {
    let [_, rows, cols] = case.shape;
    let mut matrices = random(case.shape).into_data().try_to_vec::<f32>().unwrap();
    let memory = Memory::new();
    let forward = time(0.5, || {
        let matrices = matrices.par_chunks_mut(rows * cols).with_max_len(1);
        matrices.for_each(|matrix| newton_schulz5(matrix, rows, cols));
    });
    Found { forward, both: Vec::new(), extra_mib: memory.extra(), extra_both_mib: 0.0 }
}

/// Size of a tensor.
fn mib(dims: [usize; 3]) -> f64 {
    (4 * dims.iter().product::<usize>()) as f64 / (1 << 20) as f64
}

fn shapes(case: &Case) -> Vec<[usize; 3]> {
    let [batch, channels, width] = case.shape;
    match case.op.as_str() {
        "conv2d" => vec![case.shape, [case.to, channels, 9], [1, 1, case.to]],
        "conv2d_same" => vec![case.shape, [case.to, channels, 5], [1, 1, case.to]],
        "temporal_conv" => vec![case.shape, [case.to, channels, 3], [1, 1, case.to]],
        "group_norm" | "group_norm_silu" => vec![case.shape, [1, 1, channels], [1, 1, channels]],
        "attention" | "grouped" => vec![case.shape; 3],
        "cross" | "prompted" => {
            vec![case.shape, [batch, case.to, width], [batch, case.to, width]]
        }
        "deformable" => {
            let places = case.heads * LEVELS * POINTS;
            vec![case.shape, [batch, channels, 2 * places], [batch, channels, places]]
        }
        "merge_windows" => {
            let across = case.side.div_ceil(case.window);
            vec![[batch * across.pow(2), case.window.pow(2), width]]
        }
        "linear" => vec![case.shape, [1, width, case.to], [1, 1, case.to]],
        "layer_norm_modulate" => vec![case.shape, [1, batch, width], [1, batch, width]],
        "gated_residual" => vec![case.shape, [1, batch, width], case.shape],
        "layer_norm" => vec![case.shape, [1, 1, width], [1, 1, width]],
        "rms_norm" => vec![case.shape, [1, 1, width / case.heads]],
        _ => vec![case.shape],
    }
}

impl Given {
    fn new(case: &Case) -> Self {
        let [batch, tokens, width] = case.shape;
        // Half of the tokens background, the rest four objects, scattered.
        let id = |i: usize| if i.is_multiple_of(2) { 0u8 } else { 1 + (i / 2 % 4) as u8 };
        let groups = || {
            let ids: Vec<u8> = (0..batch * tokens).map(|i| id(i % tokens)).collect();
            TokenGroups::new(&ids, batch, tokens)
        };
        let visible = || {
            let sees = |i: usize| in_box(i / case.prompts % tokens, i % case.prompts, case.side);
            let sees: Vec<bool> = (0..batch * tokens * case.prompts).map(sees).collect();
            let (dims, padded) = ([batch, tokens, case.prompts], case.to / case.prompts);
            PromptVisibility::new(&sees, &vec![padded; batch * case.prompts], dims, padded)
        };
        let rope = || {
            let pairs = width / case.heads / 2;
            let angles: Vec<f32> = (0..tokens * pairs).map(|i| i as f32 * 1e-3).collect();
            RopeTable::from_angles(&angles, tokens, pairs)
        };
        let of = |op: &str| case.op == op;
        Self {
            groups: of("grouped").then(groups),
            visible: of("prompted").then(visible),
            rope: of("rope").then(rope),
        }
    }
}

/// Whether a token of a square map lies in the box of an object: three by four eighths of it, an eighth further
/// down and right than the one before. Some tokens lie in several, many in none.
fn in_box(token: usize, object: usize, side: usize) -> bool {
    let eighth = side / 8;
    let inside = |at: usize, len: usize| at / eighth >= object && at / eighth < object + len;
    inside(token / side, 3) && inside(token % side, 4)
}

fn levels(side: usize) -> [[usize; 2]; LEVELS] {
    std::array::from_fn(|i| [side >> i; 2])
}

fn run(case: &Case, inputs: &Inputs, given: &Given) -> Tensor<3> {
    let [batch, channels, width] = case.shape;
    let at = |i: usize| inputs[i].clone();
    let side = case.side;
    match case.op.as_str() {
        "conv2d" => {
            let (stride, magnify, silu) = (case.stride, case.magnify, case.silu);
            let options = ConvolutionOptions { stride, padding: 1, magnify, silu };
            let x = at(0).reshape([batch, channels, side, side]);
            let out = conv2d(
                x,
                at(1).reshape([case.to, channels, 3, 3]),
                at(2).reshape([case.to]),
                options,
            );
            out.flatten::<3>(2, 3)
        }
        "conv2d_same" => {
            let x = at(0).reshape([batch, channels, side, side]);
            let w = at(1).reshape([case.to, channels, 1, 5]);
            conv2d_same(x, w, at(2).reshape([case.to])).flatten::<3>(2, 3)
        }
        "temporal_conv" => {
            let x = at(0).reshape([batch, channels, width / side / side, side, side]);
            let w = at(1).reshape([case.to, channels, 3, 1, 1]);
            temporal_conv(x, w, at(2).reshape([case.to])).flatten::<3>(2, 4)
        }
        "attention" | "cross" => attention(at(0), at(1), at(2), case.heads, None),
        "grouped" => {
            grouped_attention(at(0), at(1), at(2), case.heads, given.groups.as_ref().unwrap())
        }
        "prompted" => {
            let visible = given.visible.as_ref().unwrap();
            grouped_cross_attention(at(0), at(1), at(2), case.heads, visible)
        }
        "deformable" => deformable_attention(at(0), at(1), at(2), case.heads, &levels(side)),
        "max_of_four" => max_of_four(at(0).reshape([batch, side, side, width])).flatten::<3>(1, 2),
        "split_windows" => {
            split_windows(at(0).reshape([batch, side, side, width]), [case.window; 2])
        }
        "merge_windows" => merge_windows(at(0), [side; 2], [case.window; 2]).flatten::<3>(1, 2),
        "patches" => {
            let (frames, half) = (width / (side * side) / 3, side / 2);
            let x = at(0).reshape([batch, channels, frames, 3, half, 2, half, 2]);
            let x = dense(x.permute([0, 2, 4, 6, 1, 3, 5, 7]));
            x.reshape([batch, frames * half * half, 12 * channels])
        }
        "rope" => rope(at(0), case.heads, given.rope.as_ref().unwrap()),
        "gated_residual" => gated_residual(at(0), at(1).reshape([batch, width]), at(2)),
        "linear" => linear(at(0), at(1).reshape([width, case.to]), Some(at(2).reshape([case.to]))),
        "layer_norm_modulate" => {
            let rows = |i: usize| at(i).reshape([batch, width]);
            layer_norm_modulate(at(0), rows(1), rows(2), 1e-6)
        }
        "group_norm" | "group_norm_silu" => {
            let f = if case.op == "group_norm" { group_norm } else { group_norm_silu };
            f(at(0), at(1).reshape([channels]), at(2).reshape([channels]), 32, 1e-5)
        }
        "layer_norm" => layer_norm(at(0), at(1).reshape([width]), at(2).reshape([width]), 1e-6),
        "rms_norm" => {
            let size = width / case.heads;
            rms_norm(at(0), at(1).reshape([size]), size, 1e-6)
        }
        "gelu" => gelu(at(0)),
        "gelu_tanh" => gelu_tanh(at(0)),
        "silu" => silu(at(0)),
        "sigmoid" => sigmoid(at(0)),
        "tanh" => tanh(at(0)),
        "softmax" => softmax_last(at(0)),
        other => panic!("no operator {other:?}"),
    }
}

/// What the forward pass has to do at least: multiplications and additions of the plain method, bytes to
/// read and write once.
fn work(case: &Case, given: &Given) -> serde_json::Value {
    let [batch, tokens, width] = case.shape.map(|size| size as f64);
    let to = case.to as f64;
    let gflop = |flop: f64| serde_json::json!({ "gflop": flop / 1e9 });
    // So many tensors of the case's shape.
    let gb =
        |tensors: f64| serde_json::json!({ "gb": tensors * 4.0 * batch * tokens * width / 1e9 });
    match case.op.as_str() {
        // Many short sequences are mostly reading and writing.
        "attention" => {
            let mut work = gflop(4.0 * batch * tokens * tokens * width);
            work["gb"] = gb(4.0)["gb"].clone();
            work
        }
        "cross" => gflop(4.0 * batch * tokens * to * width),
        "grouped" => {
            let groups = given.groups.as_ref().unwrap();
            let pairs: usize = (0..case.shape[0])
                .flat_map(|row| groups.groups(row).map(|group| group.len().pow(2)))
                .sum();
            gflop(4.0 * pairs as f64 * width)
        }
        "prompted" => {
            let visible = given.visible.as_ref().unwrap();
            let pairs: usize = (0..case.shape[0])
                .flat_map(|row| visible.sets(row).map(|(queries, keys)| queries.len() * keys.len()))
                .sum();
            gflop(4.0 * pairs as f64 * width)
        }
        // Each place is between four cells; it has two coordinates and a weight, which are read too.
        "deformable" => {
            let places = (LEVELS * POINTS) as f64;
            let mut work = gflop(8.0 * batch * tokens * places * width);
            work["gb"] = gb(2.0 + 3.0 * places * case.heads as f64 / width)["gb"].clone();
            work
        }
        "linear" => gflop(2.0 * batch * tokens * width * to),
        "conv2d" => {
            let times = (case.magnify as f64 / case.stride as f64).powi(2);
            gflop(2.0 * 9.0 * batch * tokens * to * width * times)
        }
        "conv2d_same" => gflop(2.0 * 5.0 * batch * tokens * to * width),
        "temporal_conv" => gflop(2.0 * 3.0 * batch * tokens * to * width),
        "max_of_four" => gb(1.25),
        // With the zeros beyond the map.
        "split_windows" => {
            let padded = case.side.next_multiple_of(case.window).pow(2);
            gb(1.0 + padded as f64 / tokens)
        }
        // Three products in each of five steps.
        "newton_schulz" => gflop(5.0 * batch * tokens.powi(2) * (4.0 * width + 2.0 * tokens)),
        "gated_residual" => gb(3.0),
        // Parameters, gradients, two means and the average are read, all but the gradients written.
        "adamw_ema" => gb(9.0),
        _ => gb(2.0),
    }
}
