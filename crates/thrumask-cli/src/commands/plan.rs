//! `thrumask plan`: the first stage alone.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use thrumask::pipeline::{Mode, Run, check_caption};

use crate::{
    options::{NewRun, TalkOptions, on_threads},
    terminal,
};

/// Begin a run: put the picture and the plan of a caption into a run directory.
///
/// Writes input.png, plan.json (the motion prompt, and a name and a prompt for each object; edit it
/// as you like) and run.json. Go on with `thrumask segment`. All settings given here hold for the
/// stages that follow, unless they are given anew there.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  thrumask plan photo.jpg \"A dog runs to the left.\" --run dog.run --seed 3
  thrumask segment --run dog.run && thrumask motion --run dog.run
  thrumask video --run dog.run -o dog.mp4")]
pub struct Plan {
    #[command(flatten)]
    new: NewRun,
    /// The run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Plan {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let new = &self.new;
        let settings = new.settings()?;
        check_caption(&new.caption)?;
        let mode = if new.fresh { Mode::Fresh } else { Mode::Single };
        let mut reporter = self.talk.reporter();
        let mut run = Run::start(&self.run, &new.picture, &settings, mode, &mut reporter)?;
        on_threads(|| run.plan(&new.caption))?;
        terminal::tell_report(&run.report(None), self.talk.json)
    }
}
