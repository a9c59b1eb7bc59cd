//! A server with OpenAI's interface for conversations: what is sent, what its answers and refusals
//! mean, and what is left out for servers that do not know it.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value, json};

use super::{
    Chat, LlmConfig, Reply,
    answer::one_line,
    prompt::{Message, Question},
};
use crate::{
    Error, Result,
    hub::http::{Client, Patience, Request, Tick, Tried, Trouble, with_retries},
    progress::Progress,
};

/// What stands for the way in which answers are sampled, where it matters whether it changed.
pub(super) const SAMPLING: &str = "temperature 0, seed 0, at most 2048 tokens";
const MAX_TOKENS: usize = 2048;

/// The longest answer of a server, in bytes: many times what fits into the tokens.
const MAX_BYTES: usize = 1 << 20;
/// The first pause between attempts, and the longest that a server may ask for.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a server may refuse a form of the request before all forms are through.
const MAX_FORMS: usize = 8;

/// How the form of the answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// By its JSON schema.
    Schema,
    /// As any JSON object.
    Object,
    /// In words alone.
    Words,
}

/// How the length of the answer is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    MaxTokens,
    /// What OpenAI's newer models call it.
    MaxCompletionTokens,
    None,
}

/// What the server has not refused so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    format: Format,
    limit: Limit,
    /// Whether temperature and seed are given.
    sampling: bool,
    /// Whether the task is a message of the system, else it stands before the first of the user.
    system: bool,
}

impl Form {
    /// What to ask for after a refusal in these words; `None` when nothing is left to leave out.
    fn after(self, words: &str) -> Option<Self> {
        let words = words.to_lowercase();
        let says = |list: &[&str]| list.iter().any(|w| words.contains(w));
        if says(&["max_tokens", "max_completion_tokens", "context length"]) {
            match self.limit {
                Limit::MaxTokens => {
                    return Some(Self { limit: Limit::MaxCompletionTokens, ..self });
                }
                Limit::MaxCompletionTokens => return Some(Self { limit: Limit::None, ..self }),
                Limit::None => {}
            }
        }
        if self.sampling && says(&["temperature", "seed"]) {
            return Some(Self { sampling: false, ..self });
        }
        if self.system && says(&["system role", "system message"]) {
            return Some(Self { system: false, ..self });
        }
        let format = match self.format {
            Format::Schema => Format::Object,
            Format::Object => Format::Words,
            Format::Words => return None,
        };
        Some(Self { format, ..self })
    }
}

/// What came of one request.
enum Outcome {
    Reply(Reply),
    /// The server does not take a request of this form.
    Refused(String),
}

/// A server and a model of it.
pub(super) struct Server {
    url: String,
    model: String,
    key: Option<String>,
    key_variable: String,
    limit: Duration,
    patience: Patience,
    client: Client,
    form: Mutex<Form>,
}

