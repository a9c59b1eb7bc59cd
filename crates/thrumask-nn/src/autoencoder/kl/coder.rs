//! The two halves of the network.

use burn::{module::Module, tensor::Tensor};

use super::bands::Bands;
use super::config::KlConfig;
use super::layers::{Level, Middle, Output, Resample};
use crate::layers::{Convolution, Init};

/// Pixels to the moments of latents: ever fewer positions of ever more channels.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    input: Convolution,
    levels: Vec<Level>,
    middle: Middle,
    output: Output,
}

impl Encoder {
    pub fn new(init: &mut Init, config: &KlConfig) -> Self {
        let (channels, groups) = (&config.channels, config.norm_groups);
        let last = channels.len() - 1;
        let input = Convolution::new(init, 3, channels[0], 1.0);
        let level = |i: usize| {
            let widths = [channels[i.saturating_sub(1)], channels[i]];
            let resample = (i < last).then_some(Resample::Halve);
            Level::new(init, groups, widths, config.blocks, resample)
        };
        Self {
            input,
            levels: (0..=last).map(level).collect(),
            middle: Middle::new(init, config, channels[last]),
            output: Output::new(init, groups, channels[last], 2 * config.latent_channels),
        }
    }

    /// # Shapes
    /// - `x`: `[B, 3, H, W]`
    /// - `rows`: of a band, as [`Bands::regroup`] takes them
    /// - returns `[B, 2·C, H', W']`
    pub fn forward(&self, x: Tensor<4>, rows: Option<usize>) -> Tensor<4> {
        let x = Bands::whole(x).regroup(rows).map(|x| self.input.forward(x));
        let x = self.levels.iter().fold(x, |x, level| level.forward(x).regroup(rows));
        let x = self.middle.forward(x.join());
        self.output.forward(Bands::whole(x)).join()
    }
}

/// Latents to pixels: ever more positions of ever fewer channels.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    input: Convolution,
    middle: Middle,
    levels: Vec<Level>,
    output: Output,
}

impl Decoder {
    pub fn new(init: &mut Init, config: &KlConfig) -> Self {
        let groups = config.norm_groups;
        let channels: Vec<usize> = config.channels.iter().rev().copied().collect();
        let last = channels.len() - 1;
        let input = Convolution::new(init, config.latent_channels, channels[0], 1.0);
        let middle = Middle::new(init, config, channels[0]);
        let level = |i: usize| {
            let widths = [channels[i.saturating_sub(1)], channels[i]];
            let resample = (i < last).then_some(Resample::Double);
            Level::new(init, groups, widths, config.blocks + 1, resample)
        };
        Self {
            input,
            middle,
            levels: (0..=last).map(level).collect(),
            output: Output::new(init, groups, channels[last], 3),
        }
    }

    /// # Shapes
    /// - `x`: `[B, C, H', W']`
    /// - `rows`: of a band, as [`Bands::regroup`] takes them
    /// - returns `[B, 3, H, W]`
    pub fn forward(&self, x: Tensor<4>, rows: Option<usize>) -> Tensor<4> {
        let x = self.middle.forward(self.input.forward(x));
        let x = Bands::whole(x).regroup(rows);
        let x = self.levels.iter().fold(x, |x, level| level.forward(x).regroup(rows));
        self.output.forward(x).join()
    }
}
