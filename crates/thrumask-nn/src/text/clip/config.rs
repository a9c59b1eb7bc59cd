//! Sizes of a [`ClipText`](super::ClipText), ours and as public folders write them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, layers::norm::EPSILON};

/// What stands between the two layers of a perceptron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x·sigmoid(1.702·x), as OpenAI's networks have it.
    QuickGelu,
    /// x·Φ(x), as later networks have it.
    Gelu,
}

/// Sizes of a [`ClipText`](super::ClipText).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClipTextConfig {
    /// Number of token ids.
    pub vocabulary: usize,
    /// The most tokens of one text, start and end included.
    pub positions: usize,
    /// Channels.
    pub width: usize,
    /// Transformer blocks.
    pub depth: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Hidden units of a perceptron.
    pub hidden: usize,
    /// What its hidden units go through.
    pub activation: Activation,
}

impl ClipTextConfig {
    /// The text tower of ViT-L/14, as Stable Diffusion 1.x reads: 123 million parameters.
    pub fn vit_l_14() -> Self {
        Self {
            vocabulary: 49408,
            positions: 77,
            width: 768,
            depth: 12,
            heads: 12,
            hidden: 3072,
            activation: Activation::QuickGelu,
        }
    }

    /// A size for tests.
    pub fn tiny() -> Self {
        Self {
            vocabulary: 40,
            positions: 12,
            width: 16,
            depth: 3,
            heads: 2,
            hidden: 24,
            activation: Activation::QuickGelu,
        }
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero or the heads do not divide the width.
    pub fn check(&self) -> Result<()> {
        let Self { vocabulary, positions, width, depth, heads, hidden, .. } = *self;
        if [vocabulary, positions, width, depth, heads, hidden].contains(&0) {
            let reason = format!("expected sizes above zero, got {self:?}");
            return Err(Error::config("CLIP text encoder", reason));
        }
        if !width.is_multiple_of(heads) {
            let reason = format!("expected a width in multiples of {heads} heads, got {width}");
            return Err(Error::config("CLIP text encoder", reason));
        }
        Ok(())
    }

    /// The sizes that the `config.json` of a `text_encoder` folder gives. What it does not give is as
    /// transformers' `CLIPTextConfig` (5.23) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_transformers(json: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of the text encoder", reason);
        // As a map first: an empty list would do for a struct of which nothing need be given.
        let keys = serde_json::from_str::<serde_json::Map<_, _>>(json);
        let public = keys.and_then(|keys| serde_json::from_value::<Public>(keys.into()));
        let public = public.map_err(|e| refuse(e.to_string()))?;
        if public.model_type != "clip_text_model" {
            let got = public.model_type;
            return Err(refuse(format!("model_type: expected clip_text_model, got {got:?}")));
        }
        let activation = match public.hidden_act.as_str() {
            "quick_gelu" => Activation::QuickGelu,
            "gelu" => Activation::Gelu,
            other => {
                let reason = format!("hidden_act: expected quick_gelu or gelu, got {other:?}");
                return Err(refuse(reason));
            }
        };
        if public.layer_norm_eps != EPSILON {
            let got = public.layer_norm_eps;
            return Err(refuse(format!("layer_norm_eps: expected {EPSILON:e}, got {got:e}")));
        }
        let config = Self {
            vocabulary: public.vocab_size,
            positions: public.max_position_embeddings,
            width: public.hidden_size,
            depth: public.num_hidden_layers,
            heads: public.num_attention_heads,
            hidden: public.intermediate_size,
            activation,
        };
        config.check()?;
        Ok(config)
    }
}

/// `config.json` of transformers' `CLIPTextModel`.
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
    hidden_act: String,
    layer_norm_eps: f32,
}

impl Default for Public {
    fn default() -> Self {
        Self {
            model_type: "clip_text_model".into(),
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".into(),
            layer_norm_eps: 1e-5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of Stable Diffusion 1.5.
    const SD15: &str = r#"{
        "_name_or_path": "openai/clip-vit-large-patch14", "architectures": ["CLIPTextModel"],
        "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2,
        "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor": 1.0,
        "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
        "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768,
        "torch_dtype": "float32", "transformers_version": "4.22.0.dev0", "vocab_size": 49408
    }"#;

    #[test]
    fn the_public_file_is_the_named_size() {
        let read = ClipTextConfig::from_transformers(SD15).unwrap();
        assert_eq!(read, ClipTextConfig::vit_l_14());
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (from, to, key) in [
            ("\"quick_gelu\"", "\"relu\"", "hidden_act"),
            ("\"clip_text_model\"", "\"t5\"", "model_type"),
            ("1e-05", "1e-6", "layer_norm_eps"),
            ("\"hidden_size\": 768", "\"hidden_size\": 770", "heads"),
            ("\"vocab_size\": 49408", "\"vocab_size\": 0", "above zero"),
        ] {
            let changed = SD15.replace(from, to);
            assert_ne!(changed, SD15);
            let error = ClipTextConfig::from_transformers(&changed).unwrap_err().to_string();
            assert!(error.contains(key), "{key} in {error}");
        }
        assert!(ClipTextConfig::from_transformers("[]").is_err());
    }
}
