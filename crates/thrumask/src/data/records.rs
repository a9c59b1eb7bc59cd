//! What a preparation writes down: per video while it works, per shard for good.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thrumask_core::{Error, Result, fsio};

use super::{
    About, PrepareConfig, Rejected,
    archive::{END, written},
    item::Made,
};

/// The version of all files, and the only one that is read.
pub const VERSION: u32 = 1;
/// The longest record that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// `prepare.json`: what all processes of a preparation agree on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreed {
    /// Version of the files.
    pub version: u32,
    /// Number of processes.
    pub of: usize,
    /// Number of videos.
    pub videos: usize,
    /// SHA-256 of their keys and lengths.
    pub input: String,
    /// Who planned, found, followed and measured.
    pub tools: [Option<String>; 4],
    /// Fingerprint of the autoencoder whose latents are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<String>,
    /// Everything else.
    pub config: PrepareConfig,
}

/// A sample that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// What it is.
    pub about: About,
}

/// What became of a video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRecord {
    /// Its number among all videos.
    pub index: usize,
    /// Its key.
    pub key: String,
    /// Where it lies.
    pub source: String,
    /// Scenes that were found.
    pub scenes: usize,
    /// Its samples.
    pub samples: Vec<Listed>,
    /// What was left out.
    pub rejected: Vec<Rejected>,
}

/// `shard-….json`: what is in a shard, and which videos it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Version of the file.
    pub version: u32,
    /// Number of the process.
    pub process: usize,
    /// Number of the shard of this process.
    pub number: usize,
    /// Whether it is the last one of this process.
    pub last: bool,
    /// The tar's file name; none when no video gave a sample.
    pub tar: Option<String>,
    /// Length of the tar in bytes.
    pub bytes: u64,
    /// SHA-256 of the tar.
    pub sha256: Option<String>,
    /// The videos, in their order.
    pub items: Vec<ItemRecord>,
}

/// The name of a shard without its ending.
pub fn shard_name(process: usize, of: usize, number: usize) -> String {
    format!("shard-{process:04}-of-{of:04}-{number:05}")
}

/// Reads a record; `None` when it is not there.
///
/// # Errors
/// [`Error::Io`] and [`Error::Format`] when it is there and cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fsio::read_text_limited(path, MAX_BYTES)?;
    let bad = |e: serde_json::Error| Error::format(path.display().to_string(), e.to_string());
    serde_json::from_str(&text).map(Some).map_err(bad)
}

/// The folder in which a process keeps what is not yet in a shard.
pub struct WorkFolder {
    path: PathBuf,
    /// Held while the process works.
    _lock: fs::File,
}

impl WorkFolder {
    /// Makes or finds it, and removes what a killed process left half-written in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when another process works in it; [`Error::Io`] when it cannot be written.
    pub fn open(out: &Path, process: usize, of: usize) -> Result<Self> {
        let path = out.join(format!("work-{process:04}-of-{of:04}"));
        let failed = |e| Error::io("making folder", &path, e);
        fs::create_dir_all(&path).map_err(failed)?;
        let lock = path.join("lock");
        let lock = fs::File::create(&lock).map_err(|e| Error::io("writing", &lock, e))?;
        if lock.try_lock().is_err() {
            let reason = "another thrumask is working in it";
            return Err(Error::invalid(path.display().to_string(), reason));
        }
        fsio::remove_leftovers(&path)?;
        Ok(Self { path, _lock: lock })
    }

    fn files(&self, index: usize) -> [PathBuf; 2] {
        ["json", "tar"].map(|ending| self.path.join(format!("{index:08}.{ending}")))
    }

    /// What became of video `index`, if that is known already.
    ///
    /// # Errors
    /// As [`read`].
    pub fn known(&self, index: usize) -> Result<Option<ItemRecord>> {
        let [record, tar] = self.files(index);
        if tar.exists() { read(&record) } else { Ok(None) }
    }

    /// Keeps what became of a video: its samples first, so that what is recorded is there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, record: &ItemRecord, made: &Made) -> Result<()> {
        let [path, tar] = self.files(record.index);
        fsio::write_atomic(tar, &written(&made.files)?)?;
        fsio::write_json(path, record)
    }

    /// Writes a file in the folder above, whole: under a temporary name in this one, then renamed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(
        &self,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let (temporary, to) = (self.path.join(name), self.path.with_file_name(name));
        let mut file = fsio::PendingFile::begin(&temporary)?;
        fill(&mut file)?;
        file.commit()?;
        fs::rename(&temporary, &to).map_err(|e| Error::io("writing", &to, e))
    }

    /// Writes a record in the folder above.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish_json(&self, name: &str, value: &impl Serialize) -> Result<()> {
        let bad = |e: serde_json::Error| Error::format(name, e.to_string());
        let mut text = serde_json::to_vec_pretty(value).map_err(bad)?;
        text.push(b'\n');
        self.publish(name, |file| file.write_all(&text).map_err(|e| Error::io("writing", name, e)))
    }

    /// Closes a shard: the tar from what was kept, then its record; then lets go of what was kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(&self, name: &str, mut record: ShardRecord) -> Result<ShardRecord> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |e| Error::io("writing", path, e)
        };
        if record.items.iter().any(|item| !item.samples.is_empty()) {
            let tar = format!("{name}.tar");
            let mut hash = Hash::default();
            self.publish(&tar, |file| {
                let mut write = |bytes: &[u8]| {
                    hash.add(bytes);
                    file.write_all(bytes).map_err(failed(Path::new(&tar)))
                };
                for item in &record.items {
                    let [_, part] = self.files(item.index);
                    let mut part =
                        fs::File::open(&part).map_err(|e| Error::io("reading", &part, e))?;
                    let mut piece = vec![0; 1 << 20];
                    loop {
                        let read = part
                            .read(&mut piece)
                            .map_err(|e| Error::io("reading", &self.path, e))?;
                        if read == 0 {
                            break;
                        }
                        write(&piece[..read])?;
                    }
                }
                write(&END)
            })?;
            (record.bytes, record.sha256) = (hash.bytes, Some(hash.finish()));
            record.tar = Some(tar);
        }
        self.publish_json(&format!("{name}.json"), &record)?;
        for path in record.items.iter().flat_map(|item| self.files(item.index)) {
            // It is in the shard: what cannot be removed now is removed with the folder.
            let _ = fs::remove_file(path);
        }
        Ok(record)
    }

    /// Removes the folder: all is in shards.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|e| Error::io("removing", &self.path, e))
    }
}

/// SHA-256 of what passes by.
#[derive(Default)]
struct Hash {
    sha256: sha2::Sha256,
    bytes: u64,
}

impl Hash {
    fn add(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.sha256, bytes);
        self.bytes += bytes.len() as u64;
    }

    fn finish(self) -> String {
        let hash = sha2::Digest::finalize(self.sha256);
        hash.iter().map(|b| format!("{b:02x}")).collect()
    }
}
