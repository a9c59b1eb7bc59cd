//! The residual block of the U-Net.

use burn::{module::Module, tensor::Tensor};

use super::{UnetConfig, pass::Pass};
use crate::layers::{Convolution, GroupNorm, Init, Linear, norm::EPSILON};

/// Norm, SiLU, convolution, plus time, norm, SiLU, convolution, plus the input.
#[derive(Module, Debug)]
pub struct ResnetBlock {
    norm1: GroupNorm,
    conv1: Convolution,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Convolution,
    /// 1×1, where the number of channels changes.
    conv_shortcut: Option<Convolution>,
}

impl ResnetBlock {
    pub fn new(init: &mut Init, config: &UnetConfig, inputs: usize, outputs: usize) -> Self {
        let norm =
            |init: &Init, channels| GroupNorm::new(init, channels, config.norm_groups, EPSILON);
        Self {
            norm1: norm(init, inputs),
            conv1: Convolution::new(init, inputs, outputs, 1.0),
            time_emb_proj: Linear::new(init, config.time_width(), outputs, 1.0),
            norm2: norm(init, outputs),
            conv2: Convolution::new(init, outputs, outputs, 0.5),
            conv_shortcut: (inputs != outputs)
                .then(|| Convolution::with_kernel(init, 1, inputs, outputs, 1.0)),
        }
    }

    /// # Shapes
    /// - `x`: `[B·T, inputs, H, W]`
    /// - returns `[B·T, outputs, H, W]`
    pub fn forward(&self, x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
        let h = self.conv1.forward(self.norm1.forward_silu(x.clone()));
        let [images, channels, _, _] = h.dims();
        let time = self.time_emb_proj.forward(pass.time.clone()); // [B, outputs]
        let time = time
            .reshape([pass.batch, 1, channels])
            .expand([pass.batch, pass.frames, channels]) // [B, T, outputs]
            .reshape([images, channels, 1, 1]);
        let h = self.conv2.forward(self.norm2.forward_silu(h + time));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + h,
            None => x + h,
        }
    }
}
