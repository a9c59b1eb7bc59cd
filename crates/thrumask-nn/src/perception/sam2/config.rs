//! Sizes of a [`Sam2`](super::Sam2): what the sections of transformers' `Sam2VideoConfig` (5.23) hold.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Pixels that become one token of the finest level, each way.
pub const PATCH: usize = 4;
/// Pixels that become one token of the level that is attended to, each way.
pub const STRIDE: usize = 16;

/// Sizes of a [`Sam2`](super::Sam2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sam2Config {
    /// Rows and columns of the square that pictures are resized to, in multiples of 32.
    pub image_size: usize,
    /// Channels of features, prompts and masks' tokens; a multiple of 8.
    pub width: usize,
    /// Pixels to features.
    pub image_encoder: ImageEncoderConfig,
    /// Points, boxes and masks to tokens.
    pub prompt_encoder: PromptEncoderConfig,
    /// Features and prompts to masks.
    pub mask_decoder: MaskDecoderConfig,
    /// Features that look at what was seen before.
    pub memory_attention: MemoryAttentionConfig,
    /// Features and a mask to a memory.
    pub memory_encoder: MemoryEncoderConfig,
    /// What is remembered, and for how long.
    pub memory: MemoryConfig,
}

/// Sizes of a Hiera encoder of four stages, each but the first halving rows and columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEncoderConfig {
    /// Channels of each stage, others than those of the stage before.
    pub widths: [usize; 4],
    /// Blocks of each stage.
    pub blocks: [usize; 4],
    /// Attention heads of each stage; divide its width.
    pub heads: [usize; 4],
    /// Rows and columns of the windows within which tokens of a stage attend to each other. The first
    /// block of a stage has those of the stage before; all but the last are even.
    pub windows: [usize; 4],
    /// Blocks, counted over all stages, whose tokens attend to all others.
    pub global_blocks: Vec<usize>,
    /// Rows and columns of the learned positions that are stretched over the picture.
    pub background: [usize; 2],
    /// Hidden units of a perceptron for each channel.
    pub mlp_ratio: f32,
    /// Levels, 0 being the finest, to which the next coarser one is added.
    pub top_down_levels: Vec<usize>,
}

/// Sizes of a prompt encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptEncoderConfig {
    /// Channels of a mask on its way, a multiple of 4.
    pub mask_channels: usize,
}

/// Sizes of a mask decoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskDecoderConfig {
    /// Attention heads; divide the channels of each attention.
    pub heads: usize,
    /// How many times fewer channels attention between tokens and picture has.
    pub downsample_rate: usize,
    /// Hidden units of a perceptron of the transformer.
    pub hidden: usize,
    /// Masks of a prompt that may mean several things, beside the single one.
    pub multimasks: usize,
    /// Layers of the head that tells how good a mask is.
    pub iou_depth: usize,
    /// Its hidden units.
    pub iou_hidden: usize,
    /// Whether a single mask that is not stable gives way to the best of the several.
    pub dynamic_multimask: bool,
    /// How far the threshold of logits is moved either way to see whether a mask is stable.
    pub stability_delta: f32,
    /// The share of a mask that must stay then.
    pub stability_threshold: f32,
}

/// Sizes of the memory attention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryAttentionConfig {
    /// Blocks.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// How many times fewer channels attention has.
    pub downsample_rate: usize,
    /// Hidden units of a perceptron.
    pub hidden: usize,
    /// Base of the rotary positions' wavelengths.
    pub rope_theta: f32,
}

/// Sizes of the memory encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryEncoderConfig {
    /// Channels of a memory.
    pub channels: usize,
    /// Kernel of each halving of a mask.
    pub mask_kernel: usize,
    /// Blocks that mix features and mask.
    pub fuser_layers: usize,
    /// Their hidden units.
    pub fuser_hidden: usize,
    /// Their kernel, an odd number.
    pub fuser_kernel: usize,
}

/// What is remembered, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// Frames that are remembered as maps, the one that was prompted included.
    pub frames: usize,
    /// What the probabilities of a mask are multiplied by before they are remembered.
    pub mask_scale: f32,
    /// What is added to them then.
    pub mask_bias: f32,
    /// Whether the memory of a frame without the object is marked as such.
    pub occlusion_embedding: bool,
    /// Whether a prompt of few points may mean several masks.
    pub multimask: bool,
    /// The fewest points that may.
    pub multimask_min_points: usize,
    /// The most points that may.
    pub multimask_max_points: usize,
    /// Whether a frame without a prompt may mean several masks.
    pub multimask_for_tracking: bool,
    /// Frames of which an object's pointer is remembered.
    pub object_pointers: usize,
    /// The most prompted frames that are attended to; all when `None`.
    pub prompted_frames: Option<usize>,
    /// Whether pointers tell how long ago they were.
    pub pointer_times: bool,
}

