//! Speed of each operator against the same in plain burn: `cargo run --release -p thrumask-kernels
//! --example bench_ops [operator]`. Best of many runs, in milliseconds; forward, then forward and
//! backward.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use thrumask_kernels::*;

const B: usize = 8;
const N: usize = 432;
const C: usize = 128;
const HEADS: usize = 4;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("B={B} N={N} C={C} heads={HEADS}, {} threads", rayon::current_num_threads());
    println!("{:24} {:>26} {:>26}", "", "forward", "forward + backward");
    println!(
        "{:24} {:>8} {:>8} {:>8}  {:>8} {:>8} {:>8}",
        "", "plain", "fast", "GFLOP/s", "plain", "fast", "GFLOP/s"
    );
    let bench = Bench { wanted };
    let token = [B, N, C];
    let dense = 4.0 * (B * N * N * C) as f64;
    bench.run(
        "attention",
        dense,
        [token; 3],
        |[q, k, v]| attention(q, k, v, HEADS, None),
        |[q, k, v]| reference::attention(q, k, v, HEADS, None),
    );
    let ids: Vec<u8> = (0..B * N).map(|i| (i % N * 4 / N) as u8).collect();
    let groups = TokenGroups::new(&ids, B, N);
    bench.run(
        "grouped, 4 equal",
        dense / 4.0,
        [token; 3],
        |[q, k, v]| grouped_attention(q, k, v, HEADS, &groups),
        |[q, k, v]| reference::grouped_attention(q, k, v, HEADS, &groups),
    );
    let (prompts, padded) = (3, 16);
    let visible: Vec<bool> =
        (0..B * N * prompts).map(|i| (i / prompts) % 5 == i % prompts).collect();
    let visible = PromptVisibility::new(&visible, &[12; B * 3], [B, N, prompts], padded);
    let text = [B, prompts * padded, C];
    bench.run(
        "grouped cross",
        4.0 * (B * N * 12 * C) as f64 * 0.6,
        [token, text, text],
        |[q, k, v]| grouped_cross_attention(q, k, v, HEADS, &visible),
        |[q, k, v]| reference::grouped_cross_attention(q, k, v, HEADS, &visible),
    );
    let text = [B, 24, C];
    bench.run(
        "cross, 24 keys",
        4.0 * (B * N * 24 * C) as f64,
        [token, text, text],
        |[q, k, v]| attention(q, k, v, HEADS, None),
        |[q, k, v]| reference::attention(q, k, v, HEADS, None),
    );
    let values = (B * N * C) as f64;
    let (set, wide) = ([B, 1, C], [B, N, 4 * C]);
    let flat = |x: Tensor<3>| x.reshape([B, C]);
    bench.run(
        "layer_norm_modulate",
        8.0 * values,
        [token, set, set],
        |[x, a, b]| layer_norm_modulate(x, flat(a), flat(b), 1e-6),
        |[x, a, b]| reference::layer_norm_modulate(x, flat(a), flat(b), 1e-6),
    );
    let one = |x: Tensor<3>| x.reshape([C]);
    bench.run(
        "layer_norm",
        8.0 * values,
        [token, [1, 1, C], [1, 1, C]],
        |[x, a, b]| layer_norm(x, one(a), one(b), 1e-6),
        |[x, a, b]| reference::layer_norm(x, one(a), one(b), 1e-6),
    );
    let size = C / HEADS;
    bench.run(
        "rms_norm per head",
        4.0 * values,
        [token, [1, 1, size]],
        |[x, a]| rms_norm(x, a.reshape([size]), size, 1e-6),
        |[x, a]| reference::rms_norm(x, a.reshape([size]), size, 1e-6),
    );
    let angles: Vec<f32> = (0..N * size / 2).map(|i| i as f32 * 0.01).collect();
    let table = RopeTable::from_angles(&angles, N, size / 2);
    bench.run(
        "rope",
        3.0 * values,
        [token],
        |[x]| rope(x, HEADS, &table),
        |[x]| reference::rope(x, HEADS, &table),
    );
    bench.run(
        "gated_residual",
        2.0 * values,
        [token, set, token],
        |[x, a, y]| gated_residual(x, flat(a), y),
        |[x, a, y]| reference::gated_residual(x, flat(a), y),
    );
    bench.run("gelu 4C", 16.0 * values, [wide], |[x]| gelu(x), |[x]| reference::gelu(x));
    bench.run(
        "gelu_tanh 4C",
        16.0 * values,
        [wide],
        |[x]| gelu_tanh(x),
        |[x]| reference::gelu_tanh(x),
    );
    bench.run("silu 4C", 16.0 * values, [wide], |[x]| silu(x), |[x]| reference::silu(x));
    let scores = [B * HEADS, N, N];
    bench.run(
        "softmax_last N x N",
        4.0 * (B * HEADS * N * N) as f64,
        [scores],
        |[x]| softmax_last(x),
        |[x]| reference::softmax_last(x),
    );
    for (name, from, to) in
        [("linear C to C", C, C), ("linear C to 4C", C, 4 * C), ("linear 4C to C", 4 * C, C)]
    {
        bench.run(
            name,
            2.0 * (B * N * from * to) as f64,
            [[B, N, from], [1, from, to], [1, 1, to]],
            |[x, w, b]| linear(x, w.reshape([from, to]), Some(b.reshape([to]))),
            |[x, w, b]| reference::linear(x, w.reshape([from, to]), Some(b.reshape([to]))),
        );
    }
    if "optimiser".contains(&bench.wanted) {
        let len = 1 << 20;
        let mut state = [vec![0.1; len], vec![0.1; len], vec![0.1; len], vec![0.1; len]];
        let grads = vec![0.1; len];
        let [params, mean, square, ema] = &mut state;
        let hyper = AdamwHyper {
            lr: 1e-3,
            beta1: 0.9,
            beta2: 0.99,
            eps: 1e-8,
            weight_decay: 0.01,
            step: 10,
            grad_scale: 1.0,
            ema_decay: 0.999,
        };
        let step = best(|| adamw_ema_step(params, &grads, mean, square, ema, &hyper));
        let mut matrix: Vec<f32> = (0..C * 4 * C).map(|i| (i as f32).sin()).collect();
        let muon = best(|| newton_schulz5(&mut matrix, C, 4 * C));
        println!(
            "adamw_ema_step of 1 M: {:.2} ms; newton_schulz5 of C x 4C: {:.2} ms",
            step * 1e3,
            muon * 1e3
        );
    }
}

