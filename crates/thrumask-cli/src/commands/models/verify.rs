//! `thrumask models verify`.

use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use thrumask::hub::{cache_from_env, locate, named, verify_path, verify_repo};

use super::ByteBar;
use crate::{options::TalkOptions, terminal};

/// Check files against their check sums and their own structure.
///
/// Of a model in the cache: each blob against the SHA-256 (or git's SHA-1) that it is named by, links,
/// headers of all files of tensors, shards against their index. Of a file or folder the same as far as
/// it goes. Every problem is told; the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models verify sd15
  thrumask models verify out/model.safetensors")]
pub struct Verify {
    /// A file, a folder, a known name or ORG/NAME.
    #[arg(value_name = "PATH|NAME")]
    what: String,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Verify {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let cache = cache_from_env()?;
        let mut bar = ByteBar::new(self.talk.quiet);
        // Of a name without a path in it all is checked, blobs of other commits too.
        let name = match Path::new(&self.what).exists() {
            true => None,
            false => Some(named(&self.what)?).filter(|named| named.inner.is_empty()),
        };
        let found = match name {
            Some(named) if !cache.folder(&named.repo).is_dir() => {
                bail!("{}: not in the cache {}", self.what, cache.root().display());
            }
            Some(named) => verify_repo(&cache, &named.repo, &mut bar)?,
            None => verify_path(&locate(&self.what, &cache)?, &mut bar)?,
        };
        drop(bar);
        if self.talk.json {
            terminal::print_json(&found)?;
        } else {
            let mut text = String::new();
            for problem in &found.problems {
                text.push_str(&format!("{problem}\n"));
            }
            let (hashed, opened) = (found.hashed, found.opened);
            text.push_str(&format!("{hashed} check sums compared, {opened} files opened\n"));
            terminal::print(&text)?;
        }
        match found.problems.len() {
            0 if found.hashed + found.opened == 0 => bail!("{}: nothing to check", self.what),
            0 => Ok(()),
            1 => bail!("{}: 1 problem", self.what),
            n => bail!("{}: {n} problems", self.what),
        }
    }
}
