//! `thrumask segment`: the second stage alone.

use anyhow::Result;
use clap::Args;

use crate::{
    options::{GivenControl, GivenMasks, SettingOptions, StageOptions, TalkOptions, on_threads},
    terminal,
};

/// Find the plan's objects in the picture, or take given masks.
///
/// Reads input.png and plan.json of the run directory and writes masks.png: a palette PNG at the
/// picture's size whose indices are the object ids (0 background, 1 the plan's first object).
/// Repaint it as you like, then go on with `thrumask motion`.
#[derive(Debug, Args)]
pub struct Segment {
    #[command(flatten)]
    stage: StageOptions,
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
        let typed = [self.masks.typed(), self.control.typed()];
        let mut reporter = self.talk.reporter();
        let mut run = self.stage.resume(&self.settings, &typed, &mut reporter)?;
        on_threads(|| run.segment())?;
        terminal::tell_report(&run.report(None), self.talk.json)
    }
}
