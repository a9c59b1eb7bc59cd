//! Either backbone, where a stage does not care which.

use std::num::NonZeroUsize;

use burn::{module::Module, tensor::Tensor};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use super::{
    Denoiser, DenoiserInput, ObjectLayers,
    dit::{Dit, DitConfig},
    unet::{Unet, UnetConfig},
};
use crate::{Result, layers::Init};

/// Which network removes the noise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackboneKind {
    /// The diffusion transformer.
    #[default]
    Dit,
    /// The U-Net.
    Unet,
}

impl BackboneKind {
    /// Its name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dit => "dit",
            Self::Unet => "unet",
        }
    }
}

/// Sizes and switches of either backbone.
///
/// In files a U-Net is marked by `backbone = "unet"`; without a mark it is a transformer.
#[derive(Debug, Clone, PartialEq)]
pub enum BackboneConfig {
    /// Of a diffusion transformer.
    Dit(DitConfig),
    /// Of a U-Net.
    Unet(UnetConfig),
}

/// The key that tells which backbone a configuration is of.
const MARK: &str = "backbone";

impl Serialize for BackboneConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Marked<'a> {
            backbone: &'static str,
            #[serde(flatten)]
            config: &'a UnetConfig,
        }
        match self {
            Self::Dit(config) => config.serialize(serializer),
            Self::Unet(config) => {
                Marked { backbone: BackboneKind::Unet.name(), config }.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for BackboneConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let mark = value.as_object_mut().and_then(|fields| fields.remove(MARK));
        let kind = match mark {
            Some(mark) => serde_json::from_value(mark)
                .map_err(|e| D::Error::custom(format_args!("{MARK}: {e}")))?,
            None => BackboneKind::Dit,
        };
        match kind {
            BackboneKind::Dit => serde_json::from_value(value).map(Self::Dit),
            BackboneKind::Unet => serde_json::from_value(value).map(Self::Unet),
        }
        .map_err(D::Error::custom)
    }
}

impl BackboneConfig {
    /// Which backbone it is.
    pub fn kind(&self) -> BackboneKind {
        match self {
            Self::Dit(_) => BackboneKind::Dit,
            Self::Unet(_) => BackboneKind::Unet,
        }
    }

    /// C: channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Dit(config) => config.latent_channels,
            Self::Unet(config) => config.latent_channels,
        }
    }

    /// Latent frames, rows and columns `[T, H, W]`.
    pub fn latent_size(&self) -> [usize; 3] {
        match self {
            Self::Dit(config) => config.latent_size,
            Self::Unet(config) => config.latent_size,
        }
    }

    /// Masked (or, for TI2V, unmasked) object layers.
    pub fn object_layers(&self) -> &ObjectLayers {
        match self {
            Self::Dit(config) => &config.object_layers,
            Self::Unet(config) => &config.object_layers,
        }
    }

    /// The grids of tokens `[T, H, W]` on which masked layers work; none without masked layers.
    pub fn object_grids(&self) -> Vec<[usize; 3]> {
        match self {
            Self::Dit(config) => config.object_grids(),
            Self::Unet(config) => config.object_grids(),
        }
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Dit(config) => config.check(),
            Self::Unet(config) => config.check(),
        }
    }
}

/// Either backbone.
#[derive(Module, Debug)]
pub enum Backbone {
    /// A diffusion transformer.
    Dit(Dit),
    /// A U-Net.
    Unet(Unet),
}

impl Backbone {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`crate::Error::Config`] when the sizes do not fit each other.
    pub fn new(init: &mut Init, config: &BackboneConfig) -> Result<Self> {
        Ok(match config {
            BackboneConfig::Dit(config) => Self::Dit(Dit::new(init, config)?),
            BackboneConfig::Unet(config) => Self::Unet(Unet::new(init, config)?),
        })
    }

    /// As [`Unet::in_chunks`]; a transformer, whose tokens all see each other, stays as it is.
    pub fn in_chunks(self, frame_chunk: Option<NonZeroUsize>) -> Self {
        match self {
            Self::Dit(network) => Self::Dit(network),
            Self::Unet(network) => Self::Unet(network.in_chunks(frame_chunk)),
        }
    }
}

impl Denoiser for Backbone {
    fn predict(&self, input: &DenoiserInput) -> Result<Tensor<5>> {
        match self {
            Self::Dit(network) => network.predict(input),
            Self::Unet(network) => network.predict(input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_says_which_backbone_it_is_of() {
        let unet = BackboneConfig::Unet(UnetConfig::sd15_animatediff_v3([16, 32, 32], 2));
        let text = serde_json::to_string(&unet).unwrap();
        assert!(text.starts_with(r#"{"backbone":"unet","#), "{text}");
        assert_eq!(serde_json::from_str::<BackboneConfig>(&text).unwrap(), unet);
        assert!(!text.contains("patch") && !text.contains("mixed"), "as before they came: {text}");
        let read =
            |text: &str| serde_json::from_str::<BackboneConfig>(text).unwrap_err().to_string();
        assert!(read(&text.replace("\"unet\"", "\"gan\"")).contains("gan"));
        assert!(read(&text.replace("\"layers\"", "\"layer\"")).contains("layer"));
        assert!(read(r#"{"width": 3}"#).contains("missing field"), "a transformer by default");
    }
}
