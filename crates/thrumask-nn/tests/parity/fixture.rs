//! Reading fixtures and comparing with them.

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use thrumask_nn::weights::WeightFile;

/// How far an operator may lie from the reference, relative to values above 1.
pub const OPERATOR: f32 = 1e-5;
/// How far a layer or block may.
pub const BLOCK: f32 = 1e-4;
/// How far a model may.
pub const MODEL: f32 = 1e-3;

/// What an exporter wrote.
pub struct Fixture(pub WeightFile);

impl Fixture {
    pub fn read(bytes: &[u8]) -> Self {
        Self(WeightFile::read("fixture", bytes).unwrap())
    }

    pub fn values(&self, name: &str) -> &[f32] {
        &self.0.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}")).1
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        self.values(name);
        &self.0.tensors[name].0
    }

    /// Whole numbers: lengths, ids and flags.
    pub fn numbers(&self, name: &str) -> Vec<usize> {
        self.values(name).iter().map(|&v| v as usize).collect()
    }

    /// A tensor whose gradient is wanted.
    pub fn input<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.tensor(name, &Device::flex().autodiff()).require_grad()
    }

    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let data = TensorData::new(self.values(name).to_vec(), self.shape(name).to_vec());
        Tensor::from_data(data, device)
    }

    /// Compares an output, and returns the gradients of the sum of output times weights.
    pub fn backward<const D: usize>(
        &self,
        case: &str,
        out: Tensor<D>,
        tolerance: f32,
    ) -> Gradients {
        self.close(&format!("{case}out"), &values(out.clone()), tolerance);
        let weights = self.tensor::<D>(&format!("{case}weights"), &out.device());
        (out * weights).sum().backward()
    }

    /// Compares the gradient of an input.
    pub fn gradient<const D: usize>(
        &self,
        name: &str,
        of: &Tensor<D>,
        gradients: &Gradients,
        tolerance: f32,
    ) {
        let found = of.grad(gradients).unwrap_or_else(|| panic!("no gradient for {name}"));
        self.close(name, &values(found), tolerance);
    }

    /// Compares values with a tensor of the fixture.
    pub fn close(&self, name: &str, found: &[f32], tolerance: f32) {
        let expected = self.values(name);
        assert_eq!(found.len(), expected.len(), "number of values of {name}");
        for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
            let error = (a - b).abs() / b.abs().max(1.0);
            assert!(error <= tolerance, "{name}[{i}]: got {a}, reference {b}, off by {error:e}");
        }
    }
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec::<f32>().unwrap()
}
