//! The models a run uses: those built into the program, or those of a folder. Each is read when a
//! stage needs it and freed when the stage is done, those of folders as soon as they have done their part, so that memory
//! holds one of them.
//!
//! A folder holds files of ours (`motion.safetensors`), or networks as diffusers lays them out
//! ([`folders`]), or some of each.

mod apart;
mod built_in;
mod seeing;

use std::{
    borrow::Cow,
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use thrumask_core::{Fingerprint, fingerprint::sha256_hex};
use thrumask_nn::{
    Error,
    autoencoder::{LatentCodec, LatentCodecConfig},
    backbone::BackboneKind,
    perception::grounding_dino::GroundedDetector,
    weights::{Checkpoint, Keeping},
};

use crate::{
    DeviceName, Result,
    hub::{Checksum, checksum},
    model::{
        StageConfig, StageKind, StageModel, VideoShape,
        files::read_bytes,
        folders::{self, CONFIG, DETECTOR, MASKER as SAM2, TEXT_ENCODER, TOKENIZER, VAE},
        read_autoencoder, read_stage,
    },
    pipeline::Settings,
};

pub use apart::{NetworksApart, StageMemory};
pub use built_in::BuiltIn;
pub use seeing::Source;

/// The model that turns pixels into latents and back.
pub const AUTOENCODER: &str = "autoencoder";
/// The model of stage 1.
pub const MOTION: &str = "motion";
/// The model of stage 2.
pub const VIDEO: &str = "video";
/// The baseline without a trajectory, to be judged beside stage 2; no run needs it. Of the U-Net alone one is built in.
pub const TI2V: &str = "ti2v";
/// The model that finds named objects.
pub const SEGMENTER: &str = "segmenter";

/// The model that cuts objects out of boxes and points, where there is one.
pub const MASKER: &str = "masker";
/// The model that follows objects through videos, with which videos are judged; no stage needs it.
pub const TRACKER: &str = "tracker";

/// The names of the models that every run has; files of ours are called so, with `.safetensors`.
pub const NAMES: [&str; 4] = [AUTOENCODER, MOTION, VIDEO, SEGMENTER];

/// Where models come from. Nothing is read before it is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Models {
    folder: Option<PathBuf>,
    /// A SAM 2 in place of the folder's.
    masker: Option<PathBuf>,
    backbone: BackboneKind,
    device: DeviceName,
    frame_chunk: Option<NonZeroUsize>,
    /// How networks in folders keep their weights.
    kept: Keeping,
}

/// Where one model lies.
enum Place {
    /// In the program.
    BuiltIn(&'static [u8]),
    /// In a file of ours, which explains itself.
    File(PathBuf),
    /// In this folder of the folder of models.
    Folder { root: PathBuf, own: PathBuf },
}

impl Place {
    fn is_folder(&self) -> bool {
        matches!(self, Self::Folder { .. })
    }
}

impl Models {
    /// The models built into the program.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The same, but for stages with this backbone.
    #[must_use]
    pub fn with_backbone(self, backbone: BackboneKind) -> Self {
        Self { backbone, ..self }
    }

    /// The models of a folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// The models that settings name.
    pub fn from_settings(settings: &Settings) -> Self {
        let Settings {
            models, masker, backbone, device, frame_chunk, weights, map_weights, ..
        } = settings;
        Self {
            folder: models.clone(),
            masker: masker.clone(),
            backbone: *backbone,
            device: *device,
            frame_chunk: *frame_chunk,
            kept: Keeping { float: *weights, mapped: *map_weights },
        }
    }

