//! `config.json` of diffusers' `AutoencoderTiny`.

use serde::Deserialize;

use super::{BLOCKS, LEVELS, TinyConfig};
use crate::{Error, Result};

/// What is read; keys that change nothing here are passed over.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Public {
    #[serde(rename = "_class_name")]
    class_name: String,
    in_channels: usize,
    out_channels: usize,
    encoder_block_out_channels: Vec<usize>,
    decoder_block_out_channels: Vec<usize>,
    num_encoder_blocks: Vec<usize>,
    num_decoder_blocks: Vec<usize>,
    act_fn: String,
    latent_channels: usize,
    scaling_factor: f32,
    shift_factor: f32,
}

impl Default for Public {
    fn default() -> Self {
        let (few, many) = (1, BLOCKS);
        Self {
            class_name: "AutoencoderTiny".into(),
            in_channels: 3,
            out_channels: 3,
            encoder_block_out_channels: vec![64; LEVELS + 1],
            decoder_block_out_channels: vec![64; LEVELS + 1],
            num_encoder_blocks: vec![few, many, many, many],
            num_decoder_blocks: vec![many, many, many, few],
            act_fn: "relu".into(),
            latent_channels: 4,
            scaling_factor: 1.0,
            shift_factor: 0.0,
        }
    }
}

impl TinyConfig {
    /// The sizes that the `config.json` of a diffusers `AutoencoderTiny` folder gives. What it does not
    /// give is as diffusers (0.42) has it.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or asks for what this network does not do.
    pub fn from_diffusers(json: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of the autoencoder", reason);
        // As a map first: an empty list would do for a struct of which nothing need be given.
        let keys = serde_json::from_str::<serde_json::Map<_, _>>(json);
        let public = keys.and_then(|keys| serde_json::from_value::<Public>(keys.into()));
        let public = public.map_err(|e| refuse(e.to_string()))?;
        let usual = Public::default();
        let only = |key: &str, expected: String, got: String| match expected == got {
            true => Ok(()),
            false => Err(refuse(format!("{key}: expected {expected}, got {got}"))),
        };
        let width = public.encoder_block_out_channels.first().copied().unwrap_or_default();
        let widths = vec![width; LEVELS + 1];
        let all = |values: &[usize]| format!("{values:?}");
        for (key, expected, got) in [
            ("_class_name", usual.class_name, public.class_name),
            ("act_fn", usual.act_fn, public.act_fn),
            ("in_channels", "3".into(), public.in_channels.to_string()),
            ("out_channels", "3".into(), public.out_channels.to_string()),
            ("encoder_block_out_channels", all(&widths), all(&public.encoder_block_out_channels)),
            ("decoder_block_out_channels", all(&widths), all(&public.decoder_block_out_channels)),
            ("num_encoder_blocks", all(&usual.num_encoder_blocks), all(&public.num_encoder_blocks)),
            ("num_decoder_blocks", all(&usual.num_decoder_blocks), all(&public.num_decoder_blocks)),
            ("scaling_factor", "1".into(), public.scaling_factor.to_string()),
            ("shift_factor", "0".into(), public.shift_factor.to_string()),
        ] {
            only(key, expected, got)?;
        }
        Ok(Self { latent_channels: public.latent_channels, width, pooled: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of TAESD, in part.
    const TAESD: &str = r#"{
        "_class_name": "AutoencoderTiny", "act_fn": "relu", "latent_channels": 4,
        "encoder_block_out_channels": [64, 64, 64, 64], "num_encoder_blocks": [1, 3, 3, 3],
        "force_upcast": false, "latent_magnitude": 3, "latent_shift": 0.5, "scaling_factor": 1.0
    }"#;

    #[test]
    fn the_public_file_is_the_named_size() {
        assert_eq!(TinyConfig::from_diffusers(TAESD).unwrap(), TinyConfig::taesd());
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (from, to, key) in [
            ("\"relu\"", "\"silu\"", "act_fn"),
            ("[64, 64, 64, 64]", "[64, 128, 64, 64]", "encoder_block_out_channels"),
            ("[1, 3, 3, 3]", "[1, 2, 3, 3]", "num_encoder_blocks"),
            ("\"AutoencoderTiny\"", "\"AutoencoderKL\"", "_class_name"),
            ("\"scaling_factor\": 1.0", "\"scaling_factor\": 0.5", "scaling_factor"),
        ] {
            let changed = TAESD.replace(from, to);
            assert_ne!(changed, TAESD);
            let error = TinyConfig::from_diffusers(&changed).unwrap_err().to_string();
            assert!(error.contains(key), "{key} in {error}");
        }
        assert!(TinyConfig::from_diffusers("[]").is_err());
    }
}
