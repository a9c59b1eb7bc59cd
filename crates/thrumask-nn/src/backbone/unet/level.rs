//! One level of the encoder or decoder, and the middle between them.

use burn::{module::Module, tensor::Tensor};

use super::{
    UnetConfig, motion::MotionModule, pass::Pass, resnet::ResnetBlock, spatial::SpatialTransformer,
};
use crate::layers::{Convolution, Init};

/// Residual blocks, each followed by spatial attention and a motion module where the network has them.
#[derive(Module, Debug)]
pub struct Level {
    resnets: Vec<ResnetBlock>,
    attentions: Vec<SpatialTransformer>,
    motion_modules: Vec<MotionModule>,
    /// After the last block of the encoder's level: half the size.
    downsamplers: Vec<Convolution>,
    /// After the last block of the decoder's level: twice the size.
    upsamplers: Vec<Convolution>,
    /// 0 is the finest.
    #[module(skip)]
    level: usize,
}

impl Level {
    /// Level `level` of the encoder.
    pub fn encoder(init: &mut Init, config: &UnetConfig, level: usize) -> Self {
        let channels = config.channels[level];
        let first = config.channels[level.saturating_sub(1)];
        let inputs = (0..config.layers).map(|i| if i == 0 { first } else { channels }).collect();
        let before = config.attention_levels().iter().filter(|&&l| l < level).count();
        let mut this = Self::new(init, config, level, inputs, Some(before));
        if level + 1 < config.levels() {
            this.downsamplers.push(Convolution::new(init, channels, channels, 1.0));
        }
        this
    }

    /// Level `level` of the decoder, after `inputs` channels; `skips` are those of the encoder's outputs
    /// that it takes, in its order.
    pub fn decoder(
        init: &mut Init,
        config: &UnetConfig,
        level: usize,
        inputs: usize,
        skips: &[usize],
    ) -> Self {
        let channels = config.channels[level];
        let before = |i| if i == 0 { inputs } else { channels };
        let inputs = skips.iter().enumerate().map(|(i, skip)| before(i) + skip).collect();
        let mut this = Self::new(init, config, level, inputs, None);
        if level > 0 {
            this.upsamplers.push(Convolution::new(init, channels, channels, 1.0));
        }
        this
    }

    fn new(
        init: &mut Init,
        config: &UnetConfig,
        level: usize,
        inputs: Vec<usize>,
        before: Option<usize>,
    ) -> Self {
        let channels = config.channels[level];
        let blocks = inputs.len();
        Self {
            resnets: inputs.iter().map(|&n| ResnetBlock::new(init, config, n, channels)).collect(),
            attentions: (0..if config.attention[level] { blocks } else { 0 })
                .map(|i| SpatialTransformer::new(init, config, channels, before.map(|b| b + i)))
                .collect(),
            motion_modules: config.motion.iter().fold(Vec::new(), |_, motion| {
                (0..blocks).map(|_| MotionModule::new(init, config, motion, channels)).collect()
            }),
            downsamplers: Vec::new(),
            upsamplers: Vec::new(),
            level,
        }
    }

    /// Block `i`, on features that are side by side in its channels.
    fn block<const N: usize>(&self, i: usize, xs: [Tensor<4>; N], pass: &Pass<'_>) -> Tensor<4> {
        let resnet = &self.resnets[i];
        let x = pass.by_frames(xs, |xs, part| resnet.forward(Tensor::cat(xs.into(), 1), part));
        let x = match self.attentions.get(i) {
            Some(attention) => attention.forward(x, pass, &pass.levels[self.level]),
            None => x,
        };
        match self.motion_modules.get(i) {
            Some(motion) => motion.forward(x, pass),
            None => x,
        }
    }

    /// The encoder's way; every output that the decoder will want goes to `skips`.
    ///
    /// # Shapes
    /// - `x`: `[B·T, inputs, H, W]`
    /// - returns `[B·T, C, H/2, W/2]`, of the last level `[B·T, C, H, W]`
    pub fn down(&self, x: Tensor<4>, pass: &Pass<'_>, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        let mut x = x;
        for i in 0..self.resnets.len() {
            x = self.block(i, [x], pass);
            skips.push(x.clone());
        }
        for sampler in &self.downsamplers {
            x = pass.by_frames([x], |[x], _| sampler.forward_halved(x));
            skips.push(x.clone());
        }
        x
    }

    /// The decoder's way, which takes its outputs back from the end of `skips`.
    ///
    /// # Shapes
    /// - `x`: `[B·T, inputs, H, W]`
    /// - returns `[B·T, C, 2·H, 2·W]`, of the first level `[B·T, C, H, W]`
    pub fn up(&self, x: Tensor<4>, pass: &Pass<'_>, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        let mut x = x;
        for i in 0..self.resnets.len() {
            x = match skips.pop() {
                Some(skip) => self.block(i, [x, skip], pass),
                None => self.block(i, [x], pass),
            };
        }
        let double = |x, up: &Convolution| pass.by_frames([x], |[x], _| up.forward_doubled(x));
        self.upsamplers.iter().fold(x, double)
    }
}

/// Two residual blocks with attention between them, at the coarsest level.
#[derive(Module, Debug)]
pub struct Middle {
    resnets: Vec<ResnetBlock>,
    attentions: Vec<SpatialTransformer>,
    motion_modules: Vec<MotionModule>,
    /// Which of a pass's levels it is: the one after the coarsest.
    #[module(skip)]
    level: usize,
}

impl Middle {
    pub fn new(init: &mut Init, config: &UnetConfig) -> Self {
        let channels = config.channels[config.levels() - 1];
        let motion = config.motion.as_ref().filter(|motion| motion.middle);
        Self {
            resnets: (0..2).map(|_| ResnetBlock::new(init, config, channels, channels)).collect(),
            attentions: vec![SpatialTransformer::new(init, config, channels, None)],
            motion_modules: motion
                .map(|motion| MotionModule::new(init, config, motion, channels))
                .into_iter()
                .collect(),
            level: config.levels(),
        }
    }

    /// # Shapes
    /// - `x`: `[B·T, C, H, W]`
    /// - returns `[B·T, C, H, W]`
    pub fn forward(&self, x: Tensor<4>, pass: &Pass<'_>) -> Tensor<4> {
        let mut x = x;
        for (i, resnet) in self.resnets.iter().enumerate() {
            x = pass.by_frames([x], |[x], part| resnet.forward(x, part));
            if let Some(attention) = self.attentions.get(i) {
                x = attention.forward(x, pass, &pass.levels[self.level]);
            }
            if let Some(motion) = self.motion_modules.get(i) {
                x = motion.forward(x, pass);
            }
        }
        x
    }
}