struct Bench {
    wanted: String,
}

impl Bench {
    /// Times both forms of an operator of `flop` floating-point operations.
    fn run<const K: usize>(
        &self,
        name: &str,
        flop: f64,
        shapes: [[usize; 3]; K],
        fast: impl Fn([Tensor<3>; K]) -> Tensor<3>,
        plain: impl Fn([Tensor<3>; K]) -> Tensor<3>,
    ) {
        if !name.contains(&self.wanted) {
            return;
        }
        let inputs = |device: &Device| {
            shapes.map(|shape| Tensor::<3>::random(shape, Distribution::Normal(0.0, 1.0), device))
        };
        let (inner, tracked) = (inputs(&Device::flex()), inputs(&Device::flex().autodiff()));
        let forward = |f: &dyn Fn([Tensor<3>; K]) -> Tensor<3>| {
            best(|| drop(f(inner.each_ref().map(Clone::clone))))
        };
        let both = |f: &dyn Fn([Tensor<3>; K]) -> Tensor<3>| {
            best(|| {
                let inputs = tracked.each_ref().map(|x| x.clone().require_grad());
                drop(f(inputs).sum().backward());
            })
        };
        let [a, b, c, d] = [forward(&plain), forward(&fast), both(&plain), both(&fast)];
        println!(
            "{name:24} {:8.2} {:8.2} {:8.1}  {:8.2} {:8.2} {:8.1}",
            a * 1e3,
            b * 1e3,
            flop / b / 1e9,
            c * 1e3,
            d * 1e3,
            3.0 * flop / d / 1e9,
        );
    }
}

/// Seconds of the fastest of the runs that fit in about a second.
fn best(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < 0.6 {
        let at = Instant::now();
        run();
        best = best.min(at.elapsed().as_secs_f64());
    }
    best
}
