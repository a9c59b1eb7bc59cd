//! The stages' start of public weights: Stable Diffusion's networks and AnimateDiff's motion modules, as the
//! folder of models that `--models` takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use thrumask_core::{Error, fsio};
use thrumask_nn::{
    autoencoder::kl::KlConfig,
    backbone::{
        BackboneConfig,
        unet::{MotionModules, Unet, UnetConfig},
    },
    text::clip::ClipTextConfig,
    weights::{Checkpoint, FloatType, TensorSource},
};

use super::fresh::Component;
use crate::{
    Result,
    model::{
        PublicNetworks, StageConfig, StageKind, VideoShape,
        folders::{CONFIG, read_tokenizer, write_stage, write_whole},
    },
    progress::Progress,
};

/// The longest description of a network, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The public weights that stages start from.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// A folder of Stable Diffusion 1.x: `unet`, `vae`, `text_encoder` and `tokenizer` in it.
    pub from: PathBuf,
    /// Motion modules: a folder or file of AnimateDiff; `None` when `unet` has them.
    pub motion: Option<PathBuf>,
    /// Whether the baseline without a trajectory is made beside the stages.
    pub ti2v: bool,
    /// The videos that the stages shall make.
    pub video: VideoShape,
    /// Seed of the object layers, which no public file has.
    pub seed: u64,
    /// Type of the numbers of the stages.
    pub float: FloatType,
}

impl Assembly {
    /// Writes the folders of a pipeline into `out`, each of which is there when it is whole: the stages,
    /// with new input channels that are zero and object layers whose gates are closed, so that they are
    /// the public network until they are trained; the other networks as they are. Gives the main files.
    /// `progress` hears of tensors.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a folder is there, [`Error::Io`] when a file cannot be read or written;
    /// [`thrumask_nn::Error`] when the networks are not those or do not fit together; whatever `progress`
    /// returns.
    pub fn write(&self, out: &Path, progress: &mut dyn Progress) -> Result<Vec<PathBuf>> {
        let ti2v = self.ti2v.then_some(Component::Ti2v);
        let components = Component::PIPELINE.into_iter().chain(ti2v);
        for component in components.clone() {
            let folder = out.join(component.folder());
            if folder.exists() {
                let reason = "expected no such folder yet, got one";
                return Err(Error::invalid(folder.display().to_string(), reason).into());
            }
        }
        let networks = self.networks()?;
        let ti2v = self.ti2v.then_some(StageKind::Ti2v);
        let configs = [StageKind::Motion, StageKind::Video]
            .into_iter()
            .chain(ti2v)
            .map(|kind| StageConfig::on_public(kind, &networks, self.video, 0.0))
            .collect::<Result<Vec<_>>>()?;
        let unet = Checkpoint::open(self.part(Component::Unet))?;
        let motion = self.motion.as_ref().map(Checkpoint::open).transpose()?;
        let sources = [Some(&unet), motion.as_ref()];
        let sources: Vec<&dyn TensorSource> =
            sources.into_iter().flatten().map(|source| source as _).collect();
        // All is looked at before anything is written.
        for config in &configs {
            if let BackboneConfig::Unet(unet) = &config.denoiser {
                Unet::check_public(&self.what(), &sources, unet)?;
            }
        }
        Checkpoint::open(self.part(Component::Vae))?;
        Checkpoint::open(self.part(Component::TextEncoder))?;
        read_tokenizer(&self.part(Component::Tokenizer))?;
        fs::create_dir_all(out).map_err(|e| Error::io("making", out, e))?;
        for config in &configs {
            self.write_stage(&out.join(config.kind.name()), config, &sources, progress)?;
        }
        for component in [Component::Vae, Component::TextEncoder, Component::Tokenizer] {
            let from = self.part(component);
            let folder = out.join(component.folder());
            write_whole(&folder, |_| false, |new| copy_files(component, &from, new))?;
        }
        Ok(components.map(|component| out.join(component.folder())).collect())
    }

    /// What the U-Net's weights are called in errors.
    fn what(&self) -> String {
        let own = self.part(Component::Unet).display().to_string();
        match &self.motion {
            Some(motion) => format!("{own} and {}", motion.display()),
            None => own,
        }
    }

    fn part(&self, component: Component) -> PathBuf {
        self.from.join(component.folder())
    }

    /// What the descriptions beside the weights say.
    fn networks(&self) -> Result<PublicNetworks> {
        let text = |folder: &Path| fsio::read_text_limited(folder.join(CONFIG), MAX_CONFIG);
        let vae = KlConfig::from_diffusers(&text(&self.part(Component::Vae))?)?;
        let clip = ClipTextConfig::from_transformers(&text(&self.part(Component::TextEncoder))?)?;
        let frames = self.video.frames;
        let [rows, columns] = vae.latent_size([self.video.size; 2])?;
        let json = text(&self.part(Component::Unet))?;
        let mut unet = UnetConfig::from_diffusers(&json, [frames, rows, columns])?;
        if let Some(motion) = &self.motion {
            if unet.motion.is_some() {
                let reason = "expected none, as the U-Net has some already, got one";
                return Err(Error::invalid("motion modules", reason).into());
            }
            // Beside the files of AnimateDiff itself nothing is said; they are those of V3.
            let said = motion.join(CONFIG);
            unet.motion = Some(match said.is_file() {
                true => MotionModules::from_diffusers(&fsio::read_text_limited(said, MAX_CONFIG)?)?,
                false => MotionModules { heads: 8, max_frames: 32, middle: false },
            });
        }
        if unet.motion.is_none() {
            let reason = "expected some in the U-Net or beside it (--motion), got none";
            return Err(Error::invalid("motion modules", reason).into());
        }
        Ok(PublicNetworks { vae, text: clip, unet })
    }

    fn write_stage(
        &self,
        folder: &Path,
        config: &StageConfig,
        sources: &[&dyn TensorSource],
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let BackboneConfig::Unet(unet) = &config.denoiser else { return Ok(()) };
        progress.step(config.kind.name(), 0, 1)?;
        let network = Unet::load_public(&self.what(), sources, unet, self.seed, &Device::flex())?;
        write_stage(folder, config, &network, self.float, progress)
    }
}

/// Copies a network or tokenizer as it is: the weights that are taken of several, and every description.
fn copy_files(component: Component, from: &Path, to: &Path) -> Result<()> {
    let mut names = fsio::list_names(from)?;
    names.retain(|name| name.ends_with(".json") || name.ends_with(".txt"));
    let mut files: Vec<PathBuf> = names.iter().map(|name| from.join(name)).collect();
    if component != Component::Tokenizer {
        files.extend(Checkpoint::open(from)?.files().map(Path::to_path_buf));
    }
    for file in files {
        let name = file.file_name().unwrap_or_default();
        fs::copy(&file, to.join(name)).map_err(|e| Error::io("copying", &file, e))?;
    }
    Ok(())
}
