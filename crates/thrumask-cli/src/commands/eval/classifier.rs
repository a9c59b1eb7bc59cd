//! `thrumask eval classifier`: measures what measures videos.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use clap::Args;
use thrumask::{
    eval::classifier::{Classifier as Network, ceiling, ceiling_table},
    model::files::read_bytes,
    world::WorldConfig,
};

use super::{Bars, Splits};
use crate::{
    options::{TalkOptions, start_threads},
    terminal,
};

/// Show true videos with their true masks to a classifier of the world (`thrumask train` with the task
/// "classifier").
///
/// Prints how often it is right about the kind, colour and action of the objects: the ceiling of what
/// it says of generated videos. Every figure has its 95 % interval.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  thrumask eval classifier --model train/classifier/model.safetensors")]
pub struct Classifier {
    /// The classifier.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Scenes of each split.
    #[arg(long, default_value_t = 256)]
    scenes: usize,
    /// Which scenes.
    #[arg(long, value_delimiter = ',', default_values_t = Splits::ALL)]
    splits: Vec<Splits>,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Classifier {
    /// Does it.
    pub fn run(self) -> Result<()> {
        ensure!(self.scenes > 0, "--scenes: expected at least 1, got 0");
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let bytes = read_bytes(&self.model)?;
        let what = self.model.display().to_string();
        let network = Network::read(&what, &bytes, &Device::flex())?;
        let mut bars = Bars::new(self.talk.reporter());
        let world = WorldConfig::default();
        let mut rows = Vec::new();
        for split in &self.splits {
            rows.extend(ceiling(&network, &world, split.target(), self.scenes, &mut bars)?);
        }
        if self.talk.json {
            return terminal::print_json(&rows);
        }
        terminal::print(&ceiling_table(&rows))
    }
}
