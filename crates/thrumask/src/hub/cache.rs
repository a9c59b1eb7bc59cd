//! The cache of the hub's Python library: `models--ORG--NAME` with `blobs` named by their ETag, `refs`
//! from a branch to a commit, and `snapshots` of links from the files of a commit to the blobs.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use thrumask_core::fsio;

use crate::{Error, Result};

/// A repository's name: `ORG/NAME`, or a name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo(String);

impl Repo {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Hub`] when it is none: the name becomes part of paths.
    pub fn parse(text: &str) -> Result<Self> {
        let part = |part: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty()
                && part.len() <= 96
                && part.chars().all(inner)
                && part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && !part.contains("..")
                && !part.contains("--")
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.len() <= 2 && parts.iter().all(|p| part(p)) {
            true => Ok(Self(text.to_owned())),
            false => Err(Error::hub(text, "expected a repository as ORG/NAME")),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Its folder in the cache.
    fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }
}

/// Whether a text is a commit.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether the parts of a relative path lead nowhere but down.
pub(super) fn is_inner(path: &str) -> bool {
    let fine = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    !path.contains('\\') && !path.contains(':') && path.split('/').all(fine)
}

/// A cache on the disk.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in a folder, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a repository.
    pub fn folder(&self, repo: &Repo) -> PathBuf {
        self.root.join(repo.folder())
    }

    /// Where the files of a commit are.
    pub fn snapshot(&self, repo: &Repo, commit: &str) -> PathBuf {
        self.folder(repo).join("snapshots").join(commit)
    }

    /// Where a blob is.
    pub(super) fn blob(&self, repo: &Repo, etag: &str) -> PathBuf {
        self.folder(repo).join("blobs").join(etag)
    }

    /// The commit that a branch, a tag or a commit means, if it is in the cache.
    pub fn commit(&self, repo: &Repo, revision: &str) -> Option<String> {
        let commit = match is_commit(revision) {
            true => revision.to_owned(),
            false if is_inner(revision) => {
                let file = self.folder(repo).join("refs").join(revision);
                fs::read_to_string(file).ok()?.trim().to_owned()
            }
            false => return None,
        };
        (is_commit(&commit) && self.snapshot(repo, &commit).is_dir()).then_some(commit)
    }

    /// Notes which commit a branch or tag means.
    pub(super) fn set_ref(&self, repo: &Repo, revision: &str, commit: &str) -> Result<()> {
        if revision == commit {
            return Ok(());
        }
        let path = self.folder(repo).join("refs").join(revision);
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        make_parent(&path)?;
        Ok(fsio::write_atomic(&path, commit.as_bytes())?)
    }

    /// Makes the file of a snapshot that a blob is, as a link; as a copy where there are no links.
    pub(super) fn point(&self, repo: &Repo, commit: &str, file: &str, etag: &str) -> Result<()> {
        let path = self.snapshot(repo, commit).join(file);
        make_parent(&path)?;
        // The file's own folders, the commit and `snapshots` lie between.
        let up = "../".repeat(file.split('/').count() + 1);
        let target = PathBuf::from(format!("{up}blobs/{etag}"));
        if fs::read_link(&path).is_ok_and(|old| old == target) && path.exists() {
            return Ok(());
        }
        let _ = fs::remove_file(&path);
        match link(&target, &path) {
            Ok(()) => Ok(()),
            // Another process was as fast.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.exists() => Ok(()),
            Err(_) => {
                let blob = self.blob(repo, etag);
                let failed = |e| thrumask_core::Error::io("writing", &path, e);
                let mut copy = fsio::PendingFile::begin(&path)?;
                let mut blob = File::open(&blob).map_err(failed)?;
                io::copy(&mut blob, &mut copy).map_err(failed)?;
                Ok(copy.commit()?)
            }
        }
    }

    /// Marks the folder as a cache for backup programs (bford.info/cachedir).
    pub(super) fn tag(&self) {
        let path = self.root.join("CACHEDIR.TAG");
        if !path.exists() {
            let text = "Signature: 8a477f597d28d172789f06886806bc55\n# Models of the hub.\n";
            // A cache without the tag works as well.
            let _ = fsio::write_atomic(path, text.as_bytes());
        }
    }

    /// Waits until no other process, Python's among them, writes a blob; `tick` hears of the waiting.
    pub(super) fn lock(
        &self,
        repo: &Repo,
        etag: &str,
        tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<File>> {
        let path = self.root.join(".locks").join(repo.folder()).join(format!("{etag}.lock"));
        make_parent(&path)?;
        let failed = |e| thrumask_core::Error::io("locking", &path, e);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {
                    tick()?;
                    std::thread::sleep(Duration::from_millis(50));
                }
                // A file system without locks: two writers would be found by the check sum.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }

    /// All repositories of models in the cache, in alphabetical order.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when the folder is there but cannot be read.
    pub fn repos(&self) -> Result<Vec<Repo>> {
        if !self.root.is_dir() {
            return Ok(Vec::new());
        }
        let names = fsio::list_names(&self.root)?;
        let repo =
            |name: &String| Repo::parse(&name.strip_prefix("models--")?.replace("--", "/")).ok();
        Ok(names.iter().filter_map(repo).collect())
    }

    /// Bytes of all blobs of a repository.
    pub fn bytes(&self, repo: &Repo) -> u64 {
        let blobs = fs::read_dir(self.folder(repo).join("blobs"));
        let sizes = blobs.into_iter().flatten().flatten().filter_map(|e| e.metadata().ok());
        sizes.map(|m| m.len()).sum()
    }
}

/// The paths of all files below a folder, links followed, with `/` between names, in alphabetical order.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when a folder cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<String>> {
    let (mut found, mut open) = (Vec::new(), vec![String::new()]);
    while let Some(prefix) = open.pop() {
        for name in fsio::list_names(folder.join(&prefix))? {
            let path = format!("{prefix}{name}");
            // A link into nothing is a file that is not there; who reads it will say so.
            match folder.join(&path).is_dir() {
                true if prefix.matches('/').count() < 16 => open.push(format!("{path}/")),
                true => {}
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the folder of a file.
pub(super) fn make_parent(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .map_err(|e| thrumask_core::Error::io("making folder", folder, e).into())
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(windows)]
fn link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        for good in ["gpt2", "a/b", "stable-diffusion-v1-5/stable-diffusion-v1-5", "a/b.c_d"] {
            assert_eq!(Repo::parse(good).unwrap().name(), good);
        }
        for bad in ["", "/", "a/", "a/b/c", "../a", "a/..", "a--b/c", ".a/b", "a b/c", "a/b\n"] {
            assert!(Repo::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["main", "refs/pr/1", "unet/config.json", "..a"] {
            assert!(is_inner(good), "{good}");
        }
        for bad in ["", "/etc", "a/../b", "..", "a//b", "a/", "a\\b", "c:x", "./a"] {
            assert!(!is_inner(bad), "{bad}");
        }
    }
}
