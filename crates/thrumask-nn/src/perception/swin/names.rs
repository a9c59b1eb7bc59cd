//! What public files call the parts of a [`Swin`](super::Swin).

use super::SwinConfig;

/// The path of one of our modules in the files that transformers writes.
pub fn rename(parts: &[&str], config: &SwinConfig) -> String {
    match parts {
        ["patches"] => "embeddings.patch_embeddings.projection".into(),
        ["norm"] => "embeddings.norm".into(),
        ["norms", i] => {
            let stage = i.parse().ok().and_then(|i: usize| config.out.get(i).copied());
            format!("hidden_states_norms.stage{}", stage.unwrap_or_default())
        }
        ["stages", i, "merge", "norm"] => format!("encoder.layers.{i}.downsample.norm"),
        ["stages", i, "merge", "map"] => format!("encoder.layers.{i}.downsample.reduction"),
        ["stages", i, "blocks", j, rest @ ..] => {
            let part = match rest {
                ["attention_norm"] => "layernorm_before".into(),
                ["mlp_norm"] => "layernorm_after".into(),
                ["attention", "output"] => "attention.output.dense".into(),
                ["attention", part] => format!("attention.self.{part}"),
                ["positions"] => "attention.self.relative_position_bias_table".into(),
                ["up"] => "intermediate.dense".into(),
                ["down"] => "output.dense".into(),
                other => other.join("."),
            };
            format!("encoder.layers.{i}.blocks.{j}.{part}")
        }
        other => other.join("."),
    }
}

/// The names of transformers' files for a tensor of the original implementation, by the parts of its name:
/// queries, keys and values are one tensor there. `None` for what is no part of the network.
pub fn from_original(parts: &[&str]) -> Option<Vec<String>> {
    let one = |name: String| Some(vec![name]);
    match parts {
        ["patch_embed", "proj", leaf] => {
            one(format!("embeddings.patch_embeddings.projection.{leaf}"))
        }
        ["patch_embed", "norm", leaf] => one(format!("embeddings.norm.{leaf}")),
        ["layers", i, "downsample", rest @ ..] => {
            one(format!("encoder.layers.{i}.downsample.{}", rest.join(".")))
        }
        ["layers", i, "blocks", j, rest @ ..] => {
            let within = |part: &str| format!("encoder.layers.{i}.blocks.{j}.{part}");
            match rest {
                ["norm1", leaf] => one(within(&format!("layernorm_before.{leaf}"))),
                ["norm2", leaf] => one(within(&format!("layernorm_after.{leaf}"))),
                ["mlp", "fc1", leaf] => one(within(&format!("intermediate.dense.{leaf}"))),
                ["mlp", "fc2", leaf] => one(within(&format!("output.dense.{leaf}"))),
                ["attn", "proj", leaf] => one(within(&format!("attention.output.dense.{leaf}"))),
                ["attn", "qkv", leaf] => {
                    let part = |part| within(&format!("attention.self.{part}.{leaf}"));
                    Some(["query", "key", "value"].map(part).to_vec())
                }
                ["attn", "relative_position_bias_table"] => {
                    one(within("attention.self.relative_position_bias_table"))
                }
                _ => None,
            }
        }
        [norm, leaf] => {
            let stage: usize = norm.strip_prefix("norm")?.parse().ok()?;
            one(format!("hidden_states_norms.stage{}.{leaf}", stage + 1))
        }
        _ => None,
    }
}
