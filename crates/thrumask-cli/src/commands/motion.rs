//! `thrumask motion`: stage 1 alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use thrumask::pipeline::{Mode, Run};

use crate::{
    options::{GivenMotion, SettingOptions, TalkOptions},
    terminal,
};

/// Make the motion of the masks, or take a given one.
///
/// Reads input.png, plan.json and masks.png of the run directory and writes trajectory.json (run
/// lengths per object and frame, as COCO's tools read them) and trajectory.mp4 (palette colours).
/// Change or replace one of them, then go on with `thrumask video`.
#[derive(Debug, Args)]
pub struct Motion {
    /// The run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Overwrite a trajectory that was made by hand.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    motion: GivenMotion,
    #[command(flatten)]
    settings: SettingOptions,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Motion {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let mode = if self.fresh { Mode::Fresh } else { Mode::Single };
        let typed = [self.motion.typed()];
        let mut reporter = self.talk.reporter();
        let adjust = |base| self.settings.adjusted(base, &typed);
        let mut run = Run::resume(&self.run, adjust, mode, &mut reporter)?;
        run.motion()?;
        terminal::tell_report(&run.report(None), self.talk.json)
    }
}
