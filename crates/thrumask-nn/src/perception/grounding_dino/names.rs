//! What public files call the parts of a [`GroundingDino`](super::GroundingDino): transformers' files, and those
//! of the original implementation, whose names are brought to the former.

use super::GroundingDinoConfig;
use crate::{perception::swin, text::bert};

const BACKBONE: &str = "model.backbone.conv_encoder.model";
const TEXT: &str = "model.text_backbone";

/// The path of one of our modules in the files that transformers writes.
pub fn rename(path: &str, config: &GroundingDinoConfig) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        ["backbone", rest @ ..] => {
            format!("{BACKBONE}.{}", swin::names::rename(rest, &config.backbone))
        }
        ["text", rest @ ..] => format!("{TEXT}.{}", bert::names::rename(rest)),
        ["text_map"] => "model.text_projection".into(),
        ["projections", i, part] => format!("model.input_proj_vision.{i}.{}", sequential(part)),
        ["halves", i, part] => {
            let first = config.backbone.out.len();
            let i = i.parse::<usize>().map_or(first, |i| first + i);
            format!("model.input_proj_vision.{i}.{}", sequential(part))
        }
        ["levels"] => "model.level_embed".into(),
        ["queries"] => "model.query_position_embeddings".into(),
        ["proposal"] => "model.enc_output".into(),
        ["proposal_norm"] => "model.enc_output_norm".into(),
        ["proposal_box", rest @ ..] => {
            format!("model.encoder_output_bbox_embed.{}", rest.join("."))
        }
        ["boxes", rest @ ..] => format!("bbox_embed.{}", rest.join(".")),
        ["encoder", i, rest @ ..] => format!("model.encoder.layers.{i}.{}", encoder(rest)),
        ["decoder", "norm"] => "model.decoder.layer_norm".into(),
        ["decoder", "places", rest @ ..] => {
            format!("model.decoder.reference_points_head.{}", rest.join("."))
        }
        ["decoder", "layers", i, rest @ ..] => {
            format!("model.decoder.layers.{i}.{}", decoder(rest))
        }
        other => other.join("."),
    }
}

/// A part of a sequence of two.
fn sequential(part: &str) -> usize {
    usize::from(part == "norm")
}

fn attention(part: &str) -> &str {
    if part == "output" { "out_proj" } else { part }
}

fn deformable(part: &str) -> &str {
    match part {
        "offsets" => "sampling_offsets",
        "weights" => "attention_weights",
        "value" => "value_proj",
        "output" => "output_proj",
        other => other,
    }
}

fn encoder(parts: &[&str]) -> String {
    match parts {
        ["fusion", part] => {
            let part = match *part {
                "image_norm" => "layer_norm_vision",
                "text_norm" => "layer_norm_text",
                "image_scale" => "vision_param",
                "text_scale" => "text_param",
                "image" => "attn.vision_proj",
                "text" => "attn.text_proj",
                "image_value" => "attn.values_vision_proj",
                "text_value" => "attn.values_text_proj",
                "image_output" => "attn.out_vision_proj",
                "text_output" => "attn.out_text_proj",
                other => other,
            };
            format!("fusion_layer.{part}")
        }
        ["enhancer", "attention", part] => {
            format!("text_enhancer_layer.self_attn.{}", attention(part))
        }
        ["enhancer", "attention_norm"] => "text_enhancer_layer.layer_norm_before".into(),
        ["enhancer", "mlp", part] => {
            format!("text_enhancer_layer.{}", mlp(part, "layer_norm_after"))
        }
        ["cells", "attention", part] => format!("deformable_layer.self_attn.{}", deformable(part)),
        ["cells", "attention_norm"] => "deformable_layer.self_attn_layer_norm".into(),
        ["cells", "mlp", part] => format!("deformable_layer.{}", mlp(part, "final_layer_norm")),
        other => other.join("."),
    }
}

fn mlp<'a>(part: &'a str, norm: &'a str) -> &'a str {
    match part {
        "up" => "fc1",
        "down" => "fc2",
        _ => norm,
    }
}

fn decoder(parts: &[&str]) -> String {
    match parts {
        ["attention", part] => format!("self_attn.{}", attention(part)),
        ["attention_norm"] => "self_attn_layer_norm".into(),
        ["text", part] => format!("encoder_attn_text.{}", attention(part)),
        ["text_norm"] => "encoder_attn_text_layer_norm".into(),
        ["cells", part] => format!("encoder_attn.{}", deformable(part)),
        ["cells_norm"] => "encoder_attn_layer_norm".into(),
        ["mlp", part] => mlp(part, "final_layer_norm").into(),
        other => other.join("."),
    }
}

