//! Inputs, gradients and comparisons that the tests of all operators share.
#![allow(dead_code)]

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_kernels::ConvolutionOptions;

/// A convolution that keeps the size of what it sees with kernels of 3×3.
pub const SAME: ConvolutionOptions =
    ConvolutionOptions { stride: 1, padding: 1, magnify: 1, silu: false };

/// Values in -1..1 that depend only on the seed.
pub fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    for _ in 0..8 {
        next();
    }
    (0..len).map(|_| next()).collect()
}

/// An input whose gradient is wanted.
pub fn input<const D: usize>(values: &[f32], dims: [usize; D]) -> Tensor<D> {
    let data = TensorData::new(values.to_vec(), dims);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec::<f32>().unwrap()
}

/// The gradient of an input; zeros when it has none.
pub fn gradient<const D: usize>(of: &Tensor<D>, grads: &burn::tensor::Gradients) -> Vec<f32> {
    of.grad(grads).map_or(vec![0.0; of.dims().iter().product()], |grad| values(&grad))
}

/// The output of a function of tensors, and the gradients of `sum(output * weights)` with seeded
/// weights.
pub fn forward_backward<const D: usize, const N: usize>(
    inputs: [&Tensor<D>; N],
    f: impl FnOnce([Tensor<D>; N]) -> Tensor<D>,
) -> (Vec<f32>, [Vec<f32>; N]) {
    let out = f(inputs.map(Clone::clone));
    let (found, grads) = backward_of(&out);
    (found, inputs.map(|input| gradient(input, &grads)))
}

/// The values of an output and the gradients of `sum(output * weights)`.
pub fn backward_of<const D: usize>(out: &Tensor<D>) -> (Vec<f32>, burn::tensor::Gradients) {
    let found = values(out);
    let weights =
        Tensor::from_data(TensorData::new(noise(found.len(), 77), out.dims()), &Device::flex());
    let loss = (out.clone() * weights.to_device(&out.device())).sum();
    (found, loss.backward())
}

/// Asserts that two slices agree within `tolerance`, relative to values above 1.
pub fn close(name: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{name}: length");
    for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
        let error = (a - b).abs() / b.abs().max(1.0);
        assert!(error <= tolerance, "{name}[{i}]: {a} against {b}, error {error:e}");
    }
}

/// Runs something in a pool of `threads` threads.
pub fn with_threads<R: Send>(threads: usize, run: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
}

/// Runs the tests of this binary that `names` match once more with each smaller instruction set.
///
/// # Panics
/// When a test fails, or none was run.
pub fn pass_with_fewer_instructions(names: &[&str]) {
    for level in ["avx2", "portable"] {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let done = again.args(names).env("THRUMASK_SIMD", level).output().unwrap();
        let [said, errors] = [&done.stdout, &done.stderr].map(|x| String::from_utf8_lossy(x));
        assert!(done.status.success(), "with {level}: {said}{errors}");
        assert!(!said.contains(" 0 passed"), "no test matches {names:?}: {said}");
    }
}
