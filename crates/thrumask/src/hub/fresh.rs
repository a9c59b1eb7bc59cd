//! Public networks with random weights, in the layout of diffusers' folders.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde_json::{Value, json};
use thrumask_core::{Error, fsio};
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig, KlNaming},
    backbone::{
        BackboneConfig,
        unet::{Unet, names},
    },
    layers::Init,
    perception::{
        grounding_dino::{GroundedDetector, GroundingDino, names as dino_names},
        sam2::{
            Sam2Naming,
            video::{Sam2Video, names as sam_names},
        },
    },
    text::{
        bert::WordPieces,
        clip::{ClipText, ClipTextConfig, byte_vocabulary, names as clip_names},
    },
    weights::{FloatType, FreshTensors, public_shapes},
};

use crate::{
    Result,
    model::{
        FullSize, MaskerSize, StageConfig, StageKind,
        folders::{
            CONFIG, DETECTOR, MASKER, TEXT_ENCODER, TOKENIZER, TOKENS, VAE, WEIGHTS, heard,
            write_whole,
        },
    },
    progress::Progress,
};

/// tanh(γ) of the gates of object layers.
const GATE: f32 = 0.3;

/// A network of Stable Diffusion 1.5 with AnimateDiff, or what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The U-Net with motion modules (diffusers' `UNetMotionModel`).
    Unet,
    /// The autoencoder (diffusers' `AutoencoderKL`).
    Vae,
    /// CLIP's text tower (transformers' `CLIPTextModel`).
    TextEncoder,
    /// Its tokens: bytes and no pairs of them, with the ids of the public ones.
    Tokenizer,
    /// Stage 1 on the U-Net.
    Motion,
    /// Stage 2 on the U-Net.
    Video,
    /// The baseline without a trajectory on the U-Net.
    Ti2v,
    /// What finds names as boxes (transformers' `GroundingDinoForObjectDetection`), with pieces of single
    /// letters that have the ids of public special tokens.
    Detector,
    /// What cuts objects out of boxes and points and follows them (transformers' `Sam2VideoModel`).
    Masker(MaskerSize),
}

/// The positions of points and of pictures, which public files of SAM 2 hold twice.
const SAM_POSITIONS: [&str; 2] = [
    "prompt_encoder.shared_embedding.positional_embedding",
    "shared_image_embedding.positional_embedding",
];

impl Component {
    /// The networks as the public has them.
    pub const PUBLIC: [Self; 3] = [Self::Unet, Self::Vae, Self::TextEncoder];
    /// What the main job runs on.
    pub const PIPELINE: [Self; 5] =
        [Self::Motion, Self::Video, Self::Vae, Self::TextEncoder, Self::Tokenizer];

    /// Its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Vae => VAE,
            Self::TextEncoder => TEXT_ENCODER,
            Self::Tokenizer => TOKENIZER,
            Self::Motion => StageKind::Motion.name(),
            Self::Video => StageKind::Video.name(),
            Self::Ti2v => StageKind::Ti2v.name(),
            Self::Detector => DETECTOR,
            Self::Masker(_) => MASKER,
        }
    }

    /// Its files, the main one first.
    pub(super) fn files(self) -> [&'static str; 2] {
        match self {
            Self::TextEncoder | Self::Detector | Self::Masker(_) => ["model.safetensors", CONFIG],
            Self::Tokenizer => [TOKENS[0], TOKENS[1]],
            Self::Unet | Self::Vae | Self::Motion | Self::Video | Self::Ti2v => [WEIGHTS, CONFIG],
        }
    }
}

/// `config.json` of diffusers' `AutoencoderKL`.
pub(super) fn vae_json(config: &KlConfig) -> Value {
    let levels = config.channels.len();
    json!({
        "_class_name": "AutoencoderKL",
        "block_out_channels": config.channels,
        "down_block_types": vec!["DownEncoderBlock2D"; levels],
        "up_block_types": vec!["UpDecoderBlock2D"; levels],
        "layers_per_block": config.blocks,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.norm_groups,
        "scaling_factor": config.scaling_factor,
    })
}

/// What diffusers' `AutoencoderKL` calls a module of ours.
pub(super) fn vae_name(config: &KlConfig) -> impl Fn(&str) -> String {
    let levels = config.channels.len();
    move |path| KlNaming::Diffusers.rename(path, levels)
}

/// `config.json` of transformers' `CLIPTextModel`.
pub(super) fn text_json(config: &ClipTextConfig) -> Value {
    json!({
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.positions,
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.heads,
        "intermediate_size": config.hidden,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    })
}

/// What transformers' `CLIPTextModel` calls a module of ours.
pub(super) fn text_name(path: &str) -> String {
    format!("text_model.{}", clip_names::rename(path))
}

/// What is made.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// How large.
    pub size: FullSize,
    /// Seed of all weights.
    pub seed: u64,
    /// Type of the numbers.
    pub float: FloatType,
    /// How many conditions [`Component::Unet`] has beside the noise: 1 for TI2V, 2 for the stages.
    pub conditions: usize,
}