    /// Where a model lies. A folder may lack a segmenter, and all others where it holds nothing but what looks at
    /// pictures: then they are the built-in ones.
    fn place(&self, name: &str) -> Result<Place> {
        let Some(root) = &self.folder else { return self.built_in(name) };
        let (file, own) = (root.join(format!("{name}.safetensors")), folder_of(root, name));
        match (file.exists(), own.filter(|own| is_there(own))) {
            (true, None) => Ok(Place::File(file)),
            (false, Some(own)) => Ok(Place::Folder { root: root.clone(), own }),
            (true, Some(own)) => {
                let [file, own] = [file, own].map(|path| path.display().to_string());
                Err(Error::weights(name, format!("expected one of {file} and {own}, got both"))
                    .into())
            }
            (false, None) if seeing::is_left_to_the_built_in(root, name) => self.built_in(name),
            (false, None) => {
                let own =
                    folder_of(root, name).map(|own| format!(" or the folder {}", own.display()));
                let reason =
                    format!("expected {}{}, got none", file.display(), own.unwrap_or_default());
                Err(Error::weights(name, reason).into())
            }
        }
    }

    fn built_in(&self, name: &str) -> Result<Place> {
        let own = match self.backbone {
            BackboneKind::Unet if [MOTION, VIDEO, TI2V].contains(&name) => format!("unet-{name}"),
            _ => name.to_owned(),
        };
        match BuiltIn::ALL.iter().find(|model| model.name == own) {
            Some(model) => Ok(Place::BuiltIn(model.bytes)),
            None => Err(Error::weights(name, format!("expected one of {NAMES:?}")).into()),
        }
    }

    /// What a model is called in errors.
    fn what(&self, name: &str) -> String {
        match self.place(name) {
            Ok(Place::File(path) | Place::Folder { own: path, .. }) => path.display().to_string(),
            Ok(Place::BuiltIn(_)) => format!("built-in {name}"),
            Err(_) => name.to_owned(),
        }
    }

    /// The bytes of the model called `name`, one of [`NAMES`].
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when its file cannot be read, [`Error::Weights`] when there is no
    /// model of this name, or it is a folder.
    pub fn bytes(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        match self.place(name)? {
            Place::BuiltIn(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File(path) => Ok(Cow::Owned(read_bytes(&path)?)),
            Place::Folder { own, .. } => {
                let reason = "expected a file, got a folder";
                Err(Error::weights(own.display().to_string(), reason).into())
            }
        }
    }

    /// SHA-256 of the model called `name`: of its file, or of a list of the check sums of all files that
    /// it is read from, a stage's text encoder and tokenizer included.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when a file cannot be read, [`Error::Weights`] when there is no model
    /// of this name.
    pub fn hash(&self, name: &str) -> Result<String> {
        let Place::Folder { root, own } = self.place(name)? else {
            return Ok(sha256_hex(&self.bytes(name)?));
        };
        hash_of_folder(name, &root, &own)
    }

    /// SHA-256 of every model, by name.
    ///
    /// # Errors
    /// As [`Models::hash`].
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        NAMES.iter().map(|&name| Ok((name.to_owned(), self.hash(name)?))).collect()
    }

    /// About how many bytes of memory a model takes to be read and to stay, a stage's text encoder
    /// included.
    ///
    /// # Errors
    /// As [`Models::bytes`], and as [`Checkpoint::open`].
    pub fn memory(&self, name: &str) -> Result<u64> {
        let Place::Folder { root, own } = self.place(name)? else {
            // A file is in half precision and read as a whole; its numbers, twice as long, are made and then put in place.
            return Ok(5 * self.bytes(name)?.len() as u64);
        };
        weights_of(name, &root, &own).iter().map(|folder| self.kept_in(folder)).sum()
    }

    /// How many bytes of a model are the program's own; 0 where it is not built in.
    ///
    /// # Errors
    /// As [`Models::bytes`].
    pub(crate) fn built_in_bytes(&self, name: &str) -> Result<u64> {
        match self.place(name)? {
            Place::BuiltIn(bytes) => Ok(bytes.len() as u64),
            Place::File(_) | Place::Folder { .. } => Ok(0),
        }
    }

    /// What the parameters in a folder take in memory, in bytes.
    fn kept_in(&self, folder: &Path) -> Result<u64> {
        let opened = Checkpoint::open(folder)?;
        let values: u64 = opened.infos().map(|(_, info)| info.values() as u64).sum();
        Ok(self.kept.float.number().width() as u64 * values)
    }

