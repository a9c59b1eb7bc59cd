//! `thrumask eval collage`: stage 2 on pictures of other worlds.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use thrumask::eval::{EvalConfig, collage};

use super::{Bars, judged::Judged};
use crate::{
    options::{TalkOptions, start_threads},
    terminal,
};

/// Judge stage 2 on collages: cut-outs that move over a background as a file says.
///
/// A collage is drawn in the file itself, or cut out of pictures and videos that it names; how one is written is told
/// in docs/beyond.md. Since where everything goes is known, so are the true video and the true masks: stage 2 gets the
/// picture and these masks. Measured are how well it follows them (J and F, of masks found by looks and by the
/// tracker), its first frame, and how far it is from the true video, beside the static picture and random motion. Every
/// figure has its 95 % interval. With --out, writes report.json, report.md and contact sheets.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask eval collage models/eval/drawn.toml --out results
  thrumask eval collage models/eval/photos.toml --pictures photos --video train/video/model.safetensors")]
pub struct CollageOf {
    /// File of collages (TOML).
    file: PathBuf,
    /// Folder of the pictures that it names [default: that of the file].
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    #[command(flatten)]
    judged: Judged,
    /// Folder for the report and the contact sheets.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seed of all noise, the random motion and the intervals.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Denoising steps [default: those of the model].
    #[arg(long)]
    steps: Option<usize>,
    /// Collages on the contact sheet, from the first on.
    #[arg(long, default_value_t = 20)]
    shown: usize,
    /// Collages that are worked on at once.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    talk: TalkOptions,
}

impl CollageOf {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let subjects = self.judged.subjects()?;
        let [_, video] = subjects.sampling(self.judged.others());
        let (seed, batch, shown) = (self.seed, self.batch, self.shown);
        let mut config = EvalConfig { video, seed, batch, shown, ..EvalConfig::default() };
        if let Some(steps) = self.steps {
            config.video.steps = steps;
        }
        let root = self.pictures.as_deref();
        let root = root.or(self.file.parent()).unwrap_or(Path::new("."));
        let mut bars = Bars::new(self.talk.reporter());
        let out = self.out.as_deref();
        let report = collage::run(&self.file, root, &config, &subjects, out, &mut bars)?;
        if self.talk.json {
            return terminal::print_json(&report);
        }
        terminal::print(&report.to_markdown())
    }
}
