//! Affine maps on the last axis, and the two-layer perceptron of a transformer block.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, activation::relu},
};

use super::{Init, init::wide};

/// y = x·W + b on the last axis.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Weights of standard deviation `gain / √inputs`, bias zero.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, gain: f32) -> Self {
        let weight = init.normal([inputs, outputs], gain / (inputs as f32).sqrt());
        Self { weight, bias: Some(init.constant([outputs], 0.0)) }
    }

    /// Without bias: maps zero to exactly zero.
    pub fn without_bias(init: &mut Init, inputs: usize, outputs: usize, gain: f32) -> Self {
        Self { bias: None, ..Self::new(init, inputs, outputs, gain) }
    }

    /// # Shapes
    /// - `x`: `[.., inputs]`
    /// - returns `[.., outputs]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        thrumask_kernels::linear(x, wide(&self.weight), self.bias.as_ref().map(Param::val))
    }

    /// [`Linear::forward`] without the bias.
    ///
    /// # Shapes
    /// - `x`: `[.., inputs]`
    /// - returns `[.., outputs]`
    pub fn product<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        thrumask_kernels::linear(x, wide(&self.weight), None)
    }

    /// What some of the inputs contribute; the bias comes with the part that begins at the first.
    ///
    /// # Shapes
    /// - `x`: `[.., len]`
    /// - `inputs`: `len` of the inputs
    /// - returns `[.., outputs]`
    pub fn part<const D: usize>(&self, x: Tensor<D>, inputs: Range<usize>) -> Tensor<D> {
        let bias = self.bias.as_ref().filter(|_| inputs.start == 0).map(Param::val);
        let weight = wide(&self.weight).narrow(0, inputs.start, inputs.len());
        thrumask_kernels::linear(x, weight, bias)
    }

    /// [`Self::forward`] with the outputs in another order.
    ///
    /// # Shapes
    /// - `x`: `[.., inputs]`
    /// - `order`: `[outputs]`, each once
    /// - returns `[.., outputs]`
    pub fn forward_ordered<const D: usize>(
        &self,
        x: Tensor<D>,
        order: Tensor<1, Int>,
    ) -> Tensor<D> {
        let weight = wide(&self.weight).select(1, order.clone());
        let bias = self.bias.as_ref().map(|bias| bias.val().select(0, order));
        thrumask_kernels::linear(x, weight, bias)
    }
}

/// A 1×1 convolution, as an affine map of every token.
#[derive(Module, Debug)]
pub struct Pointwise {
    /// `[inputs, outputs]`.
    pub kernel: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Pointwise {
    /// Weights of standard deviation `gain / √inputs`, bias zero.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, gain: f32) -> Self {
        let kernel = init.normal([inputs, outputs], gain / (inputs as f32).sqrt());
        Self { kernel, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, N, inputs]`
    /// - returns `[B, N, outputs]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        thrumask_kernels::linear(x, wide(&self.kernel), Some(self.bias.val()))
    }
}

/// Linear maps with a ReLU between each two.
#[derive(Module, Debug)]
pub struct Perceptron {
    /// At least one.
    pub layers: Vec<Linear>,
}

impl Perceptron {
    /// `depth` layers, at least one, with `hidden` units between them.
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

/// Linear, half of it times the GELU of the other half, linear (GEGLU, Shazeer 2020).
#[derive(Module, Debug)]
pub struct GatedMlp {
    /// `[width, 2·hidden]`: values, then gates.
    pub up: Linear,
    /// `[hidden, width]`.
    pub down: Linear,
}

impl GatedMlp {
    /// A perceptron with `hidden` gated units.
    pub fn new(init: &mut Init, width: usize, hidden: usize, output_gain: f32) -> Self {
        Self {
            up: Linear::new(init, width, 2 * hidden, 1.0),
            down: Linear::new(init, hidden, width, output_gain),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, width]`
    /// - returns `[B, N, width]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let h = self.up.forward(x);
        let hidden = h.dims()[2] / 2;
        let gate = thrumask_kernels::gelu(h.clone().narrow(2, hidden, hidden));
        self.down.forward(h.narrow(2, 0, hidden) * gate)
    }
}

/// Linear, GELU (tanh form), linear.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[width, hidden]`.
    pub up: Linear,
    /// `[hidden, width]`.
    pub down: Linear,
}

impl Mlp {
    /// A perceptron with `hidden` units.
    pub fn new(init: &mut Init, width: usize, hidden: usize, output_gain: f32) -> Self {
        Self {
            up: Linear::new(init, width, hidden, 1.0),
            down: Linear::new(init, hidden, width, output_gain),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, width]`
    /// - returns `[B, N, width]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.down.forward(thrumask_kernels::gelu_tanh(self.up.forward(x)))
    }
}
