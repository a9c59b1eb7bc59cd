//! The checks, cheapest first; the first failure ends the run.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::links;

/// What to leave out or add.
pub struct Options {
    /// Whether a missing tool is an error.
    pub strict: bool,
    /// Whether the spelling is checked.
    pub spelling: bool,
    /// Whether clippy runs.
    pub clippy: bool,
    /// Whether the documentation is built.
    pub docs: bool,
    /// Whether the tests run.
    pub tests: bool,
    /// Whether security advisories are fetched and looked at.
    pub advisories: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            strict: false,
            spelling: true,
            clippy: true,
            docs: true,
            tests: true,
            advisories: false,
        }
    }
}

/// A command and, for tools that do not come with Rust, how to install it.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    install: Option<&'static str>,
}

impl Step {
    const fn cargo(name: &'static str, command: &'static [&'static str]) -> Self {
        Self { name, command, environment: &[], install: None }
    }
}

const INSTALL_TYPOS: &str = "cargo install typos-cli, or pip install typos";
const INSTALL_DENY: &str = "cargo install --locked cargo-deny";

/// Runs the checks in the root of the repository.
///
/// # Errors
/// The first check that fails, by name; with `strict`, also a tool that is not installed.
pub fn check(options: &Options) -> Result<()> {
    let root = root()?;
    let mut skipped = Vec::new();
    run(
        &root,
        options,
        &mut skipped,
        &Step::cargo("format", &["cargo", "fmt", "--all", "--check"]),
    )?;
    let spelling = Step { install: Some(INSTALL_TYPOS), ..Step::cargo("spelling", &["typos"]) };
    if options.spelling {
        run(&root, options, &mut skipped, &spelling)?;
    }
    heading("links");
    links::check(&root)?;
    let deny = |name, command| Step { install: Some(INSTALL_DENY), ..Step::cargo(name, command) };
    // Advisories need the network, so they are apart.
    let licences = &["cargo-deny", "--locked", "check", "bans", "licenses", "sources"];
    run(&root, options, &mut skipped, &deny("dependencies", licences))?;
    if options.advisories {
        let advisories = &["cargo-deny", "--locked", "check", "advisories"];
        run(&root, options, &mut skipped, &deny("advisories", advisories))?;
    }
    // All at the release profile: what the main job built is built once.
    let clippy =
        &["cargo", "clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    if options.clippy {
        run(&root, options, &mut skipped, &Step::cargo("clippy", clippy))?;
    }
    if options.docs {
        let docs = Step {
            environment: &[("RUSTDOCFLAGS", "-D warnings")],
            ..Step::cargo(
                "documentation",
                &["cargo", "doc", "--release", "--workspace", "--no-deps"],
            )
        };
        run(&root, options, &mut skipped, &docs)?;
    }
    if options.tests {
        let tests = Step::cargo("tests", &["cargo", "test", "--release", "--workspace"]);
        run(&root, options, &mut skipped, &tests)?;
    }
    match skipped.is_empty() {
        true => println!("\nall checks passed"),
        false => println!("\nall checks passed but those not run: {}", skipped.join(", ")),
    }
    Ok(())
}

fn run(root: &Path, options: &Options, skipped: &mut Vec<&'static str>, step: &Step) -> Result<()> {
    heading(step.name);
    let Some((program, args)) = step.command.split_first() else {
        bail!("{} has no command", step.name);
    };
    if let Some(hint) = step.install.filter(|_| !is_installed(program)) {
        if options.strict {
            bail!("{}: {program} is not installed; install it with: {hint}", step.name);
        }
        println!("{program} not installed, check left out; install it with: {hint}");
        skipped.push(step.name);
        return Ok(());
    }
    let start = Instant::now();
    let status = Command::new(program)
        .args(args)
        .envs(step.environment.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("{}: starting {program}", step.name))?;
    if !status.success() {
        bail!("{} failed ({status}): {}", step.name, step.command.join(" "));
    }
    println!("{} passed in {:.0} s", step.name, start.elapsed().as_secs_f32());
    Ok(())
}

/// Says what comes next.
pub fn heading(name: &str) {
    println!("\n== {name}");
}

fn is_installed(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The folder that holds the workspace.
pub fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).context("xtask lies in no folder")
}
