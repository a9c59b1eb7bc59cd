use super::*;

/// The sections of the file of SAM 2.1 large that differ from what is taken without them, and some that
/// do not.
const LARGE: &str = r#"{
    "architectures": ["Sam2VideoModel"], "dtype": "float32", "image_size": 1024,
    "mask_decoder_config": {"hidden_size": 256, "mlp_dim": 2048, "model_type": ""},
    "memory_attention_rope_feat_sizes": [64, 64], "memory_attention_rope_theta": 10000,
    "model_type": "sam2_video", "num_maskmem": 7,
    "prompt_encoder_config": {"image_size": 1024, "patch_size": 16, "scale": 1},
    "vision_config": {
        "backbone_channel_list": [1152, 576, 288, 144],
        "backbone_config": {
            "blocks_per_stage": [2, 6, 36, 4], "embed_dim_per_stage": [144, 288, 576, 1152],
            "global_attention_blocks": [23, 33, 43], "hidden_size": 144,
            "image_size": [1024, 1024], "mlp_ratio": 4.0,
            "model_type": "sam2_hiera_det_model", "num_attention_heads": 2,
            "num_attention_heads_per_stage": [2, 4, 8, 16], "patch_stride": [4, 4],
            "window_size_per_stage": [8, 4, 16, 8]
        },
        "fpn_hidden_size": 256, "model_type": "sam2_vision_model"
    }
}"#;

#[test]
fn the_public_file_is_the_named_size() {
    assert_eq!(Sam2Config::from_transformers(LARGE).unwrap(), Sam2Config::large());
    assert_eq!(Sam2Config::from_transformers("{}").unwrap(), Sam2Config::tiny());
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    for (from, to, key) in [
        ("\"sam2_video\"", "\"edgetam\"", "model_type"),
        ("\"patch_stride\": [4, 4]", "\"patch_stride\": [4, 2]", "patch_stride"),
        ("[1152, 576, 288, 144]", "[144, 288, 576, 1152]", "backbone_channel_list"),
        ("\"image_size\": 1024,", "\"image_size\": 512,", "image_size"),
        ("[64, 64]", "[32, 32]", "rope_feat_sizes"),
        ("\"num_maskmem\": 7", "\"memory_fuser_padding\": 2", "memory_fuser_padding"),
        ("\"num_maskmem\": 7", "\"num_maskmem\": 0", "above zero"),
        ("[2, 4, 8, 16]", "[2, 5, 8, 16]", "multiples of 5"),
        ("\"mlp_ratio\": 4.0", "\"hidden_act\": \"relu\"", "hidden_act"),
    ] {
        let changed = LARGE.replace(from, to);
        assert_ne!(changed, LARGE);
        let error = Sam2Config::from_transformers(&changed).unwrap_err().to_string();
        assert!(error.contains(key), "{key} in {error}");
    }
    assert!(Sam2Config::from_transformers("[]").is_err());
}

#[test]
fn own_keys_are_known_and_sizes_are_sound() {
    let sizes = [Sam2Config::small(), Sam2Config::base_plus(), Sam2Config::test()];
    for config in sizes {
        config.check().unwrap();
        let mut json = serde_json::to_value(&config).unwrap();
        assert_eq!(serde_json::from_value::<Sam2Config>(json.clone()).unwrap(), config);
        json["image_encoder"]["width"] = 3.into();
        assert!(serde_json::from_value::<Sam2Config>(json).is_err());
    }
    assert_eq!(Sam2Config::tiny().feature_sizes(), [256, 128, 64]);
}

#[test]
fn what_is_written_is_read() {
    let sizes = [
        Sam2Config::tiny(),
        Sam2Config::small(),
        Sam2Config::base_plus(),
        Sam2Config::large(),
        Sam2Config::nano(),
        Sam2Config::test(),
    ];
    for mut config in sizes {
        let read = |config: &Sam2Config| {
            Sam2Config::from_transformers(&config.to_transformers().to_string()).unwrap()
        };
        assert_eq!(read(&config), config);
        config.memory.prompted_frames = Some(4);
        config.memory_attention.rope_theta = 500.0;
        assert_eq!(read(&config), config);
    }
}
