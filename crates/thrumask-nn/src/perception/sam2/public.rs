//! Sizes as the `config.json` of public folders writes them.

mod keys;
mod written;

use keys::{Backbone, Public, Vision};

use super::{
    ImageEncoderConfig, MaskDecoderConfig, MemoryAttentionConfig, MemoryConfig,
    MemoryEncoderConfig, PromptEncoderConfig, Sam2Config,
};
use crate::{Error, Result, weights::TensorSource};

const WHAT: &str = "config.json of SAM 2";

impl Sam2Config {
    /// The sizes that the `config.json` of transformers' `Sam2VideoModel` or `Sam2Model` gives. What it does
    /// not give is as transformers (5.23) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_transformers(json: &str) -> Result<Self> {
        let refuse = |e: serde_json::Error| Error::config(WHAT, e.to_string());
        // As a map first: an empty list would do for a struct of which nothing need be given.
        let keys: serde_json::Map<_, _> = serde_json::from_str(json).map_err(refuse)?;
        serde_json::from_value::<Public>(keys.into()).map_err(refuse)?.resolve()
    }

    /// The public size whose weights a source holds, in either layout.
    ///
    /// # Errors
    /// [`Error::Weights`] when they are of none of the four.
    pub fn of_public(what: &str, source: &dyn TensorSource) -> Result<Self> {
        let shapes = source.shapes();
        let found = shapes.iter().find(|(name, _)| name.ends_with("pos_embed_window"));
        let width = found.and_then(|(_, shape)| shape.get(1).copied()).unwrap_or(0);
        let is_block =
            |name: &&&str| name.contains(".blocks.") && name.ends_with("attn.qkv.weight");
        let blocks = shapes.keys().filter(is_block).count();
        let of = |config: &Self| {
            let encoder = &config.image_encoder;
            encoder.widths[0] == width && encoder.blocks.iter().sum::<usize>() == blocks
        };
        let sizes = [Self::tiny(), Self::small(), Self::base_plus(), Self::large()];
        sizes.into_iter().find(of).ok_or_else(|| {
            let reason = "expected the weights of SAM 2.1 tiny, small, base+ or large";
            Error::weights(what, format!("{reason}, got {blocks} blocks from width {width} on"))
        })
    }
}

/// Refuses what this network does not do, by its key.
fn only<T: PartialEq + std::fmt::Debug>(key: &str, expected: T, got: T) -> Result<()> {
    match expected == got {
        true => Ok(()),
        false => Err(Error::config(WHAT, format!("{key}: expected {expected:?}, got {got:?}"))),
    }
}

impl Public {
    fn resolve(self) -> Result<Sam2Config> {
        let (vision, backbone) = (&self.vision_config, &self.vision_config.backbone_config);
        let (prompts, decoder) = (&self.prompt_encoder_config, &self.mask_decoder_config);
        let video = match self.model_type.as_str() {
            "sam2_video" => true,
            "sam2" => false,
            other => {
                let reason = format!("model_type: expected sam2 or sam2_video, got {other:?}");
                return Err(Error::config(WHAT, reason));
            }
        };
        let side = backbone.image_size.both()[0];
        only("vision_config.backbone_config.image_size", [side; 2], backbone.image_size.both())?;
        only("prompt_encoder_config.image_size", [side; 2], prompts.image_size.both())?;
        only("prompt_encoder_config.patch_size", [16; 2], prompts.patch_size.both())?;
        backbone.check()?;
        let width = vision.fpn_hidden_size;
        vision.check()?;
        only("prompt_encoder_config.hidden_size", width, prompts.hidden_size)?;
        only("prompt_encoder_config.num_point_embeddings", 4, prompts.num_point_embeddings)?;
        only("prompt_encoder_config.hidden_act", "gelu", &prompts.hidden_act)?;
        only("prompt_encoder_config.layer_norm_eps", 1e-6, prompts.layer_norm_eps)?;
        only("mask_decoder_config.hidden_size", width, decoder.hidden_size)?;
        only("mask_decoder_config.hidden_act", "gelu", &decoder.hidden_act)?;
        only("mask_decoder_config.num_hidden_layers", 2, decoder.num_hidden_layers)?;
        if video {
            self.check_memory(side, width)?;
        }
        let config = Sam2Config {
            image_size: side,
            width,
            image_encoder: ImageEncoderConfig {
                widths: backbone.embed_dim_per_stage,
                blocks: backbone.blocks_per_stage,
                heads: backbone.num_attention_heads_per_stage,
                windows: backbone.window_size_per_stage,
                global_blocks: backbone.global_attention_blocks.clone(),
                background: backbone.window_positional_embedding_background_size,
                mlp_ratio: backbone.mlp_ratio,
                top_down_levels: vision.fpn_top_down_levels.clone(),
            },
            prompt_encoder: PromptEncoderConfig { mask_channels: prompts.mask_input_channels },
            mask_decoder: MaskDecoderConfig {
                heads: decoder.num_attention_heads,
                downsample_rate: decoder.attention_downsample_rate,
                hidden: decoder.mlp_dim,
                multimasks: decoder.num_multimask_outputs,
                iou_depth: decoder.iou_head_depth,
                iou_hidden: decoder.iou_head_hidden_dim,
                dynamic_multimask: decoder.dynamic_multimask_via_stability,
                stability_delta: decoder.dynamic_multimask_stability_delta,
                stability_threshold: decoder.dynamic_multimask_stability_thresh,
            },
            memory_attention: MemoryAttentionConfig {
                layers: self.memory_attention_num_layers,
                heads: self.memory_attention_num_attention_heads,
                downsample_rate: self.memory_attention_downsample_rate,
                hidden: self.memory_attention_feed_forward_hidden_size,
                rope_theta: self.theta(),
            },
            memory_encoder: MemoryEncoderConfig {
                channels: self.memory_encoder_output_channels,
                mask_kernel: self.mask_downsampler_kernel_size,
                fuser_layers: self.memory_fuser_num_layers,
                fuser_hidden: self.memory_fuser_intermediate_dim,
                fuser_kernel: self.memory_fuser_kernel_size,
            },
            memory: MemoryConfig {
                frames: self.num_maskmem,
                mask_scale: self.sigmoid_scale_for_mem_enc,
                mask_bias: self.sigmoid_bias_for_mem_enc,
                occlusion_embedding: self.enable_occlusion_spatial_embedding,
                multimask: self.multimask_output_in_sam,
                multimask_min_points: self.multimask_min_pt_num,
                multimask_max_points: self.multimask_max_pt_num,
                multimask_for_tracking: self.multimask_output_for_tracking,
                object_pointers: self.max_object_pointers_in_encoder,
                prompted_frames: usize::try_from(self.max_cond_frame_num).ok(),
                pointer_times: self.enable_temporal_pos_encoding_for_object_pointers,
            },
        };
        config.check()?;
        Ok(config)
    }

