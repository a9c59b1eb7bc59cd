//! AnimateDiff's motion module: each position attends to itself in all frames.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};

use super::{
    MotionModules, UnetConfig, pass::Pass, spatial::TRANSFORMER_EPSILON, time::frame_positions,
};
use crate::layers::{Attention, GatedMlp, GroupNorm, Init, LayerNorm, Linear};

/// Two self-attentions over frames, then a perceptron.
#[derive(Module, Debug)]
struct TemporalBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: GatedMlp,
}

impl TemporalBlock {
    fn new(init: &mut Init, width: usize, heads: usize) -> Self {
        let attend =
            |init: &mut Init| Attention::without_norms(init, width, width, heads, 0.5).biased(init);
        Self {
            norm1: LayerNorm::new(init, width),
            attn1: attend(init),
            norm2: LayerNorm::new(init, width),
            attn2: attend(init),
            norm3: LayerNorm::new(init, width),
            ff: GatedMlp::new(init, width, 4 * width, 0.5),
        }
    }

    /// # Shapes
    /// - `z`: `[B·H·W, T, C]`
    /// - returns `[B·H·W, T, C]`
    fn forward(&self, z: Tensor<3>) -> Tensor<3> {
        let [_, frames, width] = z.dims();
        let positions = TensorData::new(frame_positions(frames, width), [1, frames, width]);
        let positions = Tensor::<3>::from_data(positions, &z.device());
        let h = self.norm1.forward(z.clone()) + positions.clone();
        let z = z + self.attn1.among(h, None, None, None);
        let h = self.norm2.forward(z.clone()) + positions;
        let z = z + self.attn2.among(h, None, None, None);
        z.clone() + self.ff.forward(self.norm3.forward(z))
    }
}

/// Temporal attention over feature maps, as a residual.
#[derive(Module, Debug)]
pub struct MotionModule {
    norm: GroupNorm,
    proj_in: Linear,
    transformer_blocks: Vec<TemporalBlock>,
    proj_out: Linear,
}

impl MotionModule {
    pub fn new(init: &mut Init, config: &UnetConfig, motion: &MotionModules, width: usize) -> Self {
        Self {
            norm: GroupNorm::new(init, width, config.norm_groups, TRANSFORMER_EPSILON),
            proj_in: Linear::new(init, width, width, 1.0),
            transformer_blocks: vec![TemporalBlock::new(init, width, motion.heads)],
            proj_out: Linear::new(init, width, width, 0.3),
        }
    }

    /// # Shapes
    /// - `x`: `[B·T, C, H, W]`
    /// - returns `[B·T, C, H, W]`
    pub fn forward(&self, x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
        let [images, c, h, w] = x.dims();
        let (batch, frames) = (pass.batch, pass.frames);
        let z = x.clone().reshape([batch, frames, c, h * w]).swap_dims(1, 2); // [B, C, T, H·W]
        let z = self.norm.forward(z); // statistics over all frames
        let z = z.permute([0, 3, 2, 1]).reshape([batch * h * w, frames, c]); // [B·H·W, T, C]
        let z = pass.by_positions(z, |z| {
            let z = self.proj_in.forward(z);
            let z = self.transformer_blocks.iter().fold(z, |z, block| block.forward(z));
            self.proj_out.forward(z)
        });
        let z = z.reshape([batch, h * w, frames, c]);
        x + thrumask_kernels::dense(z.permute([0, 2, 3, 1])).reshape([images, c, h, w])
    }
}
