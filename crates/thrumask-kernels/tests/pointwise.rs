//! Norms, activations, linear layers, rotary embedding and residuals against their references.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use common::*;
use proptest::prelude::*;
use thrumask_kernels::{self as fast, RopeTable, reference};

/// Output and gradients of a function of a token tensor and parameters of rank `P`.
fn outcome<const P: usize, const K: usize>(
    x: (&[f32], [usize; 3]),
    params: [(&[f32], [usize; P]); K],
    f: impl FnOnce(Tensor<3>, [Tensor<P>; K]) -> Tensor<3>,
) -> Vec<Vec<f32>> {
    let x = input(x.0, x.1);
    let params = params.map(|(values, dims)| input(values, dims));
    let (out, grads) = backward_of(&f(x.clone(), params.clone()));
    let mut all = vec![out, gradient(&x, &grads)];
    all.extend(params.iter().map(|param| gradient(param, &grads)));
    all
}

fn agree(name: &str, found: &[Vec<f32>], expected: &[Vec<f32>]) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        // Gradients of parameters are sums over all rows.
        let tolerance = if i < 2 { 3e-5 } else { 2e-4 };
        close(&format!("{name} {i}"), found, expected, tolerance);
    }
}

/// A function of one tensor in both forms.
fn unary(
    name: &str,
    dims: [usize; 3],
    spread: f32,
    fast: impl Fn(Tensor<3>) -> Tensor<3>,
    plain: impl Fn(Tensor<3>) -> Tensor<3>,
) {
    let x: Vec<f32> = noise(dims.iter().product(), 31).iter().map(|x| x * spread).collect();
    let none: [(&[f32], [usize; 1]); 0] = [];
    let found = outcome((&x, dims), none, |x, _| fast(x));
    assert!(found.iter().flatten().all(|x| x.is_finite()), "{name}");
    agree(name, &found, &outcome((&x, dims), none, |x, _| plain(x)));
}

#[test]
fn group_norms_agree() {
    for (dims, groups) in [([2, 6, 35], 3), ([1, 32, 100], 32), ([3, 8, 1], 1), ([2, 20, 257], 4)] {
        let x: Vec<f32> = noise(dims.iter().product(), 21).iter().map(|x| 3.0 * x + 2.0).collect();
        let (gamma, beta) = (noise(dims[1], 22), noise(dims[1], 23));
        let params = [(&gamma[..], [dims[1]]), (&beta[..], [dims[1]])];
        let run = |f: &dyn Fn(Tensor<3>, Tensor<1>, Tensor<1>) -> Tensor<3>| {
            outcome((&x, dims), params, |x, [gamma, beta]| f(x, gamma, beta))
        };
        let plain = |x, gamma, beta| reference::group_norm(x, gamma, beta, groups, 1e-5);
        agree(
            "group_norm",
            &run(&|x, gamma, beta| fast::group_norm(x, gamma, beta, groups, 1e-5)),
            &run(&plain),
        );
        agree(
            "group_norm_silu",
            &run(&|x, gamma, beta| fast::group_norm_silu(x, gamma, beta, groups, 1e-5)),
            &run(&|x, gamma, beta| reference::silu(plain(x, gamma, beta))),
        );
    }
}

#[test]
fn activations_agree() {
    for dims in [[2, 37, 65], [1, 1, 1], [3, 100, 128]] {
        for spread in [4.0, 30.0] {
            unary("gelu", dims, spread, fast::gelu, reference::gelu);
            unary("gelu_tanh", dims, spread, fast::gelu_tanh, reference::gelu_tanh);
            unary("silu", dims, spread, fast::silu, reference::silu);
            unary("sigmoid", dims, spread, fast::sigmoid, reference::sigmoid);
            unary("tanh", dims, spread, fast::tanh, reference::tanh);
            unary("softmax", dims, spread, fast::softmax_last, reference::softmax_last);
        }
    }
}

#[test]
fn activations_keep_their_ends() {
    let x = input(&[-1e30, -100.0, 0.0, 100.0, 1e15], [1, 1, 5]);
    assert_eq!(values(&fast::gelu(x.clone()))[2..], [0.0, 100.0, 1e15]);
    assert_eq!(values(&fast::silu(x.clone()))[2..], [0.0, 100.0, 1e15]);
    assert_eq!(values(&fast::gelu_tanh(x.clone()))[2..], [0.0, 100.0, 1e15]);
    assert_eq!(values(&fast::tanh(x.clone())), [-1.0, -1.0, 0.0, 1.0, 1.0]);
    let gate = values(&fast::sigmoid(x));
    assert!(gate[0] < 1e-30 && gate[1] < 1e-30, "{gate:?}");
    assert_eq!(gate[2..], [0.5, 1.0, 1.0]);
    let broken = input(&[f32::NAN], [1, 1, 1]);
    assert!(values(&fast::tanh(broken.clone()))[0].is_nan());
    assert!(values(&fast::sigmoid(broken))[0].is_nan());
    let masked = input(&[f32::NEG_INFINITY, 1.0, 1.0], [1, 1, 3]);
    assert_eq!(values(&fast::softmax_last(masked)), [0.0, 0.5, 0.5]);
}

