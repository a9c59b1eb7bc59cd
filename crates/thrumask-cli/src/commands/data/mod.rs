//! `thrumask data`: real videos as training data.

mod inspect;
mod prepare;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Turn captioned videos into training data, and look into it (docs/data.md).
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Prepare(Box<prepare::Prepare>),
    Inspect(inspect::Inspect),
}

impl Data {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Prepare(command) => command.run(),
            What::Inspect(command) => command.run(),
        }
    }
}
