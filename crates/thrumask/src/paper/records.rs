//! The scores of single videos, one line each, in a file that a run can be stopped and resumed at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, fsio};

use super::Method;
use crate::{
    Result,
    eval::{Measure, Part, bootstrap::Tally},
};

/// The longest file of records that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// What one video scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Index of the scene in its split.
    pub scene: u64,
    /// Seed of the training; 0 for what no model made.
    pub seed: u64,
    /// Who made it.
    pub method: Method,
    /// From the true trajectory, or from the caption.
    pub part: Part,
    /// By measure.
    pub figures: BTreeMap<Measure, Tally>,
    /// What the classifier of the world sees in it.
    pub features: Vec<f32>,
}

/// What a record is of.
pub type Key = (u64, u64, Method, Part);

impl Record {
    /// What it is of.
    pub fn key(&self) -> Key {
        (self.scene, self.seed, self.method, self.part)
    }
}

/// The first line: what the scores are of.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    fingerprint: String,
}

/// The records of one group of scenes.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    file: File,
    all: Vec<Record>,
    keys: BTreeSet<Key>,
}

impl Records {
    /// Opens the records at `path`, and drops a last line that a kill cut short.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when those there are of other models or settings than `fingerprint`;
    /// [`Error::Io`] when the file cannot be read or written.
    pub fn open(path: &Path, fingerprint: &str) -> Result<Self> {
        let mut all = Vec::new();
        if path.exists() {
            let text = fsio::read_text_limited(path, MAX_BYTES)?;
            let mut lines = text.lines();
            let header = lines.next().and_then(|l| serde_json::from_str::<Header>(l).ok());
            if let Some(header) = header
                && header.fingerprint != fingerprint
            {
                let what = format!("what {} is of (remove it to measure anew)", path.display());
                return Err(Error::mismatch(what, fingerprint, header.fingerprint).into());
            }
            all.extend(lines.map_while(|l| serde_json::from_str::<Record>(l).ok()));
        }
        let header = Header { fingerprint: fingerprint.to_owned() };
        let mut kept = line(path, &header)?;
        for record in &all {
            kept.push_str(&line(path, record)?);
        }
        fsio::write_atomic(path, kept.as_bytes())?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|e| Error::io("opening", path, e))?;
        let keys = all.iter().map(Record::key).collect();
        Ok(Self { path: path.to_owned(), file, all, keys })
    }

    /// Whether a video was scored.
    pub fn has(&self, key: &Key) -> bool {
        self.keys.contains(key)
    }

    /// Adds records, to the file first; those of videos that were scored before are left out.
    ///
    /// # Errors
    /// [`Error::Io`] when they cannot be written.
    pub fn add(&mut self, mut records: Vec<Record>) -> Result<()> {
        records.retain(|record| !self.has(&record.key()));
        let mut text = String::new();
        for record in &records {
            text.push_str(&line(&self.path, record)?);
        }
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|e| Error::io("writing", &self.path, e))?;
        self.keys.extend(records.iter().map(Record::key));
        self.all.extend(records);
        Ok(())
    }

    /// All of them, in the order in which they were made.
    pub fn all(&self) -> &[Record] {
        &self.all
    }
}

fn line(path: &Path, value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|e| Error::format(path.display().to_string(), e.to_string()))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(scene: u64) -> Record {
        let figures = BTreeMap::from([(Measure::J, Tally { sum: 0.1 + scene as f64, count: 3.0 })]);
        let (seed, method, part) = (1, Method::Both, Part::Chained);
        Record { scene, seed, method, part, figures, features: vec![0.1, -1.0 / 3.0] }
    }

    #[test]
    fn records_survive_and_a_line_cut_short_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        let mut records = Records::open(&path, "a").unwrap();
        records.add(vec![record(0), record(1)]).unwrap();
        records.add(vec![record(2)]).unwrap();
        assert_eq!(Records::open(&path, "a").unwrap().all(), [record(0), record(1), record(2)]);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut records = Records::open(&path, "a").unwrap();
        assert_eq!(records.all(), [record(0), record(1)]);
        assert!(records.has(&record(1).key()) && !records.has(&record(2).key()));
        records.add(vec![record(2)]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn scores_of_other_models_are_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        Records::open(&path, "a").unwrap().add(vec![record(0)]).unwrap();
        let error = Records::open(&path, "b").unwrap_err().to_string();
        assert!(error.contains("scores.jsonl") && error.contains("remove it"), "{error}");
        assert_eq!(Records::open(&path, "a").unwrap().all().len(), 1);
    }
}