    /// What a file of ours says of its model.
    fn written_config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let (what, bytes) = (self.what(name), self.bytes(name)?);
        let refuse = |reason: String| Error::weights(&what, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(e.to_string()))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("config"));
        let text = text.ok_or_else(|| refuse("no \"config\" in its metadata".into()))?;
        let config = serde_json::from_str(text);
        Ok(config.map_err(|e| refuse(format!("metadata \"config\": {e}")))?)
    }

    /// The configuration of the model of stage 1 or 2, without its weights.
    ///
    /// # Errors
    /// As [`Models::bytes`]; [`Error::Weights`] when there is no such model, and when a folder lacks
    /// something or holds what does not fit.
    pub fn stage_config(&self, kind: StageKind) -> Result<StageConfig> {
        let name = kind.name();
        let place = self.place(name)?;
        let config = match &place {
            Place::Folder { own, .. } => folders::stage_config(own)?,
            Place::BuiltIn(_) | Place::File(_) => self.written_config::<StageConfig>(name)?,
        };
        let refuse = |reason: String| Error::weights(self.what(name), reason);
        if config.kind != kind {
            let got = config.kind.name();
            return Err(refuse(format!("expected a model of stage {name}, got {got}")).into());
        }
        let (expected, got) = (self.backbone, config.denoiser.kind());
        if expected != got {
            let [expected, got] = [expected, got].map(BackboneKind::name);
            let reason = format!("expected the backbone {expected}, got {got} (see --backbone)");
            return Err(refuse(reason).into());
        }
        if let Place::Folder { root, .. } = &place {
            folders::check_stage(&root.join(name), root, &config)?;
        }
        Ok(config)
    }

    /// The sizes of the autoencoder, without its weights.
    ///
    /// # Errors
    /// As [`Models::stage_config`].
    pub fn codec_config(&self) -> Result<LatentCodecConfig> {
        match self.place(AUTOENCODER)? {
            Place::Folder { own, .. } => folders::codec_config(&own),
            Place::BuiltIn(_) | Place::File(_) => {
                self.written_config(AUTOENCODER).map(LatentCodecConfig::Patches)
            }
        }
    }

    /// What both stages make.
    ///
    /// # Errors
    /// As [`Models::stage_config`]; [`Error::Weights`] for a stage 2 that follows flow, which no run gives it;
    /// [`Error::Config`] when the stages and the autoencoder do not fit together.
    pub fn shape(&self) -> Result<VideoShape> {
        let stages = [StageKind::Motion, StageKind::Video].map(|kind| self.stage_config(kind));
        let [motion, video] = stages;
        let (motion, video) = (motion?, video?);
        // A stage 1 that makes flow moves the first masks along it.
        if !video.form.is_masks() {
            let name = video.kind.name();
            let reason =
                format!("expected a {name} model that follows masks, got one that follows flow");
            return Err(Error::weights(self.what(name), reason).into());
        }
        let shape = motion.video;
        let refuse = |reason: String| Err(Error::config("models", reason).into());
        if shape != video.video {
            let got = video.video;
            return refuse(format!(
                "expected both stages to make the same, got {shape:?}, {got:?}"
            ));
        }
        let codec = self.codec_config()?;
        let [t, h, w] = codec.latent_size([shape.frames, shape.size, shape.size])?;
        let made = [codec.latent_channels(), t, h, w];
        for config in [&motion, &video] {
            let [t, h, w] = config.denoiser.latent_size();
            let read = [config.denoiser.latent_channels(), t, h, w];
            if made != read {
                let name = config.kind.name();
                return refuse(format!(
                    "expected latents of {made:?}, as the autoencoder makes, for {name}, got {read:?}"
                ));
            }
        }
        Ok(shape)
    }

    /// The autoencoder.
    ///
    /// # Errors
    /// As [`Models::bytes`], [`read_autoencoder`] and [`folders::read_codec`].
    pub fn autoencoder(&self) -> Result<LatentCodec> {
        let device = self.device.open()?;
        if let Place::Folder { own, .. } = self.place(AUTOENCODER)? {
            return folders::read_codec(&own, self.kept, &device);
        }
        Ok(read_autoencoder(&self.what(AUTOENCODER), &self.bytes(AUTOENCODER)?, &device)?.into())
    }

    /// The model of stage 1 or 2.
    ///
    /// # Errors
    /// As [`Models::stage_config`], [`read_stage`] and [`folders::read_stage`].
    pub fn stage(&self, kind: StageKind) -> Result<StageModel> {
        self.stage_config(kind)?;
        let device = self.device.open()?;
        let mut model = match self.place(kind.name())? {
            Place::Folder { root, own } => folders::read_stage(&own, &root, self.kept, &device)?,
            Place::BuiltIn(_) | Place::File(_) => {
                read_stage(&self.what(kind.name()), &self.bytes(kind.name())?, &device)?
            }
        };
        model.network.denoiser = model.network.denoiser.in_chunks(self.frame_chunk);
        Ok(model)
    }

    /// What the parameters of stage 1 or 2 take in memory while each network is at work.
    ///
    /// # Errors
    /// As [`Models::memory`].
    pub fn stage_memory(&self, kind: StageKind) -> Result<StageMemory> {
        StageMemory::new(self, kind)
    }

    /// The networks of stage 1 or 2 with the autoencoder: those in folders one at a time.
    ///
    /// # Errors
    /// As [`Models::stage`] and [`Models::autoencoder`].
    pub fn networks(&self, kind: StageKind) -> Result<NetworksApart<'_>> {
        NetworksApart::new(self, kind)
    }
}

