//! `thrumask motion`: stage 1 alone.

use anyhow::Result;
use clap::Args;

use crate::{
    options::{GivenMotion, SettingOptions, StageOptions, TalkOptions, on_threads},
    terminal,
};

/// Make the motion of the masks, or take a given one.
///
/// Reads input.png, plan.json and masks.png of the run directory and writes trajectory.json (run
/// lengths per object and frame, as COCO's tools read them) and trajectory.mp4 (palette colours).
/// Change or replace one of them, then go on with `thrumask video`.
#[derive(Debug, Args)]
pub struct Motion {
    #[command(flatten)]
    stage: StageOptions,
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
        let typed = [self.motion.typed()];
        let mut reporter = self.talk.reporter();
        let mut run = self.stage.resume(&self.settings, &typed, &mut reporter)?;
        on_threads(|| run.motion())?;
        terminal::tell_report(&run.report(None), self.talk.json)
    }
}
