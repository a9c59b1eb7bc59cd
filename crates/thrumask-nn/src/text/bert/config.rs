//! Sizes of a [`Bert`](super::Bert), ours and as public files write them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Sizes of a [`Bert`](super::Bert).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BertConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Number of positions.
    pub positions: usize,
    /// Kinds of tokens; all are of the first here.
    pub kinds: usize,
    /// Channels.
    pub width: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden units of a perceptron.
    pub hidden: usize,
    /// Added to the variance by every norm.
    pub epsilon: f32,
}

impl BertConfig {
    /// `bert-base-uncased`: 109 million parameters.
    pub fn base_uncased() -> Self {
        Self {
            vocabulary: 30522,
            positions: 512,
            kinds: 2,
            width: 768,
            depth: 12,
            heads: 12,
            hidden: 3072,
            epsilon: 1e-12,
        }
    }

    /// A size for tests, with the special tokens of the public vocabulary.
    pub fn test() -> Self {
        Self {
            vocabulary: 1032,
            positions: 32,
            width: 16,
            depth: 2,
            heads: 2,
            hidden: 24,
            ..Self::base_uncased()
        }
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero or the heads do not divide the width.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, positions, kinds, width, depth, heads, hidden, epsilon } = *self;
        let sizes = [vocabulary, positions, kinds, width, depth, heads, hidden];
        if sizes.contains(&0) || !epsilon.is_finite() || epsilon < 0.0 {
            return Err(Error::config("BERT", format!("expected sizes above zero, got {self:?}")));
        }
        if !width.is_multiple_of(heads) {
            let reason = format!("expected a width in multiples of {heads} heads, got {width}");
            return Err(Error::config("BERT", reason));
        }
        Ok(())
    }

    /// The sizes that a `config.json` of transformers gives. What it does not give is as transformers'
    /// `BertConfig` (5.23) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_transformers(config: &serde_json::Value) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of BERT", reason);
        if !config.is_object() {
            return Err(refuse(format!("expected keys and values, got {config}")));
        }
        let public = serde_json::from_value::<Public>(config.clone());
        let public = public.map_err(|e| refuse(e.to_string()))?;
        for (key, expected, got) in [
            ("model_type", "bert", &public.model_type),
            ("hidden_act", "gelu", &public.hidden_act),
            ("position_embedding_type", "absolute", &public.position_embedding_type),
        ] {
            if got != expected {
                return Err(refuse(format!("{key}: expected {expected}, got {got:?}")));
            }
        }
        let config = Self {
            vocabulary: public.vocab_size,
            positions: public.max_position_embeddings,
            kinds: public.type_vocab_size,
            width: public.hidden_size,
            depth: public.num_hidden_layers,
            heads: public.num_attention_heads,
            hidden: public.intermediate_size,
            epsilon: public.layer_norm_eps,
        };
        config.check()?;
        Ok(config)
    }

    /// As transformers writes it.
    pub fn to_transformers(&self) -> serde_json::Value {
        serde_json::json!({
            "model_type": "bert",
            "hidden_act": "gelu",
            "vocab_size": self.vocabulary,
            "max_position_embeddings": self.positions,
            "type_vocab_size": self.kinds,
            "hidden_size": self.width,
            "num_hidden_layers": self.depth,
            "num_attention_heads": self.heads,
            "intermediate_size": self.hidden,
            "layer_norm_eps": self.epsilon,
        })
    }
}

/// `config.json` of transformers' `BertModel`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Public {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    hidden_act: String,
    position_embedding_type: String,
    layer_norm_eps: f32,
}

impl Default for Public {
    fn default() -> Self {
        let base = BertConfig::base_uncased();
        Self {
            model_type: "bert".into(),
            vocab_size: base.vocabulary,
            hidden_size: base.width,
            intermediate_size: base.hidden,
            num_hidden_layers: base.depth,
            num_attention_heads: base.heads,
            max_position_embeddings: base.positions,
            type_vocab_size: base.kinds,
            hidden_act: "gelu".into(),
            position_embedding_type: "absolute".into(),
            layer_norm_eps: base.epsilon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_the_public_size() {
        let read = |config: &serde_json::Value| BertConfig::from_transformers(config);
        assert_eq!(read(&serde_json::json!({})).unwrap(), BertConfig::base_uncased());
        let test = BertConfig::test();
        assert_eq!(read(&test.to_transformers()).unwrap(), test);
        for (key, value) in [
            ("hidden_act", serde_json::json!("relu")),
            ("model_type", serde_json::json!("roberta")),
            ("position_embedding_type", serde_json::json!("relative_key")),
            ("num_attention_heads", serde_json::json!(7)),
            ("vocab_size", serde_json::json!(0)),
        ] {
            let mut changed = test.to_transformers();
            changed[key] = value;
            assert!(read(&changed).is_err(), "{key}");
        }
        assert!(read(&serde_json::json!([])).is_err());
    }
}
