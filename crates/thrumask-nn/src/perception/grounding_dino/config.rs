//! Sizes of a [`GroundingDino`](super::GroundingDino), ours and as public files write them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Error, Result, layers::norm::EPSILON, perception::swin::SwinConfig, text::bert::BertConfig,
};

/// Groups of the norms of image features.
pub(super) const GROUPS: usize = 32;

/// Sizes of a [`GroundingDino`](super::GroundingDino).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundingDinoConfig {
    /// The network that looks at pictures.
    pub backbone: SwinConfig,
    /// The network that reads texts.
    pub text: BertConfig,
    /// Channels of encoder and decoder; a multiple of 32.
    pub width: usize,
    /// Boxes that are looked for.
    pub queries: usize,
    /// Resolutions of the picture: those of the backbone, then halves of the last.
    pub levels: usize,
    /// Layers of the encoder.
    pub encoder_layers: usize,
    /// Attention heads of the encoder, and half as many where texts are concerned.
    pub encoder_heads: usize,
    /// Hidden units of the encoder's perceptrons, and half as many where texts are concerned.
    pub encoder_hidden: usize,
    /// Places that a head of the encoder looks at on each level.
    pub encoder_points: usize,
    /// Layers of the decoder.
    pub decoder_layers: usize,
    /// Attention heads of the decoder.
    pub decoder_heads: usize,
    /// Hidden units of the decoder's perceptrons.
    pub decoder_hidden: usize,
    /// Places that a head of the decoder looks at on each level.
    pub decoder_points: usize,
    /// The most tokens of a text.
    pub max_tokens: usize,
    /// Longest wave of the positions of image features.
    pub temperature: f32,
    /// Whether all layers of the decoder share what moves their boxes.
    pub shared_boxes: bool,
}

impl GroundingDinoConfig {
    /// `grounding-dino-tiny`, on Swin-T (`groundingdino_swint_ogc`): 172 million parameters.
    pub fn tiny() -> Self {
        Self {
            backbone: SwinConfig::tiny(),
            text: BertConfig::base_uncased(),
            width: 256,
            queries: 900,
            levels: 4,
            encoder_layers: 6,
            encoder_heads: 8,
            encoder_hidden: 2048,
            encoder_points: 4,
            decoder_layers: 6,
            decoder_heads: 8,
            decoder_hidden: 2048,
            decoder_points: 4,
            max_tokens: 256,
            temperature: 20.0,
            shared_boxes: true,
        }
    }

    /// `grounding-dino-base`, on Swin-B (`groundingdino_swinb_cogcoor`): 232 million parameters.
    pub fn base() -> Self {
        Self { backbone: SwinConfig::base(), ..Self::tiny() }
    }

    /// A size for tests.
    pub fn test() -> Self {
        Self {
            backbone: SwinConfig::test(),
            text: BertConfig::test(),
            width: 32,
            queries: 6,
            levels: 3,
            encoder_layers: 1,
            encoder_heads: 4,
            encoder_hidden: 32,
            encoder_points: 2,
            decoder_layers: 2,
            decoder_heads: 4,
            decoder_hidden: 24,
            decoder_points: 3,
            ..Self::tiny()
        }
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero or does not divide into its parts.
    pub fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::config("Grounding DINO", reason));
        self.backbone.check()?;
        self.text.check()?;
        let sizes = [
            self.queries,
            self.encoder_layers,
            self.encoder_points,
            self.decoder_layers,
            self.decoder_points,
            self.decoder_hidden,
            self.max_tokens,
        ];
        if sizes.contains(&0)
            || self.encoder_hidden < 2
            || !self.temperature.is_finite()
            || self.temperature <= 0.0
        {
            return refuse(format!("expected sizes above zero, got {self:?}"));
        }
        if self.width == 0 || !self.width.is_multiple_of(GROUPS) {
            return refuse(format!(
                "expected a width in multiples of {GROUPS}, got {}",
                self.width
            ));
        }
        let halves = [self.encoder_heads / 2, self.encoder_heads, self.decoder_heads];
        if halves.iter().any(|&heads| heads == 0 || !self.width.is_multiple_of(heads)) {
            return refuse(format!("expected heads that divide {}, got {halves:?}", self.width));
        }
        if !(self.encoder_hidden / 2).is_multiple_of(self.encoder_heads / 2) {
            let got = (self.encoder_hidden, self.encoder_heads);
            return refuse(format!("expected hidden units in multiples of the heads, got {got:?}"));
        }
        let least = self.backbone.out.len();
        if !(least..=16).contains(&self.levels) {
            return refuse(format!("expected {least} to 16 levels, got {}", self.levels));
        }
        Ok(())
    }

    /// The sizes that a `config.json` of transformers gives. What it does not give is as transformers'
    /// `GroundingDinoConfig` (5.23) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_transformers(text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of Grounding DINO", reason);
        // As a map first: an empty list would do for a struct of which nothing need be given.
        let keys = serde_json::from_str::<serde_json::Map<_, _>>(text);
        let public = keys.and_then(|keys| serde_json::from_value::<Public>(keys.into()));
        let public = public.map_err(|e| refuse(e.to_string()))?;
        let only = |key: &str, expected: &str, got: String| match got == expected {
            true => Ok(()),
            false => Err(refuse(format!("{key}: expected {expected}, got {got}"))),
        };
        only("model_type", "grounding-dino", public.model_type)?;
        only("activation_function", "relu", public.activation_function)?;
        only("position_embedding_type", "sine", public.position_embedding_type)?;
        only("two_stage", "true", public.two_stage.to_string())?;
        only("two_stage_bbox_embed_share", "false", public.two_stage_bbox_embed_share.to_string())?;
        only("embedding_init_target", "true", public.embedding_init_target.to_string())?;
        only("query_dim", "4", public.query_dim.to_string())?;
        only("layer_norm_eps", &EPSILON.to_string(), public.layer_norm_eps.to_string())?;
        let or_empty = |given: Option<Value>| given.unwrap_or_else(|| json!({}));
        let mut backbone = or_empty(public.backbone_config);
        let told = ["out_indices", "out_features"].iter().any(|key| backbone.get(key).is_some());
        if let (false, Some(backbone)) = (told, backbone.as_object_mut()) {
            backbone.insert("out_indices".into(), json!([2, 3, 4]));
        }
        let config = Self {
            backbone: SwinConfig::from_transformers(&backbone)?,
            text: BertConfig::from_transformers(&or_empty(public.text_config))?,
            width: public.d_model,
            queries: public.num_queries,
            levels: public.num_feature_levels,
            encoder_layers: public.encoder_layers,
            encoder_heads: public.encoder_attention_heads,
            encoder_hidden: public.encoder_ffn_dim,
            encoder_points: public.encoder_n_points,
            decoder_layers: public.decoder_layers,
            decoder_heads: public.decoder_attention_heads,
            decoder_hidden: public.decoder_ffn_dim,
            decoder_points: public.decoder_n_points,
            max_tokens: public.max_text_len,
            temperature: public.positional_embedding_temperature,
            shared_boxes: public.decoder_bbox_embed_share,
        };
        config.check()?;
        Ok(config)
    }

    /// As transformers writes it.
    pub fn to_transformers(&self) -> Value {
        json!({
            "architectures": ["GroundingDinoForObjectDetection"],
            "model_type": "grounding-dino",
            "backbone_config": self.backbone.to_transformers(),
            "text_config": self.text.to_transformers(),
            "d_model": self.width,
            "num_queries": self.queries,
            "num_feature_levels": self.levels,
            "encoder_layers": self.encoder_layers,
            "encoder_attention_heads": self.encoder_heads,
            "encoder_ffn_dim": self.encoder_hidden,
            "encoder_n_points": self.encoder_points,
            "decoder_layers": self.decoder_layers,
            "decoder_attention_heads": self.decoder_heads,
            "decoder_ffn_dim": self.decoder_hidden,
            "decoder_n_points": self.decoder_points,
            "max_text_len": self.max_tokens,
            "positional_embedding_temperature": self.temperature,
            "decoder_bbox_embed_share": self.shared_boxes,
        })
    }
}

