//! `run.json`: what was run, from what, and what it cost.

use std::{collections::BTreeMap, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, fsio};

/// The longest record that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Everything needed to run it again, and which stages are finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of this file's form, now [`RunRecord::FORMAT`].
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// The resolved configuration, with nothing left open.
    pub config: serde_json::Value,
    /// SHA-256 of each weight file that was used, by name.
    pub weights: BTreeMap<String, String>,
    /// The finished stages, in the order in which they were finished.
    pub stages: Vec<StageRecord>,
}

/// One finished stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageRecord {
    /// The stage: "plan", "segment", "motion", "video".
    pub name: String,
    /// The [`crate::Fingerprint`] of all that it depended on.
    pub inputs: String,
    /// SHA-256 of each artefact it wrote, by file name, as it wrote it.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// Highest resident memory while it ran, in bytes, where the system tells.
    #[serde(default)]
    pub peak_rss_bytes: Option<u64>,
    /// Of the stage "plan": who made the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planner: Option<PlanOrigin>,
}

/// Who made a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanOrigin {
    /// The planner that made it: "rules-en", "llm".
    pub planner: String,
    /// The language model that was asked, when one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The address of its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whether its answers came from the cache and nobody was asked.
    #[serde(default)]
    pub cached: bool,
    /// Why the rules made the plan although a language model was to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<String>,
}

impl RunRecord {
    /// The version of the form that is written, and the only one that is read.
    pub const FORMAT: u32 = 1;

    /// A record without finished stages.
    pub fn new(seed: u64, config: serde_json::Value) -> Self {
        Self {
            format: Self::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed,
            config,
            weights: BTreeMap::new(),
            stages: Vec::new(),
        }
    }

    /// The record of the stage `name`, if it is finished.
    pub fn stage(&self, name: &str) -> Option<&StageRecord> {
        self.stages.iter().find(|s| s.name == name)
    }

    /// Whether the stage `name` was finished with exactly these inputs, so that its artefacts
    /// (which a person may have edited since) still stand.
    pub fn is_finished(&self, name: &str, inputs: &str) -> bool {
        self.stage(name).is_some_and(|s| s.inputs == inputs)
    }

    /// Notes a finished stage in place of an earlier one of the same name.
    pub fn finish(&mut self, stage: StageRecord) {
        self.stages.retain(|s| s.name != stage.name);
        self.stages.push(stage);
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is malformed or of another
    /// version.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let text = fsio::read_text_limited(&path, MAX_BYTES)?;
        Self::from_json(&path.as_ref().display().to_string(), &text)
    }

    /// A record from JSON text; `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] when it is malformed or of another version.
    pub fn from_json(what: &str, text: &str) -> Result<Self> {
        let record: Self = serde_json::from_str(text)
            .map_err(|e| Error::format(what, format!("expected a run record in JSON: {e}")))?;
        if record.format != Self::FORMAT {
            let reason = format!("expected format {}, got {}", Self::FORMAT, record.format);
            return Err(Error::format(what, reason));
        }
        Ok(record)
    }
}

/// Highest resident memory of this process so far, in bytes, since the last
/// [`reset_peak_rss`]; `None` where the system does not tell.
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Starts the measurement of [`peak_rss_bytes`] anew, where the system can (Linux); elsewhere and
/// without permission the peak stays that of the whole process.
pub fn reset_peak_rss() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, inputs: &str) -> StageRecord {
        StageRecord {
            name: name.into(),
            inputs: inputs.into(),
            outputs: BTreeMap::new(),
            seconds: 0.25,
            peak_rss_bytes: None,
            planner: None,
        }
    }

    #[test]
    fn records_round_trip_and_tell_which_stages_stand() {
        let mut record = RunRecord::new(7, serde_json::json!({"steps": 20}));
        record.finish(stage("plan", "a"));
        record.finish(stage("motion", "b"));
        record.finish(stage("plan", "c"));
        assert!(record.is_finished("plan", "c") && !record.is_finished("plan", "a"));
        assert!(!record.is_finished("video", "c"));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(RunRecord::from_json("r", &text).unwrap(), record);
        let other = text.replace("\"format\":1", "\"format\":9");
        let e = RunRecord::from_json("run.json", &other).unwrap_err().to_string();
        assert!(e.contains("run.json: expected format 1, got 9"), "{e}");
        assert!(RunRecord::from_json("r", &text[..40]).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_plausible() {
        let peak = peak_rss_bytes().unwrap();
        assert!(peak > 1 << 20 && peak < 1 << 44, "{peak}");
    }
}
