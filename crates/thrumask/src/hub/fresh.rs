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
    backbone::unet::{Unet, UnetConfig, names},
    layers::Init,
    text::clip::{ClipText, ClipTextConfig, names as clip_names},
    weights::{FloatType, FreshTensors, public_shapes},
};

use crate::{Result, progress::Progress};

/// A network of Stable Diffusion 1.5 with AnimateDiff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The U-Net with motion modules (diffusers' `UNetMotionModel`).
    Unet,
    /// The autoencoder (diffusers' `AutoencoderKL`).
    Vae,
    /// CLIP's text tower (transformers' `CLIPTextModel`).
    TextEncoder,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unet, Self::Vae, Self::TextEncoder];

    /// Its folder.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Unet => "unet",
            Self::Vae => "vae",
            Self::TextEncoder => "text_encoder",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Unet | Self::Vae => "diffusion_pytorch_model.safetensors",
            Self::TextEncoder => "model.safetensors",
        }
    }
}

/// How large networks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshSize {
    /// As the public ones.
    Full,
    /// The same classes in miniature.
    Tiny,
}

/// What is made.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// How large.
    pub size: FreshSize,
    /// Seed of all weights.
    pub seed: u64,
    /// Type of the numbers.
    pub float: FloatType,
    /// How many conditions the U-Net has beside the noise: 1 for TI2V, 2 for the stages.
    pub conditions: usize,
}

impl Fresh {
    /// Writes components into folders of `out`, and gives the weight files. What is there already is not
    /// written over. `progress` hears of bytes.
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
        let folders: Vec<PathBuf> = components.iter().map(|c| out.join(c.folder())).collect();
        let both = components.iter().zip(&folders);
        let mut all = both.flat_map(|(c, f)| [f.join(c.file()), f.join("config.json")]);
        if let Some(there) = all.find(|file| file.exists()) {
            let reason = "expected no such file yet, got one";
            return Err(Error::invalid(there.display().to_string(), reason).into());
        }
        let mut files = Vec::new();
        for (&component, folder) in components.iter().zip(&folders) {
            let (config, shapes) = self.described(component)?;
            std::fs::create_dir_all(folder).map_err(|e| Error::io("making", folder, e))?;
            let file = folder.join(component.file());
            let width = self.float.number().width();
            let sizes = shapes.values().map(|shape| shape.iter().product::<usize>() * width);
            let ends: Vec<usize> = std::iter::once(0)
                .chain(sizes.scan(0, |end, size| {
                    *end += size;
                    Some(*end)
                }))
                .collect();
            let total = ends.last().copied().unwrap_or(0);
            let fresh = FreshTensors::new(self.seed, shapes);
            let mut stopped = None;
            let written = fresh.write(&file, self.float, &mut |done, _| {
                progress.step(component.folder(), ends[done], total).map_err(|e| {
                    stopped = Some(e);
                    Error::Interrupted.into()
                })
            });
            match (written, stopped) {
                (Err(_), Some(error)) => return Err(error),
                (written, _) => written?,
            }
            fsio::write_json(folder.join("config.json"), &config)?;
            files.push(file);
        }
        Ok(files)
    }

    /// `config.json`, and the names and shapes of all tensors.
    fn described(&self, component: Component) -> Result<(Value, BTreeMap<String, Vec<usize>>)> {
        let (full, device) = (self.size == FreshSize::Full, Device::flex());
        let init = &mut Init::new(self.seed, &device);
        Ok(match component {
            Component::Unet => {
                let config = match full {
                    true => UnetConfig::sd15_animatediff_v3([16, 64, 64], self.conditions),
                    false => UnetConfig::tiny(self.conditions),
                };
                let shapes = public_shapes(&Unet::new(init, &config)?, names::diffusers);
                (config.to_diffusers()?, shapes)
            }
            Component::Vae => {
                let config = if full { KlConfig::sd15() } else { KlConfig::tiny() };
                let levels = config.channels.len();
                let network = AutoencoderKl::new(init, &config)?;
                let rename = |path: &str| KlNaming::Diffusers.rename(path, levels);
                let written = json!({
                    "_class_name": "AutoencoderKL",
                    "block_out_channels": config.channels,
                    "down_block_types": vec!["DownEncoderBlock2D"; levels],
                    "up_block_types": vec!["UpDecoderBlock2D"; levels],
                    "layers_per_block": config.blocks,
                    "latent_channels": config.latent_channels,
                    "norm_num_groups": config.norm_groups,
                    "scaling_factor": config.scaling_factor,
                });
                (written, public_shapes(&network, rename))
            }
            Component::TextEncoder => {
                let config = match full {
                    true => ClipTextConfig::vit_l_14(),
                    // As wide as the tiny U-Net reads.
                    false => ClipTextConfig { width: 32, ..ClipTextConfig::tiny() },
                };
                let network = ClipText::new(init, &config)?;
                let rename = |path: &str| format!("text_model.{}", clip_names::rename(path));
                let written = json!({
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
                });
                (written, public_shapes(&network, rename))
            }
        })
    }
}
