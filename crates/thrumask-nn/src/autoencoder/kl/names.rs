//! What public files call the parts of an [`AutoencoderKl`](super::AutoencoderKl): pure functions from
//! our paths of modules.

use crate::weights::TensorSource;

/// One of the ways in which weights of this network are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KlNaming {
    /// A diffusers folder: `mid_block.attentions.0.to_q`.
    Diffusers,
    /// A diffusers folder from before version 0.18: `mid_block.attentions.0.query`.
    OldDiffusers,
    /// The file of the original implementation, without `first_stage_model.`: `mid.attn_1.q`.
    Original,
}

/// What stands before the names of this network in a file with all networks of Stable Diffusion.
pub const SINGLE_FILE_PREFIX: &str = "first_stage_model.";

impl KlNaming {
    /// The naming that the tensors of a source follow.
    pub fn of(source: &dyn TensorSource) -> Self {
        let shapes = source.shapes();
        let any = |part: &str| shapes.keys().any(|name| name.contains(part));
        if any(".down.0.block.") {
            Self::Original
        } else if any(".attentions.0.query.") {
            Self::OldDiffusers
        } else {
            Self::Diffusers
        }
    }

    /// The public path of one of our modules; `levels` is the number of resolutions.
    pub fn rename(self, path: &str, levels: usize) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match self {
            Self::Original => original(&parts, levels),
            Self::Diffusers => diffusers(&parts, ["to_q", "to_k", "to_v", "to_out.0"]),
            Self::OldDiffusers => diffusers(&parts, ["query", "key", "value", "proj_attn"]),
        }
    }
}

fn diffusers(parts: &[&str], attention: [&str; 4]) -> String {
    match parts {
        [half, "input"] => format!("{half}.conv_in"),
        [half, "output", "norm"] => format!("{half}.conv_norm_out"),
        [half, "output", "conv"] => format!("{half}.conv_out"),
        [half, "middle", "first", part] => format!("{half}.mid_block.resnets.0.{}", inside(part)),
        [half, "middle", "second", part] => format!("{half}.mid_block.resnets.1.{}", inside(part)),
        [half, "middle", "attention", part] => {
            let part = match *part {
                "norm" => "group_norm",
                part => attention_part(part, attention),
            };
            format!("{half}.mid_block.attentions.0.{part}")
        }
        [half, "levels", i, "blocks", j, part] => {
            let side = if *half == "encoder" { "down" } else { "up" };
            format!("{half}.{side}_blocks.{i}.resnets.{j}.{}", inside(part))
        }
        ["encoder", "levels", i, "resample"] => {
            format!("encoder.down_blocks.{i}.downsamplers.0.conv")
        }
        ["decoder", "levels", i, "resample"] => format!("decoder.up_blocks.{i}.upsamplers.0.conv"),
        other => other.join("."),
    }
}

/// A part of a residual block.
fn inside(part: &str) -> &str {
    if part == "shortcut" { "conv_shortcut" } else { part }
}

fn attention_part<'a>(part: &'a str, names: [&'a str; 4]) -> &'a str {
    let ours = ["query", "key", "value", "output"];
    ours.iter().position(|&name| name == part).map_or(part, |i| names[i])
}

fn original(parts: &[&str], levels: usize) -> String {
    let inside = |part: &&str| if *part == "shortcut" { "nin_shortcut" } else { *part }.to_owned();
    match parts {
        [half, "input"] => format!("{half}.conv_in"),
        [half, "output", "norm"] => format!("{half}.norm_out"),
        [half, "output", "conv"] => format!("{half}.conv_out"),
        [half, "middle", "first", part] => format!("{half}.mid.block_1.{}", inside(part)),
        [half, "middle", "second", part] => format!("{half}.mid.block_2.{}", inside(part)),
        [half, "middle", "attention", part] => {
            format!("{half}.mid.attn_1.{}", attention_part(part, ["q", "k", "v", "proj_out"]))
        }
        // The decoder's levels are counted from the finest.
        ["decoder", "levels", i, rest @ ..] => {
            let i = i.parse::<usize>().map_or(0, |i| levels.saturating_sub(i + 1));
            match rest {
                ["blocks", j, part] => format!("decoder.up.{i}.block.{j}.{}", inside(part)),
                _ => format!("decoder.up.{i}.upsample.conv"),
            }
        }
        ["encoder", "levels", i, "blocks", j, part] => {
            format!("encoder.down.{i}.block.{j}.{}", inside(part))
        }
        ["encoder", "levels", i, "resample"] => format!("encoder.down.{i}.downsample.conv"),
        other => other.join("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_each_naming() {
        use KlNaming::{Diffusers, OldDiffusers, Original};
        for (naming, ours, public) in [
            (Diffusers, "quant_conv", "quant_conv"),
            (Diffusers, "encoder.input", "encoder.conv_in"),
            (Diffusers, "decoder.output.norm", "decoder.conv_norm_out"),
            (
                Diffusers,
                "encoder.levels.1.blocks.0.shortcut",
                "encoder.down_blocks.1.resnets.0.conv_shortcut",
            ),
            (Diffusers, "decoder.levels.1.resample", "decoder.up_blocks.1.upsamplers.0.conv"),
            (
                Diffusers,
                "encoder.middle.attention.norm",
                "encoder.mid_block.attentions.0.group_norm",
            ),
            (
                Diffusers,
                "encoder.middle.attention.output",
                "encoder.mid_block.attentions.0.to_out.0",
            ),
            (OldDiffusers, "decoder.middle.attention.key", "decoder.mid_block.attentions.0.key"),
            (
                OldDiffusers,
                "decoder.middle.attention.output",
                "decoder.mid_block.attentions.0.proj_attn",
            ),
            (OldDiffusers, "decoder.middle.second.conv2", "decoder.mid_block.resnets.1.conv2"),
            (Original, "decoder.middle.second.conv2", "decoder.mid.block_2.conv2"),
            (Original, "decoder.levels.0.blocks.2.norm1", "decoder.up.3.block.2.norm1"),
            (Original, "decoder.levels.2.blocks.0.shortcut", "decoder.up.1.block.0.nin_shortcut"),
            (Original, "decoder.levels.2.resample", "decoder.up.1.upsample.conv"),
            (Original, "encoder.levels.2.resample", "encoder.down.2.downsample.conv"),
            (Original, "encoder.output.norm", "encoder.norm_out"),
            (Original, "encoder.middle.attention.query", "encoder.mid.attn_1.q"),
            (Original, "post_quant_conv", "post_quant_conv"),
        ] {
            assert_eq!(naming.rename(ours, 4), public, "{naming:?}");
        }
    }
}
