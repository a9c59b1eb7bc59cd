//! Pictures to features at an eighth of their size.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::relu},
};

use super::config::RaftConfig;
use crate::layers::{Convolution, Init, norm::EPSILON};

/// Blocks at each resolution.
const BLOCKS: usize = 2;

/// What evens the features out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    /// Each channel of each picture.
    Instance,
    /// Each channel by its mean and variance in training.
    Batch,
    None,
}

/// A batch norm with the moments of its training: a factor and a shift of each channel.
#[derive(Module, Debug)]
struct BatchNorm {
    /// All `[C]`.
    gamma: Param<Tensor<1>>,
    beta: Param<Tensor<1>>,
    running_mean: Param<Tensor<1>>,
    running_var: Param<Tensor<1>>,
}

impl BatchNorm {
    fn new(init: &Init, width: usize) -> Self {
        let [ones, zeros] = [1.0, 0.0];
        Self {
            gamma: init.constant([width], ones),
            beta: init.constant([width], zeros),
            running_mean: init.constant([width], zeros),
            running_var: init.constant([width], ones),
        }
    }

    /// A convolution with the norm behind it as one convolution.
    ///
    /// # Shapes
    /// - `weight`: `[C, inputs, K, K]`
    /// - `bias`: `[C]`
    fn folded(&self, convolution: &Convolution) -> Convolution {
        let factor = self.gamma.val() / (self.running_var.val() + EPSILON).sqrt(); // [C]
        let [channels] = factor.dims();
        let bias = (convolution.bias.val() - self.running_mean.val()) * factor.clone();
        let weight = convolution.weight.val() * factor.reshape([channels, 1, 1, 1]);
        let bias = bias + self.beta.val();
        Convolution { weight: Param::from_tensor(weight), bias: Param::from_tensor(bias) }
    }
}

/// A convolution and its norm.
#[derive(Module, Debug)]
struct Step {
    convolution: Convolution,
    norm: Option<BatchNorm>,
    #[module(skip)]
    instance: bool,
}

impl Step {
    fn new(init: &mut Init, kernel: usize, [inputs, outputs]: [usize; 2], norm: Norm) -> Self {
        Self {
            convolution: Convolution::with_kernel(init, kernel, inputs, outputs, 1.4),
            norm: (norm == Norm::Batch).then(|| BatchNorm::new(init, outputs)),
            instance: norm == Norm::Instance,
        }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`, or half of the rows and columns
    fn forward(&self, x: Tensor<4>, halve: bool) -> Tensor<4> {
        let folded = self.norm.as_ref().map(|norm| norm.folded(&self.convolution));
        let convolution = folded.as_ref().unwrap_or(&self.convolution);
        let x = if halve { convolution.forward_halved(x) } else { convolution.forward(x) };
        if !self.instance {
            return x;
        }
        let ([_, channels, ..], device) = (x.dims(), x.device());
        let (ones, zeros) = (Tensor::ones([channels], &device), Tensor::zeros([channels], &device));
        thrumask_kernels::group_norm(x, ones, zeros, channels, EPSILON)
    }
}

/// Two or three steps around a residual.
#[derive(Module, Debug)]
struct Block {
    steps: Vec<Step>,
    shortcut: Option<Step>,
    /// The step that halves the size.
    #[module(skip)]
    halving: Option<usize>,
}

impl Block {
    fn new(
        init: &mut Init,
        [inputs, outputs]: [usize; 2],
        (bottleneck, norm, halve): (bool, Norm, bool),
    ) -> Self {
        let narrow = outputs / 4;
        let (sizes, middle) = match bottleneck {
            true => (vec![(1, [inputs, narrow]), (3, [narrow; 2]), (1, [narrow, outputs])], 1),
            false => (vec![(3, [inputs, outputs]), (3, [outputs; 2])], 0),
        };
        let steps = sizes.into_iter().map(|(kernel, io)| Step::new(init, kernel, io, norm));
        let steps = steps.collect();
        let shortcut = halve.then(|| Step::new(init, 1, [inputs, outputs], norm));
        Self { steps, shortcut, halving: halve.then_some(middle) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H, W]`, or half of the rows and columns; nothing below 0
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        for (i, step) in self.steps.iter().enumerate() {
            y = relu(step.forward(y, self.halving == Some(i)));
        }
        let x = match &self.shortcut {
            Some(step) => step.forward(x, true),
            None => x,
        };
        relu(x + y)
    }
}

/// A picture's features at an eighth of its size.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    stem: Step,
    blocks: Vec<Block>,
    output: Convolution,
}

impl Encoder {
    pub fn new(init: &mut Init, config: &RaftConfig, outputs: usize, norm: Norm) -> Self {
        let [mut inputs, widths @ ..] = config.widths;
        let stem = Step::new(init, 7, [3, inputs], norm);
        let mut blocks = Vec::new();
        for (level, width) in widths.into_iter().enumerate() {
            for i in 0..BLOCKS {
                let halve = level > 0 && i == 0;
                blocks.push(Block::new(init, [inputs, width], (config.bottleneck, norm, halve)));
                inputs = width;
            }
        }
        let output = Convolution::with_kernel(init, 1, inputs, outputs, 1.0);
        Self { stem, blocks, output }
    }

    /// # Shapes
    /// - `x`: `[B, 3, H, W]` in [-1, 1], `H` and `W` multiples of 8
    /// - returns `[B, outputs, H/8, W/8]`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = relu(self.stem.forward(x, true));
        self.output.forward(self.blocks.iter().fold(x, |x, block| block.forward(x)))
    }
}
