//! Tensors of any number of axes, and what goes through operators.

use std::collections::VecDeque;

use burn::backend::DispatchTensor;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::{Array, Operator};
use crate::common::noise;

/// A tensor whose number of axes is known at run time only.
#[derive(Clone)]
pub struct Ranked {
    tensor: DispatchTensor,
    pub dims: Vec<usize>,
}

impl<const D: usize> From<Tensor<D>> for Ranked {
    fn from(tensor: Tensor<D>) -> Self {
        Self { dims: tensor.dims().to_vec(), tensor: tensor.into_dispatch() }
    }
}

/// An expression with a [`Ranked`] tensor as `Tensor<D>`.
macro_rules! ranked {
    ($ranked:expr, |$tensor:ident| $body:expr) => {{
        let ranked: $crate::exact::Ranked = $ranked;
        match ranked.dims.len() {
            1 => ranked!(1, ranked, $tensor, $body),
            2 => ranked!(2, ranked, $tensor, $body),
            3 => ranked!(3, ranked, $tensor, $body),
            4 => ranked!(4, ranked, $tensor, $body),
            5 => ranked!(5, ranked, $tensor, $body),
            axes => panic!("{axes} axes"),
        }
    }};
    ($rank:literal, $ranked:ident, $tensor:ident, $body:expr) => {{
        let $tensor = $ranked.get::<$rank>();
        $body
    }};
}
pub(crate) use ranked;

impl Ranked {
    /// An input whose gradient is wanted.
    pub fn leaf(array: &Array<f32>) -> Self {
        let leaf = Self::plain(array, &Device::flex().autodiff());
        ranked!(leaf, |x| x.require_grad().into())
    }

    /// A tensor of values on a device.
    pub fn plain(array: &Array<f32>, device: &Device) -> Self {
        let data = TensorData::new(array.values.clone(), array.dims.clone());
        match array.dims.len() {
            1 => Tensor::<1>::from_data(data, device).into(),
            2 => Tensor::<2>::from_data(data, device).into(),
            3 => Tensor::<3>::from_data(data, device).into(),
            4 => Tensor::<4>::from_data(data, device).into(),
            5 => Tensor::<5>::from_data(data, device).into(),
            axes => panic!("{axes} axes"),
        }
    }

    /// The tensor, which must have `D` axes.
    pub fn get<const D: usize>(self) -> Tensor<D> {
        assert_eq!(self.dims.len(), D, "number of axes");
        Tensor::from_dispatch(self.tensor)
    }

    pub fn array(&self) -> Array<f32> {
        let values = ranked!(self.clone(), |x| crate::common::values(&x));
        Array { dims: self.dims.clone(), values }
    }

    /// The gradient of a leaf; zeros when it has none.
    pub fn gradient(&self, grads: &Gradients) -> Vec<f32> {
        ranked!(self.clone(), |x| crate::common::gradient(&x, grads))
    }
}

/// The inputs of an operator, in the order of its arguments.
pub struct Inputs(VecDeque<Ranked>);

impl Inputs {
    pub fn new(inputs: impl IntoIterator<Item = Ranked>) -> Self {
        Self(inputs.into_iter().collect())
    }

    /// The next input. It is handed over, so that a kernel may find that nothing else refers to it.
    pub fn take<const D: usize>(&mut self) -> Tensor<D> {
        self.0.pop_front().expect("an input for each argument").get()
    }
}

/// The values of an output, and the gradients of `sum(output * weights)` with seeded weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub out: Vec<f32>,
    pub grads: Vec<Vec<f32>>,
}

impl Outcome {
    /// Whether two outcomes have the same bits, NaN included.
    pub fn same(&self, other: &Self) -> bool {
        let bits = |x: &Self| -> Vec<u32> {
            x.out.iter().chain(x.grads.iter().flatten()).map(|x| x.to_bits()).collect()
        };
        bits(self) == bits(other)
    }
}

/// Weights of an output in the loss.
pub fn weights(len: usize) -> Vec<f32> {
    noise(len, 77)
}

impl Operator {
    pub fn run(&self) -> Outcome {
        self.run_with(|x| x)
    }

    /// The outcome when the kernel gets `prepare` of each input.
    pub fn run_with(&self, prepare: impl Fn(Ranked) -> Ranked) -> Outcome {
        let leaves: Vec<Ranked> = self.inputs.iter().map(Ranked::leaf).collect();
        let out = (self.kernel)(Inputs::new(leaves.iter().cloned().map(prepare)));
        self.backward(&leaves, out)
    }

    /// The outcome for an output that was made of leaves.
    pub fn backward(&self, leaves: &[Ranked], out: Ranked) -> Outcome {
        let values = out.array();
        let weights = Array { values: weights(values.values.len()), dims: values.dims };
        let weights = Ranked::plain(&weights, &Device::flex().autodiff());
        let grads = ranked!(out, |out| (out * weights.get()).sum().backward());
        let grads = leaves.iter().map(|leaf| leaf.gradient(&grads)).collect();
        Outcome { out: values.values, grads }
    }

    /// The output without a record for a backward pass, and with inputs that nothing else refers to.
    pub fn run_untracked(&self) -> Vec<f32> {
        let inputs = self.inputs.iter().map(|x| Ranked::plain(x, &Device::flex()));
        (self.kernel)(Inputs::new(inputs)).array().values
    }
}
