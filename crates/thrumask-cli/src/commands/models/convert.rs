//! `thrumask models convert`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use thrumask::{
    hub::{cache_from_env, locate},
    progress::Progress,
};
use thrumask_nn::weights::{self, Checkpoint, Conversion};

use super::{ByteBar, Dtype, say_written};
use crate::options::TalkOptions;

/// Write any checkpoint as safetensors.
///
/// Reads what `inspect` reads, one tensor at a time, so that a large model needs little memory. Numbers
/// with a fraction keep their type unless --dtype names one; quantised ones become f32. Files get their
/// names when all are written.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models convert mm.ckpt mm.safetensors
  thrumask models convert sd15/unet unet-f16.safetensors --dtype f16
  thrumask models convert model.gguf out/model.safetensors --dtype bf16 --max-shard-size 2GB")]
pub struct Convert {
    /// A file, a folder, a known name or ORG/NAME, the last two with a path in it if wanted.
    #[arg(value_name = "PATH|NAME")]
    from: String,
    /// What to write, ending in .safetensors.
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// The type of numbers with a fraction [default: as they are].
    #[arg(long, value_enum)]
    dtype: Option<Dtype>,
    /// At most so much in one file, as 500MB, 2GB or 2GiB: several get an index [default: one file].
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_shard_size: Option<u64>,
    #[command(flatten)]
    talk: TalkOptions,
}

/// A size as people write it.
fn bytes(text: &str) -> std::result::Result<u64, String> {
    let expected = || format!("expected a size such as 500MB or 2GiB, got {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| expected())?;
    let unit: u64 = match text[digits..].trim().to_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(expected()),
    };
    number.checked_mul(unit).filter(|&n| n > 0).ok_or_else(expected)
}

impl Convert {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let source = Checkpoint::open(locate(&self.from, &cache_from_env()?)?)?;
        if source.infos().next().is_none() {
            bail!("{}: there are no tensors in it", self.from);
        }
        let how = Conversion {
            float: self.dtype.map(Dtype::float),
            max_shard_bytes: self.max_shard_size,
        };
        let sizes: Vec<u64> = source.infos().map(|(_, info)| info.bytes).collect();
        let total: u64 = sizes.iter().sum();
        let mut bar = ByteBar::new(self.talk.quiet);
        let mut step = |done: usize, _: usize| {
            let done: u64 = sizes[..done].iter().sum();
            // The only thing that a bar has to say is that the person asked to stop.
            bar.step("convert", done as usize, total as usize)
                .map_err(|_| thrumask_core::Error::Interrupted.into())
        };
        let files = weights::convert(&source, &self.to, how, &mut step);
        let files = files.map_err(thrumask::Error::from)?;
        drop(bar);
        say_written(&files, &self.talk)
    }
}
