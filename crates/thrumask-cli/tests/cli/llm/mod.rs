//! The planner that asks a language model, against a server over real sockets.

mod answers;
mod faults;
mod files;
mod server;

use std::time::{Duration, Instant};

use serde_json::Value;
use thrumask::plan::{Planner, RulePlanner};

use crate::common::{CAPTION, Place, Said};
use server::{Server, command};

/// What the rules make of [`CAPTION`], and no model here does.
fn of_rules() -> Value {
    serde_json::to_value(RulePlanner.plan(CAPTION).unwrap()).unwrap()
}

/// Good answers to [`CAPTION`] that the rules would not give.
const OBJECTS: &str = r#"{"objects": [
    {"name": "the red car", "prompt": "The red car on the right moves away to the right"},
    {"name": "blue car", "prompt": "The blue car jumps."}]}"#;
const MOTION: &str = r#"{"motion": "The right car moves away to the right, the left car jumps"}"#;

/// The arguments of `plan`.
fn args<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let first = ["plan", "in.png", CAPTION, "--run", "a.run", "--planner", "llm"];
    [&first[..], &["--llm-url", url, "--llm-model", "tiny"], more].concat()
}

/// A run of `plan` that must succeed.
struct Run {
    place: Place,
    said: Said,
    took: Duration,
}

impl Run {
    fn of(server: &Server, more: &[&str]) -> Self {
        Self::at(&server.url(), more)
    }

    fn at(url: &str, more: &[&str]) -> Self {
        let place = Place::new();
        let began = Instant::now();
        let said = Said::from(command(&place, &args(url, more)).output().unwrap());
        let took = began.elapsed();
        assert_eq!(said.code, Some(0), "{}", said.err);
        Self { place, said, took }
    }

    /// Who made the plan, as the record says.
    fn origin(&self) -> Value {
        let record: Value = serde_json::from_slice(&self.place.read("a.run/run.json")).unwrap();
        let stages = record["stages"].as_array().unwrap().clone();
        stages.into_iter().find(|s| s["name"] == "plan").unwrap()["planner"].clone()
    }

    /// The model made the plan.
    fn is_of_model(&self) {
        let origin = self.origin();
        assert_eq!((&origin["planner"], &origin["model"]), (&"llm".into(), &"tiny".into()));
        assert!(origin.get("fell_back").is_none(), "{origin}");
        let plan = self.place.plan("a.run");
        assert_eq!(plan["caption"], CAPTION);
        assert_eq!(plan["objects"][0]["name"], "red car");
        assert_eq!(plan["motion"], "The right car moves away to the right, the left car jumps.");
    }

    /// The rules made the plan, and both the record and the notice on stderr say why.
    fn is_of_rules(&self, why: &str) {
        let origin = self.origin();
        let reason = origin["fell_back"].as_str().unwrap_or_default();
        assert!(reason.contains(why), "{why:?} is not in {reason:?}");
        assert!(reason.chars().count() < 400 && !reason.contains(char::is_control), "{reason:?}");
        assert_eq!(origin["planner"], "rules-en");
        let notice = format!("note: the rules made the plan, not the language model: {reason}");
        assert!(self.said.err.contains(&notice), "{}", self.said.err);
        assert_eq!(self.place.plan("a.run"), of_rules());
    }
}
