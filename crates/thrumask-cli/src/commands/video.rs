//! `thrumask video`: stage 2 alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::{
    options::{SettingOptions, StageOptions, TalkOptions, on_threads},
    terminal,
};

/// Make the frames that follow the trajectory.
///
/// Reads input.png, plan.json and trajectory.json (or a changed trajectory.mp4) of the run
/// directory and writes video.mp4. To use another trajectory file or a folder of PNG masks, run
/// `thrumask motion --trajectory FILE` first.
#[derive(Debug, Args)]
pub struct Video {
    #[command(flatten)]
    stage: StageOptions,
    /// Also write the video here: .mp4, .gif, .webp, or a folder for PNG frames (name/).
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingOptions,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Video {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let mut reporter = self.talk.reporter();
        let mut run = self.stage.resume(&self.settings, &[], &mut reporter)?;
        on_threads(|| run.video())?;
        if let Some(output) = &self.output {
            run.deliver(output)?;
        }
        terminal::tell_report(&run.report(self.output), self.talk.json)
    }
}
