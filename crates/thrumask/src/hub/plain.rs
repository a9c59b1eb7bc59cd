//! Files of any server, kept by their address.

use std::{io::Write, path::PathBuf};

use thrumask_core::{fingerprint::sha256_hex, fsio::PendingFile};

use super::{
    Hub,
    cache::make_parent,
    expanded,
    http::{Client, Request, Tick, Trouble, with_retries},
    remote::PATIENCE,
    variable,
};
use crate::{Error, Result};

/// The file of an address, downloaded once and kept in `thrumask/files` of the user's cache folder.
/// What lies at an address must not change. No token is sent.
///
/// # Errors
/// [`Error::Hub`] when the server does not give it, or `HF_HUB_OFFLINE` forbids to ask;
/// [`thrumask_core::Error::Io`] when it cannot be written; what `tick` returns.
pub(crate) fn kept_file(url: &str, tick: Tick<'_>) -> Result<PathBuf> {
    let cache = match variable("XDG_CACHE_HOME") {
        Some(cache) => expanded(&cache),
        None => std::env::home_dir()
            .ok_or_else(|| {
                Error::hub("XDG_CACHE_HOME", "there is no home folder to keep files in")
            })?
            .join(".cache"),
    };
    let path = cache.join("thrumask/files").join(sha256_hex(url.as_bytes()));
    if path.exists() {
        return Ok(path);
    }
    if Hub::from_env()?.offline {
        return Err(Error::hub(url, "is not in the cache, and HF_HUB_OFFLINE forbids to ask"));
    }
    make_parent(&path)?;
    let client = Client::new();
    with_retries(PATIENCE, tick, |tick| {
        let failed = |e| Trouble::Final(thrumask_core::Error::io("writing", &path, e).into());
        let mut file = PendingFile::begin(&path).map_err(Error::from)?;
        let request = Request { url: url.to_owned(), ..Request::default() };
        let mut response = client.send(request, tick)?;
        match response.status {
            200 => {}
            429 | 500.. => {
                let reason = format!("{url}: the server answered {}", response.status);
                return Err(Trouble::Later(reason, None));
            }
            other => return Err(Error::hub(url, format!("the server answered {other}")).into()),
        }
        let expected: Option<u64> = response.header("content-length").and_then(|v| v.parse().ok());
        let mut length = 0;
        while let Some(piece) = response.piece(tick)? {
            length += piece.len() as u64;
            file.write_all(&piece).map_err(failed)?;
        }
        match expected {
            Some(all) if all != length => {
                let reason = format!("{url}: the connection ended at {length} of {all}");
                Err(Trouble::Later(reason, None))
            }
            _ => Ok(file.commit().map_err(Error::from)?),
        }
    })?;
    Ok(path)
}
