//! What a run tells while it works and when it is done.

use std::path::PathBuf;

use serde::Serialize;

use crate::progress::{Progress, Silent};

/// How a stage came to its artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was made now.
    Made,
    /// It was finished before from the same inputs.
    Kept,
    /// A person made or changed it, and it is used as it is.
    ByHand,
}

/// A finished stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageReport {
    /// The stage.
    pub name: String,
    /// How it came to its artefact.
    pub origin: Origin,
    /// Its artefacts, the main one first.
    pub artefacts: Vec<PathBuf>,
    /// Wall-clock time it took now, in seconds.
    pub seconds: f64,
    /// Highest resident memory while it ran, in bytes, when it ran and the system tells.
    pub peak_rss_bytes: Option<u64>,
    /// What a person should know, such as objects that were not found.
    pub notes: Vec<String>,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run directory.
    pub run: PathBuf,
    /// The file or folder that was asked for, when one was.
    pub output: Option<PathBuf>,
    /// The stages, in order.
    pub stages: Vec<StageReport>,
}

/// Hears of stages and of their steps.
pub trait Reporter: Progress + Send {
    /// A stage begins to work.
    fn begin(&mut self, stage: &str);
    /// A stage is finished.
    fn end(&mut self, report: &StageReport);
}

impl Reporter for Silent {
    fn begin(&mut self, _stage: &str) {}
    fn end(&mut self, _report: &StageReport) {}
}
