//! `thrumask models pull`.

use anyhow::{Result, bail};
use clap::Args;
use thrumask::hub::{Choice, Hub, named};

use super::{ByteBar, size};
use crate::{options::TalkOptions, terminal};

/// Download a model into the cache, or go on with a download.
///
/// Of a known model come the files that thrumask needs, of another repository all of them; --include
/// chooses. Each file is compared with its check sum; what an interrupt or a broken connection has left
/// is gone on with. Prints the folder of the files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models pull sd15
  thrumask models pull facebook/sam2.1-hiera-tiny --include '*.json' --include model.safetensors
  HF_HUB_OFFLINE=1 thrumask models pull sd15    (tells where it is, or that it is not there)")]
pub struct Pull {
    /// A known name (`thrumask models list`), or a repository as ORG/NAME.
    #[arg(value_name = "NAME")]
    name: String,
    /// Branch, tag or commit [default: main].
    #[arg(long)]
    revision: Option<String>,
    /// Only files that fit this pattern (*, ? and [abc]; FOLDER/ for all in it); may be repeated.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Pull {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let named = named(&self.name)?;
        if !named.inner.is_empty() {
            bail!("{}: name the repository; --include '{}/' chooses in it", self.name, named.inner);
        }
        let revision = self.revision.as_ref().unwrap_or(&named.revision);
        let choice = match self.include.is_empty() {
            true => named.choice.clone(),
            false => Choice { files: self.include.clone(), also: Vec::new() },
        };
        let hub = Hub::from_env()?;
        let mut bar = ByteBar::new(self.talk.quiet);
        let pulled = hub.pull(&named.repo, revision, &choice, &mut bar)?;
        drop(bar);
        if self.talk.json {
            return terminal::print_json(&pulled);
        }
        if !self.talk.quiet {
            for file in &pulled.files {
                let how = if file.downloaded { "downloaded" } else { "kept" };
                terminal::say(&format!("{how:10} {:>9}  {}", size(file.bytes), file.name));
            }
        }
        terminal::print(&format!("{}\n", pulled.folder.display()))
    }
}
