//! The keys of transformers' `Sam2VideoConfig` and `Sam2Config` (5.23), with their defaults.

use serde::Deserialize;

/// One number for both axes, or one for each.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum Sides {
    One(usize),
    Two([usize; 2]),
}

impl Sides {
    pub(super) fn both(self) -> [usize; 2] {
        match self {
            Self::One(side) => [side; 2],
            Self::Two(sides) => sides,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Public {
    pub(super) model_type: String,
    pub(super) image_size: Sides,
    pub(super) vision_config: Vision,
    pub(super) prompt_encoder_config: Prompts,
    pub(super) mask_decoder_config: Decoder,
    pub(super) num_maskmem: usize,
    pub(super) sigmoid_scale_for_mem_enc: f32,
    pub(super) sigmoid_bias_for_mem_enc: f32,
    pub(super) enable_occlusion_spatial_embedding: bool,
    pub(super) multimask_output_in_sam: bool,
    pub(super) multimask_min_pt_num: usize,
    pub(super) multimask_max_pt_num: usize,
    pub(super) multimask_output_for_tracking: bool,
    pub(super) max_object_pointers_in_encoder: usize,
    pub(super) max_cond_frame_num: i64,
    pub(super) enable_temporal_pos_encoding_for_object_pointers: bool,
    pub(super) memory_attention_hidden_size: usize,
    pub(super) memory_attention_num_layers: usize,
    pub(super) memory_attention_num_attention_heads: usize,
    pub(super) memory_attention_downsample_rate: usize,
    pub(super) memory_attention_feed_forward_hidden_size: usize,
    pub(super) memory_attention_feed_forward_hidden_act: String,
    pub(super) memory_attention_rope_feat_sizes: Option<[usize; 2]>,
    pub(super) memory_attention_rope_theta: Option<f32>,
    pub(super) rope_parameters: Option<Rope>,
    pub(super) memory_encoder_hidden_size: usize,
    pub(super) memory_encoder_output_channels: usize,
    pub(super) mask_downsampler_embed_dim: usize,
    pub(super) mask_downsampler_kernel_size: usize,
    pub(super) mask_downsampler_stride: usize,
    pub(super) mask_downsampler_padding: usize,
    pub(super) mask_downsampler_total_stride: usize,
    pub(super) mask_downsampler_hidden_act: String,
    pub(super) memory_fuser_num_layers: usize,
    pub(super) memory_fuser_embed_dim: usize,
    pub(super) memory_fuser_intermediate_dim: usize,
    pub(super) memory_fuser_kernel_size: usize,
    pub(super) memory_fuser_padding: usize,
    pub(super) memory_fuser_hidden_act: String,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Rope {
    pub(super) rope_theta: f32,
}

impl Default for Rope {
    fn default() -> Self {
        Self { rope_theta: 10000.0 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Vision {
    pub(super) backbone_config: Backbone,
    pub(super) backbone_channel_list: Option<[usize; 4]>,
    pub(super) fpn_hidden_size: usize,
    pub(super) fpn_kernel_size: usize,
    pub(super) fpn_stride: usize,
    pub(super) fpn_padding: usize,
    pub(super) fpn_top_down_levels: Vec<usize>,
    pub(super) num_feature_levels: usize,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Backbone {
    pub(super) model_type: String,
    pub(super) num_channels: usize,
    pub(super) image_size: Sides,
    pub(super) patch_kernel_size: Sides,
    pub(super) patch_stride: Sides,
    pub(super) patch_padding: Sides,
    pub(super) query_stride: Sides,
    pub(super) window_positional_embedding_background_size: [usize; 2],
    pub(super) num_query_pool_stages: usize,
    pub(super) blocks_per_stage: [usize; 4],
    pub(super) embed_dim_per_stage: [usize; 4],
    pub(super) num_attention_heads_per_stage: [usize; 4],
    pub(super) window_size_per_stage: [usize; 4],
    pub(super) global_attention_blocks: Vec<usize>,
    pub(super) mlp_ratio: f32,
    pub(super) hidden_act: String,
    pub(super) layer_norm_eps: f64,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Prompts {
    pub(super) hidden_size: usize,
    pub(super) image_size: Sides,
    pub(super) patch_size: Sides,
    pub(super) mask_input_channels: usize,
    pub(super) num_point_embeddings: usize,
    pub(super) hidden_act: String,
    pub(super) layer_norm_eps: f64,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct Decoder {
    pub(super) hidden_size: usize,
    pub(super) hidden_act: String,
    pub(super) mlp_dim: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) attention_downsample_rate: usize,
    pub(super) num_multimask_outputs: usize,
    pub(super) iou_head_depth: usize,
    pub(super) iou_head_hidden_dim: usize,
    pub(super) dynamic_multimask_via_stability: bool,
    pub(super) dynamic_multimask_stability_delta: f32,
    pub(super) dynamic_multimask_stability_thresh: f32,
}

impl Default for Public {
    fn default() -> Self {
        Self {
            model_type: "sam2_video".into(),
            image_size: Sides::One(1024),
            vision_config: Vision::default(),
            prompt_encoder_config: Prompts::default(),
            mask_decoder_config: Decoder::default(),
            num_maskmem: 7,
            sigmoid_scale_for_mem_enc: 20.0,
            sigmoid_bias_for_mem_enc: -10.0,
            enable_occlusion_spatial_embedding: true,
            multimask_output_in_sam: true,
            multimask_min_pt_num: 0,
            multimask_max_pt_num: 1,
            multimask_output_for_tracking: true,
            max_object_pointers_in_encoder: 16,
            max_cond_frame_num: -1,
            enable_temporal_pos_encoding_for_object_pointers: true,
            memory_attention_hidden_size: 256,
            memory_attention_num_layers: 4,
            memory_attention_num_attention_heads: 1,
            memory_attention_downsample_rate: 1,
            memory_attention_feed_forward_hidden_size: 2048,
            memory_attention_feed_forward_hidden_act: "relu".into(),
            memory_attention_rope_feat_sizes: None,
            memory_attention_rope_theta: None,
            rope_parameters: None,
            memory_encoder_hidden_size: 256,
            memory_encoder_output_channels: 64,
            mask_downsampler_embed_dim: 256,
            mask_downsampler_kernel_size: 3,
            mask_downsampler_stride: 2,
            mask_downsampler_padding: 1,
            mask_downsampler_total_stride: 16,
            mask_downsampler_hidden_act: "gelu".into(),
            memory_fuser_num_layers: 2,
            memory_fuser_embed_dim: 256,
            memory_fuser_intermediate_dim: 1024,
            memory_fuser_kernel_size: 7,
            memory_fuser_padding: 3,
            memory_fuser_hidden_act: "gelu".into(),
        }
    }
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            backbone_config: Backbone::default(),
            backbone_channel_list: None,
            fpn_hidden_size: 256,
            fpn_kernel_size: 1,
            fpn_stride: 1,
            fpn_padding: 0,
            fpn_top_down_levels: vec![2, 3],
            num_feature_levels: 3,
        }
    }
}

impl Default for Backbone {
    fn default() -> Self {
        Self {
            model_type: "sam2_hiera_det_model".into(),
            num_channels: 3,
            image_size: Sides::One(1024),
            patch_kernel_size: Sides::One(7),
            patch_stride: Sides::One(4),
            patch_padding: Sides::One(3),
            query_stride: Sides::One(2),
            window_positional_embedding_background_size: [7, 7],
            num_query_pool_stages: 3,
            blocks_per_stage: [1, 2, 7, 2],
            embed_dim_per_stage: [96, 192, 384, 768],
            num_attention_heads_per_stage: [1, 2, 4, 8],
            window_size_per_stage: [8, 4, 14, 7],
            global_attention_blocks: vec![5, 7, 9],
            mlp_ratio: 4.0,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

impl Default for Prompts {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            image_size: Sides::One(1024),
            patch_size: Sides::One(16),
            mask_input_channels: 16,
            num_point_embeddings: 4,
            hidden_act: "gelu".into(),
            layer_norm_eps: 1e-6,
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            hidden_size: 256,
            hidden_act: "gelu".into(),
            mlp_dim: 2048,
            num_hidden_layers: 2,
            num_attention_heads: 8,
            attention_downsample_rate: 2,
            num_multimask_outputs: 3,
            iou_head_depth: 3,
            iou_head_hidden_dim: 256,
            dynamic_multimask_via_stability: true,
            dynamic_multimask_stability_delta: 0.05,
            dynamic_multimask_stability_thresh: 0.98,
        }
    }
}
