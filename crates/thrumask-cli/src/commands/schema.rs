//! `thrumask schema`: the form of the control file.

use anyhow::Result;
use clap::Args;

use crate::terminal;

/// Print the JSON schema of the control file (--control).
#[derive(Debug, Args)]
pub struct Schema {}

impl Schema {
    /// Does it.
    pub fn run(self) -> Result<()> {
        terminal::print_json(&thrumask_core::control::schema())
    }
}
