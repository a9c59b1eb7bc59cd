//! What a forward pass takes, from the sizes alone.

use std::num::NonZeroUsize;

use super::{BackboneConfig, ObjectLayer, ObjectLayers, dit::DitConfig, unet::UnetConfig};
use crate::Cost;

impl BackboneConfig {
    /// What one forward pass of one video takes; texts, which are short, and norms are left out, and
    /// masked self-attention is counted as if half of the tokens were one group. `frame_chunk` as in
    /// [`super::unet::Unet::in_chunks`].
    pub fn cost(&self, frame_chunk: Option<NonZeroUsize>) -> Cost {
        match self {
            Self::Dit(config) => dit(config),
            Self::Unet(config) => unet(config, frame_chunk),
        }
    }
}

impl BackboneConfig {
    /// About how many operators a forward pass runs one after the other: in small networks each takes a while
    /// however little it computes.
    pub fn operators(&self) -> f64 {
        match self {
            Self::Dit(config) => (30 + 25 * config.depth) as f64,
            Self::Unet(config) => {
                let (levels, layers) = (config.channels.len(), config.layers);
                let blocks = |levels: usize| levels * (2 * layers + 1);
                let attending = config.attention.iter().filter(|&&with| with).count();
                let motion = config
                    .motion
                    .as_ref()
                    .map_or(0, |motion| blocks(levels) + usize::from(motion.middle));
                (8 * (blocks(levels) + 2) + 35 * (blocks(attending) + 1) + 40 * motion) as f64
            }
        }
    }
}

/// Four affine maps of `tokens` tokens, and what they see of `keys` others.
fn attention(tokens: f64, keys: f64, width: f64) -> f64 {
    8.0 * tokens * width * width + 4.0 * tokens * keys * width
}

/// Queries and outputs of attention to texts, whose keys are few and made once.
fn cross(tokens: f64, width: f64) -> f64 {
    4.0 * tokens * width * width
}

/// The object layers of one block.
fn objects(layers: &ObjectLayers, tokens: f64, width: f64) -> f64 {
    let own = match layers.self_attention {
        ObjectLayer::Absent => 0.0,
        ObjectLayer::Masked => attention(tokens, tokens / 2.0, width),
        ObjectLayer::Unmasked => attention(tokens, tokens, width),
    };
    let across = match layers.cross_attention {
        ObjectLayer::Absent => 0.0,
        ObjectLayer::Masked | ObjectLayer::Unmasked => cross(tokens, width),
    };
    own + across
}

fn dit(config: &DitConfig) -> Cost {
    let (tokens, width) = (config.tokens() as f64, config.width as f64);
    let ratio = config.mlp_ratio as f64;
    let block = attention(tokens, tokens, width)
        + cross(tokens, width)
        + 4.0 * tokens * ratio * width * width;
    let layers = &config.object_layers;
    Cost {
        operations: block * config.depth as f64
            + objects(layers, tokens, width) * layers.blocks as f64,
        convolved: 0.0,
        floats: tokens * width * (12.0 + 2.0 * ratio),
    }
}

/// Residual blocks and attention of one place of a U-Net.
struct Place<'a> {
    config: &'a UnetConfig,
    /// Positions of all frames.
    tokens: f64,
    width: f64,
}

impl Place<'_> {
    /// All operations of a residual block, and those of its 3×3 convolutions.
    fn resnet(&self, inputs: usize) -> [f64; 2] {
        let (inputs, outputs) = (inputs as f64, self.width);
        let shortcut = if inputs == outputs { 0.0 } else { inputs * outputs };
        let convolved = 18.0 * self.tokens * (inputs * outputs + outputs * outputs);
        [convolved + 2.0 * self.tokens * shortcut, convolved]
    }

    /// Projections of a transformer and its gated perceptron.
    fn around(&self) -> f64 {
        (4.0 + 24.0) * self.tokens * self.width * self.width
    }

    fn spatial(&self) -> f64 {
        let frame = self.tokens / self.config.grid(0)[0] as f64;
        attention(self.tokens, frame, self.width) + cross(self.tokens, self.width) + self.around()
    }

    fn motion(&self) -> f64 {
        let frames = self.config.grid(0)[0] as f64;
        2.0 * attention(self.tokens, frames, self.width) + self.around()
    }
}

/// What a gated perceptron holds at once, in widths of its tokens: values, gates and their product of four
/// times the width each.
const PERCEPTRON_HOLDS: f64 = 18.0;

/// What there is of all frames while chunks are worked on: what goes in, and what has come out.
const CHUNKS_LEAVE: f64 = 4.0;

/// What an object layer holds of all frames: queries, keys, values and what comes before and after.
const OBJECTS_HOLD: f64 = 8.0;

