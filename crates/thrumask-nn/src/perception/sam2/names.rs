//! What public files call the parts of a [`Sam2`](super::Sam2), and which of their tensors are its.

use std::collections::BTreeMap;

use super::Sam2Config;
use crate::{
    Error, Result,
    weights::{Mapped, TensorSource, of_any_prefix},
};

/// One of the ways in which weights of this network are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sam2Naming {
    /// Transformers' `Sam2Model` and `Sam2VideoModel`: `vision_encoder.backbone.blocks.0.attn.qkv`.
    Transformers,
    /// The original files `sam2.1_hiera_*.pt`: `image_encoder.trunk.blocks.0.attn.qkv`.
    Original,
}

/// What stands before the names of the original files, whose state lies under a key of its own.
const PREFIX: &str = "model.";

/// What names of the memory's tensors begin with, in both namings.
const MEMORY: [&str; 16] = [
    "memory_attention.",
    "memory_encoder.",
    "mask_downsample.",
    "memory_temporal_positional_encoding",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "object_pointer_proj.",
    "temporal_positional_encoding_projection_layer.",
    "occlusion_spatial_embedding_parameter",
    "maskmem_tpos_enc",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "obj_ptr_proj.",
    "obj_ptr_tpos_proj.",
    "no_obj_embed_spatial",
    "memory.",
];

/// The kinds of points, which are tensors of their own in the original files.
const KINDS: &str = "sam_prompt_encoder.point_embeddings";

impl Sam2Naming {
    /// The naming that the tensors of a source follow.
    pub fn of(source: &dyn TensorSource) -> Self {
        match source.shapes().keys().any(|name| name.contains("vision_encoder.")) {
            true => Self::Transformers,
            false => Self::Original,
        }
    }

