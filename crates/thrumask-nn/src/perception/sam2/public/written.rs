//! Sizes as transformers writes them.

use serde_json::{Value, json};

use super::super::{PATCH, STRIDE, Sam2Config};

impl Sam2Config {
    /// The `config.json` of transformers' `Sam2VideoModel`, of which [`Sam2Config::from_transformers`] reads the same
    /// sizes.
    pub fn to_transformers(&self) -> Value {
        let Self { image_size, width, image_encoder, mask_decoder, .. } = self;
        let (attention, encoder, memory) =
            (&self.memory_attention, &self.memory_encoder, &self.memory);
        let mut channels = image_encoder.widths;
        channels.reverse();
        let places = image_size / STRIDE;
        let levels = self.feature_sizes().map(|side| [side; 2]);
        let backbone = json!({
            "model_type": "sam2_hiera_det_model",
            "hidden_size": image_encoder.widths[0],
            "num_attention_heads": image_encoder.heads[0],
            "image_size": [image_size, image_size],
            "patch_kernel_size": [7, 7],
            "patch_stride": [PATCH, PATCH],
            "patch_padding": [3, 3],
            "query_stride": [2, 2],
            "window_positional_embedding_background_size": image_encoder.background,
            "num_query_pool_stages": 3,
            "blocks_per_stage": image_encoder.blocks,
            "embed_dim_per_stage": image_encoder.widths,
            "num_attention_heads_per_stage": image_encoder.heads,
            "window_size_per_stage": image_encoder.windows,
            "global_attention_blocks": image_encoder.global_blocks,
            "mlp_ratio": image_encoder.mlp_ratio,
        });
        let mut written = json!({
            "architectures": ["Sam2VideoModel"],
            "model_type": "sam2_video",
            "image_size": image_size,
            "vision_config": {
                "model_type": "sam2_vision_model",
                "backbone_config": backbone,
                "backbone_channel_list": channels,
                "backbone_feature_sizes": levels,
                "fpn_hidden_size": width,
                "fpn_top_down_levels": image_encoder.top_down_levels,
            },
            "prompt_encoder_config": {
                "hidden_size": width,
                "image_size": image_size,
                "patch_size": STRIDE,
                "mask_input_channels": self.prompt_encoder.mask_channels,
            },
            "mask_decoder_config": {
                "hidden_size": width,
                "mlp_dim": mask_decoder.hidden,
                "num_attention_heads": mask_decoder.heads,
                "attention_downsample_rate": mask_decoder.downsample_rate,
                "num_multimask_outputs": mask_decoder.multimasks,
                "iou_head_depth": mask_decoder.iou_depth,
                "iou_head_hidden_dim": mask_decoder.iou_hidden,
                "dynamic_multimask_via_stability": mask_decoder.dynamic_multimask,
                "dynamic_multimask_stability_delta": mask_decoder.stability_delta,
                "dynamic_multimask_stability_thresh": mask_decoder.stability_threshold,
            },
        });
        let remembering = json!({
            "num_maskmem": memory.frames,
            "sigmoid_scale_for_mem_enc": memory.mask_scale,
            "sigmoid_bias_for_mem_enc": memory.mask_bias,
            "enable_occlusion_spatial_embedding": memory.occlusion_embedding,
            "multimask_output_in_sam": memory.multimask,
            "multimask_min_pt_num": memory.multimask_min_points,
            "multimask_max_pt_num": memory.multimask_max_points,
            "multimask_output_for_tracking": memory.multimask_for_tracking,
            "max_object_pointers_in_encoder": memory.object_pointers,
            "max_cond_frame_num": memory.prompted_frames.map_or(-1, |most| most as i64),
            "enable_temporal_pos_encoding_for_object_pointers": memory.pointer_times,
            "memory_attention_hidden_size": width,
            "memory_attention_num_layers": attention.layers,
            "memory_attention_num_attention_heads": attention.heads,
            "memory_attention_downsample_rate": attention.downsample_rate,
            "memory_attention_feed_forward_hidden_size": attention.hidden,
            "memory_attention_rope_feat_sizes": [places, places],
            "rope_parameters": {"rope_theta": attention.rope_theta, "rope_type": "axial"},
            "memory_encoder_hidden_size": width,
            "memory_encoder_output_channels": encoder.channels,
            "mask_downsampler_embed_dim": width,
            "mask_downsampler_kernel_size": encoder.mask_kernel,
            "mask_downsampler_padding": encoder.mask_kernel / 2,
            "memory_fuser_num_layers": encoder.fuser_layers,
            "memory_fuser_embed_dim": width,
            "memory_fuser_intermediate_dim": encoder.fuser_hidden,
            "memory_fuser_kernel_size": encoder.fuser_kernel,
            "memory_fuser_padding": encoder.fuser_kernel / 2,
        });
        if let (Value::Object(written), Value::Object(more)) = (&mut written, remembering) {
            written.extend(more);
        }
        written
    }
}
