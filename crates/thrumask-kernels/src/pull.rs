//! Gradients from a given gradient of an output rather than from a loss.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::Host;
use crate::reference;
use crate::simd::basic::Scale;

/// A zero whose gradient with respect to `output` is `cotangent`: its `backward()` gives the product of
/// `cotangent` with the Jacobian of `output` (`torch.autograd.grad(output, ..., grad_outputs=cotangent)`),
/// at no cost of its own. No gradient flows into `cotangent`.
///
/// # Shapes
/// Two tensors of one shape give `[1, .., 1]`.
///
/// # Panics
/// When shapes disagree.
pub fn pull_back<const D: usize>(output: Tensor<D>, cotangent: Tensor<D>) -> Tensor<D> {
    assert_eq!(output.dims(), cotangent.dims(), "an output and its gradient have one shape");
    if bridge::is_fast(&output) {
        return bridge::apply2(PullBack, output, cotangent.into_dispatch());
    }
    reference::pull_back(output, cotangent)
}

#[derive(Clone, Debug)]
struct PullBack;

impl FusedOp<2> for PullBack {
    type Saved = ();
    const KEEPS_INPUT: [bool; 2] = [false, true];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [output, _]: [Host; 2]) -> (Host, ()) {
        (Host::from_vec(vec![0.0], &vec![1; output.dims().len()]), ())
    }

    fn backward(
        &self,
        grad: Host,
        [_, cotangent]: [Option<Host>; 2],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 2],
    ) -> [Option<Host>; 2] {
        match grad.rows().row(0)[0] {
            1.0 => [cotangent, None],
            factor => [cotangent.map(|cotangent| cotangent.lanes([], Scale(factor))), None],
        }
    }
}
