//! What the examples that are compared with networks in PyTorch share.

use burn::tensor::Tensor;
use thrumask_nn::weights::WeightFile;

#[path = "../../../thrumask-kernels/examples/measure/mod.rs"]
mod measure;
pub use measure::{Memory, time};

/// Puts a tensor into the file that the peer reads.
pub fn insert<const D: usize>(file: &mut WeightFile, name: &str, tensor: Tensor<D>) {
    let shape = tensor.dims().to_vec();
    let values = tensor.into_data().try_into_vec::<f32>().unwrap();
    file.tensors.insert(name.into(), (shape, values));
}
