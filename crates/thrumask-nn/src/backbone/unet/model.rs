//! The whole U-Net: encoder, middle, decoder.

use std::num::NonZeroUsize;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::{
    UnetConfig,
    level::{Level, Middle},
    pass::{LevelContext, Pass, Positions},
    time::TimestepEmbedding,
};
use crate::{
    Result,
    backbone::{
        Denoiser, DenoiserInput,
        patch::{frames_from_latents, latents_from_frames},
    },
    layers::{Convolution, GroupNorm, Init, Linear, norm::EPSILON},
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
    /// Gain of the first frame's latents in each latent frame, `[T]`.
    frame_gain: Option<Param<Tensor<1>>>,
    /// Shares of the noisy latents and of what the network makes, `[4·C, 2·latent channels]`.
    mixture: Option<Linear>,
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
        let inputs = config.patch_values(config.latent_channels + config.condition_channels);
        let values = config.patch_values(config.latent_channels);
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
            conv_out: Convolution::new(init, channels[0], config.first_frame.outputs(values), 0.3),
            frame_gain: config.first_frame.gain(init, config.latent_size[0]),
            mixture: config.mixed.then(|| mixture(init, config)),
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
    fn predict(&self, input: &DenoiserInput) -> Result<Tensor<5>> {
        let config = &self.config;
        let [batch, _, t, h, w] = input.latents.dims();
        config.check_size([t, h, w])?;
        let levels = config.masked_levels();
        let grid = |level| config.grid_of([t, h, w], level);
        let grids: Vec<[usize; 3]> = levels.iter().map(|&level| grid(level)).collect();
        let channels = [config.latent_channels, config.condition_channels];
        input.check(channels, [t, h, w], config.text_width, &grids)?;

        let mut known: Vec<LevelContext> = (0..config.levels())
            .map(|level| Positions::new(config, grid(level)))
            .map(|positions| LevelContext { objects: None, positions })
            .collect();
        known.extend(known.last().cloned()); // the middle is as coarse as the last level
        levels.iter().zip(&input.objects).for_each(|(&level, o)| known[level].objects = Some(o));
        let pass = Pass {
            batch,
            frames: grid(0)[0],
            time: thrumask_kernels::silu(self.time_embedding.forward(&input.time)), // [B, 4C]
            text: &input.text,
            levels: known,
            frame_chunk: self.frame_chunk,
        };
        let x = match config.condition_channels {
            0 => input.latents.clone(),
            _ => Tensor::cat(vec![input.latents.clone(), input.conditions.latents.clone()], 1),
        };
        let x = frames_from_latents(x, config.patch); // [B·T, C + Cc, H, W], of patches
        let x = self.conv_in.forward(x);
        let mut skips = vec![x.clone()];
        let down = |x, level: &Level| level.down(x, &pass, &mut skips);
        let x = self.down_blocks.iter().fold(x, down);
        let x = self.mid_block.forward(x, &pass);
        let x = self.up_blocks.iter().fold(x, |x, level| level.up(x, &pass, &mut skips));
        let x = pass.by_frames([x], |[x], _| {
            self.conv_out.forward(self.conv_norm_out.forward_silu(x)) // [B·T, C, H, W]
        });
        let x = latents_from_frames(x, batch, config.patch);
        let gain = self.frame_gain.as_ref().map(Param::val);
        let UnetConfig { first_frame, first_frame_channel, .. } = *config;
        let x = first_frame.add(x, &input.conditions.latents, first_frame_channel, gain);
        let Some(mixture) = &self.mixture else { return Ok(x) };
        let shares = mixture.forward(pass.time.clone()); // [B, 2C]
        let share = |part: usize| {
            let own = shares.clone().narrow(1, part * channels[0], channels[0]);
            own.reshape([batch, channels[0], 1, 1, 1])
        };
        Ok(input.latents.clone() * share(0) + x * share(1))
    }
}

/// Shares that begin the same at all times: none of the noisy latents, and all of what the network makes with
/// the sign turned, since v is minus the data where there is nothing but noise.
fn mixture(init: &mut Init, config: &UnetConfig) -> Linear {
    let channels = config.latent_channels;
    let shares = [vec![0.0; channels], vec![-1.0; channels]].concat();
    let bias = Some(Param::from_data(shares.as_slice(), init.device()));
    Linear { bias, ..Linear::new(init, config.time_width(), 2 * channels, 0.0) }
}
