//! Public models: downloads from a hub into the cache that Python's libraries use, offline when asked.
//!
//! The environment says the same as to those libraries: `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`,
//! `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`.

mod assemble;
mod cache;
mod download;
mod fresh;
pub(crate) mod http;
mod known;
mod pattern;
mod plain;
mod remote;
mod verify;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

pub use assemble::Assembly;
pub use cache::{Cache, Repo, files_below, is_commit};
pub(crate) use download::named_weights;
pub use download::{Checksum, checksum};
pub use fresh::{Component, Fresh};
pub use known::{Known, known};
pub use pattern::matches;
pub(crate) use plain::kept_file;
pub use verify::{Verified, verify_path, verify_repo};

use crate::{Error, Result, progress::Progress};

/// The public hub.
const ENDPOINT: &str = "https://huggingface.co";

/// A hub and its cache.
pub struct Hub {
    endpoint: String,
    cache: Cache,
    token: Option<String>,
    offline: bool,
    client: http::Client,
}

/// A variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A path whose `~` is the home folder.
pub(crate) fn expanded(path: &str) -> PathBuf {
    match path.strip_prefix("~/").zip(env::home_dir()) {
        Some((rest, home)) => home.join(rest),
        None => path.into(),
    }
}

/// Whether the environment forbids requests.
pub(crate) fn is_offline() -> bool {
    let offline = variable("HF_HUB_OFFLINE").or_else(|| variable("TRANSFORMERS_OFFLINE"));
    offline.is_some_and(|v| ["1", "on", "yes", "true"].contains(&v.to_lowercase().as_str()))
}

/// The cache that the environment names.
///
/// # Errors
/// [`Error::Hub`] when there is no home folder and no variable names another one.
pub fn cache_from_env() -> Result<Cache> {
    if let Some(folder) = variable("HF_HUB_CACHE").or_else(|| variable("HUGGINGFACE_HUB_CACHE")) {
        return Ok(Cache::new(expanded(&folder)));
    }
    Ok(Cache::new(home()?.join("hub")))
}

/// The folder of everything that belongs to the hub.
fn home() -> Result<PathBuf> {
    if let Some(home) = variable("HF_HOME") {
        return Ok(expanded(&home));
    }
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Ok(expanded(&cache).join("huggingface"));
    }
    let home = env::home_dir();
    let home =
        home.ok_or_else(|| Error::hub("HF_HOME", "there is no home folder to keep models in"));
    Ok(home?.join(".cache/huggingface"))
}

impl Hub {
    /// The hub, cache and token that the environment names.
    ///
    /// # Errors
    /// [`Error::Hub`] when a variable is no address or there is no place for a cache.
    pub fn from_env() -> Result<Self> {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
            return Err(Error::hub(
                "HF_ENDPOINT",
                format!("expected an address, got {endpoint:?}"),
            ));
        }
        let token = match variable("HF_TOKEN").or_else(|| variable("HUGGING_FACE_HUB_TOKEN")) {
            Some(token) => Some(token),
            None => {
                let path = match variable("HF_TOKEN_PATH") {
                    Some(path) => expanded(&path),
                    None => home()?.join("token"),
                };
                fs::read_to_string(path).ok()
            }
        };
        let token = token.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        if token.as_ref().is_some_and(|t| !t.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::hub("HF_TOKEN", "expected letters and digits"));
        }
        Ok(Self {
            endpoint,
            cache: cache_from_env()?,
            token,
            offline: is_offline(),
            client: http::Client::new(),
        })
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Makes the chosen files of a repository be in the cache.
    /// Offline, nothing is asked of anybody: what the cache has must do.
    ///
    /// # Errors
    /// [`Error::Hub`] when there is no such repository, revision or file, when it may not be read, when
    /// the hub does not answer, when what came is not what its check sum says, and offline when the
    /// cache does not have it; [`thrumask_core::Error`] when the cache cannot be written; whatever
    /// `progress` returns.
    pub fn pull(
        &self,
        repo: &Repo,
        revision: &str,
        choice: &Choice,
        progress: &mut dyn Progress,
    ) -> Result<Pulled> {
        if !cache::is_inner(revision) {
            return Err(Error::hub(revision, "expected a branch, a tag or a commit"));
        }
        if self.offline {
            return self.pulled_before(repo, revision, choice);
        }
        let mut tick = || progress.step(repo.name(), 0, 0);
        let listing = self.listing(repo, revision, &mut tick)?;
        let commit = listing.commit;
        let names = choice.of(repo, listing.files)?;
        // A file of a commit never changes: what is in the snapshot is not asked for again.
        let folder = self.cache.snapshot(repo, &commit);
        let (mut missing, mut files) = (Vec::new(), Vec::new());
        for name in names {
            if let Ok(meta) = fs::metadata(folder.join(&name)) {
                files.push(PulledFile { name, bytes: meta.len(), downloaded: false });
                continue;
            }
            let remote = self.remote(repo, &commit, &name, &mut tick)?;
            missing.push((name, remote));
        }
        let total: u64 = missing.iter().map(|(_, remote)| remote.bytes).sum();
        let mut before = 0;
        for (name, remote) in missing {
            let url = self.file_url(repo, &commit, &name);
            let there = self.cache.blob(repo, &remote.etag).exists();
            let mut hear =
                |done: u64| progress.step(&name, (before + done) as usize, total as usize);
            self.fetch(repo, &url, &remote, &mut hear)?;
            self.cache.point(repo, &commit, &name, &remote.etag)?;
            before += remote.bytes;
            files.push(PulledFile { name, bytes: remote.bytes, downloaded: !there });
        }
        self.cache.tag();
        self.cache.set_ref(repo, revision, &commit)?;
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Pulled { repo: repo.name().to_owned(), commit, folder, files })
    }

    /// What a pull without requests finds.
    fn pulled_before(&self, repo: &Repo, revision: &str, choice: &Choice) -> Result<Pulled> {
        let commit = self.cache.commit(repo, revision).ok_or_else(|| {
            let root = self.cache.root().display();
            let reason = format!("revision {revision} is not in the cache {root}");
            Error::hub(repo.name(), format!("{reason}, and HF_HUB_OFFLINE forbids to ask"))
        })?;
        let folder = self.cache.snapshot(repo, &commit);
        let mut files = Vec::new();
        for name in choice.of(repo, files_below(&folder)?)? {
            let path = folder.join(&name);
            let meta = fs::metadata(&path);
            let bytes = meta.map_err(|e| thrumask_core::Error::io("reading", path, e))?.len();
            files.push(PulledFile { name, bytes, downloaded: false });
        }
        Ok(Pulled { repo: repo.name().to_owned(), commit, folder, files })
    }
}

