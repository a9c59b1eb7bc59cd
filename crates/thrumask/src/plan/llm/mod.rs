//! The planner that asks a language model, as the paper does: one question for the motion prompt, one
//! for the objects, each with a few examples.
//!
//! `prompt` questions → `client` a server with OpenAI's interface, retries, time-outs; or `local`, a file
//! with a model, in a build with the feature `llm` → `answer` JSON read leniently → `check` judged strictly against the caption → at most one request to repair it.
//! What passed is kept in `cache`. Whenever that fails, the rules plan, and it is said why.

mod answer;
mod cache;
mod check;
mod client;
mod config;
mod count;
#[cfg(feature = "llm")]
mod local;
mod prompt;
#[cfg(test)]
mod tests;

use thrumask_core::{PlanOrigin, PromptPlan};

use super::{Planned, Planner, RulePlanner, check_caption};
use crate::{
    Result, hub,
    progress::{Progress, Silent},
};
use answer::one_line;
use cache::{Cache, Entry};
use check::{Caption, Problem};
use client::Server;
use prompt::{Message, Question};

pub use config::{LlmConfig, NEEDS_FEATURE};

/// The most of an unusable answer that is shown to the model again, in characters.
const SHOWN: usize = 4_000;

/// What a model wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reply {
    text: String,
    /// Whether it was cut off before its end.
    cut: bool,
}

/// Something that goes on with a conversation.
trait Chat: Send + Sync {
    /// The next message, which shall be JSON of the question's schema.
    ///
    /// # Errors
    /// [`crate::Error::Hub`] when there is no answer; others when there can be none; whatever `progress`
    /// returns.
    fn reply(
        &self,
        talk: &[Message],
        question: Question,
        progress: &mut dyn Progress,
    ) -> Result<Reply>;
}

/// Asks a language model, and the rules when it cannot be used.
pub struct LlmPlanner {
    config: LlmConfig,
    chat: Box<dyn Chat>,
    cache: Cache,
    offline: bool,
}

impl LlmPlanner {
    /// A planner with the key, the cache and the permission to ask that the environment gives.
    ///
    /// # Errors
    /// As [`LlmConfig::check`]; [`crate::Error::Hub`] when the key is none;
    /// [`thrumask_core::Error::Format`] when a model's file is none that can be used.
    pub fn new(config: &LlmConfig) -> Result<Self> {
        config.check()?;
        let cache = if config.cache { Cache::from_env() } else { Cache::none() };
        // A file is nobody else.
        let offline = config.file().is_none() && hub::is_offline();
        Ok(Self { config: config.clone(), chat: chat(config)?, cache, offline })
    }

    /// The model's plan; the outer error ends everything, the inner one says why there is none.
    fn asked(
        &self,
        caption: &str,
        progress: &mut dyn Progress,
    ) -> Result<std::result::Result<Asked, String>> {
        let words = Caption::new(caption);
        let key = self.config.key(caption)?;
        let kept = self.cache.read(&key).filter(|kept| {
            let problems = [words.judge_motion(&kept.motion), words.judge_objects(&kept.objects)];
            !problems.iter().flatten().any(|p| p.hard)
        });
        let cached = kept.is_some();
        let mut notes = Vec::new();
        let entry = match kept {
            Some(entry) => entry,
            None if self.offline => {
                return Ok(
                    Err("HF_HUB_OFFLINE forbids to ask, and the cache has no answer".into()),
                );
            }
            None => {
                let read = |text: &str| {
                    let objects = answer::objects(text)?;
                    let problems = words.judge_objects(&objects);
                    Ok((objects, problems))
                };
                let objects = self.ask(caption, Question::Objects, &read, progress, &mut notes);
                let objects = match usable(objects)? {
                    Ok(objects) => objects,
                    Err(reason) => return Ok(Err(reason)),
                };
                let read = |text: &str| {
                    let motion = answer::motion(text)?;
                    let problems = words.judge_motion(&motion);
                    Ok((motion, problems))
                };
                let motion = self.ask(caption, Question::Motion, &read, progress, &mut notes);
                let motion = match usable(motion)? {
                    Ok(motion) => motion,
                    Err(reason) => return Ok(Err(reason)),
                };
                let entry = Entry { caption: caption.to_owned(), motion, objects };
                if let Err(e) = self.cache.write(&key, &entry) {
                    notes.push(format!("the answers could not be kept: {e}"));
                }
                entry
            }
        };
        let objects = words.in_order(entry.objects);
        let plan = PromptPlan { caption: caption.to_owned(), motion: entry.motion, objects };
        Ok(Ok(Asked { plan, cached, notes }))
    }

