//! `thrumask data prepare`: captioned videos to shards.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;
use thrumask::{
    data::{
        FlowLength, FrameDifference, Job, LatentEncoder, LatentNumber, MotionMeasure, Part,
        PrepareConfig, Summary, Tools, prepare,
    },
    models::Models,
    plan::RulePlanner,
    tracker::{SamTracker, Tracker},
};

use crate::{
    commands::eval::Bars,
    options::{DeviceOption, TalkOptions, start_threads},
    terminal,
};

/// Make training shards from captioned videos.
///
/// The input is a folder of videos (NAME.mp4, with NAME.txt, NAME.json or NAME.plan.json for the caption and
/// NAME.masks.json, NAME.trajectory.json or SA-V's NAME_manual.json, NAME_auto.json for the masks), a tar with
/// such files, or a manifest (CSV, JSON lines or Parquet with path, caption, masks). Scenes are cut apart, unfit clips
/// left out, and the others written as WebDataset tars with KEY.mp4, KEY.json and KEY.masks.json, beside
/// manifest.json, rejected.jsonl (whatever was left out, with its reason), report.md, report.html and
/// sheet.png. A video that is broken never stops the work.
///
/// Ctrl-C, SIGTERM or a crash loses at most the video in work: the same command goes on to the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask data prepare videos --out shards
  thrumask data prepare videos --out shards --shard 0/2 & thrumask data prepare videos --out shards --shard 1/2
  thrumask data prepare videos.parquet --out shards --latents
  thrumask data prepare videos --out shards --tracker sam2.1-hiera-tiny --flow raft-small.pth
  thrumask data prepare sav --manifest captions.jsonl --out shards --set size=256 --set frames=16 --set fps=6")]
pub struct Prepare {
    /// Folder, tar or manifest.
    input: PathBuf,
    /// Folder for the shards.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Captions for a folder or tar: CSV, JSON lines or Parquet with path and caption.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Configuration file (TOML); docs/data.md has the keys.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one value of the configuration, by dotted key; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Do the I-th of N parts of the work, from 0: each in a process of its own, on any machine that sees
    /// both folders.
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    shard: Part,
    /// Keep what the autoencoder makes of each sample beside it (KEY.latents.safetensors), so that trainings
    /// need not encode it in each step: to the bit, or in half the space as f16.
    #[arg(long, value_name = "NUMBERS", num_args = 0..=1, require_equals = true,
          default_missing_value = "f32")]
    latents: Option<Numbers>,
    /// Folder of models with a segmenter, and with --latents an autoencoder, to use in place of the built-in ones.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// SAM 2.1, which follows objects through videos without masks: a folder in the layout of transformers'
    /// Sam2VideoModel, or a file of its authors.
    #[arg(long, value_name = "DIR_OR_FILE")]
    tracker: Option<PathBuf>,
    /// Weights of RAFT: motion is then the length of the optical flow (limits: filter.flow) and not the change
    /// of the pixels (filter.motion).
    #[arg(long, value_name = "FILE")]
    flow: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    talk: TalkOptions,
}

/// How latents are kept.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Numbers {
    F32,
    F16,
}

impl Prepare {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let mut config = PrepareConfig::read(self.config.as_deref(), &self.set)?;
        if let Some(numbers) = self.latents {
            config.latents = Some(match numbers {
                Numbers::F32 => LatentNumber::F32,
                Numbers::F16 => LatentNumber::F16,
            });
        }
        let models = self.models.map_or_else(Models::embedded, Models::in_folder);
        let segmenter = models.segmenter()?;
        let device = self.device.open()?;
        let tracker = self.tracker.map(|path| SamTracker::open(&path, &device)).transpose()?;
        let flow = self.flow.map(|path| FlowLength::open(&path, &device)).transpose()?;
        let encoder = match config.latents {
            Some(_) => Some(LatentEncoder::new(models.autoencoder()?)?),
            None => None,
        };
        let job = Job {
            input: &self.input,
            manifest: self.manifest.as_deref(),
            out: &self.out,
            part: self.shard,
            config: &config,
            tools: Tools {
                planner: &RulePlanner,
                segmenter: Some(&*segmenter),
                tracker: tracker.as_ref().map(|tracker| tracker as &dyn Tracker),
                motion: flow.as_ref().map_or(&FrameDifference as &dyn MotionMeasure, |flow| flow),
                encoder: encoder.as_ref(),
            },
        };
        let summary = prepare(&job, &mut Bars::new(self.talk.reporter()))?;
        let report = self.out.join("report.md");
        if self.talk.json {
            return terminal::print_json(&json!({"summary": summary, "report": report}));
        }
        if !self.talk.quiet {
            terminal::say(&in_words(&summary));
        }
        terminal::print(&format!("{}\n", report.display()))
    }
}

/// What was made, in a sentence.
fn in_words(summary: &Summary) -> String {
    let reasons =
        summary.rejected.iter().map(|(word, n)| format!("{n} {}", word.replace('_', " ")));
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    let reasons = if reasons.is_empty() { "nothing".to_owned() } else { reasons };
    let Summary { videos, samples, .. } = summary;
    let rest = if summary.complete { "" } else { "; other processes have not ended" };
    format!("{samples} samples from {videos} videos; left out: {reasons}{rest}")
}
