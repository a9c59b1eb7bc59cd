//! How noise becomes data, without models: small pure functions over tensors and numbers.
//!
//! Two kinds of [`process::Process`]: flow matching ([`path`], [`schedule`], [`solver`]) and diffusion
//! with discrete timesteps ([`discrete`]). [`sampler::sample`] drives either.

use burn::tensor::{Device, Tensor, TensorData};

pub mod discrete;
pub mod guidance;
pub mod noise;
pub mod path;
pub mod process;
pub mod sampler;
pub mod schedule;
pub mod solver;

/// One number per batch row, ready to broadcast: `[B, 1, 1, 1, 1]`.
fn per_row(values: Vec<f32>, device: &Device) -> Tensor<5> {
    let rows = values.len();
    Tensor::from_data(TensorData::new(values, [rows, 1, 1, 1, 1]), device)
}
