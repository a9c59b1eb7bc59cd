//! Which language model is asked, and how.

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, Fingerprint, Result};

use super::{Question, client};

/// The server of a language model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmConfig {
    /// Address of the interface, up to and with its version: `http://localhost:11434/v1`.
    pub url: String,
    /// The model, as the server calls it.
    pub model: Option<String>,
    /// How long one request may take, in seconds.
    pub timeout_secs: f64,
    /// How often a request is sent while the server is busy, broken or away.
    pub attempts: u32,
    /// The environment variable with the key. The key itself is written nowhere.
    pub key_variable: String,
    /// Whether answers are kept and used again.
    pub cache: bool,
}

impl Default for LlmConfig {
    /// A server of Ollama on this machine.
    fn default() -> Self {
        Self {
            url: "http://localhost:11434/v1".to_owned(),
            model: None,
            timeout_secs: 120.0,
            attempts: 3,
            key_variable: "THRUMASK_LLM_KEY".to_owned(),
            cache: true,
        }
    }
}

impl LlmConfig {
    /// Refuses what cannot be asked.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the setting, what was expected and what was got.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str, reason: String| Err(Error::invalid(what, reason));
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return refuse("llm.url", format!("expected an address, got {:?}", self.url));
        };
        // The address is written into run.json, so that a key must not be in it.
        let plain = |c: char| c.is_ascii_graphic() && !"@?#\"<>\\".contains(c);
        if !["http", "https"].contains(&scheme) || rest.is_empty() || !rest.chars().all(plain) {
            let reason = "expected http:// or https://, a host and a path, without @, ? and #";
            return refuse("llm.url", format!("{reason}, got {} characters", self.url.len()));
        }
        let named = self.model.as_deref().is_some_and(|model| {
            !model.trim().is_empty() && model.len() <= 256 && !model.chars().any(char::is_control)
        });
        if !named {
            let got = self.model.as_ref().map_or("none".to_owned(), |m| format!("{m:?}"));
            return refuse(
                "llm.model",
                format!("expected the name of a model (--llm-model), got {got}"),
            );
        }
        if !(0.05..=3600.0).contains(&self.timeout_secs) {
            let got = self.timeout_secs;
            return refuse("llm.timeout_secs", format!("expected 0.05 to 3600 seconds, got {got}"));
        }
        if !(1..=20).contains(&self.attempts) {
            return refuse("llm.attempts", format!("expected 1 to 20, got {}", self.attempts));
        }
        if self.key_variable.is_empty() || self.key_variable.contains(['=', '\0']) {
            let got = &self.key_variable;
            return refuse(
                "llm.key_variable",
                format!("expected the name of a variable, got {got:?}"),
            );
        }
        Ok(())
    }

    /// The model's name; empty where there is none yet.
    pub(super) fn model_name(&self) -> String {
        self.model.clone().unwrap_or_default()
    }

    /// Adds what a plan depends on: another key or more patience give the same plan.
    pub(crate) fn add_to(&self, print: Fingerprint) -> Fingerprint {
        let mut print = print
            .text("planner", "llm")
            .text("server", &self.url)
            .text("model", self.model_name())
            .text("sampling", client::SAMPLING);
        for question in Question::ALL {
            print = print.text("schema", question.schema());
            for message in question.talk("") {
                print = print.text(message.role, &message.content);
            }
        }
        print
    }

    /// What the answers to a caption are kept under.
    pub(super) fn key(&self, caption: &str) -> String {
        self.add_to(Fingerprint::new("answers")).text("caption", caption).finish()
    }
}
