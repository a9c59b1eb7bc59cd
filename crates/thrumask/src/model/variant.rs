//! The nano configurations of the stages, and the variants that the paper compares.

use thrumask_nn::{
    autoencoder::LatentCodecConfig,
    backbone::{
        BackboneConfig, BackboneKind, FirstFrame, ObjectLayer, ObjectLayers,
        dit::DitConfig,
        groups::Visibility,
        unet::{MotionModules, UnetConfig},
    },
    diffusion::{
        path::Prediction,
        process::{Diffusion, Process},
    },
    layers::Rotary,
    text::{PromptEncoderConfig, TextEncoderConfig},
};

use super::{MotionForm, StageConfig, StageKind, VideoShape};
use crate::Result;

/// How a stage differs from its usual nano configuration: the paper's ablations. Parameter counts stay
/// equal when a masked layer becomes an unmasked one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Variant {
    /// What stage 1 makes and stage 2 follows; ignored by TI2V.
    pub form: Option<MotionForm>,
    /// What stands in the place of masked self-attention.
    pub self_attention: Option<ObjectLayer>,
    /// What stands in the place of masked cross-attention.
    pub cross_attention: Option<ObjectLayer>,
    /// Which network removes the noise.
    pub backbone: Option<BackboneKind>,
    /// What it is trained to undo.
    pub process: Option<Process>,
    /// Whether the U-Net stands on the transformer's patches; on every latent otherwise.
    pub patched: bool,
    /// Whether the U-Net's prediction adds to the first frame, as the transformer's does, and mixes in the noisy
    /// latents.
    pub shortcuts: bool,
    /// Whether stage 2 sees the picture carried along the trajectory.
    pub carried: bool,
}

impl Variant {
    /// The object layers of a stage that usually has `usual` ones.
    fn object_layers(&self, kind: StageKind, usual: ObjectLayers) -> Result<ObjectLayers> {
        let layers = ObjectLayers {
            self_attention: self.self_attention.unwrap_or(usual.self_attention),
            cross_attention: self.cross_attention.unwrap_or(usual.cross_attention),
            ..usual
        };
        let both = [layers.self_attention, layers.cross_attention];
        let refuse = |reason: &str| Err(thrumask_nn::Error::config("object layers", reason).into());
        match kind {
            StageKind::Motion if both != [ObjectLayer::Absent; 2] => {
                refuse("stage 1 has none, so expected no choice of attention")
            }
            StageKind::Ti2v if both.contains(&ObjectLayer::Masked) => {
                refuse("TI2V has no masks, so expected unmasked or absent attention")
            }
            _ if both == [ObjectLayer::Absent; 2] => Ok(ObjectLayers::NONE),
            _ => Ok(layers),
        }
    }
}

impl StageConfig {
    /// The nano configuration of a stage.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] when the video does not divide into latents.
    pub fn nano(kind: StageKind, latents: &LatentCodecConfig, video: VideoShape) -> Result<Self> {
        Self::nano_variant(kind, latents, video, &Variant::default())
    }

    /// A variant of the nano configuration of a stage.
    ///
    /// # Errors
    /// As [`StageConfig::nano`], and when the stage has no place for the variant's attention.
    pub fn nano_variant(
        kind: StageKind,
        latents: &LatentCodecConfig,
        video: VideoShape,
        variant: &Variant,
    ) -> Result<Self> {
        let form = match kind {
            StageKind::Motion | StageKind::Video => variant.form.unwrap_or_default(),
            StageKind::Ti2v => MotionForm::Masks,
        };
        if variant.carried && kind != StageKind::Video {
            let reason = "expected only of stage 2, which alone has a trajectory to carry along";
            return Err(thrumask_nn::Error::config("carried", reason).into());
        }
        let text = PromptEncoderConfig::Words(TextEncoderConfig::nano());
        let latent_size = latents.latent_size([video.frames, video.size, video.size])?;
        let channels = latents.latent_channels();
        let nano = Nano { kind, form, channels, latent_size, text_width: text.width() };
        let backbone = variant.backbone.unwrap_or_default();
        for (what, asked) in [("patched", variant.patched), ("shortcuts", variant.shortcuts)] {
            if asked && backbone != BackboneKind::Unet {
                let reason =
                    "expected only with backbone = \"unet\": a transformer always has them";
                return Err(thrumask_nn::Error::config(what, reason).into());
            }
        }
        let (denoiser, usual) = match backbone {
            BackboneKind::Dit => {
                (BackboneConfig::Dit(nano.dit(variant)?), Process::Flow(Prediction::Sample))
            }
            BackboneKind::Unet => {
                (BackboneConfig::Unet(nano.unet(variant)?), Process::Diffusion(Diffusion::PAPER))
            }
        };
        let process = variant.process.unwrap_or(usual);
        process.check()?;
        denoiser.check()?;
        let (visibility, carried) = (Visibility::Box, variant.carried);
        Ok(Self { kind, video, denoiser, text, process, visibility, form, carried })
    }
}

