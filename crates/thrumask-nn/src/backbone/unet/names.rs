//! What the modules of a [`super::Unet`] are called in public checkpoints.

use super::UnetConfig;

/// What precedes the U-Net's tensors in the original single file.
pub const SINGLE_FILE: &str = "model.diffusion_model.";

/// The path of a module in the layout of diffusers' `UNetMotionModel`, whose parts `unet/` and
/// `motion_adapter/` have the same names.
pub fn diffusers(path: &str) -> String {
    let parts = path.split('.').collect::<Vec<_>>();
    let rename = |(i, part): (usize, &&str)| match *part {
        "query" => "to_q".to_owned(),
        "key" => "to_k".into(),
        "value" => "to_v".into(),
        "output" => "to_out.0".into(),
        "up" => "net.0.proj".into(),
        "down" => "net.2".into(),
        part if i > 0 && parts[i - 1].ends_with("samplers") => format!("{part}.conv"),
        part => part.to_owned(),
    };
    parts.iter().enumerate().map(rename).collect::<Vec<_>>().join(".")
}

/// The path of a module in the original single file of Stable Diffusion 1.5 (motion modules, which it
/// does not have, keep their names).
pub fn single_file(path: &str, config: &UnetConfig) -> String {
    if path.contains("motion_modules") {
        return diffusers(path);
    }
    let parts: Vec<&str> = path.split('.').collect();
    let number = |i: usize| parts.get(i).and_then(|p| p.parse::<usize>().ok()).unwrap_or(0);
    let per_level = config.layers + 1;
    // Where the block stands, and how many parts of the path say so.
    let (place, used) = match parts[0] {
        "conv_in" => ("input_blocks.0.0".to_owned(), 1),
        "conv_norm_out" => ("out.0".into(), 1),
        "conv_out" => ("out.2".into(), 1),
        "time_embedding" => {
            let layer = if parts.get(1) == Some(&"linear_1") { 0 } else { 2 };
            (format!("time_embed.{layer}"), 2)
        }
        "mid_block" => {
            let attention = parts.get(1) == Some(&"attentions");
            let at = if attention { 1 } else { 2 * number(2) };
            (format!("middle_block.{at}"), 3)
        }
        "down_blocks" => {
            let first = 1 + number(1) * per_level;
            let place = match parts.get(2) {
                Some(&"downsamplers") => format!("input_blocks.{}.0.op", first + config.layers),
                Some(&"attentions") => format!("input_blocks.{}.1", first + number(3)),
                _ => format!("input_blocks.{}.0", first + number(3)),
            };
            (place, 4)
        }
        _ => {
            let (first, level) = (number(1) * per_level, config.levels() - 1 - number(1));
            let after = if config.attention[level] { 2 } else { 1 };
            let place = match parts.get(2) {
                Some(&"upsamplers") => {
                    format!("output_blocks.{}.{after}.conv", first + config.layers)
                }
                Some(&"attentions") => format!("output_blocks.{}.1", first + number(3)),
                _ => format!("output_blocks.{}.0", first + number(3)),
            };
            (place, 4)
        }
    };
    let resnet = parts.contains(&"resnets");
    let rest = parts.get(used..).unwrap_or_default().join(".");
    let rest = match rest.as_str() {
        "norm1" if resnet => "in_layers.0".to_owned(),
        "conv1" if resnet => "in_layers.2".into(),
        "time_emb_proj" if resnet => "emb_layers.1".into(),
        "norm2" if resnet => "out_layers.0".into(),
        "conv2" if resnet => "out_layers.3".into(),
        "conv_shortcut" if resnet => "skip_connection".into(),
        rest => diffusers(rest),
    };
    let dot = if rest.is_empty() { "" } else { "." };
    format!("{SINGLE_FILE}{place}{dot}{rest}")
}

/// The path of a motion module's part in AnimateDiff's own checkpoints.
pub fn animatediff(path: &str) -> String {
    let Some((module, rest)) = path.split_once(".transformer_blocks.") else {
        return match path.rsplit_once('.') {
            Some((module, part)) => format!("{module}.temporal_transformer.{part}"),
            None => path.to_owned(),
        };
    };
    let rest = diffusers(rest)
        .replace("attn1", "attention_blocks.0")
        .replace("attn2", "attention_blocks.1")
        .replace("norm1", "norms.0")
        .replace("norm2", "norms.1")
        .replace("norm3", "ff_norm");
    format!("{module}.temporal_transformer.transformer_blocks.{rest}")
}

/// Whether a public tensor is no parameter but a table that follows from the sizes.
pub fn is_table(name: &str) -> bool {
    name.ends_with(".pos_embed.pe") || name.ends_with(".pos_encoder.pe")
}
