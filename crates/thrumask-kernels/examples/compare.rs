//! Our side of `benches/compare.sh`: times one case of `benches/cases.json` and prints a line of
//! JSON: `{"name", "forward": [ms], "both": [ms], "extra_mib", "work": {"gflop" or "gb"}}`; or the
//! peaks of the machine: `{"name": "peak", "gflop", "gb"}`, of a second.
//!
//! `cargo run --release -p thrumask-kernels --example compare -- benches/cases.json INDEX|peak`

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use serde::Deserialize;
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
    /// Height and width of images.
    #[serde(default)]
    side: usize,
    #[serde(default = "one")]
    stride: usize,
    #[serde(default = "one")]
    magnify: usize,
    /// Timed once a round, without a run to warm up.
    #[serde(default)]
    slow: bool,
    #[serde(default)]
    forward_only: bool,
}

fn one() -> usize {
    1
}

type Inputs = Vec<Tensor<3>>;

#[global_allocator]
static ALLOCATOR: LineAllocator = LineAllocator;

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
    let make = |device: &Device| -> Inputs {
        let random = |shape: &[usize; 3]| {
            Tensor::<3>::random(*shape, Distribution::Normal(0.0, 1.0), device)
        };
        shapes(case).iter().map(random).collect()
    };
    let groups = groups(case);
    let inputs = make(&Device::flex());
    let before = resident_mib("VmRSS:");
    let forward = time(case.slow, || drop(run(case, &inputs, groups.as_ref())));
    let both = match case.forward_only {
        true => Vec::new(),
        false => {
            let inputs = make(&Device::flex().autodiff());
            let dims = run(case, &inputs, groups.as_ref()).dims();
            let grad = Tensor::random(dims, Distribution::Normal(0.0, 1.0), &inputs[0].device());
            time(case.slow, || {
                let inputs: Inputs = inputs.iter().map(|x| x.clone().require_grad()).collect();
                let out = run(case, &inputs, groups.as_ref());
                drop(pull_back(out, grad.clone()).backward());
            })
        }
    };
    let extra = resident_mib("VmHWM:") - before;
    let line = serde_json::json!({
        "name": case.name, "forward": forward, "both": both, "extra_mib": extra,
        "work": work(case, groups.as_ref()),
    });
    println!("{line}");
}

fn shapes(case: &Case) -> Vec<[usize; 3]> {
    let [batch, channels, width] = case.shape;
    match case.op.as_str() {
        "conv2d" => vec![case.shape, [case.to, channels, 9], [1, 1, case.to]],
        "temporal_conv" => vec![case.shape, [case.to, channels, 3], [1, 1, case.to]],
        "group_norm" | "group_norm_silu" => vec![case.shape, [1, 1, channels], [1, 1, channels]],
        "attention" | "grouped" => vec![case.shape; 3],
        "cross" => vec![case.shape, [batch, case.to, width], [batch, case.to, width]],
        "linear" => vec![case.shape, [1, width, case.to], [1, 1, case.to]],
        "layer_norm_modulate" => vec![case.shape, [1, batch, width], [1, batch, width]],
        "layer_norm" => vec![case.shape, [1, 1, width], [1, 1, width]],
        "rms_norm" => vec![case.shape, [1, 1, width / case.heads]],
        _ => vec![case.shape],
    }
}

/// Half of the tokens background, the rest four objects, scattered.
fn groups(case: &Case) -> Option<TokenGroups> {
    let [batch, tokens, _] = case.shape;
    let id = |i: usize| if i.is_multiple_of(2) { 0u8 } else { 1 + (i / 2 % 4) as u8 };
    let ids: Vec<u8> = (0..batch * tokens).map(|i| id(i % tokens)).collect();
    (case.op == "grouped").then(|| TokenGroups::new(&ids, batch, tokens))
}

fn run(case: &Case, inputs: &Inputs, groups: Option<&TokenGroups>) -> Tensor<3> {
    let [batch, channels, width] = case.shape;
    let at = |i: usize| inputs[i].clone();
    let side = case.side;
    match case.op.as_str() {
        "conv2d" => {
            let (stride, magnify) = (case.stride, case.magnify);
            let options = ConvolutionOptions { stride, padding: 1, magnify, silu: false };
            let x = at(0).reshape([batch, channels, side, side]);
            let out = conv2d(
                x,
                at(1).reshape([case.to, channels, 3, 3]),
                at(2).reshape([case.to]),
                options,
            );
            out.flatten::<3>(2, 3)
        }
        "temporal_conv" => {
            let x = at(0).reshape([batch, channels, width / side / side, side, side]);
            let w = at(1).reshape([case.to, channels, 3, 1, 1]);
            temporal_conv(x, w, at(2).reshape([case.to])).flatten::<3>(2, 4)
        }
        "attention" | "cross" => attention(at(0), at(1), at(2), case.heads, None),
        "grouped" => grouped_attention(at(0), at(1), at(2), case.heads, groups.unwrap()),
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
        "softmax" => softmax_last(at(0)),
        other => panic!("no operator {other:?}"),
    }
}

/// What the forward pass has to do at least: multiplications and additions of the plain method, or bytes
/// to read and write once.
fn work(case: &Case, groups: Option<&TokenGroups>) -> serde_json::Value {
    let [batch, tokens, width] = case.shape.map(|size| size as f64);
    let to = case.to as f64;
    let gflop = |flop: f64| serde_json::json!({ "gflop": flop / 1e9 });
    match case.op.as_str() {
        "attention" => gflop(4.0 * batch * tokens * tokens * width),
        "cross" => gflop(4.0 * batch * tokens * to * width),
        "grouped" => {
            let pairs: usize = (0..case.shape[0])
                .flat_map(|row| groups.unwrap().groups(row).map(|group| group.len().pow(2)))
                .sum();
            gflop(4.0 * pairs as f64 * width)
        }
        "linear" => gflop(2.0 * batch * tokens * width * to),
        "conv2d" => {
            let times = (case.magnify as f64 / case.stride as f64).powi(2);
            gflop(2.0 * 9.0 * batch * tokens * to * width * times)
        }
        "temporal_conv" => gflop(2.0 * 3.0 * batch * tokens * to * width),
        _ => serde_json::json!({ "gb": 2.0 * 4.0 * batch * tokens * width / 1e9 }),
    }
}

/// Milliseconds of each run: once when slow, else for half a second after a first run.
fn time(slow: bool, mut run: impl FnMut()) -> Vec<f64> {
    let mut once = || {
        let at = Instant::now();
        run();
        at.elapsed().as_secs_f64() * 1e3
    };
    if slow {
        return vec![once()];
    }
    once();
    let start = Instant::now();
    let mut samples = Vec::new();
    while samples.len() < 5 || start.elapsed().as_secs_f64() < 0.5 {
        samples.push(once());
    }
    samples
}

/// A line of /proc/self/status in MiB; 0 where there is none.
fn resident_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field)).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}
