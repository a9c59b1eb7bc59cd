//! The whole U-Net: encoder, middle, decoder.

use std::num::NonZeroUsize;

use burn::{module::Module, tensor::Tensor};

use super::{
    UnetConfig,
    level::{Level, Middle},
    pass::{LevelContext, Pass, Positions},
    time::TimestepEmbedding,
};
use crate::{
    Result,
    backbone::{Denoiser, DenoiserInput},
    layers::{Convolution, GroupNorm, Init, norm::EPSILON},
};

/// A U-Net over the frames of a video.
#[derive(Module, Debug)]
pub struct Unet {
    conv_in: Convolution,
    time_embedding: TimestepEmbedding,
    down_blocks: Vec<Level>,
    mid_block: Middle,
    up_blocks: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Convolution,
    #[module(skip)]
    config: UnetConfig,
    #[module(skip)]
    frame_chunk: Option<NonZeroUsize>,
}

impl Unet {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`crate::Error::Config`] when the sizes do not fit each other.
    pub fn new(init: &mut Init, config: &UnetConfig) -> Result<Self> {
        config.check()?;
        let (channels, levels) = (&config.channels, config.levels());
        let inputs = config.latent_channels + config.condition_channels;
        // Channels of the encoder's outputs, in the order in which they are made.
        let mut skips = vec![channels[0]];
        for (level, &c) in channels.iter().enumerate() {
            let halved = usize::from(level + 1 < levels);
            skips.extend(std::iter::repeat_n(c, config.layers + halved));
        }
        let conv_in = Convolution::new(init, inputs, channels[0], 1.0);
        let time_embedding = TimestepEmbedding::new(init, config);
        let down_blocks = (0..levels).map(|level| Level::encoder(init, config, level)).collect();
        let mid_block = Middle::new(init, config);
        let mut before = channels[levels - 1];
        let mut up_blocks = Vec::with_capacity(levels);
        for level in (0..levels).rev() {
            let mut own = skips.split_off(skips.len() - (config.layers + 1));
            own.reverse();
            up_blocks.push(Level::decoder(init, config, level, before, &own));
            before = channels[level];
        }
        Ok(Self {
            conv_in,
            time_embedding,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(init, channels[0], config.norm_groups, EPSILON),
            conv_out: Convolution::new(init, channels[0], config.latent_channels, 0.3),
            config: config.clone(),
            frame_chunk: None,
        })
    }

    /// Works on so many frames at once where none sees another, and on as many tokens where those of one
    /// position do; on all when `None`. The prediction stays the same to the bit, and only what is held
    /// on the way becomes less.
    pub fn in_chunks(self, frame_chunk: Option<NonZeroUsize>) -> Self {
        Self { frame_chunk, ..self }
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &UnetConfig {
        &self.config
    }
}

impl Denoiser for Unet {
    fn object_grids(&self) -> Vec<[usize; 3]> {
        self.config.masked_levels().into_iter().map(|level| self.config.grid(level)).collect()
    }

    fn predict(&self, input: &DenoiserInput) -> Result<Tensor<5>> {
        let config = &self.config;
        let [batch, _, t, h, w] = input.latents.dims();
        config.check_size([t, h, w])?;
        let levels = config.masked_levels();
        let grids: Vec<[usize; 3]> = levels.iter().map(|&l| [t, h >> l, w >> l]).collect();
        let channels = [config.latent_channels, config.condition_channels];
        input.check(channels, [t, h, w], config.text_width, &grids)?;

        let mut known: Vec<LevelContext> = (0..config.levels())
            .map(|level| [t, h >> level, w >> level])
            .map(|grid| LevelContext { objects: None, positions: Positions::new(config, grid) })
            .collect();
        known.extend(known.last().cloned()); // the middle is as coarse as the last level
        levels.iter().zip(&input.objects).for_each(|(&level, o)| known[level].objects = Some(o));
        let pass = Pass {
            batch,
            frames: t,
            time: thrumask_kernels::silu(self.time_embedding.forward(&input.time)), // [B, 4C]
            text: &input.text,
            levels: known,
            frame_chunk: self.frame_chunk,
        };
        let channels = channels.iter().sum::<usize>();
        let x = match config.condition_channels {
            0 => input.latents.clone(),
            _ => Tensor::cat(vec![input.latents.clone(), input.conditions.clone()], 1),
        };
        let x = x.swap_dims(1, 2).reshape([batch * t, channels, h, w]); // [B·T, C + Cc, H, W]
        let x = self.conv_in.forward(x);
        let mut skips = vec![x.clone()];
        let down = |x, level: &Level| level.down(x, &pass, &mut skips);
        let x = self.down_blocks.iter().fold(x, down);
        let x = self.mid_block.forward(x, &pass);
        let x = self.up_blocks.iter().fold(x, |x, level| level.up(x, &pass, &mut skips));
        let x = pass.by_frames([x], |[x], _| {
            self.conv_out.forward(self.conv_norm_out.forward_silu(x)) // [B·T, C, H, W]
        });
        Ok(x.reshape([batch, t, config.latent_channels, h, w]).swap_dims(1, 2))
    }
}
