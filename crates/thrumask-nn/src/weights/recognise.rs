//! What a checkpoint looks like, by the names and shapes of its tensors.

use super::TensorSource;

/// A kind of model, and texts that occur in names of its tensors; the first that fits.
const KNOWN: [(&str, &[&str]); 22] = [
    ("diffusion U-Net with motion modules", &["motion_modules.", "down_blocks.0.resnets."]),
    ("AnimateDiff motion module", &["motion_modules.", "temporal_transformer."]),
    ("AnimateDiff motion adapter (diffusers)", &["motion_modules.0.transformer_blocks.0."]),
    ("Stable Diffusion checkpoint in one file", &["model.diffusion_model.input_blocks."]),
    ("low-rank adapter (LoRA)", &["lora"]),
    ("diffusion U-Net (diffusers)", &["down_blocks.0.resnets.", "time_embedding.linear_1."]),
    ("autoencoder (diffusers AutoencoderKL)", &["quant_conv.", "decoder.up_blocks."]),
    ("CLIP text and vision", &["text_model.encoder.layers.0.", "vision_model.encoder.layers.0."]),
    ("CLIP text encoder", &["text_model.encoder.layers.0."]),
    ("CLIP text encoder", &["embeddings.token_embedding.", "encoder.layers.0.self_attn."]),
    ("CLIP vision encoder", &["vision_model.encoder.layers.0."]),
    ("T5 encoder", &["encoder.block.0.layer.0.SelfAttention."]),
    ("Segment Anything 2", &["memory_attention.", "mask_decoder."]),
    ("Segment Anything 2, pictures only", &["vision_encoder.backbone.", "mask_decoder."]),
    ("Grounding DINO", &["text_backbone.", "backbone.conv_encoder."]),
    ("optical flow (RAFT)", &["fnet.", "cnet.", "update_block."]),
    ("optical flow (RAFT, torchvision)", &["feature_encoder.", "context_encoder.", "flow_head."]),
    ("diffusion transformer (diffusers)", &["transformer_blocks.0.", "proj_out."]),
    ("thrumask stage", &["denoiser.blocks.", "text.words"]),
    ("thrumask segmenter", &["cell_mlp.", "text.words"]),
    ("thrumask autoencoder", &["latent_mean", "encoder_up."]),
    ("tiny autoencoder (TAESD)", &["decoder.layers.", "encoder.layers."]),
];

/// What a checkpoint looks like: the kind of model, and what tells its variants apart. `None` when the
/// names are those of no kind that is known here.
pub fn recognise(source: &dyn TensorSource) -> Option<String> {
    let shapes = source.shapes();
    let has = |text: &&str| shapes.keys().any(|name| name.contains(*text));
    let (kind, _) = KNOWN.iter().find(|(_, texts)| texts.iter().all(has))?;
    let size = |ending: &str, axis: usize| {
        shapes.iter().find(|(n, _)| n.ends_with(ending)).and_then(|(_, s)| s.get(axis).copied())
    };
    // The width of the text that a U-Net attends to tells its generation.
    let of = match size("attn2.to_k.weight", 1).filter(|_| kind.contains("U-Net")) {
        Some(768) => ", as in Stable Diffusion 1: text of width 768".to_owned(),
        Some(1024) => ", as in Stable Diffusion 2: text of width 1024".to_owned(),
        Some(2048) => ", as in Stable Diffusion XL: text of width 2048".to_owned(),
        Some(width) => format!(", text of width {width}"),
        None => match size("token_embedding.weight", 1).filter(|_| kind.starts_with("CLIP")) {
            Some(width) => format!(" of width {width}"),
            None => String::new(),
        },
    };
    Some(format!("{kind}{of}"))
}
