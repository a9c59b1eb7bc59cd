//! Stages to features of equal width (Lin et al., "Feature Pyramid Networks for Object Detection", CVPR
//! 2017).

use burn::{module::Module, tensor::Tensor};
use thrumask_kernels::linear;

use super::super::ImageEncoderConfig;
use crate::layers::{Init, Pointwise};

/// Stages to features.
#[derive(Module, Debug)]
pub struct Neck {
    /// Of each stage, the coarsest first, as the public ones count.
    laterals: Vec<Pointwise>,
    /// Levels, 0 being the finest, to which the next coarser one is added.
    #[module(skip)]
    top_down: Vec<usize>,
}

impl Neck {
    pub fn new(init: &mut Init, config: &ImageEncoderConfig, width: usize) -> Self {
        let widths = config.widths.iter().rev();
        Self {
            laterals: widths.map(|&inputs| Pointwise::new(init, inputs, width, 1.0)).collect(),
            top_down: config.top_down_levels.clone(),
        }
    }

    /// The three finest levels; of the first two only what `fine` makes of them.
    ///
    /// # Shapes
    /// - `stages`: `[B, H, W, inputs]` of four stages, the finest first
    /// - returns `[B, outputs, H, W]`
    pub fn forward(&self, stages: Vec<Tensor<4>>, fine: [&Pointwise; 2]) -> [Tensor<4>; 3] {
        let last = stages.len() - 1;
        let sizes: Vec<[usize; 4]> = stages.iter().map(Tensor::dims).collect();
        let rows = |level: usize| {
            let [batch, height, width, channels] = sizes[level];
            stages[level].clone().reshape([batch, height * width, channels]) // [B, H·W, inputs]
        };
        let level = |level: usize| self.lateral(level, last).forward(rows(level)); // [B, H·W, C]
        // A level of `x`, with the next coarser one.
        let join = |x: Tensor<3>, at: usize, coarser: &Tensor<3>| match self.top_down.contains(&at)
        {
            true => x + doubled(coarser.clone(), sizes[at + 1]),
            false => x,
        };
        let coarsest = level(last);
        let coarse = join(level(2), 2, &coarsest);
        // Where nothing is added in between, two maps are one.
        let both = |at: usize, map: &Pointwise, coarser: &dyn Fn() -> Tensor<3>| match self
            .top_down
            .contains(&at)
        {
            true => map.forward(join(level(at), at, &coarser())),
            false => composed(self.lateral(at, last), map, rows(at)),
        };
        let middle = || join(level(1), 1, &coarse);
        let finer = both(1, fine[1], &|| coarse.clone());
        let finest = both(0, fine[0], &middle);
        [unfolded(finest, sizes[0]), unfolded(finer, sizes[1]), unfolded(coarse, sizes[2])]
    }

    fn lateral(&self, level: usize, last: usize) -> &Pointwise {
        &self.laterals[last - level]
    }
}

/// One map after the other, as one.
///
/// # Shapes
/// - `x`: `[B, N, inputs]`
/// - returns `[B, N, outputs]`
fn composed(first: &Pointwise, second: &Pointwise, x: Tensor<3>) -> Tensor<3> {
    let weight = first.kernel.val().matmul(second.kernel.val()); // [inputs, outputs]
    let bias = first.bias.val().unsqueeze::<2>().matmul(second.kernel.val()); // [1, outputs]
    linear(x, weight, Some(bias.squeeze_dim::<1>(0) + second.bias.val()))
}

/// Each place four times.
///
/// # Shapes
/// - `x`: `[B, H·W, C]` of a map of `[B, H, W, ..]`
/// - returns `[B, 2·H·2·W, C]`
fn doubled(x: Tensor<3>, [batch, height, width, _]: [usize; 4]) -> Tensor<3> {
    let channels = x.dims()[2];
    let x = x.reshape([batch * height, 1, width, 1, channels]);
    let x = x.expand([batch * height, 2, width, 2, channels]);
    x.reshape([batch, 4 * height * width, channels])
}

/// # Shapes
/// - `x`: `[B, H·W, C]`
/// - returns `[B, C, H, W]`
fn unfolded(x: Tensor<3>, [batch, height, width, _]: [usize; 4]) -> Tensor<4> {
    let channels = x.dims()[2];
    x.swap_dims(1, 2).reshape([batch, channels, height, width])
}
