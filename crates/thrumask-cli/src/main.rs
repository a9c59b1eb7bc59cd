//! `thrumask`: a picture and a sentence become a video.
//!
//! - [`commands`]: one file for each subcommand.
//! - [`options`]: what is typed, and the settings it stands for.
//! - [`terminal`]: progress on stderr, results on stdout, Ctrl-C.

mod commands;
mod options;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use commands::Cli;

#[global_allocator]
static ALLOCATOR: thrumask::LineAllocator = thrumask::LineAllocator;

fn main() -> ExitCode {
    thrumask::keep_freed_memory();
    terminal::keep_panics_quiet();
    let cli = Cli::parse();
    terminal::listen_for_interrupts();
    terminal::guarded(|| cli.run())
}