    /// The tensors that the network has; `memory` tells whether those of the memory are among them.
    ///
    /// # Errors
    /// [`Error::Weights`] when the kinds of points are of different sizes.
    pub fn part<'a>(self, source: &'a dyn TensorSource, memory: bool) -> Result<Part<'a>> {
        let mut part = Part { source, tensors: BTreeMap::new() };
        let bare = of_any_prefix(source, &[PREFIX]);
        let shapes = source.shapes();
        for name in bare.shapes().into_keys() {
            if !memory && MEMORY.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let full = format!("{PREFIX}{name}");
            let old = if shapes.contains_key(full.as_str()) { full } else { name.to_owned() };
            let shape = shapes.get(old.as_str()).map(|shape| shape.to_vec()).unwrap_or_default();
            part.add(name, old, shape)?;
        }
        Ok(part)
    }

    /// The public path of one of our modules.
    pub fn rename(self, path: &str, config: &Sam2Config) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["image_encoder", "finest"] => format!("{}.conv_s0", self.decoder()),
            ["image_encoder", "finer"] => format!("{}.conv_s1", self.decoder()),
            ["image_encoder", rest @ ..] => self.encoder(rest),
            ["prompt_encoder", rest @ ..] => self.prompts(rest),
            ["mask_decoder", "transformer", rest @ ..] => {
                format!("{}.transformer.{}", self.decoder(), self.transformer(rest))
            }
            ["mask_decoder", rest @ ..] => {
                format!("{}.{}", self.decoder(), self.heads(rest, config.mask_decoder.iou_depth))
            }
            ["no_memory"] => self.either("no_memory_embedding", "no_mem_embed").into(),
            other => other.join("."),
        }
    }

    fn either<'a>(self, transformers: &'a str, original: &'a str) -> &'a str {
        match self {
            Self::Transformers => transformers,
            Self::Original => original,
        }
    }

    fn decoder(self) -> &'static str {
        self.either("mask_decoder", "sam_mask_decoder")
    }

    /// A norm that is counted from 1.
    fn norm(self, number: usize) -> String {
        format!("{}{number}", self.either("layer_norm", "norm"))
    }

    /// A layer of a perceptron, of how many.
    fn layer(self, number: &str, depth: usize) -> String {
        let layer = number.parse::<usize>().unwrap_or(0);
        match self {
            Self::Original => format!("layers.{layer}"),
            Self::Transformers if layer == 0 => "proj_in".into(),
            Self::Transformers if layer + 1 == depth => "proj_out".into(),
            Self::Transformers => format!("layers.{}", layer - 1),
        }
    }

    fn encoder(self, parts: &[&str]) -> String {
        let trunk = self.either("vision_encoder.backbone", "image_encoder.trunk");
        match parts {
            ["trunk"] => {
                format!("{trunk}.patch_embed.{}", self.either("projection", "proj"))
            }
            ["trunk", "positions"] => trunk.into(),
            ["trunk", "blocks", i, rest @ ..] => {
                let part = match rest {
                    ["attention_norm"] => self.norm(1),
                    ["attention", "qkv"] => "attn.qkv".into(),
                    ["attention", "output"] => "attn.proj".into(),
                    ["mlp_norm"] => self.norm(2),
                    ["up"] => format!("mlp.{}", self.layer("0", 2)),
                    ["down"] => format!("mlp.{}", self.layer("1", 2)),
                    ["around"] => "proj".into(),
                    other => other.join("."),
                };
                format!("{trunk}.blocks.{i}.{part}")
            }
            ["neck", "laterals", i] => match self {
                Self::Transformers => format!("vision_encoder.neck.convs.{i}"),
                Self::Original => format!("image_encoder.neck.convs.{i}.conv"),
            },
            other => format!("image_encoder.{}", other.join(".")),
        }
    }

    fn prompts(self, parts: &[&str]) -> String {
        let prefix = self.either("prompt_encoder", "sam_prompt_encoder");
        let part = match (self, parts) {
            (Self::Original, ["points" | "picture", "places"]) => {
                "pe_layer.positional_encoding_gaussian_matrix"
            }
            (_, ["points", "places"]) => "shared_embedding.positional_embedding",
            (_, ["picture", "places"]) => {
                return "shared_image_embedding.positional_embedding".into();
            }
            (_, ["kinds"]) => self.either("point_embed", "point_embeddings"),
            (_, ["nothing"]) => "not_a_point_embed",
            (_, ["no_mask"]) => "no_mask_embed",
            (_, ["mask", "first"]) => self.either("mask_embed.conv1", "mask_downscaling.0"),
            (_, ["mask", "first_norm"]) => {
                self.either("mask_embed.layer_norm1", "mask_downscaling.1")
            }
            (_, ["mask", "second"]) => self.either("mask_embed.conv2", "mask_downscaling.3"),
            (_, ["mask", "second_norm"]) => {
                self.either("mask_embed.layer_norm2", "mask_downscaling.4")
            }
            (_, ["mask", "output"]) => self.either("mask_embed.conv3", "mask_downscaling.6"),
            (_, other) => return format!("{prefix}.{}", other.join(".")),
        };
        format!("{prefix}.{part}")
    }

    fn transformer(self, parts: &[&str]) -> String {
        let attention = |part: &str| match part {
            "query" => "q_proj",
            "key" => "k_proj",
            "value" => "v_proj",
            _ => self.either("o_proj", "out_proj"),
        };
        match parts {
            ["last", part] => format!("final_attn_token_to_image.{}", attention(part)),
            ["last_norm"] => self.either("layer_norm_final_attn", "norm_final_attn").into(),
            ["blocks", i, rest @ ..] => {
                let part = match rest {
                    ["among", part] => format!("self_attn.{}", attention(part)),
                    ["among_norm"] => self.norm(1),
                    ["to_picture", part] => {
                        format!("cross_attn_token_to_image.{}", attention(part))
                    }
                    ["to_picture_norm"] => self.norm(2),
                    ["mlp", "layers", j] => format!("mlp.{}", self.layer(j, 2)),
                    ["mlp_norm"] => self.norm(3),
                    ["to_tokens", part] => format!("cross_attn_image_to_token.{}", attention(part)),
                    ["to_tokens_norm"] => self.norm(4),
                    other => other.join("."),
                };
                format!("layers.{i}.{part}")
            }
            other => other.join("."),
        }
    }

    fn heads(self, parts: &[&str], iou_depth: usize) -> String {
        match parts {
            ["object_token"] => "obj_score_token".into(),
            ["upscale", "first"] => self.either("upscale_conv1", "output_upscaling.0").into(),
            ["upscale", "norm"] => self.either("upscale_layer_norm", "output_upscaling.1").into(),
            ["upscale", "second"] => self.either("upscale_conv2", "output_upscaling.3").into(),
            ["masks", i, "layers", j] => {
                format!("output_hypernetworks_mlps.{i}.{}", self.layer(j, 3))
            }
            ["iou", "layers", j] => format!("iou_prediction_head.{}", self.layer(j, iou_depth)),
            ["object", "layers", j] => format!("pred_obj_score_head.{}", self.layer(j, 3)),
            other => other.join("."),
        }
    }
}

