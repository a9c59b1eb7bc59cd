//! The run directory: every artefact on the arrows between the stages, under a fixed name, so that
//! each can be looked at, edited and loaded back.

mod record;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use record::{PlanOrigin, RunRecord, StageRecord, peak_rss_bytes, reset_peak_rss};

use crate::{Clip, Error, MaskSet, Picture, PromptPlan, Result, Trajectory, WriteOptions, fsio};

/// The prompt plan.
pub const PLAN: &str = "plan.json";
/// The input picture as it was read: upright, 8-bit RGB.
pub const INPUT: &str = "input.png";
/// The masks of the first frame, a palette PNG.
pub const MASKS: &str = "masks.png";
/// The trajectory, run lengths per object and frame.
pub const TRAJECTORY: &str = "trajectory.json";
/// The trajectory to look at.
pub const TRAJECTORY_VIDEO: &str = "trajectory.mp4";
/// The result.
pub const VIDEO: &str = "video.mp4";
/// What was run: configuration, seed, versions, hashes, times.
pub const RECORD: &str = "run.json";

/// A run directory. Only one process may work in it at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// The run directory at `path`, which is made, with its parents, when it is not there.
    /// What a killed run left half-written is removed; finished artefacts stay.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be made or written; [`Error::Invalid`] when `path` is a file.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        if path.is_file() {
            let reason = "expected a folder for the run, got a file";
            return Err(Error::invalid(path.display().to_string(), reason));
        }
        fs::create_dir_all(&path).map_err(|e| Error::io("making folder", &path, e))?;
        fsio::remove_leftovers(&path)?;
        Ok(Self { path })
    }

    /// The run directory at `path`, which must be there.
    ///
    /// # Errors
    /// [`Error::Io`] when there is none; [`Error::Invalid`] when `path` is a file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let meta = fs::metadata(&path).map_err(|e| Error::io("opening run folder", &path, e))?;
        if !meta.is_dir() {
            let reason = "expected the folder of a run, got a file";
            return Err(Error::invalid(path.display().to_string(), reason));
        }
        fsio::remove_leftovers(&path)?;
        Ok(Self { path })
    }

    /// The run directory at `path` as it is, to look at: nothing is made or removed.
    pub fn look(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the artefact `name` (one of this module's constants) is or will be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the artefact `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_file()
    }

    /// SHA-256 of the artefact `name`, for a [`crate::Fingerprint`].
    ///
    /// # Errors
    /// [`Error::Io`] when it is not there.
    pub fn hash_of(&self, name: &str) -> Result<String> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|e| Error::io("reading", path, e))?;
        Ok(crate::fingerprint::sha256_hex(&bytes))
    }

    /// Reads [`PLAN`].
    ///
    /// # Errors
    /// As [`PromptPlan::read`].
    pub fn read_plan(&self) -> Result<PromptPlan> {
        PromptPlan::read(self.file(PLAN))
    }

    /// Writes [`PLAN`].
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_plan(&self, plan: &PromptPlan) -> Result<()> {
        plan.write(self.file(PLAN))
    }

    /// Reads [`INPUT`].
    ///
    /// # Errors
    /// As [`Picture::read`].
    pub fn read_input(&self) -> Result<Picture> {
        Picture::read(self.file(INPUT))
    }

    /// Writes [`INPUT`].
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_input(&self, picture: &Picture) -> Result<()> {
        picture.write_png(self.file(INPUT))
    }

    /// Reads [`MASKS`], of `objects` objects.
    ///
    /// # Errors
    /// As [`MaskSet::read_png`].
    pub fn read_masks(&self, objects: usize) -> Result<MaskSet> {
        MaskSet::read_png(self.file(MASKS), objects)
    }

    /// Writes [`MASKS`].
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_masks(&self, masks: &MaskSet) -> Result<()> {
        masks.write_png(self.file(MASKS))
    }

    /// Reads [`TRAJECTORY`], which must be of `objects` objects.
    ///
    /// # Errors
    /// As [`Trajectory::read`].
    pub fn read_trajectory(&self, objects: usize) -> Result<Trajectory> {
        Trajectory::read(self.file(TRAJECTORY), objects)
    }

    /// Writes [`TRAJECTORY`].
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_trajectory(&self, trajectory: &Trajectory) -> Result<()> {
        trajectory.write_json(self.file(TRAJECTORY))
    }

    /// Writes [`TRAJECTORY_VIDEO`], with `note` in its comment.
    ///
    /// # Errors
    /// As [`Trajectory::write_video`].
    pub fn write_trajectory_video(&self, trajectory: &Trajectory, note: &str) -> Result<()> {
        trajectory.write_video(self.file(TRAJECTORY_VIDEO), Some(note))
    }

    /// Reads [`VIDEO`].
    ///
    /// # Errors
    /// As [`Clip::read`].
    pub fn read_video(&self) -> Result<Clip> {
        Clip::read(self.file(VIDEO))
    }

    /// Writes [`VIDEO`], with `note` in its comment.
    ///
    /// # Errors
    /// As [`Clip::write_with`].
    pub fn write_video(&self, video: &Clip, note: &str) -> Result<()> {
        let options = WriteOptions { note: Some(note.to_owned()), ..WriteOptions::default() };
        video.write_with(self.file(VIDEO), &options)
    }

    /// Reads [`RECORD`]; `None` when no stage has been run here yet.
    ///
    /// # Errors
    /// As [`RunRecord::read`].
    pub fn read_record(&self) -> Result<Option<RunRecord>> {
        if !self.has(RECORD) {
            return Ok(None);
        }
        RunRecord::read(self.file(RECORD)).map(Some)
    }

    /// Writes [`RECORD`].
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_record(&self, record: &RunRecord) -> Result<()> {
        fsio::write_json(self.file(RECORD), record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LabelMap, ObjectPrompt, Size};

    #[test]
    fn every_artefact_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("a/run")).unwrap();
        assert!(run.read_record().unwrap().is_none());
        let plan = PromptPlan {
            caption: "A dog runs.".into(),
            motion: "The dog runs.".into(),
            objects: vec![ObjectPrompt { name: "dog".into(), prompt: "A dog runs.".into() }],
        };
        let labels = LabelMap::new(Size::new(2, 1), vec![0, 1]).unwrap();
        let masks = MaskSet::new(labels.clone(), 1).unwrap();
        let trajectory = Trajectory::new(vec![labels; 3], 1, 6.0).unwrap();
        let picture = Picture::filled(Size::new(2, 1), [1, 2, 3]);
        run.write_plan(&plan).unwrap();
        run.write_masks(&masks).unwrap();
        run.write_input(&picture).unwrap();
        run.write_trajectory(&trajectory).unwrap();
        run.write_trajectory_video(&trajectory, "seed 7").unwrap();
        let clip = trajectory.to_clip().unwrap();
        run.write_video(&clip, "seed 7").unwrap();
        let run = RunDir::open(run.path()).unwrap();
        assert_eq!(run.read_video().unwrap().frames().len(), 3);
        assert!(run.has(TRAJECTORY_VIDEO));
        assert_eq!(run.read_plan().unwrap(), plan);
        assert_eq!(run.read_masks(1).unwrap(), masks);
        assert_eq!(run.read_input().unwrap(), picture);
        assert_eq!(run.read_trajectory(1).unwrap(), trajectory);
        let e = run.read_trajectory(2).unwrap_err().to_string();
        assert!(e.contains("trajectory.json: expected 2, got 1"), "{e}");
        assert!(run.has(PLAN) && !run.has(RECORD));
        assert_eq!(run.hash_of(PLAN).unwrap().len(), 64);
    }

    #[test]
    fn a_file_is_no_run_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"x").unwrap();
        assert!(RunDir::create(&file).unwrap_err().to_string().contains("got a file"));
        assert!(RunDir::open(&file).unwrap_err().to_string().contains("got a file"));
        let e = RunDir::open(dir.path().join("none")).unwrap_err();
        assert!(matches!(e, Error::Io { .. }), "{e}");
    }
}
