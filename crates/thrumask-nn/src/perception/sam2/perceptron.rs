//! The perceptron of several layers that heads and the decoder's transformer are made of.

use burn::{
    module::Module,
    tensor::{Tensor, activation::relu},
};

use crate::layers::{Init, Linear};

/// Linear maps with a ReLU between each two.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// At least two.
    pub layers: Vec<Linear>,
}

impl Perceptron {
    /// `depth` layers, at least two, with `hidden` units between them.
    pub fn new(init: &mut Init, [inputs, hidden, outputs]: [usize; 3], depth: usize) -> Self {
        let size = |i: usize| match i {
            0 => inputs,
            i if i == depth => outputs,
            _ => hidden,
        };
        let layers = (0..depth).map(|i| Linear::new(init, size(i), size(i + 1), 1.0)).collect();
        Self { layers }
    }

    /// # Shapes
    /// - `x`: `[.., inputs]`
    /// - returns `[.., outputs]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let layers = self.layers.iter().enumerate();
        layers.fold(x, |x, (i, layer)| layer.forward(if i == 0 { x } else { relu(x) }))
    }
}
