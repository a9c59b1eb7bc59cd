//! `thrumask data inspect`: what is in shards.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use thrumask::data::{LatentNumber, inspect::inspect};

use crate::{commands::eval::Bars, options::TalkOptions, terminal};

/// Samples on a contact sheet.
const SHEET_SAMPLES: usize = 32;

/// Read shards whole and list their samples.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask data inspect shards/shard-0000-of-0001-00000.tar
  thrumask data inspect shards/*.tar --json --sheet sheet.png")]
pub struct Inspect {
    /// Tars.
    #[arg(required = true)]
    shards: Vec<PathBuf>,
    /// Write a contact sheet of the first samples.
    #[arg(long, value_name = "PNG")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Inspect {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let shown = if self.sheet.is_some() { SHEET_SAMPLES } else { 0 };
        let mut bars = Bars::new(self.talk.reporter());
        let (samples, sheet) = inspect(self.shards, shown, &mut bars)?;
        if let Some((path, sheet)) = self.sheet.as_ref().zip(sheet) {
            sheet.write_png(path)?;
        }
        if self.talk.json {
            return terminal::print_json(&json!({"samples": samples, "sheet": self.sheet}));
        }
        let width = samples.iter().map(|s| s.key.len()).max().unwrap_or(0).max(3);
        let mut text = format!(
            "{:width$}  {:>7}  {:>6}  {:>6}  {:>7}  {:>7}  {:>7}  caption\n",
            "key", "size", "frames", "fps", "objects", "motion", "kB"
        );
        for s in &samples {
            let about = &s.about;
            let caption: String = about.plan.caption.chars().take(80).collect();
            text.push_str(&format!(
                "{:width$}  {:>7}  {:>6}  {:>6.2}  {:>7}  {:>7.4}  {:>7.1}  {caption}\n",
                s.key,
                format!("{0}x{0}", about.size),
                about.frames,
                about.fps,
                s.objects,
                about.measures.motion,
                s.bytes as f64 / 1000.0,
            ));
        }
        text.push_str(&format!("{} samples\n", samples.len()));
        let mut latents: BTreeMap<(String, &str), usize> = BTreeMap::new();
        for kept in samples.iter().filter_map(|s| s.latents.as_ref()) {
            let numbers = match kept.number {
                LatentNumber::F32 => "f32",
                LatentNumber::F16 => "f16",
            };
            let shape = kept.shape.map(|n| n.to_string()).join("x");
            *latents.entry((format!("{shape} in {numbers}"), &kept.autoencoder)).or_default() += 1;
        }
        for ((what, autoencoder), n) in latents {
            let short = &autoencoder[..autoencoder.len().min(12)];
            text.push_str(&format!("{n} with latents, {what}, of autoencoder {short}\n"));
        }
        terminal::print(&text)
    }
}
