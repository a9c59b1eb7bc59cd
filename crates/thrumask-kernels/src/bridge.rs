//! From burn tensors to kernels on slices and back, with the gradients.

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{
    Autodiff, Backend, Dispatch, DispatchTensor, Flex, backend_extension, tensor::FloatTensor,
};
use burn::tensor::{DType, Device, FloatDType, Tensor};

use crate::host::{FlexTensor, Host, is_turned};

/// A differentiable operator of `N` tensors on CPU memory.
pub(crate) trait FusedOp<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the forward leaves for the backward besides inputs and output.
    type Saved: Clone + Debug + Send + 'static;
    /// Which inputs the backward reads.
    const KEEPS_INPUT: [bool; N];
    /// Whether the backward reads the output.
    const KEEPS_OUTPUT: bool;
    /// Which inputs may be matrices with their axes exchanged ([`Host::matrix`]).
    const TAKES_TURNED: [bool; N] = [false; N];
    /// Whether inputs may be any views, of which the operator asks for nothing but [`Host::contiguous`].
    const TAKES_VIEWS: bool = false;

    /// The output. Inputs that nothing else refers to may be overwritten.
    fn forward(&self, inputs: [Host; N]) -> (Host, Self::Saved);

    /// The gradients of the inputs that are wanted. `kept` holds the inputs of `KEEPS_INPUT`.
    fn backward(
        &self,
        grad: Host,
        kept: [Option<Host>; N],
        output: Option<Host>,
        saved: Self::Saved,
        wanted: [bool; N],
    ) -> [Option<Host>; N];
}

/// An operator of one tensor on a device for which [`is_fast`] holds.
pub(crate) fn apply1<O: FusedOp<1>, const D: usize, const E: usize>(
    op: O,
    a: Tensor<D>,
) -> Tensor<E> {
    Tensor::from_dispatch(<Dispatch as FusedBackend>::fused1(a.into_dispatch(), op))
}

/// An operator of two tensors on a device for which [`is_fast`] holds.
pub(crate) fn apply2<O: FusedOp<2>, const D: usize>(
    op: O,
    a: Tensor<D>,
    b: DispatchTensor,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedBackend>::fused2(a.into_dispatch(), b, op))
}

/// An operator of three tensors on a device for which [`is_fast`] holds.
pub(crate) fn apply3<O: FusedOp<3>, const D: usize>(
    op: O,
    a: Tensor<D>,
    b: DispatchTensor,
    c: DispatchTensor,
) -> Tensor<D> {
    Tensor::from_dispatch(<Dispatch as FusedBackend>::fused3(a.into_dispatch(), b, c, op))
}

/// A tensor of 16-bit numbers in 32 bits; a matrix with its axes exchanged stays so, where memory is the
/// processor's. Others are returned as they are.
///
/// # Shapes
/// Any; the result has that of `x`.
pub fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match x.dtype() {
        DType::F16 | DType::BF16 if x.device() == Device::flex() => {
            Tensor::from_dispatch(<Dispatch as FusedBackend>::widened(x.into_dispatch()))
        }
        DType::F16 | DType::BF16 => x.cast(FloatDType::F32),
        _ => x,
    }
}

/// Whether the kernels of this crate can take the tensor.
pub(crate) fn is_fast<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device().without_autodiff() == Device::flex()
}

/// Whether the tensor's operators may be recorded for a backward pass.
pub(crate) fn is_tracked<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.device().is_autodiff()
}