impl Sam2Config {
    /// SAM 2.1 with Hiera-T: 38.9 million parameters.
    pub fn tiny() -> Self {
        Self {
            image_size: 1024,
            width: 256,
            image_encoder: ImageEncoderConfig {
                widths: [96, 192, 384, 768],
                blocks: [1, 2, 7, 2],
                heads: [1, 2, 4, 8],
                windows: [8, 4, 14, 7],
                global_blocks: vec![5, 7, 9],
                background: [7, 7],
                mlp_ratio: 4.0,
                top_down_levels: vec![2, 3],
            },
            prompt_encoder: PromptEncoderConfig { mask_channels: 16 },
            mask_decoder: MaskDecoderConfig {
                heads: 8,
                downsample_rate: 2,
                hidden: 2048,
                multimasks: 3,
                iou_depth: 3,
                iou_hidden: 256,
                dynamic_multimask: true,
                stability_delta: 0.05,
                stability_threshold: 0.98,
            },
            memory_attention: MemoryAttentionConfig {
                layers: 4,
                heads: 1,
                downsample_rate: 1,
                hidden: 2048,
                rope_theta: 10000.0,
            },
            memory_encoder: MemoryEncoderConfig {
                channels: 64,
                mask_kernel: 3,
                fuser_layers: 2,
                fuser_hidden: 1024,
                fuser_kernel: 7,
            },
            memory: MemoryConfig {
                frames: 7,
                mask_scale: 20.0,
                mask_bias: -10.0,
                occlusion_embedding: true,
                multimask: true,
                multimask_min_points: 0,
                multimask_max_points: 1,
                multimask_for_tracking: true,
                object_pointers: 16,
                prompted_frames: None,
                pointer_times: true,
            },
        }
    }

    /// SAM 2.1 with Hiera-S.
    pub fn small() -> Self {
        let mut config = Self::tiny();
        config.image_encoder.blocks = [1, 2, 11, 2];
        config.image_encoder.global_blocks = vec![7, 10, 13];
        config
    }

    /// SAM 2.1 with Hiera-B+.
    pub fn base_plus() -> Self {
        let image_encoder = ImageEncoderConfig {
            widths: [112, 224, 448, 896],
            blocks: [2, 3, 16, 3],
            heads: [2, 4, 8, 16],
            global_blocks: vec![12, 16, 20],
            background: [14, 14],
            ..Self::tiny().image_encoder
        };
        Self { image_encoder, ..Self::tiny() }
    }

    /// SAM 2.1 with Hiera-L.
    pub fn large() -> Self {
        let image_encoder = ImageEncoderConfig {
            widths: [144, 288, 576, 1152],
            blocks: [2, 6, 36, 4],
            heads: [2, 4, 8, 16],
            windows: [8, 4, 16, 8],
            global_blocks: vec![23, 33, 43],
            ..Self::tiny().image_encoder
        };
        Self { image_encoder, ..Self::tiny() }
    }

    /// A size that learns on the world's videos: pictures of 128×128 pixels, and a single mask for each
    /// prompt.
    pub fn nano() -> Self {
        let full = Self::tiny();
        Self {
            image_size: 128,
            width: 64,
            image_encoder: ImageEncoderConfig {
                widths: [24, 48, 96, 144],
                blocks: [1, 2, 4, 1],
                heads: [1, 2, 4, 6],
                windows: [8, 4, 8, 4],
                global_blocks: vec![5],
                background: [4, 4],
                mlp_ratio: 3.0,
                top_down_levels: vec![2, 3],
            },
            prompt_encoder: PromptEncoderConfig { mask_channels: 16 },
            mask_decoder: MaskDecoderConfig {
                heads: 4,
                hidden: 128,
                multimasks: 1,
                iou_hidden: 64,
                dynamic_multimask: false,
                ..full.mask_decoder
            },
            memory_attention: MemoryAttentionConfig {
                layers: 2,
                hidden: 128,
                // Maps of 8 × 8 places: no need for angles that turn once in 60,000.
                rope_theta: 100.0,
                ..full.memory_attention
            },
            memory_encoder: MemoryEncoderConfig {
                channels: 32,
                fuser_layers: 2,
                fuser_hidden: 128,
                fuser_kernel: 5,
                ..full.memory_encoder
            },
            memory: MemoryConfig {
                frames: 5,
                multimask: false,
                multimask_for_tracking: false,
                object_pointers: 8,
                ..full.memory
            },
        }
    }