/// Tensors of a source, some of them several of it one after the other.
pub struct Part<'a> {
    source: &'a dyn TensorSource,
    /// Names in the source, and the shape, by the name here.
    tensors: BTreeMap<String, (Vec<String>, Vec<usize>)>,
}

impl Part<'_> {
    /// Takes a tensor in; those of the kinds of points follow each other.
    fn add(&mut self, name: &str, old: String, shape: Vec<usize>) -> Result<()> {
        let numbered = name.strip_prefix(KINDS).is_some_and(|rest| rest.ends_with(".weight"));
        let name = match numbered {
            true => format!("{KINDS}.weight"),
            false => name.to_owned(),
        };
        match self.tensors.get_mut(&name) {
            None => _ = self.tensors.insert(name, (vec![old], shape)),
            Some((names, all)) if all.len() > 1 && all[1..] == shape[1.min(shape.len())..] => {
                names.push(old);
                all[0] += shape[0];
            }
            Some((_, all)) => {
                let reason = format!("expected rows of {:?}, got {shape:?}", &all[1..]);
                return Err(Error::weights(old, reason));
            }
        }
        Ok(())
    }
}

impl TensorSource for Part<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.tensors.iter().map(|(name, (_, shape))| (name.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let found = self.tensors.get(name);
        let (names, _) = found.ok_or_else(|| Error::weights(name, "no tensor of this name"))?;
        let values: Result<Vec<Vec<f32>>> = names.iter().map(|n| self.source.values(n)).collect();
        Ok(values?.concat())
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        match self.tensors.get(name)?.0.as_slice() {
            [one] => self.source.mapped(one),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFile;

    #[test]
    fn paths_of_each_naming() {
        let config = Sam2Config::tiny();
        for (ours, transformers, original) in [
            (
                "image_encoder.trunk.blocks.3.down",
                "vision_encoder.backbone.blocks.3.mlp.proj_out",
                "image_encoder.trunk.blocks.3.mlp.layers.1",
            ),
            (
                "mask_decoder.masks.2.layers.1",
                "mask_decoder.output_hypernetworks_mlps.2.layers.0",
                "sam_mask_decoder.output_hypernetworks_mlps.2.layers.1",
            ),
            (
                "mask_decoder.transformer.blocks.1.to_picture.output",
                "mask_decoder.transformer.layers.1.cross_attn_token_to_image.o_proj",
                "sam_mask_decoder.transformer.layers.1.cross_attn_token_to_image.out_proj",
            ),
            ("no_memory", "no_memory_embedding", "no_mem_embed"),
        ] {
            assert_eq!(Sam2Naming::Transformers.rename(ours, &config), transformers);
            assert_eq!(Sam2Naming::Original.rename(ours, &config), original);
        }
    }

    #[test]
    fn kinds_follow_each_other_and_the_memory_is_left_out() {
        let mut file = WeightFile::default();
        for (i, name) in ["0", "1", "2", "3"].iter().enumerate() {
            let name = format!("model.{KINDS}.{name}.weight");
            file.tensors.insert(name, (vec![1, 2], vec![i as f32; 2]));
        }
        file.tensors.insert("model.no_obj_ptr".into(), (vec![1], vec![0.0]));
        let naming = Sam2Naming::of(&file);
        assert_eq!(naming, Sam2Naming::Original);
        let part = naming.part(&file, false).unwrap();
        let name = format!("{KINDS}.weight");
        assert_eq!(part.shapes(), BTreeMap::from([(name.as_str(), [4, 2].as_slice())]));
        assert_eq!(part.values(&name).unwrap(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
        assert!(naming.part(&file, true).unwrap().shapes().contains_key("no_obj_ptr"));
        file.tensors.insert(format!("model.{KINDS}.4.weight"), (vec![1, 3], vec![0.0; 3]));
        assert!(naming.part(&file, false).is_err());
    }
}