impl Server {
    /// The server of a configuration that was checked.
    ///
    /// # Errors
    /// [`Error::Hub`] when the key is none.
    pub fn new(config: &LlmConfig, key: Option<String>) -> Result<Self> {
        let base = config.url.trim_end_matches('/');
        let url = match base.ends_with("/chat/completions") {
            true => base.to_owned(),
            false => format!("{base}/chat/completions"),
        };
        let key = key.map(|key| key.trim().to_owned());
        if key.as_ref().is_some_and(|key| !key.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::hub(&config.key_variable, "expected letters and digits"));
        }
        let (attempts, first, longest) = (config.attempts, FIRST_PAUSE, LONGEST_PAUSE);
        Ok(Self {
            client: Client::for_address(&url),
            url,
            model: config.model_name(),
            key,
            key_variable: config.key_variable.clone(),
            limit: Duration::from_secs_f64(config.timeout_secs),
            patience: Patience { attempts, first, longest },
            form: Mutex::new(Form {
                format: Format::Schema,
                limit: Limit::MaxTokens,
                sampling: true,
                system: true,
            }),
        })
    }

    /// The request.
    fn body(&self, talk: &[Message], question: Question, form: Form) -> Value {
        let mut messages: Vec<Value> =
            talk.iter().map(|m| json!({"role": m.role, "content": m.content})).collect();
        if let ([task, first, ..], false) = (talk, form.system) {
            messages[1]["content"] = json!(format!("{}\n\n{}", task.content, first.content));
            messages.remove(0);
        }
        let mut body = json!({"model": self.model, "messages": messages, "stream": false});
        if form.sampling {
            body["temperature"] = json!(0);
            body["seed"] = json!(0);
        }
        match form.limit {
            Limit::MaxTokens => body["max_tokens"] = json!(MAX_TOKENS),
            Limit::MaxCompletionTokens => body["max_completion_tokens"] = json!(MAX_TOKENS),
            Limit::None => {}
        }
        match form.format {
            Format::Schema => {
                let schema = json!({"name": "answer", "strict": true, "schema": question.schema()});
                body["response_format"] = json!({"type": "json_schema", "json_schema": schema});
            }
            Format::Object => body["response_format"] = json!({"type": "json_object"}),
            Format::Words => {}
        }
        body
    }

    /// Sends a request once.
    fn once(&self, body: &[u8], tick: Tick<'_>) -> Tried<Outcome> {
        let request = Request {
            url: self.url.clone(),
            token: self.key.clone(),
            body: Some(body.to_vec()),
            limit: Some(self.limit),
            ..Request::default()
        };
        let mut response = self.client.send(request, tick)?;
        let status = response.status;
        let asked = response.header("retry-after").and_then(|s| s.trim().parse().ok());
        let bytes = response.contents(MAX_BYTES, tick)?;
        if (200..300).contains(&status) {
            return Ok(Outcome::Reply(self.reply_in(&bytes)?));
        }
        let words = self.words_in(&bytes);
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        let refuse = |reason: &str| Err(Error::hub(&self.url, format!("{reason}{said}")).into());
        // llama.cpp answers 500 to schemas that it cannot use.
        let of_form =
            ["response_format", "json_schema", "grammar"].iter().any(|w| words.contains(w));
        match status {
            400 | 422 | 501 => Ok(Outcome::Refused(words)),
            500..=599 if of_form => Ok(Outcome::Refused(words)),
            408 | 409 | 429 | 500..=599 => {
                let reason = format!("{}: the server answered {status}{said}", self.url);
                match asked.map(Duration::from_secs) {
                    Some(pause) if pause > LONGEST_PAUSE => {
                        Err(Error::hub(reason, format!("and asks to wait {} s", pause.as_secs()))
                            .into())
                    }
                    asked => Err(Trouble::Later(reason, asked)),
                }
            }
            401 | 403 if self.key.is_none() => {
                refuse(&format!("it needs a key: set {}", self.key_variable))
            }
            401 | 403 => refuse(&format!("it refuses the key in {}", self.key_variable)),
            404 => refuse("there is no such address (it should end in /v1), or no such model"),
            300..=399 => {
                refuse("it leads elsewhere, where nothing is sent: give the right address")
            }
            _ => refuse(&format!("the server answered {status}")),
        }
    }

    /// The message in an answer.
    fn reply_in(&self, bytes: &[u8]) -> Tried<Reply> {
        let broken = |reason: &str| {
            Error::hub(&self.url, format!("expected an answer in OpenAI's form, {reason}"))
        };
        let answer: Value =
            serde_json::from_slice(bytes).map_err(|e| broken(&format!("got no JSON: {e}")))?;
        let choice =
            answer.pointer("/choices/0").ok_or_else(|| broken("got none of \"choices\""))?;
        let message = &choice["message"];
        if let Some(words) = message["refusal"].as_str().filter(|w| !w.is_empty()) {
            let words = self.shown(words);
            return Err(Error::hub(&self.model, format!("it refuses to answer: {words}")).into());
        }
        let text = match &message["content"] {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().filter_map(|p| p["text"].as_str()).collect(),
            Value::Null => String::new(),
            _ => return Err(broken("got no text in \"content\"").into()),
        };
        Ok(Reply { text, cut: choice["finish_reason"] == "length" })
    }

    /// What a server says in an answer that is an error.
    fn words_in(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let places = ["/error/message", "/error", "/message", "/detail"];
        let told = places.iter().find_map(|place| value.pointer(place)?.as_str());
        self.shown(told.unwrap_or(&text))
    }

    /// A server's words, fit to be shown: some repeat the key.
    fn shown(&self, words: &str) -> String {
        one_line(&match self.key.as_deref().filter(|key| !key.is_empty()) {
            Some(key) => words.replace(key, "***"),
            None => words.to_owned(),
        })
    }

    fn form(&self) -> Form {
        // A form is whole at any moment, so that a panic elsewhere did not spoil it.
        *self.form.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Chat for Server {
    fn reply(
        &self,
        talk: &[Message],
        question: Question,
        progress: &mut dyn Progress,
    ) -> Result<Reply> {
        let tick: Tick<'_> = &mut || progress.step("plan", 0, 1);
        let mut last = String::new();
        for _ in 0..MAX_FORMS {
            let form = self.form();
            let body = self.body(talk, question, form).to_string().into_bytes();
            match with_retries(self.patience, tick, |tick| self.once(&body, tick))? {
                Outcome::Reply(reply) => return Ok(reply),
                Outcome::Refused(words) => {
                    let next = form.after(&words);
                    last = words;
                    let Some(next) = next else { break };
                    *self.form.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = next;
                }
            }
        }
        Err(Error::hub(&self.url, format!("the server refuses the request: {last}")))
    }
}