/// What the nano denoisers of a stage have in common.
struct Nano {
    kind: StageKind,
    form: MotionForm,
    /// Channels of the latents.
    channels: usize,
    latent_size: [usize; 3],
    text_width: usize,
}

impl Nano {
    /// Object layers in the first `blocks` blocks, as the stage and the variant have them.
    fn object_layers(&self, blocks: usize, variant: &Variant) -> Result<ObjectLayers> {
        let usual = |layer: ObjectLayer| ObjectLayers {
            blocks,
            self_attention: layer,
            cross_attention: layer,
            gate_start: 0.3,
        };
        let usual = match self.kind {
            StageKind::Motion => ObjectLayers::NONE,
            StageKind::Video => usual(ObjectLayer::Masked),
            StageKind::Ti2v => usual(ObjectLayer::Unmasked),
        };
        variant.object_layers(self.kind, usual)
    }

    /// Shapes of masks are simpler than videos.
    fn patch(&self) -> [usize; 3] {
        match self.kind {
            StageKind::Motion => [3, 3, 3],
            StageKind::Video | StageKind::Ti2v => [3, 2, 2],
        }
    }

    fn first_frame(&self) -> FirstFrame {
        match (self.kind, self.form) {
            (StageKind::Motion, MotionForm::Masks) => FirstFrame::Residual,
            // No condition looks like flow: where nothing moves the video is white, whatever the
            // picture and the masks are, and a bias of the output learns that.
            (StageKind::Motion, MotionForm::Flow) => FirstFrame::None,
            (StageKind::Video | StageKind::Ti2v, _) => FirstFrame::Gated,
        }
    }

    /// Stage 1 starts from the first masks, which follow the picture among the conditions.
    fn first_frame_channel(&self) -> usize {
        match (self.kind, self.form) {
            (StageKind::Motion, MotionForm::Masks) => self.channels,
            _ => 0,
        }
    }

    fn dit(&self, variant: &Variant) -> Result<DitConfig> {
        let (width, heads, depth) = (128, 4, 4);
        Ok(DitConfig {
            latent_channels: self.channels,
            condition_channels: self.channels * self.kind.conditions(),
            latent_size: self.latent_size,
            patch: self.patch(),
            width,
            depth,
            heads,
            mlp_ratio: 3,
            text_width: self.text_width,
            object_layers: self.object_layers(depth / 2, variant)?,
            first_frame: self.first_frame(),
            first_frame_channel: self.first_frame_channel(),
            rotary: Some(Rotary::even(width / heads)),
        })
    }

    /// On every latent, where full resolution goes without attention, as its tokens would be most of the work; or
    /// on patches, which are fewer and hold more values each: wider, and halved once.
    fn unet(&self, variant: &Variant) -> Result<UnetConfig> {
        let (layers, head) = (1, 32);
        let (channels, attention) = match variant.patched {
            true => (vec![96; 2], vec![true; 2]),
            false => (vec![32, 64, 64], vec![false, true, true]),
        };
        let heads = channels[channels.len() - 1] / head;
        let blocks = layers * attention.iter().filter(|&&with| with).count();
        Ok(UnetConfig {
            latent_channels: self.channels,
            condition_channels: self.channels * self.kind.conditions(),
            latent_size: self.latent_size,
            patch: if variant.patched { self.patch() } else { [1; 3] },
            first_frame: if variant.shortcuts { self.first_frame() } else { FirstFrame::None },
            first_frame_channel: if variant.shortcuts { self.first_frame_channel() } else { 0 },
            mixed: variant.shortcuts,
            channels,
            attention,
            layers,
            heads,
            rotary: Some(Rotary::even(head)),
            norm_groups: 8,
            text_width: self.text_width,
            motion: Some(MotionModules { heads: 4, max_frames: 32, middle: false }),
            object_layers: self.object_layers(blocks, variant)?,
        })
    }
}
