//! Whether files are what their names and headers say.

use std::{fs, path::Path};

use serde::Serialize;
use thrumask_nn::weights::{Checkpoint, Format, TensorFile};

use super::{Cache, Checksum, Repo, checksum, files_below};
use crate::{Result, progress::Progress};

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Files whose contents were compared with a check sum.
    pub hashed: usize,
    /// Files and indices whose structure was looked at.
    pub opened: usize,
    /// Everything that is wrong, a sentence each.
    pub problems: Vec<String>,
}

/// Endings of files of tensors.
const TENSORS: [&str; 7] = [".safetensors", ".gguf", ".bin", ".pth", ".pt", ".ckpt", ".index.json"];

/// Checks everything of a repository in the cache: each blob against its name, each link, each file of
/// tensors, shards against their index.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when a folder cannot be read; whatever `progress` returns.
pub fn verify_repo(cache: &Cache, repo: &Repo, progress: &mut dyn Progress) -> Result<Verified> {
    let mut found = Verified::default();
    let folder = cache.folder(repo);
    let blobs = folder.join("blobs");
    if blobs.is_dir() {
        for name in files_below(&blobs)? {
            let path = blobs.join(&name);
            match name.strip_suffix(".incomplete") {
                Some(_) => {
                    let reason = "an interrupted download; pulling again goes on with it";
                    found.problems.push(format!("{}: {reason}", path.display()));
                }
                None => hash(&path, &name, &mut found, progress)?,
            }
        }
    }
    let snapshots = folder.join("snapshots");
    if snapshots.is_dir() {
        below(&snapshots, false, &mut found, progress)?;
    }
    Ok(found)
}

/// Checks a file or everything below a folder. What the cache links to is compared with its name.
///
/// # Errors
/// As [`verify_repo`].
pub fn verify_path(path: &Path, progress: &mut dyn Progress) -> Result<Verified> {
    let mut found = Verified::default();
    match path.is_dir() {
        true => below(path, true, &mut found, progress)?,
        false => one(path, true, true, &mut found, progress)?,
    }
    Ok(found)
}

fn below(
    folder: &Path,
    hashes: bool,
    found: &mut Verified,
    progress: &mut dyn Progress,
) -> Result<()> {
    for name in files_below(folder)? {
        one(&folder.join(name), hashes, false, found, progress)?;
    }
    Ok(())
}

/// One file; `asked` when it was named, so that it must be one of tensors.
fn one(
    path: &Path,
    hashes: bool,
    asked: bool,
    found: &mut Verified,
    progress: &mut dyn Progress,
) -> Result<()> {
    let name = path.to_string_lossy().into_owned();
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(e) => {
            found.problems.push(format!("{name}: {e}"));
            return Ok(());
        }
    };
    let blob = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let is_blob = target.parent().is_some_and(|folder| folder.ends_with("blobs"));
    if hashes && is_blob {
        hash(&target, &blob, found, progress)?;
    }
    if !asked && !TENSORS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(());
    }
    found.opened += 1;
    match Checkpoint::open_lenient(path) {
        Ok(opened) => {
            let prefix = |problem: &String| format!("{name}: {problem}");
            found.problems.extend(opened.problems().iter().map(prefix));
            // The check sums that archives have inside.
            if opened.format() == Format::TorchArchive {
                for (tensor, _) in opened.infos() {
                    progress.step(&name, 0, 0)?;
                    if let Err(e) = opened.raw(tensor) {
                        found.problems.push(e.to_string());
                    }
                }
            }
        }
        // The ending `.bin` is that of anything.
        Err(_) if !asked && name.ends_with(".bin") && !looks_like_tensors(path) => {
            found.opened -= 1
        }
        Err(e) => found.problems.push(e.to_string()),
    }
    Ok(())
}

/// Whether a file begins as those of tensors do, so that being broken is a fault of it.
fn looks_like_tensors(path: &Path) -> bool {
    let error = TensorFile::open(path).err().map(|e| e.to_string()).unwrap_or_default();
    !error.contains("expected safetensors, GGUF or a PyTorch checkpoint")
}

/// Compares a blob with its name.
fn hash(path: &Path, name: &str, found: &mut Verified, progress: &mut dyn Progress) -> Result<()> {
    let Some(kind) = Checksum::of(name) else { return Ok(()) };
    let total = fs::metadata(path).map(|m| m.len()).unwrap_or(0) as usize;
    let mut hear = |done: u64| progress.step(name, done as usize, total);
    let sum = match checksum(path, kind, &mut hear) {
        Ok(sum) => sum,
        Err(e) if e.is_interrupted() => return Err(e),
        Err(e) => {
            found.problems.push(e.to_string());
            return Ok(());
        }
    };
    found.hashed += 1;
    if sum != name {
        found.problems.push(format!("{}: its contents have check sum {sum}", path.display()));
    }
    Ok(())
}