/// A network as it is written: `config.json`, and the names and shapes of all tensors.
type Described = (Value, BTreeMap<String, Vec<usize>>);

impl Fresh {
    /// Writes components into folders of `out`, each of which is there when it is whole, and gives their
    /// main files. What is there already is not written over. `progress` hears of bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a file is there; [`Error::Io`] when one cannot be written; whatever
    /// `progress` returns.
    pub fn write(
        &self,
        out: &Path,
        components: &[Component],
        progress: &mut dyn Progress,
    ) -> Result<Vec<PathBuf>> {
        let file = |c: &Component, name: &str| out.join(c.folder()).join(name);
        let mut all = components.iter().flat_map(|c| c.files().map(|name| file(c, name)));
        if let Some(there) = all.find(|file| file.exists()) {
            let reason = "expected no such file yet, got one";
            return Err(Error::invalid(there.display().to_string(), reason).into());
        }
        std::fs::create_dir_all(out).map_err(|e| Error::io("making", out, e))?;
        for &component in components {
            let folder = out.join(component.folder());
            write_whole(&folder, |_| false, |new| self.fill(new, component, progress))?;
        }
        Ok(components.iter().map(|c| file(c, c.files()[0])).collect())
    }

    /// Writes the files of one component.
    fn fill(&self, folder: &Path, component: Component, progress: &mut dyn Progress) -> Result<()> {
        let [main, beside] = component.files().map(|name| folder.join(name));
        let Some((config, shapes)) = self.described(component)? else {
            return self.write_tokens(&main, &beside);
        };
        let width = self.float.number().width();
        let sizes = shapes.values().map(|shape| shape.iter().product::<usize>() * width);
        let ends: Vec<usize> = std::iter::once(0)
            .chain(sizes.scan(0, |end, size| {
                *end += size;
                Some(*end)
            }))
            .collect();
        let total = ends.last().copied().unwrap_or(0);
        let [points, pictures] = SAM_POSITIONS;
        let fresh = FreshTensors::new(self.seed, shapes).with_twin(points, pictures);
        heard(
            |step| fresh.write(&main, self.float, step),
            |done, _| progress.step(component.folder(), ends[done], total),
        )?;
        if component == Component::Detector {
            let vocabulary = WordPieces::of_letters()?.to_vocabulary();
            fsio::write_atomic(folder.join(GroundedDetector::BESIDE[0]), vocabulary.as_bytes())?;
        }
        Ok(fsio::write_json(beside, &config)?)
    }

    /// Tokens of bytes; start and end are the last ids of the text encoder, as in the public ones.
    fn write_tokens(&self, tokens: &Path, merges: &Path) -> Result<()> {
        let count = self.size.text().vocabulary as u32;
        let vocabulary: BTreeMap<String, u32> =
            byte_vocabulary(count - 2, count - 1).into_iter().collect();
        fsio::write_json(tokens, &vocabulary)?;
        Ok(fsio::write_atomic(merges, b"#version: 0.2\n")?)
    }

    /// `None` for what is no network.
    fn described(&self, component: Component) -> Result<Option<Described>> {
        let device = Device::flex();
        let init = &mut Init::new(self.seed, &device);
        Ok(Some(match component {
            Component::Unet => {
                let config = self.size.unet(self.conditions);
                let shapes = public_shapes(&Unet::new(init, &config)?, names::diffusers);
                (config.to_diffusers()?, shapes)
            }
            Component::Motion => self.stage(init, StageKind::Motion)?,
            Component::Video => self.stage(init, StageKind::Video)?,
            Component::Ti2v => self.stage(init, StageKind::Ti2v)?,
            Component::Vae => {
                let config = self.size.vae();
                let network = AutoencoderKl::new(init, &config)?;
                (vae_json(&config), public_shapes(&network, vae_name(&config)))
            }
            Component::TextEncoder => {
                let config = self.size.text();
                let network = ClipText::new(init, &config)?;
                (text_json(&config), public_shapes(&network, text_name))
            }
            Component::Detector => {
                let config = self.size.detector();
                let network = GroundingDino::new(init, &config)?;
                let shapes = public_shapes(&network, |path| dino_names::rename(path, &config));
                (config.to_transformers(), shapes)
            }
            Component::Masker(of) => {
                let config = self.size.masker(of);
                let network = Sam2Video::new(init, &config)?;
                let rename =
                    |path: &str| sam_names::rename(Sam2Naming::Transformers, path, &config);
                (config.to_transformers(), public_shapes(&network, rename))
            }
            Component::Tokenizer => return Ok(None),
        }))
    }

    fn stage(&self, init: &mut Init, kind: StageKind) -> Result<Described> {
        let config = StageConfig::on_public(kind, &self.size.networks(), self.size.video(), GATE)?;
        let shapes = match &config.denoiser {
            BackboneConfig::Unet(unet) => public_shapes(&Unet::new(init, unet)?, names::diffusers),
            BackboneConfig::Dit(_) => BTreeMap::new(),
        };
        let written = serde_json::to_value(&config);
        Ok((written.map_err(|e| Error::format(CONFIG, e.to_string()))?, shapes))
    }
}