/// The names of transformers' files for a tensor of the original implementation: of three where queries, keys
/// and values are one tensor, of none for what the network does not need. `None` for a name that is unknown.
pub fn from_original(name: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = name.split('.').collect();
    let one = |name: String| Some(vec![name]);
    match parts.as_slice() {
        // Labels of the training, a head of BERT, and numbers that follow from the sizes.
        ["label_enc", _] | ["bert", "pooler", ..] | ["bert", "embeddings", "position_ids"] => {
            Some(Vec::new())
        }
        ["backbone", "0", .., "relative_position_index"] => Some(Vec::new()),
        ["backbone", "0", rest @ ..] => {
            let names = swin::names::from_original(rest)?;
            Some(names.into_iter().map(|name| format!("{BACKBONE}.{name}")).collect())
        }
        ["bert", rest @ ..] => one(format!("{TEXT}.{}", rest.join("."))),
        ["feat_map", leaf] => one(format!("model.text_projection.{leaf}")),
        ["input_proj", rest @ ..] => one(format!("model.input_proj_vision.{}", rest.join("."))),
        ["bbox_embed", ..] => one(name.into()),
        ["transformer", "level_embed"] => one("model.level_embed".into()),
        ["transformer", "tgt_embed", leaf] => {
            one(format!("model.query_position_embeddings.{leaf}"))
        }
        ["transformer", part @ ("enc_output" | "enc_output_norm"), leaf] => {
            one(format!("model.{part}.{leaf}"))
        }
        ["transformer", "enc_out_bbox_embed", rest @ ..] => {
            one(format!("model.encoder_output_bbox_embed.{}", rest.join(".")))
        }
        ["transformer", "encoder", kind, i, rest @ ..] => {
            let names = original_encoder(kind, rest)?;
            Some(names.into_iter().map(|name| format!("model.encoder.layers.{i}.{name}")).collect())
        }
        ["transformer", "decoder", "norm", leaf] => one(format!("model.decoder.layer_norm.{leaf}")),
        ["transformer", "decoder", "ref_point_head", rest @ ..] => {
            one(format!("model.decoder.reference_points_head.{}", rest.join(".")))
        }
        ["transformer", "decoder", "bbox_embed", rest @ ..] => {
            one(format!("model.decoder.bbox_embed.{}", rest.join(".")))
        }
        ["transformer", "decoder", "layers", i, rest @ ..] => {
            let names = original_decoder(rest)?;
            Some(names.into_iter().map(|name| format!("model.decoder.layers.{i}.{name}")).collect())
        }
        _ => None,
    }
}

/// PyTorch's attention: three maps in one tensor, and one after them.
fn original_attention(to: &str, parts: &[&str]) -> Option<Vec<String>> {
    match parts {
        ["out_proj", leaf] => Some(vec![format!("{to}.out_proj.{leaf}")]),
        [part] => {
            let leaf = part.strip_prefix("in_proj_")?;
            Some(["query", "key", "value"].map(|part| format!("{to}.{part}.{leaf}")).to_vec())
        }
        _ => None,
    }
}

fn original_encoder(kind: &str, parts: &[&str]) -> Option<Vec<String>> {
    let one = |name: String| Some(vec![name]);
    match (kind, parts) {
        ("fusion_layers", ["gamma_v"]) => one("fusion_layer.vision_param".into()),
        ("fusion_layers", ["gamma_l"]) => one("fusion_layer.text_param".into()),
        ("fusion_layers", ["layer_norm_v", leaf]) => {
            one(format!("fusion_layer.layer_norm_vision.{leaf}"))
        }
        ("fusion_layers", ["layer_norm_l", leaf]) => {
            one(format!("fusion_layer.layer_norm_text.{leaf}"))
        }
        ("fusion_layers", ["attn", part, leaf]) => {
            let part = part.replace("v_proj", "vision_proj").replace("l_proj", "text_proj");
            one(format!("fusion_layer.attn.{part}.{leaf}"))
        }
        ("text_layers", ["self_attn", rest @ ..]) => {
            original_attention("text_enhancer_layer.self_attn", rest)
        }
        ("text_layers", [part, leaf]) => {
            let part = original_mlp(part, ["layer_norm_before", "layer_norm_after", ""])?;
            one(format!("text_enhancer_layer.{part}.{leaf}"))
        }
        ("layers", ["self_attn", part, leaf]) => {
            one(format!("deformable_layer.self_attn.{part}.{leaf}"))
        }
        ("layers", [part, leaf]) => {
            let part = original_mlp(part, ["self_attn_layer_norm", "final_layer_norm", ""])?;
            one(format!("deformable_layer.{part}.{leaf}"))
        }
        _ => None,
    }
}

fn original_decoder(parts: &[&str]) -> Option<Vec<String>> {
    let one = |name: String| Some(vec![name]);
    match parts {
        ["self_attn", rest @ ..] => original_attention("self_attn", rest),
        ["ca_text", rest @ ..] => original_attention("encoder_attn_text", rest),
        ["catext_norm", leaf] => one(format!("encoder_attn_text_layer_norm.{leaf}")),
        ["cross_attn", part, leaf] => one(format!("encoder_attn.{part}.{leaf}")),
        [part, leaf] => {
            let norms = ["encoder_attn_layer_norm", "self_attn_layer_norm", "final_layer_norm"];
            one(format!("{}.{leaf}", original_mlp(part, norms)?))
        }
        _ => None,
    }
}

/// A perceptron's map, or one of the numbered norms.
fn original_mlp<'a>(part: &str, norms: [&'a str; 3]) -> Option<&'a str> {
    let found = match part {
        "linear1" => "fc1",
        "linear2" => "fc2",
        "norm1" => norms[0],
        "norm2" => norms[1],
        "norm3" => norms[2],
        _ => "",
    };
    Some(found).filter(|found| !found.is_empty())
}