    fn theta(&self) -> f32 {
        let named = self.rope_parameters.as_ref().map(|rope| rope.rope_theta);
        named.or(self.memory_attention_rope_theta).unwrap_or(10000.0)
    }

    fn check_memory(&self, side: usize, width: usize) -> Result<()> {
        only("image_size", [side; 2], self.image_size.both())?;
        let places = side / super::STRIDE;
        let rope = self.memory_attention_rope_feat_sizes.unwrap_or([places; 2]);
        only("memory_attention_rope_feat_sizes", [places; 2], rope)?;
        only("memory_attention_hidden_size", width, self.memory_attention_hidden_size)?;
        let act = self.memory_attention_feed_forward_hidden_act.as_str();
        only("memory_attention_feed_forward_hidden_act", "relu", act)?;
        only("memory_encoder_hidden_size", width, self.memory_encoder_hidden_size)?;
        only("mask_downsampler_embed_dim", width, self.mask_downsampler_embed_dim)?;
        only("mask_downsampler_stride", 2, self.mask_downsampler_stride)?;
        let half = self.mask_downsampler_kernel_size / 2;
        only("mask_downsampler_padding", half, self.mask_downsampler_padding)?;
        only("mask_downsampler_total_stride", 16, self.mask_downsampler_total_stride)?;
        only("mask_downsampler_hidden_act", "gelu", &self.mask_downsampler_hidden_act)?;
        only("memory_fuser_embed_dim", width, self.memory_fuser_embed_dim)?;
        let half = self.memory_fuser_kernel_size / 2;
        only("memory_fuser_padding", half, self.memory_fuser_padding)?;
        only("memory_fuser_hidden_act", "gelu", &self.memory_fuser_hidden_act)
    }
}

impl Vision {
    fn check(&self) -> Result<()> {
        let convolution = [self.fpn_kernel_size, self.fpn_stride, self.fpn_padding];
        only("vision_config.fpn_kernel_size, _stride and _padding", [1, 1, 0], convolution)?;
        only("vision_config.num_feature_levels", 3, self.num_feature_levels)?;
        let mut widths = self.backbone_config.embed_dim_per_stage;
        widths.reverse();
        let listed = self.backbone_channel_list.unwrap_or(widths);
        only("vision_config.backbone_channel_list", widths, listed)
    }
}

impl Backbone {
    fn check(&self) -> Result<()> {
        let key = |name: &str| format!("vision_config.backbone_config.{name}");
        only(&key("model_type"), "sam2_hiera_det_model", &self.model_type)?;
        only(&key("num_channels"), 3, self.num_channels)?;
        only(&key("patch_kernel_size"), [7; 2], self.patch_kernel_size.both())?;
        only(&key("patch_stride"), [4; 2], self.patch_stride.both())?;
        only(&key("patch_padding"), [3; 2], self.patch_padding.both())?;
        only(&key("query_stride"), [2; 2], self.query_stride.both())?;
        only(&key("num_query_pool_stages"), 3, self.num_query_pool_stages)?;
        only(&key("hidden_act"), "gelu", &self.hidden_act)?;
        only(&key("layer_norm_eps"), 1e-6, self.layer_norm_eps)
    }
}

#[cfg(test)]
mod tests;
