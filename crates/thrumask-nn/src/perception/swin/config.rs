//! Sizes of a [`Swin`](super::Swin), ours and as public files write them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, layers::norm::EPSILON};

/// Sizes of a [`Swin`](super::Swin).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwinConfig {
    /// Rows and columns of pixels that become one token.
    pub patch: usize,
    /// Channels of the first stage; each later one has twice as many.
    pub width: usize,
    /// Blocks of each stage.
    pub depths: Vec<usize>,
    /// Attention heads of each stage.
    pub heads: Vec<usize>,
    /// Rows and columns of tokens that see each other.
    pub window: usize,
    /// Hidden units of a perceptron, as a multiple of the channels.
    pub mlp_ratio: f32,
    /// The stages whose features are given, from 1 on.
    pub out: Vec<usize>,
}

impl SwinConfig {
    /// Swin-T with windows of 7: 28 million parameters.
    pub fn tiny() -> Self {
        Self {
            patch: 4,
            width: 96,
            depths: vec![2, 2, 6, 2],
            heads: vec![3, 6, 12, 24],
            window: 7,
            mlp_ratio: 4.0,
            out: vec![2, 3, 4],
        }
    }

    /// Swin-B with windows of 12: 87 million parameters.
    pub fn base() -> Self {
        Self {
            width: 128,
            depths: vec![2, 2, 18, 2],
            heads: vec![4, 8, 16, 32],
            window: 12,
            ..Self::tiny()
        }
    }

    /// A size for tests.
    pub fn test() -> Self {
        Self {
            width: 8,
            depths: vec![1, 2, 1],
            heads: vec![2, 2, 4],
            window: 3,
            mlp_ratio: 2.0,
            out: vec![2, 3],
            ..Self::tiny()
        }
    }

    /// Channels of a stage, from 1 on.
    pub fn channels(&self, stage: usize) -> usize {
        self.width << (stage - 1)
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero, stages do not agree, or heads do not divide the channels.
    pub fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::config("Swin", reason));
        let stages = self.depths.len();
        if stages == 0 || stages > 8 || self.heads.len() != stages {
            return refuse(format!("expected depths and heads of 1 to 8 stages, got {self:?}"));
        }
        let sizes = [self.patch, self.width, self.window];
        if sizes.contains(&0)
            || self.depths.contains(&0)
            || !self.mlp_ratio.is_finite()
            || self.mlp_ratio <= 0.0
        {
            return refuse(format!("expected sizes above zero, got {self:?}"));
        }
        for (i, &heads) in self.heads.iter().enumerate() {
            let channels = self.channels(i + 1);
            if heads == 0 || !channels.is_multiple_of(heads) {
                return refuse(format!("expected heads that divide {channels}, got {heads}"));
            }
        }
        let rising = self.out.windows(2).all(|pair| pair[0] < pair[1]);
        if self.out.is_empty() || !rising || self.out.iter().any(|out| !(1..=stages).contains(out))
        {
            return refuse(format!("expected stages of 1 to {stages} to give, got {:?}", self.out));
        }
        Ok(())
    }

    /// The sizes that a `backbone_config` of transformers gives. What it does not give is as transformers'
    /// `SwinConfig` (5.23) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such thing, or asks for what this network does not do.
    pub fn from_transformers(config: &serde_json::Value) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of Swin", reason);
        if !config.is_object() {
            return Err(refuse(format!("expected keys and values, got {config}")));
        }
        let public = serde_json::from_value::<Public>(config.clone());
        let public = public.map_err(|e| refuse(e.to_string()))?;
        let only = |key: &str, expected: &str, got: String| match got == expected {
            true => Ok(()),
            false => Err(refuse(format!("{key}: expected {expected}, got {got}"))),
        };
        only("model_type", "swin", public.model_type)?;
        only("hidden_act", "gelu", public.hidden_act)?;
        only("num_channels", "3", public.num_channels.to_string())?;
        only("qkv_bias", "true", public.qkv_bias.to_string())?;
        only("use_absolute_embeddings", "false", public.use_absolute_embeddings.to_string())?;
        only("layer_norm_eps", &EPSILON.to_string(), public.layer_norm_eps.to_string())?;
        let stages = public.depths.len();
        let out = match (public.out_indices, public.out_features) {
            (Some(out), _) => out,
            (None, Some(names)) => {
                let number = |name: &String| name.strip_prefix("stage")?.parse().ok();
                let out: Option<Vec<usize>> = names.iter().map(number).collect();
                out.ok_or_else(|| refuse(format!("out_features: expected stages, got {names:?}")))?
            }
            (None, None) => vec![stages],
        };
        let config = Self {
            patch: public.patch_size,
            width: public.embed_dim,
            depths: public.depths,
            heads: public.num_heads,
            window: public.window_size,
            mlp_ratio: public.mlp_ratio,
            out,
        };
        config.check()?;
        Ok(config)
    }

    /// As transformers writes it.
    pub fn to_transformers(&self) -> serde_json::Value {
        serde_json::json!({
            "model_type": "swin",
            "patch_size": self.patch,
            "embed_dim": self.width,
            "depths": self.depths,
            "num_heads": self.heads,
            "window_size": self.window,
            "mlp_ratio": self.mlp_ratio,
            "out_indices": self.out,
        })
    }
}

/// `backbone_config` of transformers.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Public {
    model_type: String,
    patch_size: usize,
    num_channels: usize,
    embed_dim: usize,
    depths: Vec<usize>,
    num_heads: Vec<usize>,
    window_size: usize,
    mlp_ratio: f32,
    qkv_bias: bool,
    hidden_act: String,
    use_absolute_embeddings: bool,
    layer_norm_eps: f32,
    out_indices: Option<Vec<usize>>,
    out_features: Option<Vec<String>>,
}

impl Default for Public {
    fn default() -> Self {
        let tiny = SwinConfig::tiny();
        Self {
            model_type: "swin".into(),
            patch_size: tiny.patch,
            num_channels: 3,
            embed_dim: tiny.width,
            depths: tiny.depths,
            num_heads: tiny.heads,
            window_size: tiny.window,
            mlp_ratio: tiny.mlp_ratio,
            qkv_bias: true,
            hidden_act: "gelu".into(),
            use_absolute_embeddings: false,
            layer_norm_eps: EPSILON,
            out_indices: None,
            out_features: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_and_what_is_not_done_is_refused() {
        for config in [SwinConfig::tiny(), SwinConfig::base(), SwinConfig::test()] {
            let written = config.to_transformers();
            assert_eq!(SwinConfig::from_transformers(&written).unwrap(), config);
        }
        let named = json!({"out_features": ["stage2", "stage3", "stage4"]});
        assert_eq!(SwinConfig::from_transformers(&named).unwrap(), SwinConfig::tiny());
        for (key, value) in [
            ("model_type", json!("resnet")),
            ("hidden_act", json!("relu")),
            ("qkv_bias", json!(false)),
            ("use_absolute_embeddings", json!(true)),
            ("layer_norm_eps", json!(1e-6)),
            ("num_heads", json!([3, 6])),
            ("out_indices", json!([0, 1])),
            ("out_indices", json!([5])),
            ("embed_dim", json!(0)),
        ] {
            let mut changed = SwinConfig::tiny().to_transformers();
            changed[key] = value;
            assert!(SwinConfig::from_transformers(&changed).is_err(), "{key}");
        }
    }
}
