//! What public files call the parts of a [`ClipText`](super::ClipText).

use crate::weights::{Renamed, TensorSource, of_any_prefix};

/// Where the network's tensors may lie: in a file with all networks of Stable Diffusion, or in a
/// folder. Files without a prefix are read too.
pub const PREFIXES: [&str; 2] = ["cond_stage_model.transformer.text_model.", "text_model."];

/// The network's tensors in a source, without the numbered positions that older files hold.
pub fn part(source: &dyn TensorSource) -> Renamed<'_> {
    of_any_prefix(source, &PREFIXES).without("embeddings.position_ids")
}

/// The public path of one of our modules, after the prefix.
pub fn rename(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts[..] {
        ["tokens"] => "embeddings.token_embedding".into(),
        ["positions"] => "embeddings.position_embedding".into(),
        ["norm"] => "final_layer_norm".into(),
        ["blocks", i, ref rest @ ..] => {
            let part = match rest {
                ["attention_norm"] => "layer_norm1",
                ["attention", "query"] => "self_attn.q_proj",
                ["attention", "key"] => "self_attn.k_proj",
                ["attention", "value"] => "self_attn.v_proj",
                ["attention", "output"] => "self_attn.out_proj",
                ["mlp_norm"] => "layer_norm2",
                ["up"] => "mlp.fc1",
                ["down"] => "mlp.fc2",
                other => return format!("encoder.layers.{i}.{}", other.join(".")),
            };
            format!("encoder.layers.{i}.{part}")
        }
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (ours, public) in [
            ("tokens", "embeddings.token_embedding"),
            ("positions", "embeddings.position_embedding"),
            ("blocks.11.attention.value", "encoder.layers.11.self_attn.v_proj"),
            ("blocks.0.attention_norm", "encoder.layers.0.layer_norm1"),
            ("blocks.0.mlp_norm", "encoder.layers.0.layer_norm2"),
            ("blocks.0.up", "encoder.layers.0.mlp.fc1"),
            ("norm", "final_layer_norm"),
        ] {
            assert_eq!(rename(ours), public);
        }
    }
}
