//! `config.json` of diffusers' U-Nets.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{MotionModules, UnetConfig};
use crate::{
    Error, Result,
    backbone::{FirstFrame, ObjectLayers},
};

/// The name of a U-Net over pictures, and of one with motion modules.
const CLASSES: [&str; 2] = ["UNet2DConditionModel", "UNetMotionModel"];
/// The name of motion modules alone.
const ADAPTER: &str = "MotionAdapter";

/// What is read, and written; keys that say nothing of the network are passed over.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Public {
    #[serde(rename = "_class_name")]
    class_name: String,
    in_channels: usize,
    out_channels: usize,
    block_out_channels: Vec<usize>,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    layers_per_block: usize,
    norm_num_groups: usize,
    cross_attention_dim: usize,
    act_fn: String,
    norm_eps: f64,
    /// Heads; older files call them `attention_head_dim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    num_attention_heads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attention_head_dim: Option<usize>,
    motion_num_attention_heads: usize,
    motion_max_seq_length: usize,
    use_motion_mid_block: bool,
}

impl Default for Public {
    fn default() -> Self {
        let types = |side: &str, plain: [usize; 4]| {
            let name = |i: usize| if plain.contains(&i) { "" } else { "CrossAttn" };
            (0..4).map(|i| format!("{}{side}Block2D", name(i))).collect()
        };
        Self {
            class_name: CLASSES[0].into(),
            in_channels: 4,
            out_channels: 4,
            block_out_channels: vec![320, 640, 1280, 1280],
            down_block_types: types("Down", [3; 4]),
            up_block_types: types("Up", [0; 4]),
            layers_per_block: 2,
            norm_num_groups: 32,
            cross_attention_dim: 1280,
            act_fn: "silu".into(),
            norm_eps: 1e-5,
            num_attention_heads: None,
            attention_head_dim: None,
            motion_num_attention_heads: 8,
            motion_max_seq_length: 32,
            use_motion_mid_block: true,
        }
    }
}

/// Block names of the levels of one side, the finest first.
fn block_types(side: &str, attention: &[bool], motion: bool) -> Vec<String> {
    let kind = if motion { "Motion" } else { "2D" };
    let name = |&with: &bool| format!("{}{side}Block{kind}", if with { "CrossAttn" } else { "" });
    attention.iter().map(name).collect()
}

impl MotionModules {
    /// Reads `config.json` of diffusers' `MotionAdapter` (0.42).
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file.
    pub fn from_diffusers(json: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of the motion modules", reason);
        let read = serde_json::from_str::<Map<String, Value>>(json)
            .and_then(|fields| Public::deserialize(Value::Object(fields)))
            .map_err(|e| refuse(e.to_string()))?;
        if read.class_name != ADAPTER {
            let got = read.class_name;
            return Err(refuse(format!("_class_name: expected {ADAPTER}, got {got:?}")));
        }
        Ok(Self {
            heads: read.motion_num_attention_heads,
            max_frames: read.motion_max_seq_length,
            middle: read.use_motion_mid_block,
        })
    }
}

impl UnetConfig {
    /// Reads `config.json` of diffusers' `UNet2DConditionModel` or `UNetMotionModel` (0.42), for latents of
    /// `latent_size`. Input channels beyond the outputs' are conditions.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key when it is malformed or asks for what is not done here.
    pub fn from_diffusers(json: &str, latent_size: [usize; 3]) -> Result<Self> {
        let refuse = |reason: String| Error::config("config.json of the U-Net", reason);
        // By way of a map: a list would be taken for the fields in their order, all left out.
        let public = serde_json::from_str::<Map<String, Value>>(json)
            .and_then(|fields| Public::deserialize(Value::Object(fields)))
            .map_err(|e| refuse(e.to_string()))?;
        let only = |key: &str, expected: String, got: String| match expected == got {
            true => Ok(()),
            false => Err(refuse(format!("{key}: expected {expected}, got {got}"))),
        };
        if !CLASSES.contains(&public.class_name.as_str()) {
            let got = &public.class_name;
            return Err(refuse(format!("_class_name: expected one of {CLASSES:?}, got {got:?}")));
        }
        let motion = public.class_name == CLASSES[1];
        only("act_fn", "silu".into(), public.act_fn)?;
        only("norm_eps", "0.00001".into(), format!("{}", public.norm_eps))?;
        let attention: Vec<bool> =
            public.down_block_types.iter().map(|t| t.starts_with("CrossAttn")).collect();
        let mut up = block_types("Up", &attention, motion);
        up.reverse();
        for (key, expected, got) in [
            ("down_block_types", block_types("Down", &attention, motion), public.down_block_types),
            ("up_block_types", up, public.up_block_types),
        ] {
            only(key, format!("{expected:?}"), format!("{got:?}"))?;
        }
        let conditions = public.in_channels.checked_sub(public.out_channels);
        let conditions = conditions.ok_or_else(|| {
            let (expected, got) = (public.out_channels, public.in_channels);
            refuse(format!("in_channels: expected at least {expected}, got {got}"))
        })?;
        let config = Self {
            latent_channels: public.out_channels,
            condition_channels: conditions,
            latent_size,
            patch: [1; 3],
            first_frame: FirstFrame::None,
            first_frame_channel: 0,
            mixed: false,
            channels: public.block_out_channels,
            attention,
            layers: public.layers_per_block,
            heads: public.num_attention_heads.or(public.attention_head_dim).unwrap_or(8),
            rotary: None,
            norm_groups: public.norm_num_groups,
            text_width: public.cross_attention_dim,
            motion: motion.then_some(MotionModules {
                heads: public.motion_num_attention_heads,
                max_frames: public.motion_max_seq_length,
                middle: public.use_motion_mid_block,
            }),
            object_layers: ObjectLayers::NONE,
        };
        config.check()?;
        Ok(config)
    }

