//! The stages' start of public weights: Stable Diffusion's networks and AnimateDiff's motion modules, as the
//! folder of models that `--models` takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use thrumask_core::{Error, fsio};
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig, names as kl_names},
    backbone::{
        BackboneConfig,
        unet::{MotionModules, Unet, UnetConfig, names},
    },
    text::clip::{ClipText, ClipTextConfig, names as clip_names},
    weights::{Checkpoint, FloatType, Kind, TensorSource, write_public},
};

use super::fresh::{Component, text_json, text_name, vae_json, vae_name};
use crate::{
    Result,
    model::{
        FullSize, PublicNetworks, StageConfig, StageKind, VideoShape,
        folders::{CONFIG, heard, read_tokenizer, write_stage, write_whole},
    },
    progress::Progress,
};

/// The longest description of a network, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// The public weights that stages start from.
#[derive(Debug, Clone)]
pub struct Assembly {
    /// A folder of Stable Diffusion 1.x: `unet`, `vae`, `text_encoder` and `tokenizer` in it. Or a file with all
    /// networks in the original naming, of the sizes that Stable Diffusion 1.5 has.
    pub from: PathBuf,
    /// The folder of the tokenizer; `None` when it is the one in `from`, which a file does not have.
    pub tokenizer: Option<PathBuf>,
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
    /// [`Error::Invalid`] when a folder is there or no tokenizer is named beside a file, [`Error::Io`] when a
    /// file cannot be read or written; [`thrumask_nn::Error`] when the networks are not those or do not fit
    /// together; whatever `progress` returns.
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
        let is_file = self.from.is_file();
        if is_file && self.tokenizer.is_none() {
            let reason = "expected a folder with vocab.json and merges.txt (--tokenizer), which a checkpoint \
                          in one file does not have, got none";
            return Err(Error::invalid("tokenizer", reason).into());
        }
        let unet = Checkpoint::open(self.part(Component::Unet))?;
        let size = is_file.then(|| size_of(&self.from, &unet)).transpose()?;
        let networks = self.networks(size)?;
        let ti2v = self.ti2v.then_some(StageKind::Ti2v);
        let configs = [StageKind::Motion, StageKind::Video]
            .into_iter()
            .chain(ti2v)
            .map(|kind| StageConfig::on_public(kind, &networks, self.video, 0.0))
            .collect::<Result<Vec<_>>>()?;
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
        let beside = match size {
            Some(size) => Some(Beside::load(&self.from, &unet, size)?),
            None => {
                Checkpoint::open(self.part(Component::Vae))?;
                Checkpoint::open(self.part(Component::TextEncoder))?;
                None
            }
        };
        read_tokenizer(&self.part(Component::Tokenizer))?;
        fs::create_dir_all(out).map_err(|e| Error::io("making", out, e))?;
        for component in [Component::Vae, Component::TextEncoder, Component::Tokenizer] {
            let from = self.part(component);
            let folder = out.join(component.folder());
            let fill = |new: &Path| match &beside {
                Some(beside) if component != Component::Tokenizer => {
                    beside.write(component, new, progress)
                }
                _ => copy_files(component, &from, new),
            };
            write_whole(&folder, |_| false, fill)?;
        }
        drop(beside);
        for config in &configs {
            self.write_stage(&out.join(config.kind.name()), config, &sources, progress)?;
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

    /// Where a network or the tokenizer is.
    fn part(&self, component: Component) -> PathBuf {
        match (&self.tokenizer, component) {
            (Some(folder), Component::Tokenizer) => folder.clone(),
            _ if self.from.is_file() => self.from.clone(),
            _ => self.from.join(component.folder()),
        }
    }

    /// What the descriptions beside the weights say.
    fn described(&self) -> Result<PublicNetworks> {
        let text = |folder: &Path| fsio::read_text_limited(folder.join(CONFIG), MAX_CONFIG);
        let vae = KlConfig::from_diffusers(&text(&self.part(Component::Vae))?)?;
        let clip = ClipTextConfig::from_transformers(&text(&self.part(Component::TextEncoder))?)?;
        let frames = self.video.frames;
        let [rows, columns] = vae.latent_size([self.video.size; 2])?;
        let json = text(&self.part(Component::Unet))?;
        let unet = UnetConfig::from_diffusers(&json, [frames, rows, columns])?;
        Ok(PublicNetworks { vae, text: clip, unet })
    }

    /// The networks, those of a file being of a known size, with their motion modules.
    fn networks(&self, size: Option<FullSize>) -> Result<PublicNetworks> {
        let mut networks = match size {
            Some(size) => size.networks(),
            None => self.described()?,
        };
        let unet = &mut networks.unet;
        if size.is_some() {
            unet.motion = None;
        }
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
        Ok(networks)
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

/// The sizes of the networks in a file, which its first convolution tells.
fn size_of(file: &Path, source: &Checkpoint) -> Result<FullSize> {
    let name = format!("{}.weight", names::single_file("conv_in", &FullSize::Sd15.unet(0)));
    let shapes = source.shapes();
    let got = shapes.get(name.as_str()).copied();
    let first = |size: FullSize| {
        let UnetConfig { channels, latent_channels, .. } = size.unet(0);
        vec![channels[0], latent_channels, 3, 3]
    };
    let mut sizes = [FullSize::Sd15, FullSize::Tiny].into_iter();
    sizes.find(|&size| got.is_some_and(|got| *got == first(size))).ok_or_else(|| {
        let got = got.map_or("no such tensor".to_owned(), |got| format!("{got:?}"));
        let expected = first(FullSize::Sd15);
        let reason = format!(
            "expected Stable Diffusion 1.x in its original naming: {name} of {expected:?}, got {got}"
        );
        thrumask_nn::Error::weights(file.display().to_string(), reason).into()
    })
}

/// What lies beside the U-Net in a file with all networks.
struct Beside {
    vae: AutoencoderKl,
    text: ClipText,
    /// The type of their numbers there.
    float: FloatType,
}

impl Beside {
    fn load(file: &Path, source: &Checkpoint, size: FullSize) -> Result<Self> {
        let (what, device) = (file.display().to_string(), Device::flex());
        let ours = [kl_names::SINGLE_FILE_PREFIX, clip_names::PREFIXES[0]];
        let is_all = |float: FloatType| {
            let ours = source.infos().filter(|(name, _)| ours.iter().any(|p| name.starts_with(p)));
            let mut kinds = ours.map(|(_, info)| &info.kind);
            // Older files number the positions of the text encoder, in whole numbers.
            kinds.all(
                |kind| matches!(kind, Kind::Numbers(n) if *n == float.number() || !n.is_float()),
            )
        };
        let halves = [FloatType::F16, FloatType::BF16];
        Ok(Self {
            vae: AutoencoderKl::load(&what, source, &size.vae(), &device)?,
            text: ClipText::load(&what, source, &size.text(), &device)?,
            float: halves.into_iter().find(|&float| is_all(float)).unwrap_or_default(),
        })
    }

    /// Writes one of them as a folder has it. `progress` hears of tensors.
    fn write(&self, which: Component, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        let [main, config] = which.files().map(|name| folder.join(name));
        heard(
            |step| match which {
                Component::Vae => {
                    write_public(&self.vae, vae_name(self.vae.config()), &main, self.float, step)
                }
                _ => write_public(&self.text, text_name, &main, self.float, step),
            },
            |done, total| progress.step(which.folder(), done, total),
        )?;
        let said = match which {
            Component::Vae => vae_json(self.vae.config()),
            _ => text_json(self.text.config()),
        };
        Ok(fsio::write_json(config, &said)?)
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