    /// A size for tests: pictures of 64×64 pixels.
    pub fn test() -> Self {
        let full = Self::tiny();
        Self {
            image_size: 64,
            width: 16,
            image_encoder: ImageEncoderConfig {
                widths: [8, 16, 24, 32],
                blocks: [1, 2, 3, 2],
                heads: [1, 2, 2, 4],
                windows: [4, 6, 2, 3],
                global_blocks: vec![4],
                background: [3, 3],
                mlp_ratio: 2.0,
                top_down_levels: vec![2, 3],
            },
            prompt_encoder: PromptEncoderConfig { mask_channels: 8 },
            mask_decoder: MaskDecoderConfig {
                heads: 2,
                hidden: 48,
                iou_hidden: 24,
                ..full.mask_decoder
            },
            memory_attention: MemoryAttentionConfig {
                layers: 2,
                hidden: 48,
                ..full.memory_attention
            },
            memory_encoder: MemoryEncoderConfig {
                channels: 16,
                fuser_layers: 1,
                fuser_hidden: 48,
                fuser_kernel: 3,
                ..full.memory_encoder
            },
            memory: MemoryConfig { frames: 3, object_pointers: 4, ..full.memory },
        }
    }

    /// Rows and columns of each level of features, the finest first.
    pub fn feature_sizes(&self) -> [usize; 3] {
        [PATCH, 2 * PATCH, STRIDE].map(|pixels| self.image_size / pixels)
    }

    /// Rows and columns of the logits of a mask, those given as prompts included.
    pub fn mask_size(&self) -> usize {
        self.image_size / PATCH
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero or does not divide what it should.
    pub fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::config("SAM 2", reason));
        let (encoder, decoder, memory) = (&self.image_encoder, &self.mask_decoder, &self.memory);
        let (attention, remembering) = (&self.memory_attention, &self.memory_encoder);
        let lists = [encoder.widths, encoder.blocks, encoder.heads, encoder.windows];
        let sizes = [
            decoder.heads,
            decoder.downsample_rate,
            decoder.hidden,
            decoder.multimasks,
            decoder.iou_hidden,
            attention.heads,
            attention.downsample_rate,
            attention.hidden,
            remembering.channels,
            remembering.mask_kernel,
            remembering.fuser_hidden,
            memory.frames,
        ];
        if lists.iter().flatten().chain(&encoder.background).chain(&sizes).any(|&n| n == 0) {
            return refuse(format!("expected sizes above zero, got {self:?}"));
        }
        let multiple = |what: &str, of: usize, got: usize| match got > 0 && got.is_multiple_of(of) {
            true => Ok(()),
            false => {
                let reason = format!("expected {what} in multiples of {of}, got {got}");
                Err(Error::config("SAM 2", reason))
            }
        };
        multiple("a picture's side", 32, self.image_size)?;
        multiple("channels", 8, self.width)?;
        multiple("channels of a mask", 4, self.prompt_encoder.mask_channels)?;
        for (&width, &heads) in encoder.widths.iter().zip(&encoder.heads) {
            multiple("a stage's width", heads, width)?;
        }
        if encoder.widths.windows(2).any(|pair| pair[0] == pair[1]) {
            return refuse(format!(
                "expected another width in each stage, got {:?}",
                encoder.widths
            ));
        }
        for (stage, &window) in encoder.windows[..3].iter().enumerate() {
            let halving = encoder.blocks[..=stage].iter().sum::<usize>();
            if !encoder.global_blocks.contains(&halving) {
                multiple("a window that is halved", 2, window)?;
            }
        }
        multiple("a mask's side", encoder.windows[0], self.mask_size())?;
        multiple("channels", decoder.heads * decoder.downsample_rate, self.width)?;
        multiple("channels", attention.heads * attention.downsample_rate, self.width)?;
        multiple("a memory's channels", 4, remembering.channels)?;
        if decoder.iou_depth < 2 {
            return refuse(format!("expected at least 2 layers, got {}", decoder.iou_depth));
        }
        if encoder.mlp_ratio.is_nan() || encoder.mlp_ratio < 0.01 || encoder.mlp_ratio > 64.0 {
            return refuse(format!("expected a perceptron's ratio, got {}", encoder.mlp_ratio));
        }
        match [remembering.fuser_kernel, remembering.mask_kernel].map(|n| n % 2) {
            [1, 1] => Ok(()),
            _ => refuse(format!("expected odd kernels, got {remembering:?}")),
        }
    }
}
