//! What public files call the parts of a [`Sam2Video`](super::Sam2Video).

use super::super::{Sam2Config, Sam2Naming};

/// The public path of one of our modules.
pub fn rename(naming: Sam2Naming, path: &str, config: &Sam2Config) -> String {
    let public = naming == Sam2Naming::Transformers;
    let either = |transformers: &str, original: &str| {
        if public { transformers } else { original }.to_owned()
    };
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["image", rest @ ..] => naming.rename(&rest.join("."), config),
        ["attention", "norm"] => format!("memory_attention.{}", either("layer_norm", "norm")),
        ["attention", "blocks", i, rest @ ..] => {
            format!("memory_attention.layers.{i}.{}", block(rest, &either))
        }
        ["encoder", rest @ ..] => format!("memory_encoder.{}", encoder(rest, &either)),
        ["times"] => either("memory_temporal_positional_encoding", "maskmem_tpos_enc"),
        ["pointer_times"] => {
            either("temporal_positional_encoding_projection_layer", "obj_ptr_tpos_proj")
        }
        ["pointer", "layers", i] => {
            let layers = ["proj_in", "layers.0", "proj_out"];
            let layer = i.parse().ok().and_then(|i: usize| layers.get(i)).copied();
            let layer = either(layer.unwrap_or_default(), &format!("layers.{i}"));
            format!("{}.{layer}", either("object_pointer_proj", "obj_ptr_proj"))
        }
        ["no_object"] => either("no_object_pointer", "no_obj_ptr"),
        ["no_object_map"] => {
            either("occlusion_spatial_embedding_parameter", "no_obj_embed_spatial")
        }
        ["mask_quarter"] => "mask_downsample".into(),
        ["no_memory_positions"] => either("no_memory_positional_encoding", "no_mem_pos_enc"),
        other => other.join("."),
    }
}

/// A part of a block of the memory attention.
fn block(parts: &[&str], either: &dyn Fn(&str, &str) -> String) -> String {
    let norm = |number: usize| format!("{}{number}", either("layer_norm", "norm"));
    match parts {
        ["among_norm"] => norm(1),
        ["memory_norm"] => norm(2),
        ["mlp_norm"] => norm(3),
        ["mlp", "layers", "0"] => "linear1".into(),
        ["mlp", "layers", "1"] => "linear2".into(),
        [kind @ ("among" | "memory"), map] => {
            let kind = if *kind == "among" { "self_attn" } else { "cross_attn_image" };
            let map = match *map {
                "query" => "q_proj".into(),
                "key" => "k_proj".into(),
                "value" => "v_proj".into(),
                _ => either("o_proj", "out_proj"),
            };
            format!("{kind}.{map}")
        }
        other => other.join("."),
    }
}

/// A part of the memory encoder.
fn encoder(parts: &[&str], either: &dyn Fn(&str, &str) -> String) -> String {
    match parts {
        // In the original, a halving is a convolution, a norm and an activation in a row.
        ["mask", "halvings", i, part] => {
            let first = 3 * i.parse::<usize>().unwrap_or(0);
            let (name, number) = match *part {
                "norm" => ("layer_norm", first + 1),
                _ => ("conv", first),
            };
            let transformers = format!("mask_downsampler.layers.{i}.{name}");
            either(&transformers, &format!("mask_downsampler.encoder.{number}"))
        }
        ["mask", "output"] => either("mask_downsampler.final_conv", "mask_downsampler.encoder.12"),
        ["features"] => either("feature_projection", "pix_feat_proj"),
        ["output"] => either("projection", "out_proj"),
        ["fusions", i, part] => {
            let part = match *part {
                "around" => either("depthwise_conv", "dwconv"),
                "norm" => either("layer_norm", "norm"),
                "up" => either("pointwise_conv1", "pwconv1"),
                "down" => either("pointwise_conv2", "pwconv2"),
                _ => either("scale", "gamma"),
            };
            format!("{}.layers.{i}.{part}", either("memory_fuser", "fuser"))
        }
        other => other.join("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_each_naming() {
        let config = Sam2Config::tiny();
        for (ours, transformers, original) in [
            (
                "attention.blocks.3.memory.output",
                "memory_attention.layers.3.cross_attn_image.o_proj",
                "memory_attention.layers.3.cross_attn_image.out_proj",
            ),
            (
                "encoder.mask.halvings.2.norm",
                "memory_encoder.mask_downsampler.layers.2.layer_norm",
                "memory_encoder.mask_downsampler.encoder.7",
            ),
            (
                "encoder.fusions.1.scale",
                "memory_encoder.memory_fuser.layers.1.scale",
                "memory_encoder.fuser.layers.1.gamma",
            ),
            ("pointer.layers.1", "object_pointer_proj.layers.0", "obj_ptr_proj.layers.1"),
            ("image.no_memory", "no_memory_embedding", "no_mem_embed"),
        ] {
            assert_eq!(rename(Sam2Naming::Transformers, ours, &config), transformers);
            assert_eq!(rename(Sam2Naming::Original, ours, &config), original);
        }
    }
}
