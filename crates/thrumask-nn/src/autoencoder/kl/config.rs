//! Sizes of an [`AutoencoderKl`](super::AutoencoderKl), ours and as public folders write them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Sizes of an [`AutoencoderKl`](super::AutoencoderKl).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KlConfig {
    /// Channels at each resolution, the finest first; each but the last is halved in size.
    pub channels: Vec<usize>,
    /// Residual blocks at each resolution of the encoder; the decoder has one more.
    pub blocks: usize,
    /// Channels of the latents.
    pub latent_channels: usize,
    /// Groups of every norm; divides each of `channels`.
    pub norm_groups: usize,
    /// What latents are multiplied by, so that their variance is about 1.
    pub scaling_factor: f32,
    /// What is taken from latents before that.
    pub shift_factor: f32,
    /// Whether a 1×1 convolution follows the encoder.
    pub quant: bool,
    /// Whether a 1×1 convolution comes before the decoder.
    pub post_quant: bool,
    /// Whether positions attend to each other at the lowest resolution.
    pub attention: bool,
}

impl KlConfig {
    /// Stable Diffusion 1.x: 8×8 pixels to 4 channels, 83.7 million parameters.
    pub fn sd15() -> Self {
        Self {
            channels: vec![128, 256, 512, 512],
            blocks: 2,
            latent_channels: 4,
            norm_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: 0.0,
            quant: true,
            post_quant: true,
            attention: true,
        }
    }

    /// A size for tests: 4×4 pixels to 4 channels.
    pub fn tiny() -> Self {
        Self { channels: vec![8, 12, 16], blocks: 1, norm_groups: 4, ..Self::sd15() }
    }

    /// Rows and columns of pixels that become one latent position.
    pub fn patch(&self) -> usize {
        1 << self.channels.len().saturating_sub(1)
    }

    /// Latent rows and columns of a picture of `[H, W]` pixels.
    ///
    /// # Errors
    /// [`Error::Shape`] when the picture does not divide into patches.
    pub fn latent_size(&self, pixels: [usize; 2]) -> Result<[usize; 2]> {
        let patch = self.patch();
        if pixels.iter().any(|&n| n == 0 || !n.is_multiple_of(patch)) {
            let expected = format!("rows and columns in multiples of {patch}");
            return Err(Error::shape("picture", expected, pixels));
        }
        Ok(pixels.map(|n| n / patch))
    }

    /// Whether a network can be made of it.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is zero, channels do not divide into groups, or the scale is not a
    /// number other than zero.
    pub fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::config("KL autoencoder", reason));
        if self.channels.is_empty() || self.channels.len() > 8 {
            return refuse(format!("expected 1 to 8 resolutions, got {}", self.channels.len()));
        }
        if self.blocks == 0 || self.latent_channels == 0 || self.norm_groups == 0 {
            return refuse(format!("expected sizes above zero, got {self:?}"));
        }
        let groups = self.norm_groups;
        if let Some(c) = self.channels.iter().find(|&&c| c == 0 || !c.is_multiple_of(groups)) {
            return refuse(format!("expected channels in multiples of {groups}, got {c}"));
        }
        let (scale, shift) = (self.scaling_factor, self.shift_factor);
        if !scale.is_finite() || scale == 0.0 || !shift.is_finite() {
            return refuse(format!(
                "expected a scale and a shift of latents, got {scale}, {shift}"
            ));
        }
        Ok(())
    }

    /// The sizes that the `config.json` of a diffusers `vae` folder gives. What it does not give is as
    /// diffusers' `AutoencoderKL` (0.42) has it; keys that change nothing here are passed over.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_diffusers(json: &str) -> Result<Self> {
        let refuse =
            |e: serde_json::Error| Error::config("config.json of the autoencoder", e.to_string());
        // As a map first: an empty list would do for a struct of which nothing need be given.
        let keys: serde_json::Map<_, _> = serde_json::from_str(json).map_err(refuse)?;
        serde_json::from_value::<Public>(keys.into()).map_err(refuse)?.resolve()
    }
}

/// `config.json` of diffusers' `AutoencoderKL`.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Public {
    #[serde(rename = "_class_name")]
    class_name: String,
    in_channels: usize,
    out_channels: usize,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    act_fn: String,
    latent_channels: usize,
    norm_num_groups: usize,
    scaling_factor: f32,
    shift_factor: Option<f32>,
    latents_mean: Option<Vec<f32>>,
    latents_std: Option<Vec<f32>>,
    use_quant_conv: bool,
    use_post_quant_conv: bool,
    mid_block_add_attention: bool,
}

