//! The subcommands.

mod animate;
mod bench;
mod data;
mod eval;
mod flow;
mod models;
mod motion;
mod plan;
mod schema;
mod segment;
mod train;
mod video;
mod world;

use anyhow::Result;
use clap::{Parser, Subcommand};
use thrumask::models::BuiltIn;

use crate::terminal;

/// A picture and a sentence become a video, by way of masks.
#[derive(Debug, Parser)]
#[command(
    name = "thrumask",
    arg_required_else_help = true,
    after_help = "\
The line:
  picture, caption --plan--> plan.json --segment--> masks.png --motion--> trajectory.json --video--> video.mp4

`animate` goes all the way and leaves every artefact in a run directory. Edit one and repeat the
same command, or run single stages: what was edited is used, and what follows is done again.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (the same command goes on)."
)]
pub struct Cli {
    /// Print the version and the hashes of the built-in models.
    #[arg(short = 'V', long)]
    version: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Animate(animate::Animate),
    Plan(plan::Plan),
    Segment(segment::Segment),
    Motion(motion::Motion),
    Video(video::Video),
    Train(train::Train),
    Eval(eval::Eval),
    Flow(flow::Flow),
    Bench(bench::Bench),
    World(world::World),
    Data(data::Data),
    Models(models::Models),
    Schema(schema::Schema),
}

impl Cli {
    /// Does what was typed.
    pub fn run(self) -> Result<()> {
        match self.command {
            None => version(),
            Some(Command::Animate(command)) => command.run(),
            Some(Command::Plan(command)) => command.run(),
            Some(Command::Segment(command)) => command.run(),
            Some(Command::Motion(command)) => command.run(),
            Some(Command::Video(command)) => command.run(),
            Some(Command::Train(command)) => command.run(),
            Some(Command::Eval(command)) => command.run(),
            Some(Command::Flow(command)) => command.run(),
            Some(Command::Bench(command)) => command.run(),
            Some(Command::World(command)) => command.run(),
            Some(Command::Data(command)) => command.run(),
            Some(Command::Models(command)) => command.run(),
            Some(Command::Schema(command)) => command.run(),
        }
    }
}

/// The version, and which models are built in.
fn version() -> Result<()> {
    let mut text = format!("thrumask {}\n", env!("CARGO_PKG_VERSION"));
    for model in BuiltIn::ALL {
        text.push_str(&format!("{} sha256:{}\n", model.name, model.hash()));
    }
    terminal::print(&text)
}