    /// Asks one question, and once more with what was wrong.
    fn ask<T>(
        &self,
        caption: &str,
        question: Question,
        read: Reader<'_, T>,
        progress: &mut dyn Progress,
        notes: &mut Vec<String>,
    ) -> Result<T> {
        let mut talk = question.talk(caption);
        let mut first = None;
        let mut wrong = String::new();
        for attempt in 0..2 {
            let reply = self.chat.reply(&talk, question, progress)?;
            let problems = match read(&reply.text) {
                Ok((value, problems)) if problems.is_empty() => return Ok(value),
                Ok((value, problems)) => {
                    if problems.iter().all(|p| !p.hard) {
                        first = Some(value);
                    }
                    problems.into_iter().map(|p| p.text).collect()
                }
                Err(_) if reply.cut => vec!["it was cut off: answer shorter".to_owned()],
                Err(reason) => vec![reason],
            };
            wrong = one_line(&problems.join("; "));
            if attempt == 0 {
                talk.push(Message::assistant(reply.text.chars().take(SHOWN).collect()));
                talk.push(Message::user(prompt::repair(&problems)));
            }
        }
        match first {
            Some(value) => {
                notes.push(format!("the language model's {}: {wrong}", question.what()));
                Ok(value)
            }
            None => Err(crate::Error::hub(
                self.config.model_name(),
                format!("its {} cannot be used: {wrong}", question.what()),
            )),
        }
    }

    /// Who made a plan.
    fn origin(&self, planner: &str, cached: bool, fell_back: Option<String>) -> PlanOrigin {
        let model = Some(self.config.model_name());
        let server = self.config.file().is_none().then(|| self.config.url.clone());
        PlanOrigin { planner: planner.to_owned(), model, server, cached, fell_back }
    }
}

/// The model that a checked configuration names.
fn chat(config: &LlmConfig) -> Result<Box<dyn Chat>> {
    #[cfg(feature = "llm")]
    if let Some(file) = config.file() {
        return Ok(Box::new(local::Local::open(file)?));
    }
    Ok(Box::new(Server::new(config, hub::variable(&config.key_variable))?))
}

/// Reads an answer: what it holds and what is wrong with that, or why it holds nothing.
type Reader<'a, T> = &'a dyn Fn(&str) -> std::result::Result<(T, Vec<Problem>), String>;

/// A plan of the language model.
struct Asked {
    plan: PromptPlan,
    cached: bool,
    notes: Vec<String>,
}

/// An error that ends everything, or a reason to let the rules plan.
fn usable<T>(answer: Result<T>) -> Result<std::result::Result<T, String>> {
    match answer {
        Ok(value) => Ok(Ok(value)),
        Err(e @ crate::Error::Hub { .. }) => Ok(Err(one_line(&e.to_string()))),
        Err(e) => Err(e),
    }
}

impl Planner for LlmPlanner {
    fn name(&self) -> &str {
        "llm"
    }

    fn plan(&self, caption: &str) -> thrumask_core::Result<PromptPlan> {
        match self.plan_with(caption, &mut Silent) {
            Ok(planned) => Ok(planned.plan),
            Err(crate::Error::Core(e)) => Err(e),
            Err(e) => Err(thrumask_core::Error::invalid("planner", e.to_string())),
        }
    }

    fn plan_with(&self, caption: &str, progress: &mut dyn Progress) -> Result<Planned> {
        check_caption(caption)?;
        match self.asked(caption, progress)? {
            Ok(Asked { plan, cached, notes }) => {
                Ok(Planned { plan, origin: self.origin(self.name(), cached, None), notes })
            }
            Err(reason) => {
                let plan = RulePlanner.plan(caption)?;
                let notes =
                    vec![format!("the rules made the plan, not the language model: {reason}")];
                let origin = self.origin(RulePlanner.name(), false, Some(reason));
                Ok(Planned { plan, origin, notes })
            }
        }
    }
}
