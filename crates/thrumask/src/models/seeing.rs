//! The models that look at pictures: what finds names, and what cuts objects out of boxes and around points.

use std::{
    fs,
    path::{Path, PathBuf},
};

use thrumask_core::Error as CoreError;
use thrumask_nn::{
    perception::{
        grounding_dino::{GroundedDetector, Thresholds},
        sam2::{Sam2, Sam2Naming},
    },
    weights::TensorSource,
};

use super::{
    AUTOENCODER, CONFIG, DETECTOR, MASKER, MOTION, Models, NAMES, Place, SAM2, SEGMENTER,
    TEXT_ENCODER, TOKENIZER, TRACKER, VIDEO, files_of, folder_of, folders, hash_of_files, is_there,
};
use crate::{
    Result,
    model::VideoShape,
    segment::{
        ColorMasker, DetectThenMask, DinoDetector, Masker, NanoSegmenter, SamMasks, Segmenter,
        read_segmenter,
    },
    tracker::SamTracker,
};

/// Where a model of a run comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the model is for: one of [`NAMES`], or [`MASKER`].
    pub name: &'static str,
    /// Its file or folder; `None` for one that is built into the program.
    pub path: Option<PathBuf>,
    /// Bytes of all files that it is read from, a stage's text encoder and tokenizer included.
    pub bytes: u64,
    /// As [`Models::hash`].
    pub sha256: String,
}

/// Whether a folder leaves a model that it lacks to the built-in ones: segmenter and tracker always, any other where there is
/// something that looks at pictures and nothing that makes them.
pub(super) fn is_left_to_the_built_in(root: &Path, name: &str) -> bool {
    let file = |name: &str| root.join(format!("{name}.safetensors")).exists();
    let folder = |name: &str| is_there(&root.join(name));
    let makes = |name: &str| file(name) || folder_of(root, name).is_some_and(|own| is_there(&own));
    let sees = file(SEGMENTER) || folder(DETECTOR) || folder(SAM2);
    let makes = [AUTOENCODER, MOTION, VIDEO].into_iter().any(makes);
    let reads = [TEXT_ENCODER, TOKENIZER].into_iter().any(folder);
    root.is_dir() && ([SEGMENTER, TRACKER].contains(&name) || sees && !makes && !reads)
}

impl Models {
    /// Looks whether every model is there and fits, without reading values, and gives what the stages make.
    ///
    /// # Errors
    /// As [`Models::shape`], [`GroundedDetector::check`] and [`Models::masker`].
    pub fn check(&self) -> Result<VideoShape> {
        let shape = self.shape()?;
        if let Place::Folder { own, .. } = self.place(SEGMENTER)? {
            GroundedDetector::check(&own)?;
        }
        if let Some(path) = self.masker_path() {
            let (weights, config) = folders::open_sam2(&path)?;
            Sam2::check_public(&path.display().to_string(), &weights, &config)?;
        }
        Ok(shape)
    }

    /// The segmenter: the network of this project, or a public detector of names whose boxes are cut out by
    /// [`Models::masker`].
    ///
    /// # Errors
    /// As [`Models::bytes`], [`read_segmenter`], [`GroundedDetector::open`] and [`Models::masker`].
    pub fn segmenter(&self) -> Result<Box<dyn Segmenter>> {
        let Place::Folder { own, .. } = self.place(SEGMENTER)? else {
            return Ok(Box::new(self.nano_segmenter()?));
        };
        let detector = DinoDetector(GroundedDetector::open(&own, self.kept, &self.device.open()?)?);
        let least = Thresholds::PAPER.box_score;
        Ok(Box::new(DetectThenMask::new(detector, self.masker()?, least)))
    }

    /// The network of this project that finds named objects.
    ///
    /// # Errors
    /// As [`Models::bytes`] and [`read_segmenter`]; [`thrumask_nn::Error::Weights`] when the segmenter is a public detector.
    pub fn nano_segmenter(&self) -> Result<NanoSegmenter> {
        let (what, bytes) = (self.what(SEGMENTER), self.bytes(SEGMENTER)?);
        Ok(NanoSegmenter::new(read_segmenter(&what, &bytes, &self.device.open()?)?))
    }

