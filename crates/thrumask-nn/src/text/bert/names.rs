//! What public files call the parts of a [`Bert`](super::Bert).

/// The public path of one of our modules.
pub fn rename(parts: &[&str]) -> String {
    match parts {
        ["words"] => "embeddings.word_embeddings".into(),
        ["positions"] => "embeddings.position_embeddings".into(),
        ["kinds"] => "embeddings.token_type_embeddings".into(),
        ["norm"] => "embeddings.LayerNorm".into(),
        ["blocks", i, rest @ ..] => {
            let part = match rest {
                ["attention", "output"] => "attention.output.dense".into(),
                ["attention", part] => format!("attention.self.{part}"),
                ["attention_norm"] => "attention.output.LayerNorm".into(),
                ["up"] => "intermediate.dense".into(),
                ["down"] => "output.dense".into(),
                ["norm"] => "output.LayerNorm".into(),
                other => other.join("."),
            };
            format!("encoder.layer.{i}.{part}")
        }
        other => other.join("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (ours, public) in [
            ("words", "embeddings.word_embeddings"),
            ("norm", "embeddings.LayerNorm"),
            ("blocks.3.attention.key", "encoder.layer.3.attention.self.key"),
            ("blocks.3.attention.output", "encoder.layer.3.attention.output.dense"),
            ("blocks.0.attention_norm", "encoder.layer.0.attention.output.LayerNorm"),
            ("blocks.0.down", "encoder.layer.0.output.dense"),
            ("blocks.11.norm", "encoder.layer.11.output.LayerNorm"),
        ] {
            assert_eq!(rename(&ours.split('.').collect::<Vec<_>>()), public);
        }
    }
}
