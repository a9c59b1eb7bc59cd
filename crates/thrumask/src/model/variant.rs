//! The nano configurations of the stages, and the variants that the paper compares, at any size.

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

/// How a stage differs from its usual configuration: the paper's ablations. Parameter counts stay equal when a
/// masked layer becomes an unmasked one.
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
    /// Whether stage 2 sees the picture carried along the trajectory; as usual when left out.
    pub carried: Option<bool>,
}

impl Variant {
    /// What of it makes another network, by its name in a training configuration.
    fn other_network(&self) -> Option<&'static str> {
        let asked = [
            ("backbone", self.backbone.is_some()),
            ("patched", self.patched),
            ("shortcuts", self.shortcuts),
        ];
        asked.into_iter().find(|&(_, asked)| asked).map(|(what, _)| what)
    }

    /// What stage 1 makes and stage 2 follows, of a stage that usually has `usual`.
    fn form(&self, kind: StageKind, usual: MotionForm) -> MotionForm {
        match kind {
            StageKind::Motion | StageKind::Video => self.form.unwrap_or(usual),
            StageKind::Ti2v => MotionForm::Masks,
        }
    }

    /// What the network is trained to undo, of a stage that usually undoes `usual`.
    fn process(&self, usual: Process) -> Result<Process> {
        let process = self.process.unwrap_or(usual);
        process.check()?;
        Ok(process)
    }

    /// Whether a stage sees the picture carried along that usually does if `usual`.
    fn carried(&self, kind: StageKind, usual: bool) -> Result<bool> {
        if self.carried == Some(true) && kind != StageKind::Video {
            let reason = "expected only of stage 2, which alone has a trajectory to carry along";
            return Err(thrumask_nn::Error::config("carried", reason).into());
        }
        Ok(self.carried.unwrap_or(usual))
    }

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
        let form = variant.form(kind, MotionForm::default());
        let carried = variant.carried(kind, false)?;
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
        let (process, visibility) = (variant.process(usual)?, Visibility::Box);
        denoiser.check()?;
        Ok(Self { kind, video, denoiser, text, process, visibility, form, carried })
    }

    /// This stage, of any size, as a variant that its weights serve as they are. Masks have none, so masked
    /// attention may become unmasked and the other way round; what stage 1 makes and stage 2 follows, what is undone
    /// and what is seen of the picture are no matter of parameters either.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] naming what needs other weights, or what the stage has no place for.
    pub fn varied(self, variant: &Variant) -> Result<Self> {
        use ObjectLayer::Absent;
        let refuse = |what: &str, reason: String| thrumask_nn::Error::config(what, reason);
        if let Some(what) = variant.other_network() {
            let reason = "expected none, as its config.json says what network it is";
            return Err(refuse(what, reason.into()).into());
        }
        let usual = *self.denoiser.object_layers();
        let object_layers = variant.object_layers(self.kind, usual)?;
        for (what, there, asked) in [
            ("self_attention", usual.self_attention, object_layers.self_attention),
            ("cross_attention", usual.cross_attention, object_layers.cross_attention),
        ] {
            if (there == Absent) != (asked == Absent) {
                let expected = match there {
                    Absent => "absent, as there are no weights for it",
                    _ => "masked or unmasked, as there are weights for it",
                };
                return Err(refuse(what, format!("expected {expected}, got {asked:?}")).into());
            }
        }
        let denoiser = match self.denoiser {
            BackboneConfig::Dit(dit) => BackboneConfig::Dit(DitConfig { object_layers, ..dit }),
            BackboneConfig::Unet(unet) => {
                BackboneConfig::Unet(UnetConfig { object_layers, ..unet })
            }
        };
        Ok(Self {
            denoiser,
            process: variant.process(self.process)?,
            form: variant.form(self.kind, self.form),
            carried: variant.carried(self.kind, self.carried)?,
            ..self
        })
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::tensor::Device;
    use thrumask_nn::{
        backbone::unet::{Unet, names},
        layers::Init,
        weights::public_shapes,
    };

    use super::*;
    use crate::model::FullSize;

    /// A stage of the paper's U-Net.
    fn full(kind: StageKind) -> StageConfig {
        let of = FullSize::Sd15;
        StageConfig::on_public(kind, &of.networks(), of.video(), 0.0).unwrap()
    }

    /// Names and shapes of the U-Net's parameters.
    fn parameters(of: &StageConfig) -> BTreeMap<String, Vec<usize>> {
        let BackboneConfig::Unet(unet) = &of.denoiser else { panic!("expected a U-Net") };
        let network = Unet::new(&mut Init::new(0, &Device::flex()), unet).unwrap();
        public_shapes(&network, names::diffusers)
    }

    fn attention(own: Option<ObjectLayer>, cross: Option<ObjectLayer>) -> Variant {
        Variant { self_attention: own, cross_attention: cross, ..Variant::default() }
    }

    #[test]
    fn the_papers_comparisons_have_the_same_parameters_at_full_size() {
        let unmasked = Some(ObjectLayer::Unmasked);
        let video = full(StageKind::Video);
        let expected = parameters(&video);
        let flow = Variant { form: Some(MotionForm::Flow), ..Variant::default() };
        let none = attention(unmasked, unmasked);
        for variant in [attention(unmasked, None), attention(None, unmasked), none, flow] {
            let varied = video.clone().varied(&variant).unwrap();
            assert_ne!(varied, video);
            assert!(parameters(&varied) == expected, "{variant:?}");
            let written = serde_json::to_string(&varied).unwrap();
            assert_eq!(serde_json::from_str::<StageConfig>(&written).unwrap(), varied);
            let seeing = Variant { carried: Some(true), ..Variant::default() };
            let seeing = varied.clone().varied(&seeing).unwrap();
            assert!(seeing.carried && seeing.clone().varied(&Variant::default()).unwrap().carried);
            let back = Variant { carried: Some(false), ..Variant::default() };
            assert_eq!(seeing.varied(&back).unwrap(), varied);
            // What is left out stays as it is.
            assert_eq!(varied.clone().varied(&Variant::default()).unwrap(), varied);
        }
        assert!(!video.clone().varied(&none).unwrap().denoiser.object_layers().are_masked());
        let motion = full(StageKind::Motion);
        let of_flow = motion.clone().varied(&flow).unwrap();
        assert_eq!(of_flow, StageConfig { form: MotionForm::Flow, ..motion.clone() });
        assert!(parameters(&of_flow) == parameters(&motion));
        // TI2V sees no trajectory, and has all else.
        let mut ti2v = parameters(&full(StageKind::Ti2v));
        let first = ti2v.insert("conv_in.weight".into(), vec![320, 12, 3, 3]);
        assert_eq!(first, Some(vec![320, 8, 3, 3]));
        assert!(ti2v == expected);
    }

    #[test]
    fn what_needs_other_weights_is_refused_by_name() {
        use ObjectLayer::{Absent, Masked, Unmasked};
        let unet = Variant { backbone: Some(BackboneKind::Unet), ..Variant::default() };
        let patched = Variant { patched: true, ..Variant::default() };
        let carried = Variant { carried: Some(true), ..Variant::default() };
        let video = StageKind::Video;
        for (kind, variant, words) in [
            (video, unet, ["backbone", "config.json"]),
            (video, patched, ["patched", "config.json"]),
            (video, attention(Some(Absent), None), ["self_attention", "masked or unmasked"]),
            (video, attention(Some(Absent), Some(Absent)), ["self_attention", "got Absent"]),
            (StageKind::Motion, attention(None, Some(Unmasked)), ["object layers", "stage 1"]),
            (StageKind::Ti2v, attention(Some(Masked), None), ["object layers", "TI2V"]),
            (StageKind::Motion, carried, ["carried", "stage 2"]),
        ] {
            let error = full(kind).varied(&variant).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{variant:?}: {error}");
        }
        // Layers that are not there cannot be had.
        let mut bare = full(video);
        let BackboneConfig::Unet(unet) = &mut bare.denoiser else { panic!("expected a U-Net") };
        unet.object_layers = ObjectLayers::NONE;
        let error = bare.varied(&attention(None, Some(Unmasked))).unwrap_err().to_string();
        assert!(error.contains("cross_attention: expected absent"), "{error}");
    }
}
