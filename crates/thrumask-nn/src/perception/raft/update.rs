//! What changes the flow a little, again and again.

use burn::{
    module::Module,
    tensor::{Tensor, activation::relu},
};
use thrumask_kernels::{conv2d_same, sigmoid, tanh};

use super::config::RaftConfig;
use crate::layers::{Convolution, Init, Pointwise};

/// Similarities and flow to features of motion.
#[derive(Module, Debug)]
pub(super) struct MotionEncoder {
    compared: Pointwise,
    compared_more: Option<Convolution>,
    flow: Convolution,
    flow_more: Convolution,
    joined: Convolution,
}

impl MotionEncoder {
    fn new(init: &mut Init, config: &RaftConfig) -> Self {
        let [flow, flow_more] = config.flow;
        let last = config.compared.last().copied().unwrap_or_default();
        let more = |init: &mut Init| match config.compared[..] {
            [from, to] => Some(Convolution::new(init, from, to, 1.4)),
            _ => None,
        };
        Self {
            compared: Pointwise::new(init, config.window(), config.compared[0], 1.4),
            compared_more: more(init),
            flow: Convolution::with_kernel(init, 7, 2, flow, 1.4),
            flow_more: Convolution::new(init, flow, flow_more, 1.4),
            joined: Convolution::new(init, last + flow_more, config.motion - 2, 1.4),
        }
    }

    /// # Shapes
    /// - `compared`: `[B, H·W, window]`
    /// - `flow`: `[B, 2, H, W]`
    /// - returns `[B, motion, H, W]`
    fn forward(&self, compared: Tensor<3>, flow: Tensor<4>) -> Tensor<4> {
        let [batch, _, height, width] = flow.dims();
        let compared = relu(self.compared.forward(compared)); // [B, N, C]
        let channels = compared.dims()[2];
        let compared = compared.swap_dims(1, 2).reshape([batch, channels, height, width]);
        let compared = match &self.compared_more {
            Some(more) => relu(more.forward(compared)),
            None => compared,
        };
        let seen = relu(self.flow_more.forward(relu(self.flow.forward(flow.clone()))));
        let joined = relu(self.joined.forward(Tensor::cat(vec![compared, seen], 1)));
        Tensor::cat(vec![joined, flow], 1)
    }
}

/// A gated recurrent unit of convolutions (Cho et al., 2014): of state, context and motion.
#[derive(Module, Debug)]
pub(super) struct Recurrent {
    update: Convolution,
    reset: Convolution,
    candidate: Convolution,
}

/// A [`Recurrent`] unit in one context: what the context adds is the same in every step.
struct InContext {
    /// Weights of state and motion, and what the context adds: both gates as one convolution.
    gates: (Tensor<4>, Tensor<4>),
    candidate: (Tensor<4>, Tensor<4>),
}

impl Recurrent {
    fn new(init: &mut Init, sides: [usize; 2], config: &RaftConfig) -> Self {
        let inputs = config.hidden + config.context + config.motion;
        let mut gate = || Convolution::with_sides(init, sides, inputs, config.hidden, 1.0);
        Self { update: gate(), reset: gate(), candidate: gate() }
    }

    /// # Shapes
    /// - `context`: `[B, context, H, W]`
    fn in_context(&self, context: &Tensor<4>) -> InContext {
        let ([_, width, ..], [hidden, inputs, ..]) = (context.dims(), self.update.weight.dims());
        let split = |gates: &[&Convolution]| {
            let weight = Tensor::cat(gates.iter().map(|gate| gate.weight.val()).collect(), 0);
            let bias = Tensor::cat(gates.iter().map(|gate| gate.bias.val()).collect(), 0);
            let part = |from: usize, count: usize| weight.clone().narrow(1, from, count);
            let added = conv2d_same(context.clone(), part(hidden, width), bias);
            let rest = inputs - hidden - width;
            let weight = Tensor::cat(vec![part(0, hidden), part(hidden + width, rest)], 1);
            (weight, added)
        };
        let gates = split(&[&self.update, &self.reset]);
        InContext { gates, candidate: split(&[&self.candidate]) }
    }
}

