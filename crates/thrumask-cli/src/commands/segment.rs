//! `thrumask segment`: the second stage alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use thrumask::pipeline::{Mode, Run};

use crate::{
    options::{GivenControl, GivenMasks, SettingOptions, TalkOptions},
    terminal,
};

/// Find the plan's objects in the picture, or take given masks.
///
/// Reads input.png and plan.json of the run directory and writes masks.png: a palette PNG at the
/// picture's size whose indices are the object ids (0 background, 1 the plan's first object).
/// Repaint it as you like, then go on with `thrumask motion`.
#[derive(Debug, Args)]
pub struct Segment {
    /// The run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Overwrite masks that were made by hand.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    masks: GivenMasks,
    #[command(flatten)]
    control: GivenControl,
    #[command(flatten)]
    settings: SettingOptions,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Segment {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let mode = if self.fresh { Mode::Fresh } else { Mode::Single };
        let typed = [self.masks.typed(), self.control.typed()];
        let mut reporter = self.talk.reporter();
        let adjust = |base| self.settings.adjusted(base, &typed);
        let mut run = Run::resume(&self.run, adjust, mode, &mut reporter)?;
        run.segment()?;
        terminal::tell_report(&run.report(None), self.talk.json)
    }
}