/// `config.json` of transformers' `GroundingDinoForObjectDetection`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Public {
    model_type: String,
    backbone_config: Option<Value>,
    text_config: Option<Value>,
    num_queries: usize,
    encoder_layers: usize,
    encoder_ffn_dim: usize,
    encoder_attention_heads: usize,
    decoder_layers: usize,
    decoder_ffn_dim: usize,
    decoder_attention_heads: usize,
    activation_function: String,
    d_model: usize,
    position_embedding_type: String,
    num_feature_levels: usize,
    encoder_n_points: usize,
    decoder_n_points: usize,
    two_stage: bool,
    max_text_len: usize,
    embedding_init_target: bool,
    query_dim: usize,
    decoder_bbox_embed_share: bool,
    two_stage_bbox_embed_share: bool,
    positional_embedding_temperature: f32,
    layer_norm_eps: f32,
}

impl Default for Public {
    fn default() -> Self {
        let tiny = GroundingDinoConfig::tiny();
        Self {
            model_type: "grounding-dino".into(),
            backbone_config: None,
            text_config: None,
            num_queries: tiny.queries,
            encoder_layers: tiny.encoder_layers,
            encoder_ffn_dim: tiny.encoder_hidden,
            encoder_attention_heads: tiny.encoder_heads,
            decoder_layers: tiny.decoder_layers,
            decoder_ffn_dim: tiny.decoder_hidden,
            decoder_attention_heads: tiny.decoder_heads,
            activation_function: "relu".into(),
            d_model: tiny.width,
            position_embedding_type: "sine".into(),
            num_feature_levels: tiny.levels,
            encoder_n_points: tiny.encoder_points,
            decoder_n_points: tiny.decoder_points,
            two_stage: true,
            max_text_len: tiny.max_tokens,
            embedding_init_target: true,
            query_dim: 4,
            decoder_bbox_embed_share: tiny.shared_boxes,
            two_stage_bbox_embed_share: false,
            positional_embedding_temperature: tiny.temperature,
            layer_norm_eps: EPSILON,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_the_public_size() {
        let read = |config: &Value| GroundingDinoConfig::from_transformers(&config.to_string());
        assert_eq!(read(&json!({})).unwrap(), GroundingDinoConfig::tiny());
        for config in [GroundingDinoConfig::base(), GroundingDinoConfig::test()] {
            assert_eq!(read(&config.to_transformers()).unwrap(), config);
        }
        for (key, value) in [
            ("model_type", json!("detr")),
            ("activation_function", json!("gelu")),
            ("position_embedding_type", json!("learned")),
            ("two_stage", json!(false)),
            ("two_stage_bbox_embed_share", json!(true)),
            ("embedding_init_target", json!(false)),
            ("query_dim", json!(2)),
            ("layer_norm_eps", json!(1e-6)),
            ("d_model", json!(250)),
            ("encoder_attention_heads", json!(1)),
            ("num_feature_levels", json!(2)),
            ("num_queries", json!(0)),
        ] {
            let mut changed = GroundingDinoConfig::tiny().to_transformers();
            changed[key] = value;
            assert!(read(&changed).is_err(), "{key}");
        }
        assert!(GroundingDinoConfig::from_transformers("[]").is_err());
    }
}
