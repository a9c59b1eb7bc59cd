//! `thrumask animate`: the whole line.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use thrumask::pipeline::{self, Animation, Estimate, Rates};

use crate::{
    options::{NewRun, TalkOptions, on_threads},
    terminal,
};

/// Make a video of a picture and a sentence.
///
/// Works out what moves (plan.json), finds it in the picture (masks.png), makes its motion
/// (trajectory.json, trajectory.mp4 to look at), then the frames (video.mp4), each in the run
/// directory, with run.json: configuration, seed, model hashes, time and memory of each stage.
///
/// The same command goes on from what is finished there, and uses what was edited there:
/// change plan.json, repaint masks.png (palette index = object id, at the picture's size), or
/// replace trajectory.json or trajectory.mp4 (palette colours). Stages behind an edit are done
/// again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask animate examples/two-cars.png \"The red car on the right moves away to the right, while the blue car on the left jumps.\" -o out.mp4
  thrumask animate photo.jpg \"A dog runs to the left.\" -o dog.gif --seed 3 --steps 8
  thrumask animate photo.jpg \"A dog runs.\" -o dog.mp4 --boxes \"1:40,60,200,180\"
  thrumask animate photo.jpg \"A dog runs.\" -o frames/ --control control.json --set motion.guidance.text=2")]
pub struct Animate {
    #[command(flatten)]
    new: NewRun,
    /// What to write: .mp4 (H.264), .gif, .webp, or a folder for PNG frames (name/).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The run directory [default: beside the output, out.mp4 -> out.run/].
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Print what would be done, with an estimate of time and memory, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Animate {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let settings = self.new.settings()?;
        let run = self.run.unwrap_or_else(|| pipeline::run_beside(&self.output));
        let NewRun { picture, caption, fresh, .. } = self.new;
        let job = Animation { picture, caption, output: self.output, run, settings, fresh };
        if self.dry_run {
            let outlook = pipeline::outlook(&job)?;
            let rates = on_threads(Rates::measured)?;
            let estimate = Estimate::new(&job.settings, &rates)?;
            return terminal::tell_outlook(&outlook, &estimate, self.talk.json);
        }
        let report = on_threads(|| pipeline::animate(&job, &mut self.talk.reporter()))?;
        terminal::tell_report(&report, self.talk.json)
    }
}
