//! What the hub says of a repository and its files.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Hub, Repo,
    cache::{is_commit, is_inner},
    http::{Patience, Request, Response, Tick, Tried, Trouble, encoded, with_retries},
};
use crate::{Error, Result};

/// How often the hub is asked.
pub(super) const PATIENCE: Patience =
    Patience { attempts: 5, first: Duration::from_millis(400), longest: Duration::from_secs(60) };
/// The longest list of files.
const MAX_LIST: usize = 64 << 20;

/// A repository at a revision.
pub(super) struct Listing {
    pub commit: String,
    /// Paths of its files.
    pub files: Vec<String>,
}

/// A file at a commit.
pub(super) struct Remote {
    /// Its name among the blobs: SHA-256 of large files, git's SHA-1 of others.
    pub etag: String,
    pub bytes: u64,
}

impl Hub {
    /// The files of a repository at a revision.
    pub(super) fn listing(&self, repo: &Repo, revision: &str, tick: Tick<'_>) -> Result<Listing> {
        #[derive(Deserialize)]
        struct Answer {
            sha: String,
            #[serde(default)]
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        struct Sibling {
            rfilename: String,
        }
        let revision = encoded(revision).replace('/', "%2F");
        let url = format!("{}/api/models/{}/revision/{revision}", self.endpoint, repo.name());
        let bytes = with_retries(PATIENCE, tick, |tick| {
            let mut response = self.client.send(self.request(&url, false), tick)?;
            self.judge(&response, repo.name())?;
            response.contents(MAX_LIST, tick)
        })?;
        let answer: Answer =
            serde_json::from_slice(&bytes).map_err(|e| Error::hub(&url, e.to_string()))?;
        if !is_commit(&answer.sha) {
            return Err(Error::hub(&url, format!("expected a commit, got {:?}", answer.sha)));
        }
        let files: Vec<String> = answer.siblings.into_iter().map(|s| s.rfilename).collect();
        // Names become paths: none may lead out of the cache.
        match files.iter().find(|name| !is_inner(name)) {
            Some(name) => Err(Error::hub(&url, format!("a file's name leads elsewhere: {name:?}"))),
            None => Ok(Listing { commit: answer.sha, files }),
        }
    }

    /// Where a file of a commit is.
    pub(super) fn file_url(&self, repo: &Repo, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{}", self.endpoint, repo.name(), encoded(file))
    }

    /// What is known of a file without its contents.
    pub(super) fn remote(
        &self,
        repo: &Repo,
        commit: &str,
        file: &str,
        tick: Tick<'_>,
    ) -> Result<Remote> {
        let url = self.file_url(repo, commit, file);
        with_retries(PATIENCE, tick, |tick| {
            let response = self.client.send(self.request(&url, true), tick)?;
            if !response.is_redirect() {
                self.judge(&response, &format!("{}/{file}", repo.name()))?;
            }
            let broken = |reason: String| Trouble::Final(Error::hub(&url, reason));
            // Large files lie elsewhere; what is linked to counts.
            let header = |a: &str, b: &str| response.header(a).or_else(|| response.header(b));
            let etag = header("x-linked-etag", "etag").unwrap_or_default();
            let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if etag.is_empty()
                || etag.starts_with('.')
                || etag.len() > 128
                || !etag.chars().all(safe)
            {
                return Err(broken(format!("expected an ETag, got {etag:?}")));
            }
            let bytes = header("x-linked-size", "content-length").and_then(|b| b.parse().ok());
            let bytes =
                bytes.ok_or_else(|| broken("the server does not tell its length".into()))?;
            Ok(Remote { etag, bytes })
        })
    }

    /// A request with the token.
    pub(super) fn request(&self, url: &str, head: bool) -> Request {
        Request { url: url.to_owned(), head, token: self.token.clone(), ..Request::default() }
    }

    /// An error unless the answer is the thing that was asked for.
    pub(super) fn judge(&self, response: &Response, what: &str) -> Tried<()> {
        let status = response.status;
        let words =
            response.header("x-error-message").map(|m| format!(" ({m})")).unwrap_or_default();
        let reason = match (status, response.header("x-error-code")) {
            (200..=299, _) => return Ok(()),
            (408 | 429 | 500..=599, _) => {
                let seconds = response.header("retry-after").and_then(|s| s.parse().ok());
                let reason = format!("{what}: the server answered {status}{words}");
                return Err(Trouble::Later(reason, seconds.map(Duration::from_secs)));
            }
            (_, Some("RevisionNotFound")) => "there is no such revision".to_owned(),
            (_, Some("EntryNotFound")) => "there is no such file".to_owned(),
            (_, Some("GatedRepo")) => {
                "its conditions must be accepted on its page, and HF_TOKEN set".to_owned()
            }
            (401 | 403, _) if self.token.is_none() => {
                "there is no such repository, or it needs a token: set HF_TOKEN".to_owned()
            }
            (401 | 403, _) => {
                "there is no such repository, or the token may not read it".to_owned()
            }
            (404, _) => "there is no such repository or file".to_owned(),
            _ => format!("the server answered {status}"),
        };
        Err(Error::hub(what, format!("{reason}{words}")).into())
    }
}
