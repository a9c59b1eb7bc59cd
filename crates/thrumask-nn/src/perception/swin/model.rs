use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};

use super::{
    SwinConfig,
    windows::{Windows, relative_positions},
};
use crate::{
    Error, Result,
    layers::{Attention, Convolution, Init, LayerNorm, Linear, Lone, init::in_32_bits},
};

/// Tokens of a grid.
#[derive(Debug, Clone)]
pub struct Features {
    /// `[B, H·W, C]`.
    pub tokens: Tensor<3>,
    /// Rows and columns.
    pub size: [usize; 2],
}

impl Features {
    /// # Shapes
    /// - returns `[B, C, H, W]`
    pub fn image(&self) -> Tensor<4> {
        let ([batch, _, channels], [height, width]) = (self.tokens.dims(), self.size);
        self.tokens.clone().swap_dims(1, 2).reshape([batch, channels, height, width])
    }

    /// # Shapes
    /// - `image`: `[B, C, H, W]`
    pub fn of_image(image: Tensor<4>) -> Self {
        let [batch, channels, height, width] = image.dims();
        let tokens = image.reshape([batch, channels, height * width]).swap_dims(1, 2); // [B, H·W, C]
        Self { tokens, size: [height, width] }
    }
}

/// Attention within windows, then a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    /// `[(2·window − 1)², heads]`: what the relative position of two tokens adds to their score.
    positions: Lone<2>,
    mlp_norm: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(init: &mut Init, config: &SwinConfig, stage: usize) -> Self {
        let (width, heads) = (config.channels(stage + 1), config.heads[stage]);
        let hidden = (config.mlp_ratio * width as f32) as usize;
        let span = 2 * config.window - 1;
        Self {
            attention_norm: LayerNorm::new(init, width),
            attention: Attention::through(init, width, width, heads),
            positions: Lone::new(init, [span * span, heads], 0.02),
            mlp_norm: LayerNorm::new(init, width),
            up: Linear::new(init, width, hidden, 1.0),
            down: Linear::new(init, hidden, width, 1.0),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - `relative`: `n·n` rows of the table of positions
    /// - returns `[B, N, C]`
    fn forward(&self, x: Tensor<3>, windows: &Windows, relative: &Tensor<1, Int>) -> Tensor<3> {
        let table = in_32_bits(self.positions.value.val().select(0, relative.clone())); // [n·n, h]
        let [pairs, heads] = table.dims();
        let places = pairs.isqrt();
        let bias = table.swap_dims(0, 1).reshape([1, heads, places, places]);
        let biases: Vec<Tensor<4>> = std::iter::once(bias).chain(windows.apart.clone()).collect();
        let h = windows.split(self.attention_norm.forward(x.clone())); // [B·windows, n, C]
        let h = self.attention.between_biased(h.clone(), h.clone(), h, &biases);
        let x = x + windows.join(h);
        let h = thrumask_kernels::gelu(self.up.forward(self.mlp_norm.forward(x.clone())));
        x + self.down.forward(h)
    }
}

/// Four neighbouring tokens become one of twice the channels.
#[derive(Module, Debug)]
struct Merge {
    norm: LayerNorm,
    map: Linear,
}

impl Merge {
    fn new(init: &mut Init, width: usize) -> Self {
        let norm = LayerNorm::new(init, 4 * width);
        Self { norm, map: Linear::without_bias(init, 4 * width, 2 * width, 1.0) }
    }

    fn forward(&self, x: &Features) -> Features {
        let ([batch, _, channels], [height, width]) = (x.tokens.dims(), x.size);
        let [rows, columns] = [height, width].map(|n| n.div_ceil(2));
        let grid = x.tokens.clone().reshape([batch, height, width, channels]);
        let grid = padded(padded(grid, 1, 2 * rows), 2, 2 * columns); // [B, 2·rows, 2·columns, C]
        let grid = grid.reshape([batch, rows, 2, columns, 2, channels]).permute([0, 1, 3, 4, 2, 5]);
        let tokens = grid.reshape([batch, rows * columns, 4 * channels]);
        Features { tokens: self.map.forward(self.norm.forward(tokens)), size: [rows, columns] }
    }
}

/// `x` with zeros behind it along an axis, up to `length`.
fn padded(x: Tensor<4>, axis: usize, length: usize) -> Tensor<4> {
    let mut rest = x.dims();
    if rest[axis] == length {
        return x;
    }
    rest[axis] = length - rest[axis];
    Tensor::cat(vec![x.clone(), Tensor::zeros(rest, &x.device())], axis)
}

#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Block>,
    /// Behind all but the last.
    merge: Option<Merge>,
}

/// Pixels to features.
#[derive(Module, Debug)]
pub struct Swin {
    patches: Convolution,
    norm: LayerNorm,
    stages: Vec<Stage>,
    /// Of the stages that are given.
    norms: Vec<LayerNorm>,
    #[module(skip)]
    config: SwinConfig,
}

impl Swin {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] as [`SwinConfig::check`] has it.
    pub fn new(init: &mut Init, config: &SwinConfig) -> Result<Self> {
        config.check()?;
        let last = config.depths.len() - 1;
        let stage = |init: &mut Init, i: usize| Stage {
            blocks: (0..config.depths[i]).map(|_| Block::new(init, config, i)).collect(),
            merge: (i < last).then(|| Merge::new(init, config.channels(i + 1))),
        };
        Ok(Self {
            patches: Convolution::with_kernel(init, config.patch, 3, config.width, 1.0),
            norm: LayerNorm::new(init, config.width),
            stages: (0..=last).map(|i| stage(init, i)).collect(),
            norms: config.out.iter().map(|&i| LayerNorm::new(init, config.channels(i))).collect(),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &SwinConfig {
        &self.config
    }

    /// The features of the stages that are asked for, the finest first.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, H, W]`; sides that are no multiple of a patch are filled up with zeros
    ///
    /// # Errors
    /// [`Error::Shape`] for a picture without pixels, or another number of channels.
    pub fn forward(&self, pixels: Tensor<4>) -> Result<Vec<Features>> {
        let [_, channels, height, width] = pixels.dims();
        if channels != 3 || height == 0 || width == 0 {
            return Err(Error::shape("picture", "[B, 3, H, W] with pixels", pixels.dims()));
        }
        let (device, window) = (pixels.device(), self.config.window);
        let whole = |n: usize| n.next_multiple_of(self.config.patch);
        let pixels = padded(padded(pixels, 2, whole(height)), 3, whole(width));
        let mut x = Features::of_image(self.patches.forward_patches(pixels));
        x.tokens = self.norm.forward(x.tokens);
        let relative = relative_index(window, &device);
        let mut found = Vec::new();
        for (i, stage) in self.stages.iter().enumerate() {
            let windows = [0, window / 2].map(|shift| Windows::new(x.size, window, shift, &device));
            for (j, block) in stage.blocks.iter().enumerate() {
                x.tokens = block.forward(x.tokens, &windows[j % 2], &relative);
            }
            if let Some(place) = self.config.out.iter().position(|&out| out == i + 1) {
                let tokens = self.norms[place].forward(x.tokens.clone());
                found.push(Features { tokens, size: x.size });
            }
            if let Some(merge) = &stage.merge {
                x = merge.forward(&x);
            }
        }
        Ok(found)
    }
}

fn relative_index(window: usize, device: &Device) -> Tensor<1, Int> {
    let index = relative_positions(window);
    let count = index.len();
    Tensor::from_data(TensorData::new(index, [count]), device)
}
