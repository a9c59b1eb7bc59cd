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

/// What scores are of, and the first line of their file. A seed's scores stay when others come to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Fingerprint of what all share: how it is judged, and what judges.
    pub shared: String,
    /// Fingerprints of the models of each seed.
    pub seeds: BTreeMap<u64, String>,
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
    /// [`Error::Mismatch`] when those there are of other settings, or of other models of one of these seeds;
    /// [`Error::Io`] when the file cannot be read or written.
    pub fn open(path: &Path, origin: &Provenance) -> Result<Self> {
        let (mut all, mut header) = (Vec::new(), origin.clone());
        if path.exists() {
            let text = fsio::read_text_limited(path, MAX_BYTES)?;
            let mut lines = text.lines();
            let first = lines.next().unwrap_or_default();
            let what = format!("what {} is of (remove it to measure anew)", path.display());
            let theirs = serde_json::from_str::<Provenance>(first)
                .map_err(|_| Error::mismatch(&what, "fingerprints of this version", first))?;
            if theirs.shared != origin.shared {
                return Err(Error::mismatch(what, &origin.shared, theirs.shared).into());
            }
            for (seed, theirs) in theirs.seeds {
                let ours = header.seeds.entry(seed).or_insert_with(|| theirs.clone());
                if *ours != theirs {
                    let what = format!("seed {seed} in {what}");
                    return Err(Error::mismatch(what, &*ours, theirs).into());
                }
            }
            all.extend(lines.map_while(|l| serde_json::from_str::<Record>(l).ok()));
        }
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

    fn of(shared: &str, seed: &str) -> Provenance {
        Provenance { shared: shared.into(), seeds: BTreeMap::from([(1, seed.into())]) }
    }

    #[test]
    fn records_survive_and_a_line_cut_short_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        let mut records = Records::open(&path, &of("a", "b")).unwrap();
        records.add(vec![record(0), record(1)]).unwrap();
        records.add(vec![record(2)]).unwrap();
        let again = Records::open(&path, &of("a", "b")).unwrap();
        assert_eq!(again.all(), [record(0), record(1), record(2)]);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut records = Records::open(&path, &of("a", "b")).unwrap();
        assert_eq!(records.all(), [record(0), record(1)]);
        assert!(records.has(&record(1).key()) && !records.has(&record(2).key()));
        records.add(vec![record(2)]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn scores_of_other_models_are_refused_and_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        Records::open(&path, &of("a", "b")).unwrap().add(vec![record(0)]).unwrap();
        for other in [of("b", "b"), of("a", "a")] {
            let error = Records::open(&path, &other).unwrap_err().to_string();
            assert!(error.contains("scores.jsonl") && error.contains("remove it"), "{error}");
        }
        assert_eq!(Records::open(&path, &of("a", "b")).unwrap().all().len(), 1);
    }

    #[test]
    fn another_seed_comes_to_those_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.jsonl");
        Records::open(&path, &of("a", "b")).unwrap().add(vec![record(0)]).unwrap();
        let mut two = of("a", "b");
        two.seeds.insert(2, "c".into());
        let other = Record { seed: 2, ..record(0) };
        Records::open(&path, &two).unwrap().add(vec![other.clone()]).unwrap();
        // One of them again, and both are still there.
        for origin in [of("a", "b"), two] {
            assert_eq!(Records::open(&path, &origin).unwrap().all(), [record(0), other.clone()]);
        }
    }
}