/// A row of which all is masked gives zeros and no gradient, as attention over no keys does; others are as
/// ever, and what is not a number does not hide.
#[test]
fn softmax_of_nothing_is_zero() {
    for width in [1, 3, 21, 70] {
        let mut x = noise(4 * width, 5);
        x[width..2 * width].fill(f32::NEG_INFINITY);
        x[3 * width..].fill(f32::NEG_INFINITY);
        x[3 * width] = f32::NAN;
        for softmax in [fast::softmax_last::<2>, reference::softmax_last::<2>] {
            let (out, [grad]) = forward_backward([&input(&x, [4, width])], |[x]| softmax(x));
            assert!(out[width..2 * width].iter().all(|x| *x == 0.0), "{out:?}");
            assert!(grad[width..2 * width].iter().all(|x| *x == 0.0), "{grad:?}");
            for row in [0, 2] {
                let row = row * width..(row + 1) * width;
                let sum = out[row.clone()].iter().sum::<f32>();
                assert!((sum - 1.0).abs() < 1e-6 && grad[row].iter().all(|x| x.is_finite()));
            }
            assert!(out[3 * width].is_nan());
        }
        // What may be overwritten.
        let alone = Tensor::<2>::from_data(TensorData::new(x, [4, width]), &Device::flex());
        let out = values(&fast::softmax_last(alone));
        assert!(out[width..2 * width].iter().all(|x| *x == 0.0), "{out:?}");
    }
}

#[test]
fn slopes_agree_with_differences() {
    // Twice the exact function in 64 bits.
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let tanh = |x: f64| {
        0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
    };
    let points: Vec<f32> = (0..201).map(|i| i as f32 * 0.08 - 8.0).collect();
    let check = |f: &dyn Fn(Tensor<1>) -> Tensor<1>, exact: &dyn Fn(f64) -> f64| {
        let x = input(&points, [points.len()]);
        let out = f(x.clone());
        let (found, grads) = (values(&out), out.sum().backward());
        for (i, (&at, slope)) in points.iter().zip(gradient(&x, &grads)).enumerate() {
            let at = f64::from(at);
            let expected = (exact(at + 1e-5) - exact(at - 1e-5)) / 2e-5;
            assert!(
                (f64::from(slope) - expected).abs() < 2e-6,
                "slope at {at}: {slope} {expected}"
            );
            assert!((f64::from(found[i]) - exact(at)).abs() < 2e-6, "value at {at}");
        }
    };
    check(&fast::silu, &silu);
    check(&fast::sigmoid, &|x| 1.0 / (1.0 + (-x).exp()));
    check(&fast::tanh, &f64::tanh);
    check(&fast::gelu_tanh, &tanh);
}

#[test]
fn norms_agree() {
    for [batch, tokens, channels] in [[2, 50, 128], [3, 7, 33], [1, 300, 96], [1, 1, 5]] {
        let dims = [batch, tokens, channels];
        let x: Vec<f32> = noise(dims.iter().product(), 41).iter().map(|x| 3.0 * x + 0.7).collect();
        let (shift, scale) = (noise(batch * channels, 42), noise(batch * channels, 43));
        let both = |f: fn(Tensor<3>, Tensor<2>, Tensor<2>, f32) -> Tensor<3>| {
            let set = [batch, channels];
            outcome((&x, dims), [(&shift, set), (&scale, set)], |x, [a, b]| f(x, a, b, 1e-6))
        };
        agree("modulate", &both(fast::layer_norm_modulate), &both(reference::layer_norm_modulate));
        let one = [channels];
        let pair = [(&shift[..channels], one), (&scale[..channels], one)];
        let both = |f: fn(Tensor<3>, Tensor<1>, Tensor<1>, f32) -> Tensor<3>| {
            outcome((&x, dims), pair, |x, [a, b]| f(x, a, b, 1e-5))
        };
        agree("layer norm", &both(fast::layer_norm), &both(reference::layer_norm));
        for group in [channels, if channels % 3 == 0 { channels / 3 } else { 1 }] {
            let both = |f: fn(Tensor<3>, Tensor<1>, usize, f32) -> Tensor<3>| {
                outcome((&x, dims), [(&scale[..group], [group])], |x, [a]| f(x, a, group, 1e-3))
            };
            agree("rms norm", &both(fast::rms_norm), &both(reference::rms_norm));
        }
    }
}

