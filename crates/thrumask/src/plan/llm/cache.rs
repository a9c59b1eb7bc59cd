//! Answers that passed, on the disk.

use std::{env, path::PathBuf};

use serde::{Deserialize, Serialize};
use thrumask_core::{ObjectPrompt, Result, fsio};

use crate::hub::{expanded, variable};

/// The longest entry that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// The answers to one caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// For a person who looks into the folder.
    pub caption: String,
    pub motion: String,
    pub objects: Vec<ObjectPrompt>,
}

/// A folder of entries, or nothing.
pub(super) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Where the environment says: `THRUMASK_CACHE`, else a folder in that of all programs.
    pub fn from_env() -> Self {
        let own = variable("THRUMASK_CACHE").map(|folder| expanded(&folder));
        let all = || variable("XDG_CACHE_HOME").map(|folder| expanded(&folder).join("thrumask"));
        let home = || env::home_dir().map(|home| home.join(".cache/thrumask"));
        Self { folder: own.or_else(all).or_else(home).map(|folder| folder.join("plans")) }
    }

    /// One that keeps nothing.
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// One in a folder.
    #[cfg(test)]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    fn file(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{key}.json")))
    }

    /// What is kept under a key. A file that cannot be read is as good as none: it is written anew.
    pub fn read(&self, key: &str) -> Option<Entry> {
        let text = fsio::read_text_limited(self.file(key)?, MAX_BYTES).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps something.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when it cannot be written.
    pub fn write(&self, key: &str, entry: &Entry) -> Result<()> {
        let (Some(file), Some(folder)) = (self.file(key), &self.folder) else { return Ok(()) };
        std::fs::create_dir_all(folder)
            .map_err(|e| thrumask_core::Error::io("making folder", folder, e))?;
        fsio::write_json(file, entry)
    }
}