/// Which files of a repository are meant, by patterns; without any, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Each of these must fit a file.
    pub files: Vec<String>,
    /// These may.
    pub also: Vec<String>,
}

impl Choice {
    /// The names that fit.
    fn of(&self, repo: &Repo, names: Vec<String>) -> Result<Vec<String>> {
        if names.is_empty() {
            return Err(Error::hub(repo.name(), "it has no files"));
        }
        let lonely = self.files.iter().find(|pattern| !names.iter().any(|n| matches(pattern, n)));
        if let Some(pattern) = lonely {
            let more = if names.len() > 8 { ", …" } else { "" };
            let some = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
            let reason = format!("no file fits {pattern:?}: it has {some}{more}");
            return Err(Error::hub(repo.name(), reason));
        }
        let all = self.files.is_empty() && self.also.is_empty();
        let patterns = self.files.iter().chain(&self.also);
        let fits = |name: &String| all || patterns.clone().any(|p| matches(p, name));
        Ok(names.into_iter().filter(fits).collect())
    }
}

/// What is in the cache after a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// The repository.
    pub repo: String,
    /// The commit that the revision means.
    pub commit: String,
    /// Where the files are.
    pub folder: PathBuf,
    /// The files, in alphabetical order.
    pub files: Vec<PulledFile>,
}

/// A file of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PulledFile {
    /// Its path in the repository.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it came over the network just now.
    pub downloaded: bool,
}

/// A model as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The repository.
    pub repo: Repo,
    /// Branch, tag or commit.
    pub revision: String,
    /// The files that are needed of it.
    pub choice: Choice,
    /// The folder or file in it, or nothing for all of it.
    pub inner: String,
}

/// What a name means: the short name of a known model, or a repository as `ORG/NAME`; each may be
/// followed by a path in it (`sd15/unet`).
///
/// # Errors
/// [`Error::Hub`] when it is neither; the short names are told.
pub fn named(text: &str) -> Result<Named> {
    let known = known()?;
    let (first, rest) = text.split_once('/').unwrap_or((text, ""));
    if let Some(model) = known.iter().find(|m| m.name == first) {
        let choice = Choice { files: model.files.clone(), also: model.also.clone() };
        let (repo, revision) = (Repo::parse(&model.repo)?, model.revision.clone());
        return Ok(Named { repo, revision, choice, inner: rest.to_owned() });
    }
    let mut parts = text.splitn(3, '/');
    if let (Some(org), Some(name)) = (parts.next(), parts.next())
        && let Ok(repo) = Repo::parse(&format!("{org}/{name}"))
    {
        let inner = parts.next().unwrap_or_default().to_owned();
        let revision = "main".to_owned();
        return Ok(Named { repo, revision, choice: Choice::default(), inner });
    }
    let names: Vec<&str> = known.iter().map(|m| m.name.as_str()).collect();
    let names = names.join(", ");
    Err(Error::hub(text, format!("expected a file, a folder, ORG/NAME, or one of {names}")))
}

/// The file or folder that a text means: one on the disk, or of a model in the cache. Nothing is
/// downloaded.
///
/// # Errors
/// [`Error::Hub`] when there is neither.
pub fn locate(text: &str, cache: &Cache) -> Result<PathBuf> {
    if Path::new(text).exists() {
        return Ok(text.into());
    }
    let Named { repo, revision, inner, .. } = named(text)?;
    let commit = cache.commit(&repo, &revision).ok_or_else(|| {
        let reason = format!("not in the cache {}", cache.root().display());
        Error::hub(text, format!("{reason}; `thrumask models pull {}` gets it", repo.name()))
    })?;
    let path = cache.snapshot(&repo, &commit);
    if inner.is_empty() {
        return Ok(path);
    }
    match path.join(&inner) {
        path if cache::is_inner(&inner) && path.exists() => Ok(path),
        _ => Err(Error::hub(text, format!("there is no {inner} in {}", path.display()))),
    }
}