#[test]
fn rope_agrees_and_turns_back() {
    let (heads, tokens) = (2, 45);
    for pairs in [16, 12, 5] {
        let table = RopeTable::from_angles(&noise(tokens * pairs, 51), tokens, pairs);
        let dims = [2, tokens, heads * 2 * pairs];
        unary(
            "rope",
            dims,
            1.0,
            |x| fast::rope(x, heads, &table),
            |x| reference::rope(x, heads, &table),
        );
        // The gradient of sum(rope(x) * w) is w turned back: turning it again gives w.
        let x = input(&noise(dims.iter().product(), 52), dims);
        let (_, grads) = backward_of(&fast::rope(x.clone(), heads, &table));
        let again = fast::rope(input(&gradient(&x, &grads), dims), heads, &table);
        close("turned back", &values(&again), &noise(dims.iter().product(), 77), 1e-5);
    }
}

#[test]
fn rope_leaves_shared_inputs_alone() {
    let table = RopeTable::from_angles(&noise(10 * 8, 53), 10, 8);
    let x = input(&noise(160, 54), [1, 10, 16]);
    let before = values(&x);
    let out = fast::rope(x.clone(), 1, &table);
    assert_ne!(values(&out), before);
    assert_eq!(values(&x), before);
}

#[test]
fn linear_agrees() {
    for (batch, tokens, inputs, outputs) in
        [(2, 250, 96, 130), (1, 1, 3, 2), (3, 33, 64, 1), (2, 100, 1, 70)]
    {
        let dims = [batch, tokens, inputs];
        let x = noise(dims.iter().product(), 61);
        let (w, b) = (noise(inputs * outputs, 62), noise(outputs, 63));
        let run = |f: fn(Tensor<3>, Tensor<2>, Option<Tensor<1>>) -> Tensor<3>, bias: bool| {
            let (x, w, b) = (input(&x, dims), input(&w, [inputs, outputs]), input(&b, [outputs]));
            let out = f(x.clone(), w.clone(), bias.then(|| b.clone()));
            let (out, grads) = backward_of(&out);
            vec![out, gradient(&x, &grads), gradient(&w, &grads), gradient(&b, &grads)]
        };
        agree("linear", &run(fast::linear, true), &run(reference::linear, true));
        agree("no bias", &run(fast::linear, false), &run(reference::linear, false));
    }
}

#[test]
fn a_row_does_not_depend_on_how_many_there_are() {
    let (x, w) = (noise(5 * 96, 66), noise(96 * 40, 67));
    let run = |rows: usize| {
        let x = input(&x[..rows * 96], [1, rows, 96]);
        let out = fast::linear(x, input(&w, [96, 40]), None);
        values(&out)[..40].to_vec()
    };
    for rows in 2..=5 {
        assert_eq!(run(1), run(rows), "{rows} rows");
    }
}

#[test]
fn linear_takes_slices_and_turned_weights() {
    let x = input(&noise(2 * 40 * 96, 64), [2, 40, 96]);
    let w = input(&noise(32 * 48, 65), [48, 32]);
    let run = |f: fn(Tensor<3>, Tensor<2>, Option<Tensor<1>>) -> Tensor<3>| {
        let out = f(x.clone().narrow(2, 32, 32), w.clone().transpose(), None);
        let (out, grads) = backward_of(&out);
        vec![out, gradient(&x, &grads), gradient(&w, &grads)]
    };
    agree("slices", &run(fast::linear), &run(reference::linear));
}

#[test]
fn turned_weights_give_the_same_bits_as_a_copy_of_them() {
    for [inputs, outputs] in [[32, 48], [33, 70], [1, 5], [5, 1], [130, 257]] {
        let x = input(&noise(3 * 50 * inputs, 66), [3, 50, inputs]);
        let (turned, b) = (noise(inputs * outputs, 67), input(&noise(outputs, 68), [outputs]));
        let transposed = |v: &[f32]| -> Vec<f32> {
            (0..inputs * outputs).map(|i| v[i % outputs * inputs + i / outputs]).collect()
        };
        let copy = input(&transposed(&turned), [inputs, outputs]);
        let turned = input(&turned, [outputs, inputs]);
        let run = |w: Tensor<2>| {
            let out = fast::linear(x.clone(), w, Some(b.clone()));
            let (values, grads) = backward_of(&out);
            (values, gradient(&x, &grads), gradient(&b, &grads), grads)
        };
        let (a, c) = (run(turned.clone().transpose()), run(copy.clone()));
        assert_eq!((&a.0, &a.1, &a.2), (&c.0, &c.1, &c.2));
        assert_eq!(transposed(&gradient(&turned, &a.3)), gradient(&copy, &c.3));
    }
}