const DOWN: &str = "DownEncoderBlock2D";
const UP: &str = "UpDecoderBlock2D";

impl Default for Public {
    fn default() -> Self {
        Self {
            class_name: "AutoencoderKL".into(),
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec![DOWN.into()],
            up_block_types: vec![UP.into()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".into(),
            latent_channels: 4,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl Public {
    fn resolve(self) -> Result<KlConfig> {
        let only = |key: &str, expected: &str, got: &dyn std::fmt::Debug, fits: bool| match fits {
            true => Ok(()),
            false => {
                let reason = format!("{key}: expected {expected}, got {got:?}");
                Err(Error::config("config.json of the autoencoder", reason))
            }
        };
        let name = &self.class_name;
        only("_class_name", "AutoencoderKL", name, name == "AutoencoderKL")?;
        only("in_channels", "3", &self.in_channels, self.in_channels == 3)?;
        only("out_channels", "3", &self.out_channels, self.out_channels == 3)?;
        only("act_fn", "silu", &self.act_fn, self.act_fn == "silu")?;
        let levels = self.block_out_channels.len();
        for (key, kind, given) in [
            ("down_block_types", DOWN, &self.down_block_types),
            ("up_block_types", UP, &self.up_block_types),
        ] {
            let fits = given.len() == levels && given.iter().all(|t| t == kind);
            only(key, &format!("{levels} times {kind}"), given, fits)?;
        }
        let (mean, std) = (&self.latents_mean, &self.latents_std);
        only("latents_mean", "none", mean, mean.is_none())?;
        only("latents_std", "none", std, std.is_none())?;
        let config = KlConfig {
            channels: self.block_out_channels,
            blocks: self.layers_per_block,
            latent_channels: self.latent_channels,
            norm_groups: self.norm_num_groups,
            scaling_factor: self.scaling_factor,
            shift_factor: self.shift_factor.unwrap_or(0.0),
            quant: self.use_quant_conv,
            post_quant: self.use_post_quant_conv,
            attention: self.mid_block_add_attention,
        };
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of Stable Diffusion 1.5, whose keys are fewer than those of today.
    const SD15: &str = r#"{
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D",
                             "DownEncoderBlock2D"],
        "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32,
        "out_channels": 3, "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D",
                           "UpDecoderBlock2D"]
    }"#;

    #[test]
    fn the_public_file_is_the_named_size() {
        assert_eq!(KlConfig::from_diffusers(SD15).unwrap(), KlConfig::sd15());
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (from, to, key) in [
            ("\"silu\"", "\"gelu\"", "act_fn"),
            ("[128, 256, 512, 512]", "[128, 256]", "down_block_types"),
            ("[128, 256, 512, 512]", "[128, 256, 512, 500]", "multiples of 32"),
            ("\"in_channels\": 3", "\"in_channels\": 4", "in_channels"),
            ("\"AutoencoderKL\"", "\"AsymmetricAutoencoderKL\"", "_class_name"),
            ("\"sample_size\": 512", "\"latents_mean\": [0.1]", "latents_mean"),
            ("\"sample_size\": 512", "\"scaling_factor\": 0.0", "scale"),
        ] {
            let changed = SD15.replace(from, to);
            assert_ne!(changed, SD15);
            let error = KlConfig::from_diffusers(&changed).unwrap_err().to_string();
            assert!(error.contains(key), "{key} in {error}");
        }
        assert!(KlConfig::from_diffusers("[]").is_err());
    }

    #[test]
    fn own_keys_are_known() {
        let mut json = serde_json::to_value(KlConfig::tiny()).unwrap();
        assert_eq!(serde_json::from_value::<KlConfig>(json.clone()).unwrap(), KlConfig::tiny());
        json["width"] = 3.into();
        assert!(serde_json::from_value::<KlConfig>(json).is_err());
    }

    #[test]
    fn sizes() {
        let config = KlConfig::sd15();
        assert_eq!(config.latent_size([512, 320]).unwrap(), [64, 40]);
        assert!(config.latent_size([512, 324]).is_err());
        assert!(config.latent_size([0, 8]).is_err());
    }
}