fn unet(config: &UnetConfig, frame_chunk: Option<NonZeroUsize>) -> Cost {
    let frames = config.grid(0)[0];
    // The part of all tokens that is worked on at once.
    let share = frame_chunk.map_or(1.0, |n| n.get().min(frames) as f64 / frames as f64);
    let place = |level: usize| {
        let tokens = config.grid(level).iter().product::<usize>() as f64;
        Place { config, tokens, width: config.channels[level] as f64 }
    };
    let (mut operations, mut convolved, mut skips, mut widest) = (0.0, 0.0, 0.0, 0f64);
    let mut masked = config.object_layers.blocks;
    for level in 0..config.levels() {
        let at = place(level);
        let motion = if config.motion.is_some() { at.motion() } else { 0.0 };
        let spatial = if config.attention[level] { at.spatial() } else { 0.0 };
        let channels = config.channels[level];
        let before = config.channels[level.saturating_sub(1)];
        let after = config.channels[(level + 1).min(config.levels() - 1)];
        let mut whole = CHUNKS_LEAVE;
        // Encoder, then decoder; the decoder's inputs are what was before it and the skips.
        for i in 0..config.layers {
            let [all, own] = at.resnet(if i == 0 { before } else { channels });
            operations += all + spatial + motion;
            convolved += own;
            if config.attention[level] && masked > 0 {
                operations += objects(&config.object_layers, at.tokens, at.width);
                masked -= 1;
                whole = OBJECTS_HOLD;
            }
        }
        for i in 0..=config.layers {
            let own = if i == 0 { after } else { channels };
            let skip = if i == config.layers { before } else { channels };
            let [all, own] = at.resnet(own + skip);
            operations += all + spatial + motion;
            convolved += own;
        }
        // The convolutions between this level and the next, at the two sizes.
        if level + 1 < config.levels() {
            let next = place(level + 1);
            let between =
                18.0 * (next.tokens * at.width * at.width + at.tokens * next.width * next.width);
            operations += between;
            convolved += between;
        }
        skips += at.tokens * at.width * (config.layers + 1) as f64;
        let held = PERCEPTRON_HOLDS.min(whole + PERCEPTRON_HOLDS * share);
        widest = widest.max(at.tokens * at.width * held);
    }
    let middle = place(config.levels() - 1);
    let [all, own] = middle.resnet(config.channels[config.levels() - 1]);
    operations += 2.0 * all + middle.spatial();
    convolved += 2.0 * own;
    if config.motion.as_ref().is_some_and(|motion| motion.middle) {
        operations += middle.motion();
    }
    let first = place(0);
    let made = config.first_frame.outputs(config.latent_channels);
    let ends = config.patch_values(config.latent_channels + config.condition_channels + made);
    let ends = 18.0 * first.tokens * first.width * ends as f64;
    Cost { operations: operations + ends, convolved: convolved + ends, floats: skips + widest }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `torch.utils.flop_counter` (PyTorch 2.15) over diffusers' `UNetMotionModel` of these sizes, on the meta
    /// device: 4,088.05 GFLOP, texts included.
    #[test]
    fn a_full_size_step_is_counted_as_pytorch_counts_it() {
        let config = UnetConfig::sd15_animatediff_v3([16, 32, 32], 2);
        let found = BackboneConfig::Unet(config).cost(None).operations / 4088.05e9;
        assert!((0.97..1.01).contains(&found), "{found}");
    }

    #[test]
    fn chunks_of_frames_hold_less_and_do_as_much() {
        let plain = UnetConfig::sd15_animatediff_v3([16, 64, 64], 2);
        let masked = ObjectLayers {
            blocks: 6,
            self_attention: ObjectLayer::Masked,
            cross_attention: ObjectLayer::Masked,
            gate_start: 0.0,
        };
        let masked = UnetConfig { object_layers: masked, ..plain.clone() };
        let cost = |config: &UnetConfig, chunk| {
            BackboneConfig::Unet(config.clone()).cost(NonZeroUsize::new(chunk))
        };
        for config in [&plain, &masked] {
            let [all, few, one] = [0, 4, 1].map(|chunk| cost(config, chunk));
            assert_eq!(all, cost(config, 16));
            assert!(one.floats < few.floats && few.floats < all.floats, "{one:?} {few:?} {all:?}");
            assert_eq!(one.operations, all.operations);
        }
        assert!(cost(&plain, 1).floats < cost(&masked, 1).floats);
    }

    #[test]
    fn object_layers_and_tokens_cost() {
        let plain = UnetConfig::sd15_animatediff_v3([16, 32, 32], 2);
        let layers = |self_attention, blocks| ObjectLayers {
            blocks,
            self_attention,
            cross_attention: ObjectLayer::Absent,
            gate_start: 0.0,
        };
        let cost = |object_layers| {
            BackboneConfig::Unet(UnetConfig { object_layers, ..plain.clone() })
                .cost(None)
                .operations
        };
        let none = cost(ObjectLayers::NONE);
        let [few, all] = [1, 6].map(|blocks| cost(layers(ObjectLayer::Masked, blocks)));
        assert!(none < few && few < all && all < cost(layers(ObjectLayer::Unmasked, 6)));
    }
}
