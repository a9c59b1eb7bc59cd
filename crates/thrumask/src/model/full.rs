//! The stages on public networks: Stable Diffusion 1.5 with AnimateDiff V3, the paper's first backbone.

use thrumask_nn::{
    Error,
    autoencoder::{LatentCodecConfig, kl::KlConfig},
    backbone::{BackboneConfig, ObjectLayer, ObjectLayers, groups::Visibility, unet::UnetConfig},
    diffusion::process::{Diffusion, Process},
    perception::{grounding_dino::GroundingDinoConfig, sam2::Sam2Config},
    text::{PromptEncoderConfig, clip::ClipTextConfig},
};

use super::{MotionForm, StageConfig, StageKind, VideoShape};
use crate::Result;

/// The public networks that stages are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct PublicNetworks {
    /// The autoencoder.
    pub vae: KlConfig,
    /// The text encoder.
    pub text: ClipTextConfig,
    /// The U-Net with its motion modules. Conditions, object layers and the size of the latents are the
    /// stage's affair.
    pub unet: UnetConfig,
}

/// Public networks of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullSize {
    /// Those of Stable Diffusion 1.5 with AnimateDiff V3, for 16 frames of 256×256 pixels as in the paper.
    Sd15,
    /// The same classes in miniature, for 4 frames of 64×64 pixels.
    Tiny,
}

/// Public sizes of SAM 2.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MaskerSize {
    /// On Hiera-T.
    #[default]
    Tiny,
    /// On Hiera-S.
    Small,
    /// On Hiera-B+.
    BasePlus,
    /// On Hiera-L.
    Large,
}

impl FullSize {
    /// The videos.
    pub fn video(self) -> VideoShape {
        match self {
            Self::Sd15 => VideoShape { size: 256, frames: 16 },
            Self::Tiny => VideoShape { size: 64, frames: 4 },
        }
    }

    /// The autoencoder.
    pub fn vae(self) -> KlConfig {
        match self {
            Self::Sd15 => KlConfig::sd15(),
            Self::Tiny => KlConfig::tiny(),
        }
    }

    /// The text encoder. The tiny one, as wide as the tiny U-Net reads, has tokens of bytes alone.
    pub fn text(self) -> ClipTextConfig {
        match self {
            Self::Sd15 => ClipTextConfig::vit_l_14(),
            Self::Tiny => ClipTextConfig {
                vocabulary: 514,
                positions: 77,
                width: 32,
                ..ClipTextConfig::tiny()
            },
        }
    }

    /// The U-Net with so many conditions, for the videos that it was made for in public.
    pub fn unet(self, conditions: usize) -> UnetConfig {
        match self {
            Self::Sd15 => UnetConfig::sd15_animatediff_v3([16, 64, 64], conditions),
            Self::Tiny => UnetConfig::tiny(conditions),
        }
    }

    /// What finds names as boxes.
    pub fn detector(self) -> GroundingDinoConfig {
        match self {
            Self::Sd15 => GroundingDinoConfig::tiny(),
            Self::Tiny => GroundingDinoConfig::test(),
        }
    }

    /// What cuts objects out of boxes and points; in miniature there is one size.
    pub fn masker(self, of: MaskerSize) -> Sam2Config {
        match (self, of) {
            (Self::Tiny, _) => Sam2Config::test(),
            (Self::Sd15, MaskerSize::Tiny) => Sam2Config::tiny(),
            (Self::Sd15, MaskerSize::Small) => Sam2Config::small(),
            (Self::Sd15, MaskerSize::BasePlus) => Sam2Config::base_plus(),
            (Self::Sd15, MaskerSize::Large) => Sam2Config::large(),
        }
    }

    /// The networks of the stages.
    pub fn networks(self) -> PublicNetworks {
        PublicNetworks { vae: self.vae(), text: self.text(), unet: self.unet(0) }
    }
}

