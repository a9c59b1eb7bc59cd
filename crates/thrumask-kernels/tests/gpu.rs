//! Every operator on a graphics card (or a software one) against the fast kernels, gradients included.
//!
//! Runs with `cargo test --features gpu`, on a machine that has a card or Mesa's software Vulkan; without
//! either it fails, as what it is there for cannot be shown.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, DeviceType, Tensor, TensorData};
use common::*;
use thrumask_kernels::{
    ConvolutionOptions, PromptVisibility, RopeTable, TokenGroups, attention, conv2d,
    gated_residual, gelu, gelu_tanh, group_norm_silu, grouped_attention, grouped_cross_attention,
    layer_norm, layer_norm_modulate, linear, rms_norm, rope, silu, softmax_last, temporal_conv,
};

fn card() -> Device {
    Device::enumerate(DeviceType::Wgpu).into_iter().next().expect("a graphics card")
}

/// A tensor with seeded values that asks for its gradient.
fn seeded<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let values = noise(shape.iter().product(), seed);
    Tensor::from_data(TensorData::new(values, shape), &device.clone().autodiff()).require_grad()
}

/// Output and gradients of a function of two tensors and a vector, on one device.
fn outcome<const A: usize, const B: usize, const C: usize, const R: usize>(
    shapes: ([usize; A], [usize; B], [usize; C]),
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
    device: &Device,
) -> [Vec<f32>; 4] {
    let a = seeded(shapes.0, 11, device);
    let b = seeded(shapes.1, 12, device);
    let c = seeded(shapes.2, 13, device);
    let out = f(a.clone(), b.clone(), c.clone());
    let pulled = Tensor::<R>::from_data(
        TensorData::new(noise(out.dims().iter().product(), 14), out.dims()),
        device,
    );
    let found = values(&out);
    let grads = (out.clone() * pulled.to_device(&out.device())).sum().backward();
    [found, gradient(&a, &grads), gradient(&b, &grads), gradient(&c, &grads)]
}

/// Asserts that both devices agree.
fn agree<const A: usize, const B: usize, const C: usize, const R: usize>(
    name: &str,
    shapes: ([usize; A], [usize; B], [usize; C]),
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
) {
    agree_within(5e-5, name, shapes, f);
}

/// Asserts that both devices agree within a share of the largest value.
fn agree_within<const A: usize, const B: usize, const C: usize, const R: usize>(
    tolerance: f32,
    name: &str,
    shapes: ([usize; A], [usize; B], [usize; C]),
    f: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<R>,
) {
    let expected = outcome(shapes, &f, &Device::flex());
    let found = outcome(shapes, &f, &card());
    for (part, (found, expected)) in
        ["output", "first", "second", "third"].iter().zip(found.iter().zip(&expected))
    {
        let size = expected.iter().fold(1.0f32, |size, x| size.max(x.abs()));
        let scaled = |x: &[f32]| x.iter().map(|x| x / size).collect::<Vec<f32>>();
        close(&format!("{name}: {part}"), &scaled(found), &scaled(expected), tolerance);
    }
}

#[test]
fn pointwise_operators_norms_and_products() {
    let one = ([2, 5, 24], [1], [1]);
    // Cards have no error function; what burn puts in its place is that exact.
    agree_within(5e-4, "gelu", one, |x, _, _| gelu(x));
    agree("gelu_tanh", one, |x, _, _| gelu_tanh(x));
    agree("silu", one, |x, _, _| silu(x));
    agree("softmax", one, |x, _, _| softmax_last(x));
    agree("linear", ([3, 7, 24], [24, 10], [10]), |x, w, b| linear(x, w, Some(b)));
    agree("layer norm", ([3, 7, 24], [24], [24]), |x, g, b| layer_norm(x, g, b, 1e-5));
    agree("modulated", ([3, 7, 24], [3, 24], [3, 24]), |x, a, b| {
        layer_norm_modulate(x, a, b, 1e-5)
    });
    agree("rms norm", ([3, 7, 24], [8], [1]), |x, g, _| rms_norm(x, g, 8, 1e-5));
    agree("group norm", ([2, 12, 3, 4, 5], [12], [12]), |x, g, b| {
        group_norm_silu(x, g, b, 4, 1e-5)
    });
    agree("residual", ([3, 7, 24], [3, 24], [3, 7, 24]), |x, g, y| gated_residual(x, g, y));
    let table = RopeTable::from_angles(&noise(7 * 4, 15), 7, 4);
    agree("rope", ([2, 7, 24], [1], [1]), |x, _, _| rope(x, 3, &table));
}

#[test]
fn attention_of_every_kind() {
    let three = ([2, 9, 12], [2, 9, 12], [2, 9, 12]);
    agree("dense", three, |q, k, v| attention(q, k, v, 3, None));
    let many = ([2, 5, 12], [2, 40, 12], [2, 40, 12]);
    agree("many keys", many, |q, k, v| attention(q, k, v, 3, None));
    agree("some keys", three, |q, k, v| attention(q, k, v, 3, Some(&[4, 9])));
    let ids: Vec<u8> = (0..18).map(|i| i * 7 % 4).collect();
    let groups = TokenGroups::new(&ids, 2, 9);
    agree("grouped", three, |q, k, v| grouped_attention(q, k, v, 2, &groups));
    let sees: Vec<bool> = (0..2 * 9 * 2).map(|i| i % 3 != 0 && i % 4 != 1).collect();
    let visible = PromptVisibility::new(&sees, &[4, 2, 3, 0], [2, 9, 2], 4);
    agree("prompts", ([2, 9, 12], [2, 8, 12], [2, 8, 12]), |q, k, v| {
        grouped_cross_attention(q, k, v, 2, &visible)
    });
}

#[test]
fn convolutions() {
    let same = ConvolutionOptions { padding: 1, ..Default::default() };
    for (x, w, options) in [
        ([6, 3, 5, 7], [4, 3, 3, 3], same),
        ([2, 3, 8, 8], [4, 3, 1, 1], ConvolutionOptions::default()),
        ([5, 2, 40, 30], [3, 2, 3, 3], ConvolutionOptions { stride: 2, ..same }),
        ([3, 4, 6, 5], [2, 4, 3, 3], ConvolutionOptions { magnify: 2, silu: true, ..same }),
    ] {
        agree("images", (x, w, [w[0]]), |x, w, b| conv2d(x, w, b, options));
    }
    agree("frames", ([2, 3, 6, 4, 5], [4, 3, 3, 1, 1], [4]), temporal_conv);
}
