//! What a person sees: progress and messages on stderr, results on stdout; and how the program ends.

use std::{
    io::{self, IsTerminal, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use thrumask::{
    pipeline::{Config, Estimate, Origin, Outlook, Report, Reporter, StageReport},
    progress::Progress,
};

/// Exit code after Ctrl-C or SIGTERM.
const INTERRUPTED: u8 = 130;

/// How often the person asked to stop.
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// The last panic, in words.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Makes Ctrl-C and SIGTERM stop the work at its next step, and the second one at once: files are
/// whole or not there at any moment.
pub fn listen_for_interrupts() {
    // Without a handler the signals end the program at once, which loses no more than the stage.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTS.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(i32::from(INTERRUPTED));
        }
    });
}

/// Notes panics instead of printing them: those of decoders on broken files are caught and become
/// errors; others end in [`guarded`].
pub fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| {
        if let Ok(mut last) = PANIC.lock() {
            *last = Some(info.to_string().replace('\n', " "));
        }
    }));
}

/// Runs the program and tells what came of it.
pub fn guarded(run: impl FnOnce() -> Result<()>) -> ExitCode {
    let outcome = catch_unwind(AssertUnwindSafe(run));
    let (line, code) = match outcome {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(e)) if is_interrupted(&e) => {
            ("interrupted; the same command goes on from here".to_owned(), INTERRUPTED)
        }
        Ok(Err(e)) => {
            // What clap cannot see by itself is an error of usage as well.
            let usage = e.downcast_ref::<clap::Error>().is_some();
            let words = if usage { e.to_string() } else { format!("error: {}", told(&e)) };
            (words.trim().replace('\n', " "), if usage { 2 } else { 1 })
        }
        Err(_) => {
            let words = PANIC.lock().ok().and_then(|mut p| p.take());
            let words = words.unwrap_or_else(|| "no message".into());
            (format!("internal error, please report: {words}"), 1)
        }
    };
    say(&line);
    ExitCode::from(code)
}

/// An error and what caused it, without causes that it tells itself.
fn told(e: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in e.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Whether an error says that the person asked to stop.
fn is_interrupted(e: &anyhow::Error) -> bool {
    e.downcast_ref::<thrumask::Error>().is_some_and(thrumask::Error::is_interrupted)
        || matches!(e.downcast_ref(), Some(thrumask_core::Error::Interrupted))
}

/// Whether the person asked to stop.
pub fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::SeqCst) > 0
}

/// Tells something that is no result; nobody may be listening any more.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a result.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that has seen enough is no failure.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing to standard output"),
    }
}

/// Prints a result as JSON.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// The result of a run: the files it made, one a line, the last one being what was asked for.
pub fn tell_report(report: &Report, as_json: bool) -> Result<()> {
    if as_json {
        return print_json(report);
    }
    let last = report.stages.last();
    let lines = last.into_iter().flat_map(|s| &s.artefacts);
    print(&lines.map(|path| format!("{}\n", path.display())).collect::<String>())
}

/// What a run would do: for each stage, how it would come to its artefact and what that takes.
pub fn tell_outlook(outlook: &Outlook, estimate: &Estimate, as_json: bool) -> Result<()> {
    let cost = |name: &str| estimate.stages.iter().find(|s| s.name == name);
    let made = estimate.only(|name| {
        outlook.stages.iter().any(|(stage, origin)| *stage == name && *origin == Origin::Made)
    });
    if as_json {
        let stages: Vec<_> = outlook
            .stages
            .iter()
            .map(|(name, origin)| json!({"name": name, "origin": origin, "estimate": cost(name)}))
            .collect();
        return print_json(&json!({
            "dry_run": true,
            "run": outlook.run,
            "output": outlook.output,
            "config": outlook.config,
            "stages": stages,
            "estimate": {
                "seconds": made.seconds,
                "peak_bytes": made.peak_bytes,
                "notes": made.notes,
            },
        }));
    }
    let mut text = String::new();
    for (name, origin) in &outlook.stages {
        let would = match (origin, cost(name)) {
            (Origin::Made, Some(c)) => {
                let seconds = match c.seconds {
                    Some(seconds) => format!("about {seconds:.1} s"),
                    None => "a time that is not known".into(),
                };
                format!("{}; {seconds} and {} MB", c.work, c.peak_bytes / 1_000_000)
            }
            (Origin::Made, None) => "is written".into(),
            (Origin::Kept, _) => "is kept: finished before from the same inputs".into(),
            (Origin::ByHand, _) => "is used as it was made by hand".into(),
        };
        text.push_str(&format!("{name:8} {would}\n"));
    }
    let Config { frames, fps, .. } = outlook.config;
    let size = outlook.config.fit.output;
    text.push_str(&format!("result   {frames} frames of {size} at {fps} a second\n"));
    text.push_str(&format!("run      {}\n", outlook.run.display()));
    text.push_str(&format!("output   {}\n", outlook.output.display()));
    if !made.stages.is_empty() {
        for note in &made.notes {
            text.push_str(&format!("note     {note}\n"));
        }
        let open = match made.stages.iter().any(|s| s.seconds.is_none()) {
            true => ", and what is not known",
            false => "",
        };
        let (seconds, megabytes) = (made.seconds, made.peak_bytes / 1_000_000);
        text.push_str(&format!("total    about {seconds:.1} s{open}; {megabytes} MB at most\n"));
    }
    print(&text)
}

/// Progress bars and messages.
pub struct Terminal {
    quiet: bool,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// One that says something, or nothing.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, bar: None }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            say(line);
        }
    }
}

impl Progress for Terminal {
    fn step(&mut self, _stage: &str, done: usize, total: usize) -> thrumask::Result<()> {
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }
        match interrupted() {
            false => Ok(()),
            true => Err(thrumask_core::Error::Interrupted.into()),
        }
    }
}

impl Reporter for Terminal {
    fn begin(&mut self, stage: &str) {
        if self.quiet || !io::stderr().is_terminal() {
            return;
        }
        let template = "{prefix:8} {wide_bar} {pos}/{len} steps, {eta} left";
        let style = ProgressStyle::with_template(template);
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        self.bar = Some(bar.with_prefix(stage.to_owned()));
        if let (Some(bar), Ok(style)) = (&self.bar, style) {
            bar.set_style(style);
            bar.tick();
        }
    }

    fn end(&mut self, report: &StageReport) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_owned();
        let files: Vec<String> =
            report.artefacts.iter().map(|path| name(path).to_string_lossy().into_owned()).collect();
        let how = match report.origin {
            Origin::Made => format!("{:.1} s", report.seconds),
            Origin::Kept => "kept".into(),
            Origin::ByHand => "made by hand, used as it is".into(),
        };
        self.say(&format!("{:8} {} ({how})", report.name, files.join(", ")));
        for note in &report.notes {
            self.say(&format!("{:8} note: {note}", ""));
        }
    }
}