/// Whether there is something of this name, be it a link to nothing, which is told of when it is read.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Where a model lies when it is a folder.
pub(crate) fn folder_of(root: &Path, name: &str) -> Option<PathBuf> {
    match name {
        AUTOENCODER => Some(root.join(VAE)),
        MOTION | VIDEO | TI2V => Some(root.join(name)),
        SEGMENTER => Some(root.join(DETECTOR)),
        _ => None,
    }
}

/// Whether a model reads texts with the text encoder beside it.
fn reads_beside(name: &str) -> bool {
    [MOTION, VIDEO, TI2V].contains(&name)
}

/// The folders with the weights of a model.
fn weights_of(name: &str, root: &Path, own: &Path) -> Vec<PathBuf> {
    let text = reads_beside(name).then(|| root.join(TEXT_ENCODER));
    std::iter::once(own.to_path_buf()).chain(text).collect()
}

/// SHA-256 of a list of the check sums of all files that a model in the folder `own` is read from.
pub(crate) fn hash_of_folder(name: &str, root: &Path, own: &Path) -> Result<String> {
    hash_of_files(root, &files_of(name, root, own)?)
}

/// SHA-256 of a list of the check sums of files in `root`.
fn hash_of_files(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut list = Fingerprint::new("folder of a model");
    for path in files {
        let label = path.strip_prefix(root).unwrap_or(path).display();
        list = list.text(&label.to_string(), checksum(path, Checksum::Sha256, &mut |_| Ok(()))?);
    }
    Ok(list.finish())
}

/// All files that a model in folders is read from.
fn files_of(name: &str, root: &Path, own: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in weights_of(name, root, own) {
        // A detector may lack a description; then its sizes are those of its weights.
        let config = folder.join(CONFIG);
        files.extend(Some(config).filter(|file| name != SEGMENTER || file.is_file()));
        files.extend(Checkpoint::open(&folder)?.files().map(Path::to_path_buf));
    }
    if reads_beside(name) {
        files.extend(folders::token_files(&root.join(TOKENIZER)));
    }
    if name == SEGMENTER {
        let beside = GroundedDetector::BESIDE.iter().map(|name| own.join(name));
        files.extend(beside.filter(|file| file.is_file()));
    }
    Ok(files)
}
