//! Operators in 64-bit floats, written plainly from their definitions, and the check of the kernels
//! against them: outputs with outputs, gradients with differences.
#![allow(dead_code, unused_imports)]

mod activation;
mod attention;
mod check;
mod convolution;
mod map_operators;
mod maps;
mod norm;
mod operators;
mod tensors;

pub use check::{Effort, FEW, MANY, SOME, check};
pub use map_operators::*;
pub use operators::*;
pub use tensors::*;

/// Values in row-major order, with the sizes of the axes.
#[derive(Clone, Debug)]
pub struct Array<T> {
    pub dims: Vec<usize>,
    pub values: Vec<T>,
}

impl<T: Copy + Into<f64>> Array<T> {
    /// The same values in 64 bits.
    pub fn wide(&self) -> Array<f64> {
        let values = self.values.iter().map(|&x| x.into()).collect();
        Array { dims: self.dims.clone(), values }
    }
}

/// A function of inputs to the values of an output, in 64 bits.
pub type Exact = dyn Fn(&[Array<f64>]) -> Vec<f64> + Send + Sync;

/// An operator with inputs, as a kernel and in 64 bits.
pub struct Operator {
    pub name: String,
    pub inputs: Vec<Array<f32>>,
    pub kernel: Box<dyn Fn(Inputs) -> Ranked + Send + Sync>,
    pub exact: Box<Exact>,
    /// The largest error of outputs and of gradients, as part of the largest value.
    pub tolerance: [f64; 2],
}