#[test]
fn sixteen_bits_are_widened_however_they_lie() {
    let values_of = |x: Tensor<2>| x.into_data().convert::<f32>().try_to_vec::<f32>().unwrap();
    let x = Tensor::<2>::from_data(TensorData::new(noise(35, 69), [5, 7]), &Device::flex());
    for kind in [FloatDType::F16, FloatDType::BF16] {
        let narrow = x.clone().cast(kind);
        for (found, expected) in [
            (fast::widened(narrow.clone()), narrow.clone()),
            (fast::widened(narrow.clone().transpose()), narrow.clone().transpose()),
            (fast::widened(narrow.clone().narrow(1, 2, 3)), narrow.clone().narrow(1, 2, 3)),
        ] {
            assert_eq!((found.dtype(), found.dims()), (DType::F32, expected.dims()));
            assert_eq!(values_of(found), values_of(expected));
        }
    }
    assert_eq!(values_of(fast::widened(x.clone())), values_of(x));
}

#[test]
fn residual_agrees() {
    let dims = [3, 200, 96];
    let (x, y) = (noise(dims.iter().product(), 71), noise(dims.iter().product(), 72));
    for gates in [3, 1] {
        let gate = noise(gates * 96, 73);
        let run = |f: fn(Tensor<3>, Tensor<2>, Tensor<3>) -> Tensor<3>| {
            let (x, gate, y) = (input(&x, dims), input(&gate, [gates, 96]), input(&y, dims));
            let (out, grads) = backward_of(&f(x.clone(), gate.clone(), y.clone()));
            vec![out, gradient(&x, &grads), gradient(&gate, &grads), gradient(&y, &grads)]
        };
        agree("residual", &run(fast::gated_residual), &run(reference::gated_residual));
    }
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    let dims = [2, 430, 96];
    let x = noise(dims.iter().product(), 81);
    let (w, v) = (noise(96 * 96, 82), noise(2 * 96, 83));
    let run = |threads| {
        with_threads(threads, || {
            let (x, w, v) = (input(&x, dims), input(&w, [96, 96]), input(&v, [2, 96]));
            let h = fast::layer_norm_modulate(x.clone(), v.clone(), v.clone(), 1e-6);
            let h = fast::gelu(fast::linear(
                h,
                w.clone(),
                Some(v.clone().narrow(0, 0, 1).reshape([96])),
            ));
            let h = fast::rms_norm(h, v.clone().narrow(0, 1, 1).reshape([96]), 96, 1e-6);
            let (out, grads) = backward_of(&fast::gated_residual(x.clone(), v.clone(), h));
            vec![out, gradient(&x, &grads), gradient(&w, &grads), gradient(&v, &grads)]
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn tensors_without_gradients_run_too() {
    let device = burn::tensor::Device::flex();
    let data = burn::tensor::TensorData::new(noise(6 * 32, 91), [1, 6, 32]);
    let x = Tensor::<3>::from_data(data, &device);
    let tracked = input(&noise(6 * 32, 91), [1, 6, 32]);
    assert_eq!(values(&fast::gelu(x.clone())), values(&fast::gelu(tracked.clone())));
    let plain = fast::attention(x.clone(), x.clone(), x, 1, None);
    let with = fast::attention(tracked.clone(), tracked.clone(), tracked, 1, None);
    assert_eq!(values(&plain), values(&with));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_size_agrees(batch in 1usize..4, tokens in 1usize..80, channels in 1usize..80) {
        let dims = [batch, tokens, channels];
        let x = noise(dims.iter().product(), (batch + tokens + channels) as u64);
        let (shift, scale) = (noise(batch * channels, 1), noise(batch * channels, 2));
        let run = |f: fn(Tensor<3>, Tensor<2>, Tensor<2>, f32) -> Tensor<3>| {
            let set = [batch, channels];
            outcome((&x, dims), [(&shift, set), (&scale, set)], |x, [a, b]| f(x, a, b, 1e-2))
        };
        agree("modulate", &run(fast::layer_norm_modulate), &run(reference::layer_norm_modulate));
        unary("gelu", dims, 5.0, fast::gelu, reference::gelu);
        unary("softmax", dims, 5.0, fast::softmax_last, reference::softmax_last);
    }
}
