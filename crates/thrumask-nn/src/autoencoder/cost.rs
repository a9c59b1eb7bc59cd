//! What encoding and decoding take, from the sizes alone.

use super::{AutoencoderConfig, kl::KlConfig, tiny};
use crate::Cost;

/// A k×k convolution at `positions` of the output.
fn convolution(positions: f64, taps: f64, inputs: f64, outputs: f64) -> f64 {
    2.0 * positions * taps * inputs * outputs
}

impl AutoencoderConfig {
    /// Of encoding and decoding a video of `[T, H, W]` pixels.
    pub(super) fn cost(&self, [frames, height, width]: [usize; 3]) -> [Cost; 2] {
        let cell = self.frames * self.patch * self.patch;
        let tokens = (frames * height * width) as f64 / cell.max(1) as f64;
        let [values, channels, up, down] =
            [3 * cell, self.latent_channels, self.encoder_width, self.decoder_width]
                .map(|n| n as f64);
        let blocks = 2.0 * self.decoder_blocks as f64 * convolution(tokens, 9.0, down, down);
        let ends = convolution(tokens, 1.0, down, channels + values);
        [
            Cost {
                operations: convolution(tokens, 1.0, up, values + channels),
                convolved: 0.0,
                floats: tokens * (values + 2.0 * up),
            },
            Cost {
                operations: blocks + ends,
                convolved: blocks,
                floats: tokens * (4.0 * down + values),
            },
        ]
    }
}

/// Whole activations of the widest place that are alive at once, by what decoding 1024×1024 pixels took.
const ALIVE: f64 = 3.5;
/// The same in bands: what is kept whole between two blocks, and some of it again in bands.
const ALIVE_IN_BANDS: f64 = 1.4;

impl KlConfig {
    /// Of encoding and decoding a picture of `[H, W]` pixels, in bands or whole.
    pub(super) fn cost(&self, [height, width]: [usize; 2], bands: bool) -> [Cost; 2] {
        let pixels = (height * width) as f64;
        let last = self.channels.len() - 1;
        let channels = |level: usize| self.channels[level.min(last)] as f64;
        let positions = |level: usize| pixels / f64::from(1u32 << (2 * level));
        let resnet = |positions: f64, inputs: f64, outputs: f64| {
            // In bands, the first convolution is done once for the moments and once for itself.
            let first = if bands { 2.0 } else { 1.0 };
            let shortcut = if inputs == outputs { 0.0 } else { 1.0 };
            first * convolution(positions, 9.0, inputs, outputs)
                + convolution(positions, 9.0, outputs, outputs)
                + shortcut * convolution(positions, 1.0, inputs, outputs)
        };
        let (small, wide, latent) = (positions(last), channels(last), self.latent_channels as f64);
        let attention = match self.attention {
            true => 8.0 * small * wide * wide + 4.0 * small * small * wide,
            false => 0.0,
        };
        let middle = 2.0 * resnet(small, wide, wide) + attention;
        let quant = |with: bool, width: f64| match with {
            true => convolution(small, 1.0, width, width),
            false => 0.0,
        };
        let mut encode = middle
            + convolution(pixels, 9.0, 3.0, channels(0))
            + convolution(small, 9.0, wide, 2.0 * latent)
            + quant(self.quant, 2.0 * latent);
        let mut decode = middle
            + convolution(pixels, 9.0, channels(0), 3.0)
            + convolution(small, 9.0, latent, wide)
            + quant(self.post_quant, latent);
        let mut widest = 0f64;
        for level in 0..=last {
            let (at, own) = (positions(level), channels(level));
            let more = self.blocks as f64;
            let before = channels(level.saturating_sub(1));
            encode += resnet(at, before, own) + (more - 1.0) * resnet(at, own, own);
            decode += resnet(at, channels(level + 1), own) + more * resnet(at, own, own);
            if level < last {
                encode += convolution(positions(level + 1), 9.0, own, own);
                decode += convolution(at, 9.0, channels(level + 1), channels(level + 1));
            }
            widest = widest.max(at * own.max(channels(level + 1)));
        }
        let floats = widest * if bands { ALIVE_IN_BANDS } else { ALIVE };
        // Shortcuts, the only other products, are a few hundredths of it.
        let of = |operations| Cost { operations, convolved: operations - attention, floats };
        [encode, decode].map(of)
    }
}

impl tiny::TinyConfig {
    /// Of encoding and decoding a picture of `[H, W]` pixels; what pools look at is left out.
    pub(super) fn cost(&self, [height, width]: [usize; 2]) -> [Cost; 2] {
        let pixels = (height * width) as f64;
        let (own, latent) = (self.width as f64, self.latent_channels as f64);
        let positions = |level: usize| pixels / f64::from(1u32 << (2 * level));
        let same = |level: usize, count: usize| {
            count as f64 * convolution(positions(level), 9.0, own, own)
        };
        let last = tiny::LEVELS;
        let ends = |pixels_side: f64, latent_side: f64| {
            convolution(pixels, 9.0, own, pixels_side)
                + convolution(positions(last), 9.0, own, latent_side)
        };
        // Three convolutions in a block; the one that changes the size works at the level it leads to.
        let blocks = 3 * tiny::BLOCKS;
        let mut encode = same(0, 3) + ends(3.0, latent);
        let mut decode = same(0, 3) + ends(3.0, latent);
        for level in 1..=last {
            encode += same(level, blocks + 1);
            decode += same(level, blocks) + same(level - 1, 1);
        }
        let floats = pixels * own * ALIVE;
        [encode, decode].map(|operations| Cost { operations, convolved: operations, floats })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `torch.utils.flop_counter` (PyTorch 2.15) counts over diffusers' networks on the meta device.
    #[test]
    fn operations_are_counted_as_pytorch_counts_them() {
        let close = |costs: [Cost; 2], giga: [f64; 2]| {
            for (cost, expected) in costs.into_iter().zip(giga) {
                let found = cost.operations / (expected * 1e9);
                assert!((0.99..1.01).contains(&found), "{found} of {expected}");
            }
        };
        let sd = KlConfig::sd15();
        close(sd.cost([256, 256], false), [272.722, 622.187]);
        close(sd.cost([512, 512], false), [1116.658, 2514.519]);
        close(tiny::TinyConfig::taesd().cost([256, 256]), [30.581, 35.338]);
    }

    #[test]
    fn bands_take_less_memory_and_more_work() {
        let sd = KlConfig::sd15();
        let [whole, bands] = [false, true].map(|bands| sd.cost([1024, 1024], bands)[1]);
        // 3.8 and 1.5 GB were measured.
        let giga = |cost: Cost| cost.floats * 4.0 / 1e9;
        assert!((3.5..4.1).contains(&giga(whole)) && (1.3..1.7).contains(&giga(bands)));
        assert!(whole.operations < bands.operations && bands.operations < 2.0 * whole.operations);
    }

    #[test]
    fn ours_is_counted_by_hand() {
        // 2 tokens of 48 values.
        let config = AutoencoderConfig {
            frames: 1,
            patch: 4,
            latent_channels: 2,
            encoder_width: 10,
            decoder_width: 3,
            decoder_blocks: 1,
        };
        let [encode, decode] = config.cost([1, 4, 8]).map(|cost| cost.operations);
        assert_eq!(encode, 2.0 * 2.0 * (48.0 * 10.0 + 10.0 * 2.0));
        assert_eq!(decode, 2.0 * 2.0 * (2.0 * 3.0 + 2.0 * 9.0 * 9.0 + 3.0 * 48.0));
    }
}