    /// The network of this project that follows objects through videos.
    ///
    /// # Errors
    /// As [`Models::bytes`] and [`SamTracker::read`].
    pub fn tracker(&self) -> Result<SamTracker> {
        let bytes = self.bytes(TRACKER)?;
        SamTracker::read(&self.what(TRACKER), &bytes, &self.device.open()?)
    }

    /// Where the SAM 2 lies that cuts objects out, if there is one: the settings' or the folder's.
    pub fn masker_path(&self) -> Option<PathBuf> {
        let beside = self.folder.as_ref().map(|root| root.join(SAM2)).filter(|own| is_there(own));
        self.masker.clone().or(beside)
    }

    /// What cuts objects out of boxes and around points: a SAM 2, or colour where there is none.
    ///
    /// # Errors
    /// As [`SamMasks::open`].
    pub fn masker(&self) -> Result<Box<dyn Masker>> {
        Ok(match self.masker_path() {
            Some(path) => Box::new(SamMasks::open(&path, &self.device.open()?)?),
            None => Box::new(ColorMasker),
        })
    }

    /// SHA-256 of the list of the check sums of the files of the SAM 2, if there is one.
    ///
    /// # Errors
    /// As [`folders::open_sam2`].
    pub fn masker_hash(&self) -> Result<Option<String>> {
        let hash = |path: PathBuf| hash_of_files(&path, &masker_files(&path)?);
        self.masker_path().map(hash).transpose()
    }

    /// About how many bytes of memory the weights of the SAM 2 take, 0 where there is none.
    ///
    /// # Errors
    /// As [`folders::open_sam2`].
    pub fn masker_memory(&self) -> Result<u64> {
        let Some(path) = self.masker_path() else { return Ok(0) };
        let (weights, _) = folders::open_sam2(&path)?;
        // What follows objects through videos is not read.
        let part = Sam2Naming::of(&weights).part(&weights, false)?;
        let values: usize =
            part.shapes().values().map(|shape| shape.iter().product::<usize>()).sum();
        Ok((values * size_of::<f32>()) as u64)
    }

    /// Where all models of a run come from.
    ///
    /// # Errors
    /// As [`Models::hash`] and [`Models::masker_hash`].
    pub fn sources(&self) -> Result<Vec<Source>> {
        let mut found = Vec::new();
        for name in NAMES {
            let (path, bytes) = match self.place(name)? {
                Place::BuiltIn(bytes) => (None, bytes.len() as u64),
                Place::File(path) => {
                    let bytes = bytes_of(std::slice::from_ref(&path))?;
                    (Some(path), bytes)
                }
                Place::Folder { root, own } => {
                    let bytes = bytes_of(&files_of(name, &root, &own)?)?;
                    (Some(own), bytes)
                }
            };
            found.push(Source { name, path, bytes, sha256: self.hash(name)? });
        }
        if let (Some(path), Some(sha256)) = (self.masker_path(), self.masker_hash()?) {
            let bytes = bytes_of(&masker_files(&path)?)?;
            found.push(Source { name: MASKER, path: Some(path), bytes, sha256 });
        }
        Ok(found)
    }
}

/// All files that a SAM 2 is read from.
fn masker_files(path: &Path) -> Result<Vec<PathBuf>> {
    let (weights, _) = folders::open_sam2(path)?;
    let config = Some(path.join(CONFIG)).filter(|file| file.is_file());
    Ok(config.into_iter().chain(weights.files().map(Path::to_path_buf)).collect())
}

/// Bytes of files.
fn bytes_of(files: &[PathBuf]) -> Result<u64> {
    let size = |path: &PathBuf| {
        let data = fs::metadata(path).map_err(|e| CoreError::io("reading", path, e))?;
        Ok(data.len())
    };
    files.iter().map(size).sum()
}
