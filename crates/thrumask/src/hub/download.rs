//! One blob: resumed, checked, and moved into place whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};
use thrumask_core::Fingerprint;

use super::{
    Hub, Repo,
    cache::make_parent,
    http::{Tick, Tried, Trouble, with_retries},
    remote::{PATIENCE, Remote},
};
use crate::{Error, Result};

/// What a blob's name says of its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Its SHA-256, as large files have it.
    Sha256,
    /// Git's SHA-1 of a blob, as other files have it.
    Git,
}

impl Checksum {
    /// What a blob is named by; of other names nothing is known.
    pub fn of(name: &str) -> Option<Self> {
        let is_hex = name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.len() {
            64 if is_hex => Some(Self::Sha256),
            40 if is_hex => Some(Self::Git),
            _ => None,
        }
    }
}

/// The check sum of a file, in lower-case hexadecimal; `tick` hears how many bytes are read.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when it cannot be read; whatever `tick` returns.
pub fn checksum(
    path: &Path,
    kind: Checksum,
    tick: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<String> {
    let failed = |e| thrumask_core::Error::io("reading", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let (mut sha256, mut git) = (Sha256::new(), Sha1::new());
    git.update(format!("blob {length}\0"));
    let (mut piece, mut done) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        match kind {
            Checksum::Sha256 => sha256.update(&piece[..read]),
            Checksum::Git => git.update(&piece[..read]),
        }
        done += read as u64;
        tick(done)?;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
    Ok(match kind {
        Checksum::Sha256 => hex(&sha256.finalize()),
        Checksum::Git => hex(&git.finalize()),
    })
}

/// A network's name with what tells its weights from others: a part of the check sums' check sum.
///
/// # Errors
/// As [`checksum`].
pub(crate) fn named_weights<'a>(
    kind: &str,
    files: impl Iterator<Item = &'a Path>,
) -> Result<String> {
    let mut sums = Fingerprint::new("weights");
    for path in files {
        sums = sums.text("file", checksum(path, Checksum::Sha256, &mut |_| Ok(()))?);
    }
    Ok(format!("{kind} {}", &sums.finish()[..16]))
}

impl Hub {
    /// Makes a blob be there: `hear` is told how many of its bytes are, and may stop it. What has come
    /// before a stop is kept as `ETAG.incomplete` and gone on with.
    pub(super) fn fetch(
        &self,
        repo: &Repo,
        url: &str,
        remote: &Remote,
        hear: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let blob = self.cache.blob(repo, &remote.etag);
        make_parent(&blob)?;
        let _lock = self.cache.lock(repo, &remote.etag, &mut || hear(0))?;
        if blob.exists() {
            return hear(remote.bytes);
        }
        let partial = self.cache.blob(repo, &format!("{}.incomplete", remote.etag));
        let size = || fs::metadata(&partial).map(|m| m.len()).unwrap_or(0);
        let mut had = size();
        loop {
            let mut before = had;
            while size() < remote.bytes || !partial.exists() {
                let mut tick = || hear(size().min(remote.bytes));
                let result = with_retries(PATIENCE, &mut tick, |tick| {
                    let tried = self.receive(url, remote, &partial, tick);
                    // As long as something comes, attempts are not counted.
                    match tried {
                        Err(Trouble::Later(..)) if size() > before => {
                            before = size();
                            Ok(())
                        }
                        other => other,
                    }
                });
                result?;
            }
            let found = match Checksum::of(&remote.etag) {
                None => break,
                Some(kind) => checksum(&partial, kind, &mut |_| hear(remote.bytes))?,
            };
            if found == remote.etag && size() == remote.bytes {
                break;
            }
            fs::remove_file(&partial)
                .map_err(|e| thrumask_core::Error::io("removing", &partial, e))?;
            // What an earlier process left may have been broken: once from the start.
            if had == 0 {
                let reason = format!("expected check sum {}, got {found}", remote.etag);
                return Err(Error::hub(url, reason));
            }
            had = 0;
        }
        fs::rename(&partial, &blob).map_err(|e| thrumask_core::Error::io("writing", &blob, e))?;
        hear(remote.bytes)
    }

    /// Appends what is missing of a file to `partial`.
    fn receive(&self, url: &str, remote: &Remote, partial: &Path, tick: Tick<'_>) -> Tried<()> {
        let failed = |e| Trouble::Final(thrumask_core::Error::io("writing", partial, e).into());
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(partial);
        let mut file = file.map_err(failed)?;
        let mut have = file.metadata().map_err(failed)?.len();
        let restart = |file: &mut File| file.set_len(0).map_err(failed);
        if have > remote.bytes {
            restart(&mut file)?;
            have = 0;
        }
        let mut request = self.request(url, false);
        request.from = have;
        let mut response = self.client.send(request, tick)?;
        let range = response.header("content-range").map(str::to_owned);
        match response.status {
            206 if have > 0 => {
                let expected = format!("bytes {have}-");
                if !range.as_deref().is_some_and(|range| range.starts_with(&expected)) {
                    restart(&mut file)?;
                    let got = range.unwrap_or_default();
                    let reason = format!("{url}: expected {expected}, got {got}");
                    return Err(Trouble::Later(reason, None));
                }
            }
            // A server that knows no ranges sends all of it.
            200 => restart(&mut file)?,
            416 => {
                restart(&mut file)?;
                return Err(Trouble::Later(format!("{url}: the server has no such range"), None));
            }
            _ => {
                self.judge(&response, url)?;
                let reason = format!("the server answered {}", response.status);
                return Err(Error::hub(url, reason).into());
            }
        }
        let mut length = file.metadata().map_err(failed)?.len();
        while let Some(piece) = response.piece(tick)? {
            length += piece.len() as u64;
            if length > remote.bytes {
                restart(&mut file)?;
                let reason = format!("expected {} bytes, got more", remote.bytes);
                return Err(Error::hub(url, reason).into());
            }
            file.write_all(&piece).map_err(failed)?;
        }
        if length < remote.bytes {
            let reason = format!("{url}: the connection ended at {length} of {}", remote.bytes);
            return Err(Trouble::Later(reason, None));
        }
        file.sync_all().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sums_are_those_of_git_and_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // As `git hash-object` and `sha256sum` say.
        for (text, git, sha256) in [
            (
                "",
                "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                "hello\n",
                "ce013625030ba8dba906f756967f9e9ca394464a",
                "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
            ),
        ] {
            fs::write(&path, text).unwrap();
            for (kind, expected) in [(Checksum::Git, git), (Checksum::Sha256, sha256)] {
                assert_eq!(checksum(&path, kind, &mut |_| Ok(())).unwrap(), expected);
                assert_eq!(Checksum::of(expected), Some(kind));
            }
        }
        assert_eq!(Checksum::of("e69de29bb2d1d6434b8b29ae775ad8c2e48c539"), None);
        assert_eq!(Checksum::of(&"G".repeat(40)), None);
    }
}
