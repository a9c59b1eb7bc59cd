//! The log of a run: one JSON object per line.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use thrumask_core::{Error, fsio::write_atomic};

use crate::Result;

/// File name of the log in a run's folder.
pub const LOG: &str = "log.jsonl";

/// An open log.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens the log of `folder` and drops what was written after step `step`: a run that resumes
    /// from an older checkpoint writes those lines again.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read or written.
    pub fn open(folder: &Path, step: u64) -> Result<Self> {
        let path = folder.join(LOG);
        let old = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io("reading", &path, e).into()),
        };
        let is_kept = |line: &&str| {
            let entry: Option<serde_json::Value> = serde_json::from_str(line).ok();
            entry.and_then(|e| e["step"].as_u64()).is_some_and(|s| s <= step)
        };
        let kept: String = old.lines().filter(is_kept).flat_map(|l| [l, "\n"]).collect();
        write_atomic(&path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|e| Error::io("opening", &path, e))?;
        Ok(Self { path, file })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn add(&mut self, entry: &serde_json::Value) -> Result<()> {
        let line = format!("{entry}\n");
        let written = self.file.write_all(line.as_bytes());
        Ok(written.map_err(|e| Error::io("writing", &self.path, e))?)
    }
}
