//! `thrumask bench`: trains and measures whole comparisons.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use thrumask::{
    paper::{self, Job, PaperConfig},
    train::Report,
};

use crate::{
    commands::{eval::Bars, train::StepBar},
    options::{DeviceOption, TalkOptions, on_threads, start_threads},
    terminal,
};

/// Train and measure whole comparisons.
#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Paper(Paper),
}

/// Repeat the paper's comparisons on the procedural world.
///
/// Trains TI2V, Through-The-Mask, its ablations and its optical-flow variant at equal parameters, data,
/// steps and sampling, each with several seeds (and, unless the configuration names one, a classifier that
/// judges their videos); then measures
/// all of them on the same held-out scenes. Writes report.json, report.md, report.html and contact
/// sheets. What is finished is kept: the same command goes on where it was, and --only lets several
/// processes share the training.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask bench paper --out paper
  thrumask bench paper --out paper --only both,ti2v --seeds 1 --threads 1
  thrumask bench paper --out quick --set scenes=32 --set seeds=[1]")]
struct Paper {
    /// Folder for the trained models, the scores and the report; goes on with what is there.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// What is compared (TOML). Paths in it are relative to the current folder.
    #[arg(long, value_name = "FILE", default_value = "models/configs/paper.toml")]
    config: PathBuf,
    /// Set one value of the configuration, by dotted key; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Train only these, and measure nothing: classifier, masks, both, ti2v, unmasked, cross-only,
    /// self-only, flow, both-flow, flow-autoencoder.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Train with these seeds of the configuration only, and measure nothing.
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Bench {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let What::Paper(paper) = self.what;
        paper.run()
    }
}

impl Paper {
    fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let config = PaperConfig::read(&self.config, &self.set)?;
        let (base, device) = (std::env::current_dir()?, self.device.open()?);
        let stop = terminal::interrupted;
        let mut bar: Option<(String, StepBar)> = None;
        let quiet = self.talk.quiet;
        let mut hear = |name: &str, steps: u64, report: Report| {
            let (_, bar) = match &mut bar {
                Some(known) if known.0 == name => known,
                other => other.insert((name.to_owned(), StepBar::new(name, steps, quiet))),
            };
            bar.hear(&report);
        };
        if !self.only.is_empty() || !self.seeds.is_empty() {
            let jobs = self.jobs(&config)?;
            let out = &self.out;
            on_threads(|| paper::train(&config, &jobs, &base, out, &device, &stop, &mut hear))?;
            return Ok(());
        }
        let mut bars = Bars::new(self.talk.reporter());
        let report = on_threads(|| {
            paper::run(&config, &base, &self.out, &device, &stop, &mut hear, &mut bars)
        })?;
        match self.talk.json {
            true => terminal::print_json(&report),
            false => terminal::print(&report.to_markdown()),
        }
    }

    /// The trainings that were asked for.
    fn jobs(&self, config: &PaperConfig) -> Result<Vec<Job>> {
        let all = paper::jobs(config);
        for asked in &self.only {
            if !all.iter().any(|job| job.name() == asked) {
                let mut known: Vec<&str> = all.iter().map(|job| job.name()).collect();
                known.sort_unstable();
                known.dedup();
                return Err(anyhow!("--only: expected names of {}, got {asked}", known.join(", ")));
            }
        }
        if let Some(seed) = self.seeds.iter().find(|s| !config.seeds.contains(s)) {
            bail!("--seeds: expected seeds of {:?}, got {seed}", config.seeds);
        }
        let named = |job: &Job| self.only.is_empty() || self.only.iter().any(|o| o == job.name());
        let seeded = |job: &Job| match job.seed() {
            Some(seed) => self.seeds.is_empty() || self.seeds.contains(&seed),
            None => self.seeds.is_empty() || !self.only.is_empty(),
        };
        Ok(all.into_iter().filter(|j| named(j) && seeded(j)).collect())
    }
}
