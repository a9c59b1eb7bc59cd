//! Chores of the repository: `cargo xtask check` runs everything that must hold before a change
//! lands, cheapest first.

mod check;
mod links;
mod sanitize;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
Usage: cargo xtask check [--strict] [--no-spelling] [--no-clippy] [--no-docs] [--no-tests]
                         [--advisories]
       cargo xtask sanitize [OPTION OF CARGO TEST]...

  check          format, spelling, links, licences, clippy, documentation, tests: cheapest first
  --strict       a missing tool (typos, cargo-deny) is an error, not a note
  --no-spelling  leave out the spelling
  --no-clippy    leave out clippy
  --no-docs      leave out the build of the documentation
  --no-tests     leave out the tests
  --advisories   also look dependencies up in the security advisories (fetches their database)

  sanitize       tests of the kernels under AddressSanitizer, with each instruction set";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    match args.split_first().map(|(command, rest)| (command.as_str(), rest)) {
        Some(("check", rest)) => check::check(&options(rest)?),
        Some(("sanitize", rest)) => sanitize::sanitize(rest),
        Some(("help" | "--help" | "-h", _)) => {
            println!("{USAGE}");
            Ok(())
        }
        Some((other, _)) => bail!("expected check or sanitize, got {other}\n\n{USAGE}"),
        None => bail!("expected a command\n\n{USAGE}"),
    }
}

fn options(args: &[String]) -> Result<check::Options> {
    let mut options = check::Options::default();
    for arg in args {
        match arg.as_str() {
            "--strict" => options.strict = true,
            "--no-spelling" => options.spelling = false,
            "--no-clippy" => options.clippy = false,
            "--no-docs" => options.docs = false,
            "--no-tests" => options.tests = false,
            "--advisories" => options.advisories = true,
            other => bail!("expected an option of check, got {other}\n\n{USAGE}"),
        }
    }
    Ok(options)
}
