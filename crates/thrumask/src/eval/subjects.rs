//! The models that are judged.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use thrumask_core::{Error, fingerprint::sha256_hex};
use thrumask_nn::{
    autoencoder::LatentCodec,
    perception::lpips::{Lpips, LpipsConfig, merged},
    weights::{Keeping, WeightFile},
};

use crate::{
    Result,
    model::{
        Sampling, StageKind, StageModel, VideoShape, files::read_bytes, folders, read_autoencoder,
        read_stage,
    },
    models::{folder_of, hash_of_folder},
    segment::{NanoSegmenter, Segmenter, read_segmenter},
    tracker::SamTracker,
};

/// What a model is for, by the names of the files in a folder of models (`motion.safetensors`).
pub const ROLES: [&str; 6] = ["autoencoder", "motion", "video", "ti2v", "segmenter", "tracker"];

/// The models that are judged; a part without its model is left out.
#[derive(Default)]
pub struct Subjects {
    /// Turns pixels into latents and back; every stage needs it.
    pub autoencoder: Option<LatentCodec>,
    /// Stage 1.
    pub motion: Option<StageModel>,
    /// Stage 2.
    pub video: Option<StageModel>,
    /// The model without a trajectory.
    pub ti2v: Option<StageModel>,
    /// Finds the objects of a plan.
    pub segmenter: Option<Box<dyn Segmenter>>,
    /// Compares videos with the true ones as a network sees them.
    pub lpips: Option<Lpips>,
    /// Finds the objects of videos again.
    pub tracker: Option<SamTracker>,
    /// SHA-256 of each model's file.
    pub hashes: BTreeMap<String, String>,
}

impl Subjects {
    /// The models of a folder that are there, by role: files of ours, or folders of stages and autoencoder as
    /// diffusers lays them out.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there are both for a role.
    pub fn files_in(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
        let mut found = BTreeMap::new();
        for role in ROLES {
            let file = folder.join(format!("{role}.safetensors"));
            let own = folder_of(folder, role).filter(|own| role != "segmenter" && own.is_dir());
            match (file.is_file(), own) {
                (true, Some(own)) => {
                    let [file, own] = [file, own].map(|path| path.display().to_string());
                    let reason = format!("expected one of {file} and {own}, got both");
                    return Err(Error::invalid(role, reason).into());
                }
                (true, None) => drop(found.insert(role.to_owned(), file)),
                (false, Some(own)) => drop(found.insert(role.to_owned(), own)),
                (false, None) => {}
            }
        }
        Ok(found)
    }

    /// Reads models by role: files of ours, or folders as diffusers lays them out. Text encoder and tokenizer of
    /// stages in folders lie in `root`, or beside each.
    ///
    /// # Errors
    /// As [`Subjects::add`], [`folders::read_stage`] and [`folders::read_codec`], and [`Error::Io`] when a
    /// file cannot be read.
    pub fn read(
        files: &BTreeMap<String, PathBuf>,
        root: Option<&Path>,
        device: &Device,
    ) -> Result<Self> {
        let mut subjects = Self::default();
        for (role, path) in files {
            if path.is_dir() {
                subjects.add_folder(role, path, root, device)?;
                continue;
            }
            let bytes = read_bytes(path)?;
            subjects.add(role, &path.display().to_string(), &bytes, device)?;
        }
        Ok(subjects)
    }

    /// Takes in a stage or an autoencoder of a folder.
    fn add_folder(
        &mut self,
        role: &str,
        own: &Path,
        root: Option<&Path>,
        device: &Device,
    ) -> Result<()> {
        let root = root.or(own.parent()).unwrap_or(own);
        let read =
            |kind| fitting(kind, own, folders::read_stage(own, root, Keeping::default(), device)?);
        match role {
            "autoencoder" => {
                self.autoencoder = Some(folders::read_codec(own, Keeping::default(), device)?);
            }
            "motion" => self.motion = Some(read(StageKind::Motion)?),
            "video" => self.video = Some(read(StageKind::Video)?),
            "ti2v" => self.ti2v = Some(read(StageKind::Ti2v)?),
            _ => {
                let reason = format!("expected a model file, got the folder {}", own.display());
                return Err(Error::invalid(role, reason).into());
            }
        }
        self.hashes.insert(role.to_owned(), hash_of_folder(role, root, own)?);
        Ok(())
    }

