//! The whole transformer: patches in, blocks, patches out.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::{
    block::{BlockContext, DitBlock, MODULATIONS},
    config::DitConfig,
};
use crate::{
    Result,
    backbone::{
        Denoiser, DenoiserInput,
        patch::{latents_from_tokens, tokens_from_latents},
    },
    layers::{Init, LearnedPositions, Linear, Rotary, TimeEmbedding, norm::EPSILON},
};

/// A diffusion transformer.
#[derive(Module, Debug)]
pub struct Dit {
    embed: Linear,
    positions: LearnedPositions,
    time: TimeEmbedding,
    /// Shared adaptive modulation, `[C, 6·C]` (adaLN-single, PixArt-α).
    modulation: Linear,
    blocks: Vec<DitBlock>,
    /// Shift and scale of the last norm, `[C, 2·C]`.
    final_modulation: Linear,
    output: Linear,
    /// Gain of the first frame's latents in each latent frame, `[T]`.
    frame_gain: Option<Param<Tensor<1>>>,
    #[module(skip)]
    config: DitSettings,
}

/// The part of the configuration that a forward pass needs.
#[derive(Debug, Clone)]
struct DitSettings(DitConfig);

impl Dit {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`crate::Error::Config`] when the sizes do not fit each other.
    pub fn new(init: &mut Init, config: &DitConfig) -> Result<Self> {
        config.check()?;
        let width = config.width;
        let inputs = config.patch_values(config.latent_channels + config.condition_channels);
        let values = config.patch_values(config.latent_channels);
        let outputs = config.first_frame.outputs(values);
        let mut modulation = Linear::new(init, width, MODULATIONS * width, 0.2);
        // Gates start at 0.3: open, so that a network trained from scratch learns at once.
        let bias = [0.0, 0.0, 0.3, 0.0, 0.0, 0.3];
        let bias: Vec<f32> = bias.into_iter().flat_map(|v| vec![v; width]).collect();
        modulation.bias = Some(Param::from_data(bias.as_slice(), init.device()));
        Ok(Self {
            embed: Linear::new(init, inputs, width, 1.0),
            positions: LearnedPositions::new(init, config.grid(), width),
            time: TimeEmbedding::new(init, width),
            modulation,
            blocks: (0..config.depth).map(|i| DitBlock::new(init, config, i)).collect(),
            final_modulation: Linear::new(init, width, 2 * width, 0.2),
            output: Linear::new(init, width, outputs, 0.3),
            frame_gain: config.first_frame.gain(init, config.latent_size[0]),
            config: DitSettings(config.clone()),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &DitConfig {
        &self.config.0
    }

    /// Tokens of the latents and the conditions, which share a map: the rows of its weight that take the conditions
    /// are a map by themselves, whose outputs stay the same for a whole generation.
    ///
    /// # Shapes
    /// - returns `[B, N, C]`
    fn embedded(&self, input: &DenoiserInput) -> Tensor<3> {
        let DitConfig { latent_channels, condition_channels, patch, .. } = *self.config();
        let own = self.config().patch_values(latent_channels);
        let shown = self.config().patch_values(condition_channels);
        let values = tokens_from_latents(input.latents.clone(), patch); // [B, N, own]
        if shown == 0 {
            return self.embed.forward(values) + self.positions.forward();
        }
        let conditions = input.conditions.embedded(self.embed.weight.id, |latents| {
            let values = tokens_from_latents(latents, patch); // [B, N, shown]
            self.embed.part(values, own..own + shown) + self.positions.forward()
        });
        self.embed.part(values, 0..own) + conditions
    }

    fn check(&self, input: &DenoiserInput) -> Result<()> {
        let DitConfig { latent_channels, condition_channels, latent_size, text_width, .. } =
            *self.config();
        let channels = [latent_channels, condition_channels];
        input.check(channels, latent_size, text_width, &self.config().object_grids())
    }
}

impl Denoiser for Dit {
    fn predict(&self, input: &DenoiserInput) -> Result<Tensor<5>> {
        self.check(input)?;
        let config = self.config();
        let x = self.embedded(input); // [B, N, C]

        let time = thrumask_kernels::silu(self.time.forward(&input.time)); // [B, C]
        let rotary = config.rotary.as_ref();
        let rope = rotary.map(|r: &Rotary| r.table(config.grid()));
        let context = BlockContext {
            modulation: self.modulation.forward(time.clone()),
            text: &input.text,
            objects: input.objects.first(),
            rope: rope.as_ref(),
        };
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x, &context));

        let last = self.final_modulation.forward(time); // [B, 2C]
        let (shift, scale) =
            (last.clone().narrow(1, 0, config.width), last.narrow(1, config.width, config.width));
        let x = thrumask_kernels::layer_norm_modulate(x, shift, scale, EPSILON);
        let x = self.output.forward(x); // [B, N, values or twice]
        let x = latents_from_tokens(x, config.latent_size, config.patch);
        let gain = self.frame_gain.as_ref().map(Param::val);
        let DitConfig { first_frame, first_frame_channel, .. } = *config;
        Ok(first_frame.add(x, &input.conditions.latents, first_frame_channel, gain))
    }
}
