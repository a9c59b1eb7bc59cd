//! `thrumask train`: trains a network from a configuration file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use thrumask::train::{Outcome, Report, TrainConfig, train_configured};

use crate::{
    options::{DeviceOption, TalkOptions, on_threads, start_threads},
    terminal,
};

/// Train a network from a configuration file (autoencoder, segmenter, motion, video, ti2v, classifier,
/// tracker).
///
/// The folder receives config.json, checkpoint.safetensors (the whole state), log.jsonl (a line for
/// each step and each validation), sheet-*.png (samples to look at) and model.safetensors (averaged
/// parameters, for --models); a stage of public classes (stage.folder) gives the folder motion, video or ti2v
/// instead. Ctrl-C or SIGTERM writes a checkpoint and leaves; the same command goes
/// on from it, also after a crash, to the same bytes as an uninterrupted run, or with another run.steps to more or
/// fewer of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask train models/configs/autoencoder.toml --out train/autoencoder
  thrumask train models/configs/motion.toml --out train/motion --set run.steps=20000 --threads 1
  thrumask train models/configs/full-motion.toml --out train/full --set stage.folder=ttm --device gpu
  thrumask train models/configs/full-video.toml --out train/cross-only --set stage.self_attention=unmasked
  thrumask train models/configs/full-video.toml --out train/flow --set stage.form=flow")]
pub struct Train {
    /// Configuration file (TOML); see models/configs. Paths in it are relative to the current folder.
    config: PathBuf,
    /// Folder of the run; goes on from the checkpoint that is there.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Set one value of the configuration, by dotted key; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Train {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let config = TrainConfig::read(&self.config, &self.set)?;
        let mut bar = StepBar::new("", config.run.steps, self.talk.quiet);
        let mut last = json!(null);
        let mut hear = |report: Report| {
            bar.hear(&report);
            if let Report::Validation { step, scores } = report {
                last = json!({"step": step, "scores": scores});
            }
        };
        let base = std::env::current_dir()?;
        let device = self.device.open()?;
        let stop = terminal::interrupted;
        let outcome =
            on_threads(|| train_configured(&config, &base, &self.out, &device, &stop, &mut hear))?;
        drop(bar);
        if outcome == Outcome::Interrupted {
            return Err(thrumask_core::Error::Interrupted.into());
        }
        let model = config.model_in(&self.out);
        match self.talk.json {
            true => terminal::print_json(&json!({"model": model, "validation": last})),
            false => terminal::print(&format!("{}\n", model.display())),
        }
    }
}

/// How far a training is.
pub struct StepBar {
    bar: ProgressBar,
    /// Running mean of the loss.
    smooth: Option<f32>,
    name: String,
    quiet: bool,
}

impl StepBar {
    /// A bar of so many steps; `name` tells trainings apart and may be empty.
    pub fn new(name: &str, steps: u64, quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        let template = "{prefix}{wide_bar} {pos}/{len} steps, loss {msg}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let name = if name.is_empty() { String::new() } else { format!("{name}: ") };
        bar.set_prefix(name.clone());
        Self { bar, smooth: None, name, quiet }
    }

    /// Shows what the training tells.
    pub fn hear(&mut self, report: &Report) {
        match report {
            Report::Step { step, loss, .. } => {
                let mean = self.smooth.map_or(*loss, |mean| mean + 0.02 * (loss - mean));
                self.smooth = Some(mean);
                self.bar.set_position(*step);
                self.bar.set_message(format!("{mean:.4}"));
            }
            Report::Validation { step, scores } if !self.quiet => {
                let scores = scores.iter().map(|(name, value)| format!("{name} {value:.4}"));
                let line = scores.collect::<Vec<_>>().join(", ");
                let name = &self.name;
                self.bar.suspend(|| eprintln!("{name}step {step}: {line}"));
            }
            Report::Notice(words) if !self.quiet => self.bar.suspend(|| eprintln!("{words}")),
            Report::Validation { .. } | Report::Notice(_) => {}
        }
    }
}

impl Drop for StepBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