    /// Takes in the model for a role from the bytes of its file; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a role that is none of [`ROLES`] or a model of another stage;
    /// otherwise as [`read_stage`].
    pub fn add(&mut self, role: &str, what: &str, bytes: &[u8], device: &Device) -> Result<()> {
        match role {
            "autoencoder" => self.autoencoder = Some(read_autoencoder(what, bytes, device)?.into()),
            "motion" => self.motion = Some(stage(StageKind::Motion, what, bytes, device)?),
            "video" => self.video = Some(stage(StageKind::Video, what, bytes, device)?),
            "ti2v" => self.ti2v = Some(stage(StageKind::Ti2v, what, bytes, device)?),
            "segmenter" => {
                let model = read_segmenter(what, bytes, device)?;
                self.segmenter = Some(Box::new(NanoSegmenter::new(model)));
            }
            "tracker" => self.tracker = Some(SamTracker::read(what, bytes, device)?),
            _ => {
                let reason = format!("expected one of {ROLES:?}, got {role:?}");
                return Err(Error::invalid("role of a model", reason).into());
            }
        }
        self.hashes.insert(role.to_owned(), sha256_hex(bytes));
        Ok(())
    }

    /// Takes in the public weights of LPIPS with SqueezeNet: checkpoints of PyTorch, or folders of them;
    /// the backbone and the weights of its channels may lie in one file or in two.
    ///
    /// # Errors
    /// [`Error::Io`] when a file cannot be read, [`thrumask_nn::Error::Weights`] when they are no such
    /// weights.
    pub fn add_lpips(&mut self, paths: &[PathBuf], device: &Device) -> Result<()> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                let entries = std::fs::read_dir(path).map_err(|e| Error::io("reading", path, e))?;
                let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
                found.retain(|p| p.extension().is_some_and(|e| e == "pt" || e == "pth"));
                found.sort();
                files.extend(found);
            } else {
                files.push(path.clone());
            }
        }
        let mut read = Vec::new();
        let mut hashes = Vec::new();
        for path in &files {
            let bytes = read_bytes(path)?;
            hashes.push(sha256_hex(&bytes));
            read.push(WeightFile::read_torch(&path.display().to_string(), &bytes)?);
        }
        let what = files.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ");
        let config = LpipsConfig::squeeze();
        self.lpips = Some(Lpips::load(&what, &merged(read), &config, device)?);
        self.hashes.insert("lpips".to_owned(), hashes.join("+"));
        Ok(())
    }

    /// How stage 1, and stage 2 with the model without a trajectory, are usually sampled, each by its
    /// backbone; `others` if they are not the built-in ones.
    pub fn sampling(&self, others: bool) -> [Sampling; 2] {
        let of = |kind: StageKind, stage: Option<&StageModel>| {
            let backbone = stage.map(|s| s.config.denoiser.kind()).unwrap_or_default();
            Sampling::usual(kind, backbone, others)
        };
        [
            of(StageKind::Motion, self.motion.as_ref()),
            of(StageKind::Video, self.video.as_ref().or(self.ti2v.as_ref())),
        ]
    }

    /// What all stages make; `None` without any stage.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when they make different videos.
    pub fn shape(&self) -> Result<Option<VideoShape>> {
        let stages = [&self.motion, &self.video, &self.ti2v].into_iter().flatten();
        let mut shapes = stages.map(|s| (s.config.kind.name(), s.config.video));
        let Some((_, first)) = shapes.next() else { return Ok(None) };
        match shapes.find(|(_, shape)| *shape != first) {
            None => Ok(Some(first)),
            Some((name, got)) => {
                let words = |s: VideoShape| format!("{} frames of {} pixels", s.frames, s.size);
                let what = format!("videos of the {name} model");
                Err(Error::mismatch(what, words(first), words(got)).into())
            }
        }
    }
}

/// A stage model of the kind that its role asks for.
fn stage(kind: StageKind, what: &str, bytes: &[u8], device: &Device) -> Result<StageModel> {
    fitting(kind, Path::new(what), read_stage(what, bytes, device)?)
}

/// A model, if it is of the kind that its role asks for; `what` names it in errors.
fn fitting(kind: StageKind, what: &Path, model: StageModel) -> Result<StageModel> {
    if model.config.kind != kind {
        let (what, got) = (format!("stage of {}", what.display()), model.config.kind.name());
        return Err(Error::mismatch(what, kind.name(), got).into());
    }
    Ok(model)
}
