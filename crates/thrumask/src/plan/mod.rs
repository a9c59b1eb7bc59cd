//! Planning: a caption becomes one motion prompt, and a name and a prompt for each object that can
//! move (paper, Pipeline 1).
//!
//! The paper asks a large language model; [`RulePlanner`] does it by rules, for English, without a
//! model and without state. It reads from left to right through five files:
//!
//! caption → [`token`] words → [`noun_phrase`], [`verb_phrase`], [`clause`] a small tree
//! ([`tree`]) → [`resolve`] who is who → [`name`] what to call them → [`assemble`] prompts.
//!
//! # Canonical form
//! Both prompts are in the simple present and speak of "the" object, whatever the caption's tense
//! and article. A name is the noun with its compound ("hot air balloon"); objects of one noun are
//! told apart by side ("left car"), else by order of mention ("first car"). The motion prompt uses
//! the names and keeps the clauses' order and connectives; it drops colours, sizes, looks, clothes
//! and places, and keeps directions and goals. An object prompt keeps all that but the side; what
//! others do to the object stands in the passive ("is chased by the white dog"). Verbs of one
//! subject are joined by "and" or "then", whichever way the caption subordinates them.

mod assemble;
mod clause;
mod complement;
mod inflect;
mod lexicon;
mod name;
mod noun_head;
mod noun_phrase;
mod reader;
mod reference;
mod resolve;
mod token;
mod tree;
mod verb_phrase;
mod writer;

use thrumask_core::{Error, MAX_OBJECTS, PromptPlan, Result};

/// The longest caption a [`RulePlanner`] takes, in characters.
pub const MAX_CAPTION_CHARS: usize = 2_000;

/// Turns a caption into a [`PromptPlan`].
pub trait Planner {
    /// The planner's name, as written into a run's record.
    fn name(&self) -> &str;

    /// Takes `caption` apart.
    ///
    /// # Errors
    /// When the caption is empty, too long, or names more objects than a palette can hold.
    fn plan(&self, caption: &str) -> Result<PromptPlan>;
}

/// The rule-based planner for English captions: no model, no state, the same plan every time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RulePlanner;

impl Planner for RulePlanner {
    fn name(&self) -> &str {
        "rules-en"
    }

    fn plan(&self, caption: &str) -> Result<PromptPlan> {
        let chars = caption.chars().count();
        if chars > MAX_CAPTION_CHARS {
            return Err(Error::invalid(
                "caption",
                format!("expected at most {MAX_CAPTION_CHARS} characters, got {chars}"),
            ));
        }
        if caption.trim().is_empty() {
            return Err(Error::invalid("caption", "expected a sentence, got an empty text"));
        }
        let mut clauses = clause::parse(&token::tokenize(caption));
        let scene = resolve::resolve(&mut clauses);
        if scene.entities.len() > MAX_OBJECTS {
            return Err(Error::invalid(
                "caption",
                format!("expected at most {MAX_OBJECTS} objects, got {}", scene.entities.len()),
            ));
        }
        let names = name::names(&scene.entities);
        let mut motion = assemble::motion_prompt(&clauses, &scene, &names);
        if scene.entities.is_empty() || motion.is_empty() {
            motion = assemble::cleaned(caption);
        }
        let objects = assemble::object_prompts(&clauses, &scene, &names);
        Ok(PromptPlan { caption: caption.to_string(), motion, objects })
    }
}
