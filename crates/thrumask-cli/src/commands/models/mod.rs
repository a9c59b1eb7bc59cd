//! `thrumask models`: public models: downloads, checks, a look inside, conversion.

mod assemble;
mod convert;
mod init;
mod inspect;
mod list;
mod pull;
mod verify;

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use thrumask::progress::Progress;
use thrumask_nn::weights::FloatType;

use crate::{options::TalkOptions, terminal};

/// Public models: list, download, check, look into, convert, make with random weights, put together.
///
/// Models are kept where the hub's Python library keeps them, so that both share one copy. The
/// environment says the same to both: HF_HUB_CACHE or HF_HOME (where), HF_ENDPOINT (from where),
/// HF_TOKEN (as whom), HF_HUB_OFFLINE=1 (no request at all).
#[derive(Debug, Args)]
pub struct Models {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Pull(pull::Pull),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Init(init::Init),
    Assemble(assemble::Assemble),
}

impl Models {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self.what {
            What::List(list) => list.run(),
            What::Pull(pull) => pull.run(),
            What::Verify(verify) => verify.run(),
            What::Inspect(inspect) => inspect.run(),
            What::Convert(convert) => convert.run(),
            What::Init(init) => init.run(),
            What::Assemble(assemble) => assemble.run(),
        }
    }
}

/// Types of numbers with a fraction, by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    fn float(self) -> FloatType {
        match self {
            Self::F32 => FloatType::F32,
            Self::F16 => FloatType::F16,
            Self::Bf16 => FloatType::BF16,
        }
    }
}

/// How much is done, on a terminal.
struct ByteBar(Option<ProgressBar>);

impl ByteBar {
    fn new(quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{msg} {wide_bar} {bytes}/{total_bytes}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(Some(bar))
    }
}

impl Progress for ByteBar {
    fn step(&mut self, stage: &str, done: usize, total: usize) -> thrumask::Result<()> {
        if let Some(bar) = &self.0 {
            if bar.message() != stage {
                bar.set_message(stage.to_owned());
            }
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        match terminal::interrupted() {
            false => Ok(()),
            true => Err(thrumask_core::Error::Interrupted.into()),
        }
    }
}

impl Drop for ByteBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Tells which files were written.
fn say_written(files: &[PathBuf], talk: &TalkOptions) -> Result<()> {
    match talk.json {
        true => terminal::print_json(&json!({"files": files})),
        false => {
            let lines = files.iter().map(|file| format!("{}\n", file.display()));
            terminal::print(&lines.collect::<String>())
        }
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