    /// The network as diffusers describes it, without object layers, which it does not know.
    ///
    /// # Errors
    /// [`Error::Config`] when it has what diffusers' classes do not: patches, rotary positions, a first frame or noise
    /// that goes around the network.
    pub fn to_diffusers(&self) -> Result<Value> {
        if !self.is_public() {
            let reason =
                "expected a network as diffusers has it, got one of this program's own form";
            return Err(Error::config("config.json of the U-Net", reason));
        }
        let motion = self.motion.clone();
        let mut up = block_types("Up", &self.attention, motion.is_some());
        up.reverse();
        let mut public = Public {
            class_name: CLASSES[usize::from(motion.is_some())].into(),
            in_channels: self.latent_channels + self.condition_channels,
            out_channels: self.latent_channels,
            block_out_channels: self.channels.clone(),
            down_block_types: block_types("Down", &self.attention, motion.is_some()),
            up_block_types: up,
            layers_per_block: self.layers,
            norm_num_groups: self.norm_groups,
            cross_attention_dim: self.text_width,
            num_attention_heads: motion.is_some().then_some(self.heads),
            attention_head_dim: motion.is_none().then_some(self.heads),
            ..Public::default()
        };
        if let Some(motion) = motion {
            public.motion_num_attention_heads = motion.heads;
            public.motion_max_seq_length = motion.max_frames;
            public.use_motion_mid_block = motion.middle;
        }
        serde_json::to_value(public).map_err(|e| Error::config("config.json", e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 3] = [16, 64, 64];

    #[test]
    fn stable_diffusion_is_the_default_of_its_class() {
        let json = r#"{"_class_name": "UNet2DConditionModel", "attention_head_dim": 8,
            "cross_attention_dim": 768, "sample_size": 64, "_diffusers_version": "0.6.0"}"#;
        let expected = UnetConfig { motion: None, ..UnetConfig::sd15_animatediff_v3(SIZE, 0) };
        assert_eq!(UnetConfig::from_diffusers(json, SIZE).unwrap(), expected);
    }

    #[test]
    fn what_is_written_is_read() {
        for config in [UnetConfig::sd15_animatediff_v3(SIZE, 2), UnetConfig::tiny(2)] {
            let written = config.to_diffusers().unwrap().to_string();
            assert_eq!(UnetConfig::from_diffusers(&written, config.latent_size).unwrap(), config);
            let still = UnetConfig { motion: None, ..config };
            let written = still.to_diffusers().unwrap().to_string();
            assert_eq!(UnetConfig::from_diffusers(&written, still.latent_size).unwrap(), still);
        }
    }

    #[test]
    fn what_diffusers_has_not_is_not_written() {
        type Change = fn(&mut UnetConfig);
        let changes: [Change; 4] = [
            |c| c.patch = [1, 2, 2],
            |c| c.mixed = true,
            |c| c.first_frame = FirstFrame::Residual,
            |c| c.rotary = Some(crate::layers::Rotary::even(8)),
        ];
        for change in changes {
            let mut config = UnetConfig::tiny(2);
            change(&mut config);
            assert!(config.to_diffusers().is_err(), "{config:?}");
        }
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (json, key) in [
            ("[]", "config.json"),
            (r#"{"_class_name": "UNet3D"}"#, "_class_name"),
            (r#"{"act_fn": "gelu"}"#, "act_fn"),
            (r#"{"norm_eps": 1e-6}"#, "norm_eps"),
            (r#"{"up_block_types": ["UpBlock2D"]}"#, "up_block_types"),
            (r#"{"in_channels": 3}"#, "in_channels"),
            (r#"{"norm_num_groups": 7}"#, "norm_groups"),
        ] {
            let error = UnetConfig::from_diffusers(json, SIZE).unwrap_err().to_string();
            assert!(error.contains(key), "{key}: {error}");
        }
    }

    /// The file of AnimateDiff V3, in part.
    #[test]
    fn motion_modules_alone_are_described_too() {
        let json = r#"{"_class_name": "MotionAdapter", "block_out_channels": [320, 640, 1280, 1280],
            "motion_layers_per_block": 2, "motion_max_seq_length": 32, "motion_norm_num_groups": 32,
            "motion_num_attention_heads": 8, "use_motion_mid_block": false}"#;
        let read = MotionModules::from_diffusers(json).unwrap();
        assert_eq!(Some(read), UnetConfig::sd15_animatediff_v3(SIZE, 0).motion);
        for json in ["[]", r#"{"_class_name": "UNetMotionModel"}"#] {
            assert!(MotionModules::from_diffusers(json).is_err(), "{json}");
        }
    }
}