#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedBackend: Backend {
    fn fused1<O: FusedOp<1>>(a: FloatTensor<Self>, op: O) -> FloatTensor<Self>;
    fn fused2<O: FusedOp<2>>(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        op: O,
    ) -> FloatTensor<Self>;
    fn fused3<O: FusedOp<3>>(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: O,
    ) -> FloatTensor<Self>;
    fn widened(a: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl FusedBackend for Flex {
    fn fused1<O: FusedOp<1>>(a: FlexTensor, op: O) -> FlexTensor {
        op.forward(hosts::<O, 1>([a])).0.into_tensor()
    }

    fn fused2<O: FusedOp<2>>(a: FlexTensor, b: FlexTensor, op: O) -> FlexTensor {
        op.forward(hosts::<O, 2>([a, b])).0.into_tensor()
    }

    fn fused3<O: FusedOp<3>>(a: FlexTensor, b: FlexTensor, c: FlexTensor, op: O) -> FlexTensor {
        op.forward(hosts::<O, 3>([a, b, c])).0.into_tensor()
    }

    fn widened(a: FlexTensor) -> FlexTensor {
        let wide = |a| <Flex as FloatTensorOps<Flex>>::float_cast(a, FloatDType::F32);
        let turn = |a| <Flex as FloatTensorOps<Flex>>::float_swap_dims(a, 0, 1);
        if is_turned(&a) { turn(wide(turn(a))) } else { wide(a) }
    }
}

/// The inputs of an operator.
fn hosts<O: FusedOp<N>, const N: usize>(inputs: [FlexTensor; N]) -> [Host; N] {
    let mut takes = O::TAKES_TURNED.into_iter();
    inputs.map(|input| match takes.next() {
        Some(true) if is_turned(&input) => Host::turned(input),
        _ if O::TAKES_VIEWS => Host::view(input),
        _ => Host::new(input),
    })
}

impl<C: CheckpointStrategy> FusedBackend for Autodiff<Flex, C> {
    fn fused1<O: FusedOp<1>>(a: FloatTensor<Self>, op: O) -> FloatTensor<Self> {
        tracked::<C, O, 1>([a], op)
    }

    fn fused2<O: FusedOp<2>>(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        op: O,
    ) -> FloatTensor<Self> {
        tracked::<C, O, 2>([a, b], op)
    }

    fn fused3<O: FusedOp<3>>(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        c: FloatTensor<Self>,
        op: O,
    ) -> FloatTensor<Self> {
        tracked::<C, O, 3>([a, b, c], op)
    }

    fn widened(a: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_cast(a, FloatDType::F32)
    }
}

/// Runs the forward pass and registers the backward pass when an input asks for a gradient.
fn tracked<C: CheckpointStrategy, O: FusedOp<N>, const N: usize>(
    inputs: [FloatTensor<Autodiff<Flex, C>>; N],
    op: O,
) -> FloatTensor<Autodiff<Flex, C>> {
    let nodes = inputs.each_ref().map(|input| input.node());
    // Without the autodiff wrapper an input that only the caller held can be overwritten.
    let inputs = hosts::<O, N>(inputs.map(|input| input.into_primitive()));
    match FusedBackward(op.clone()).prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let kept = std::array::from_fn(|i| O::KEEPS_INPUT[i].then(|| inputs[i].clone()));
            let (output, saved) = op.forward(inputs);
            let state = State { kept, output: O::KEEPS_OUTPUT.then(|| output.clone()), saved };
            prep.finish(state, output.into_tensor())
        }
        OpsKind::UnTracked(prep) => prep.finish(op.forward(inputs).0.into_tensor()),
    }
}

#[derive(Debug)]
struct FusedBackward<O>(O);

#[derive(Clone, Debug)]
struct State<S, const N: usize> {
    kept: [Option<Host>; N],
    output: Option<Host>,
    saved: S,
}

impl<O: FusedOp<N>, const N: usize> Backward<Flex, N> for FusedBackward<O> {
    type State = State<O::Saved, N>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let grad = Host::new(grads.consume::<Flex>(&ops.node));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let State { kept, output, saved } = ops.state;
        let found = self.0.backward(grad, kept, output, saved, wanted);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(grad)) = (parent, grad) {
                grads.register::<Flex>(parent.id, grad.into_tensor());
            }
        }
    }
}