impl StageConfig {
    /// A stage on public networks. Its object layers stand in the first six attention blocks, as in the
    /// paper, or in as many as there are; `gate_start` is 0 for a stage that starts from public weights.
    ///
    /// # Errors
    /// [`thrumask_nn::Error`] when the networks do not fit together, or the video does not divide into
    /// latents or has more frames than the motion modules know.
    pub fn on_public(
        kind: StageKind,
        of: &PublicNetworks,
        video: VideoShape,
        gate_start: f32,
    ) -> Result<Self> {
        const BLOCKS: usize = 6;
        let codec = LatentCodecConfig::Kl(of.vae.clone());
        let plain = UnetConfig {
            latent_size: codec.latent_size([video.frames, video.size, video.size])?,
            condition_channels: codec.latent_channels() * kind.conditions(),
            ..of.unet.clone()
        };
        for (what, expected, got) in [
            ("latent channels", codec.latent_channels(), plain.latent_channels),
            ("text channels", of.text.width, plain.text_width),
        ] {
            if expected != got {
                let reason = format!("expected {expected}, as the other networks have, got {got}");
                return Err(Error::config(format!("{what} of the U-Net"), reason).into());
            }
        }
        let layers = |layer: ObjectLayer| ObjectLayers {
            blocks: plain.attention_levels().len().min(BLOCKS),
            self_attention: layer,
            cross_attention: layer,
            gate_start,
        };
        let object_layers = match kind {
            StageKind::Motion => ObjectLayers::NONE,
            StageKind::Video => layers(ObjectLayer::Masked),
            StageKind::Ti2v => layers(ObjectLayer::Unmasked),
        };
        let denoiser = BackboneConfig::Unet(UnetConfig { object_layers, ..plain });
        denoiser.check()?;
        Ok(Self {
            kind,
            video,
            denoiser,
            text: PromptEncoderConfig::Clip(of.text.clone()),
            process: Process::Diffusion(Diffusion::PAPER),
            visibility: Visibility::Box,
            carried: false,
            form: MotionForm::Masks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_the_papers() {
        let of = FullSize::Sd15.networks();
        let usual = FullSize::Sd15.video();
        let stage = |kind| StageConfig::on_public(kind, &of, usual, 0.0).unwrap();
        let (motion, video) = (stage(StageKind::Motion), stage(StageKind::Video));
        assert_eq!(motion.denoiser.latent_size(), [16, 32, 32]);
        assert_eq!(motion.denoiser.object_layers(), &ObjectLayers::NONE);
        assert_eq!(video.denoiser.object_layers().blocks, 6);
        assert!(video.denoiser.object_layers().are_masked());
        let BackboneConfig::Unet(unet) = &video.denoiser else { panic!("expected a U-Net") };
        assert_eq!((unet.condition_channels, unet.text_width), (8, video.text.width()));
        let odd = VideoShape { size: 100, frames: 16 };
        assert!(StageConfig::on_public(StageKind::Video, &of, odd, 0.0).is_err());
        let long = VideoShape { size: 256, frames: 33 };
        assert!(StageConfig::on_public(StageKind::Video, &of, long, 0.0).is_err());
        let other = PublicNetworks { text: FullSize::Tiny.text(), ..of };
        let refused = StageConfig::on_public(StageKind::Video, &other, usual, 0.0).unwrap_err();
        assert!(refused.to_string().contains("expected 32"), "{refused}");
    }

    #[test]
    fn maskers_are_of_the_public_sizes() {
        let blocks = |of| FullSize::Sd15.masker(of).image_encoder.blocks.iter().sum::<usize>();
        let sizes = [MaskerSize::Tiny, MaskerSize::Small, MaskerSize::BasePlus, MaskerSize::Large];
        assert_eq!(sizes.map(blocks), [12, 16, 24, 48]);
        assert!(sizes.iter().all(|&of| FullSize::Tiny.masker(of) == Sam2Config::test()));
    }

    #[test]
    fn a_stage_is_written_and_read() {
        for of in [FullSize::Sd15, FullSize::Tiny] {
            let (networks, video) = (of.networks(), of.video());
            let config = StageConfig::on_public(StageKind::Video, &networks, video, 0.3).unwrap();
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<StageConfig>(&text).unwrap(), config);
        }
    }
}