impl InContext {
    /// # Shapes
    /// - `state`: `[B, hidden, H, W]`
    /// - `motion`: `[B, motion, H, W]`
    /// - returns `[B, hidden, H, W]`
    fn step(&self, state: Tensor<4>, motion: &Tensor<4>) -> Tensor<4> {
        let [_, hidden, ..] = state.dims();
        let of = |state: Tensor<4>, (weight, added): &(Tensor<4>, Tensor<4>)| {
            let none = Tensor::zeros([weight.dims()[0]], &weight.device());
            let seen = Tensor::cat(vec![state, motion.clone()], 1);
            conv2d_same(seen, weight.clone(), none) + added.clone()
        };
        let gates = sigmoid(of(state.clone(), &self.gates)); // [B, 2·hidden, H, W]
        let [update, reset] = [0, 1].map(|i| gates.clone().narrow(1, i * hidden, hidden));
        let candidate = tanh(of(reset * state.clone(), &self.candidate));
        // (1 − z)·h + z·q
        state.clone() + update * (candidate - state)
    }
}

/// Two convolutions with a ReLU between.
#[derive(Module, Debug)]
struct Head {
    hidden: Convolution,
    output: Convolution,
}

/// The weights of the learned enlargement, 9 for each of 8×8 pixels.
#[derive(Module, Debug)]
struct Mask {
    hidden: Convolution,
    output: Pointwise,
}

/// Positions that a pixel's flow is a mean of.
pub(super) const NEIGHBOURS: usize = 9;

/// What changes state and flow.
#[derive(Module, Debug)]
pub(super) struct Update {
    motion: MotionEncoder,
    recurrent: Vec<Recurrent>,
    head: Head,
    mask: Option<Mask>,
}

impl Update {
    pub fn new(init: &mut Init, config: &RaftConfig) -> Self {
        let sides: &[[usize; 2]] = if config.separable { &[[1, 5], [5, 1]] } else { &[[3, 3]] };
        let motion = MotionEncoder::new(init, config);
        let recurrent = sides.iter().map(|&sides| Recurrent::new(init, sides, config)).collect();
        let head = Head {
            hidden: Convolution::new(init, config.hidden, config.head, 1.4),
            output: Convolution::new(init, config.head, 2, 1.0),
        };
        let mask = config.mask.map(|width| Mask {
            hidden: Convolution::new(init, config.hidden, width, 1.4),
            output: Pointwise::new(init, width, NEIGHBOURS * 64, 1.0),
        });
        Self { motion, recurrent, head, mask }
    }

    /// The update in one context.
    ///
    /// # Shapes
    /// - `context`: `[B, context, H, W]`
    pub fn in_context(&self, context: &Tensor<4>) -> UpdateInContext<'_> {
        let recurrent = self.recurrent.iter().map(|unit| unit.in_context(context)).collect();
        UpdateInContext { update: self, recurrent }
    }

    /// The weights of the learned enlargement, when there is one.
    ///
    /// # Shapes
    /// - `state`: `[B, hidden, H, W]`
    /// - returns `[B, H·W, 9·64]`, not normalised
    pub fn mask(&self, state: Tensor<4>) -> Option<Tensor<3>> {
        let mask = self.mask.as_ref()?;
        let x = relu(mask.hidden.forward(state));
        let [batch, channels, height, width] = x.dims();
        let x = x.reshape([batch, channels, height * width]).swap_dims(1, 2);
        // The public networks hold them small, so that their gradients are.
        Some(mask.output.forward(x) * 0.25)
    }
}

/// An [`Update`] in one context.
pub(super) struct UpdateInContext<'a> {
    update: &'a Update,
    recurrent: Vec<InContext>,
}

impl UpdateInContext<'_> {
    /// The next state, and the change of the flow.
    ///
    /// # Shapes
    /// - `state`: `[B, hidden, H, W]`
    /// - `compared`: `[B, H·W, window]`
    /// - `flow`: `[B, 2, H, W]`
    /// - returns `[B, hidden, H, W]` and `[B, 2, H, W]`
    pub fn step(
        &self,
        state: Tensor<4>,
        compared: Tensor<3>,
        flow: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let motion = self.update.motion.forward(compared, flow);
        let state = self.recurrent.iter().fold(state, |state, unit| unit.step(state, &motion));
        let Head { hidden, output } = &self.update.head;
        let change = output.forward(relu(hidden.forward(state.clone())));
        (state, change)
    }
}
