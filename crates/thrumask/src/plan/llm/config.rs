//! Which language model is asked, and how.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, Fingerprint, Result};

use super::{Question, client};

/// What stands for the way in which a model in a file answers, where it matters whether it changed.
const LOCAL: &str = "the likeliest token that fits the schema, at most 1024 tokens";
/// How many places of a file its fingerprint looks at, and how many bytes in each.
const PLACES: u64 = 256;
const PLACE: u64 = 1 << 14;

/// A language model of a server, or in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmConfig {
    /// Address of the interface, up to and with its version: `http://localhost:11434/v1`.
    pub url: String,
    /// The model, as the server calls it; with the server of [`LlmConfig::default`], a name that ends in
    /// `.gguf` is that of a file with the model, for which no server is asked.
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

/// What is expected for a model in a file, where it cannot be read.
pub const NEEDS_FEATURE: &str =
    "a model in a file needs a program built with the feature llm (cargo build --features llm)";

impl LlmConfig {
    /// The file with the model, where it is in a file: `None` for one of a server.
    pub fn file(&self) -> Option<&Path> {
        let path = Path::new(self.model.as_deref()?);
        let named = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
        (named && self.url == Self::default().url).then_some(path)
    }

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
        if self.file().is_some() && !cfg!(feature = "llm") {
            return refuse(
                "llm.model",
                format!(
                    "{NEEDS_FEATURE}, or an address (--llm-url) of a server with a model of this \
                     name, got {:?}",
                    self.model_name()
                ),
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
    ///
    /// # Errors
    /// [`Error::Io`] when the model is in a file that cannot be read.
    pub(crate) fn add_to(&self, print: Fingerprint) -> Result<Fingerprint> {
        let print = print.text("planner", "llm");
        let mut print = match self.file() {
            Some(file) => print.text("file", print_of(file)?).text("sampling", LOCAL),
            None => print
                .text("server", &self.url)
                .text("model", self.model_name())
                .text("sampling", client::SAMPLING),
        };
        for question in Question::ALL {
            print = print.text("schema", question.schema());
            for message in question.talk("") {
                print = print.text(message.role, &message.content);
            }
        }
        Ok(print)
    }

    /// What the answers to a caption are kept under.
    ///
    /// # Errors
    /// As [`Self::add_to`].
    pub(super) fn key(&self, caption: &str) -> Result<String> {
        Ok(self.add_to(Fingerprint::new("answers"))?.text("caption", caption).finish())
    }
}

/// What tells a large file from others without reading all of it: its length and [`PLACES`] places, from
/// the first to the last bytes.
fn print_of(path: &Path) -> Result<String> {
    let failed = |e| Error::io("reading", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut print = Fingerprint::new("file").text("length", length);
    let mut place = Vec::new();
    for number in 0..PLACES {
        // The last place ends with the file; in a small one the places touch or overlap.
        let start = length.saturating_sub(PLACE) as u128 * u128::from(number);
        let start = (start / u128::from(PLACES - 1)) as u64;
        place.clear();
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        Read::by_ref(&mut file).take(PLACE).read_to_end(&mut place).map_err(failed)?;
        print = print.bytes("place", &place);
    }
    Ok(print.finish())
}
