//! Planning: a caption becomes one motion prompt, and a name and a prompt for each object that can
//! move (paper, Pipeline 1).
//!
//! The paper asks a large language model: [`LlmPlanner`] does so, of a server or in a file.
//! [`RulePlanner`] does it by rules, for English, without a model and without state. It reads from left to
//! right through small files:
//!
//! caption → `token` words → `opening`, `recast`, `contrary` in plainer ones → `noun_phrase`, `noun_head`, `verb_phrase`, `complement`, `set_off`, `leads`, `clause`, `company` a
//! small tree (`tree`, read with the cursor in `reader`) → `resolve`, `reference` who is who →
//! `name` what to call them → `assemble`, `writer` prompts. What is known of words is in `lexicon/`.
//! Before a model reads a prompt, `plain` and `pushed` say in its words what it does not know, `open` what it leaves open, and
//! `facing` which way another object is, `sides` which of two is which, and `stand_in` a name for what it never read of.
//!
//! # Canonical form
//! It is the form of the world's plans, which the models are trained on.
//!
//! - Both prompts are in the simple present and speak of "the" object, whatever the caption's tense
//!   and article. Verbs of one subject are joined by "and" or "then", however the caption
//!   subordinates them ("The dog, wagging its tail, runs" gives "The dog wags its tail and runs").
//! - A name is the noun with its compound ("hot air balloon"). Objects of one noun are told apart by
//!   side ("left car"), else by order of mention ("first car"); "two parrots" are the first and the
//!   second parrot. More than 20, or an open number, are one object in the plural.
//! - The motion prompt uses the names and keeps the clauses' order, connectives and commas. It drops
//!   colours, sizes, looks, clothes and places, and keeps directions and goals.
//! - An object prompt keeps colours, sizes, looks and clothes; it drops the object's own side and
//!   the background. It says what the object does; only if it does nothing, what is done to it, in
//!   the passive ("is chased by the white dog"); and if nothing is said, the noun alone.
//! - People, animals, vehicles and toys are objects wherever they stand. Leaves, flags, clouds and
//!   the like are when they move or are moved; sky, water, roads and houses never are, nor is what
//!   is parked, the camera, or a trace left behind. Without any object, the motion prompt is the
//!   caption without colours and sizes.

mod assemble;
mod clause;
mod company;
mod complement;
mod contrary;
mod ellipsis;
mod facing;
mod inflect;
mod inverted;
mod leads;
mod lexicon;
mod llm;
mod name;
mod noun_head;
mod noun_phrase;
mod open;
mod opening;
mod plain;
mod pushed;
mod reader;
mod recast;
mod reference;
mod resolve;
mod set_off;
mod sides;
mod stand_in;
mod token;
mod tree;
mod turn;
mod verb_phrase;
mod writer;

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, MAX_OBJECTS, PlanOrigin, PromptPlan, Result};

use crate::progress::Progress;

pub(crate) use facing::with_ways;
pub use llm::{LlmConfig, LlmPlanner, NEEDS_FEATURE};
pub(crate) use noun_phrase::ORDINALS;
pub(crate) use open::said_for;
pub(crate) use plain::in_known_words;
pub(crate) use reader::side_of;
pub(crate) use sides::with_sides;
pub(crate) use stand_in::{known_object, with_known_names};
pub(crate) use turn::turn_of;

/// The longest caption a [`Planner`] takes, in characters.
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

    /// Takes `caption` apart, tells how, and can be stopped on the way.
    ///
    /// # Errors
    /// As [`Planner::plan`], and whatever `progress` returns.
    fn plan_with(&self, caption: &str, _progress: &mut dyn Progress) -> crate::Result<Planned> {
        let origin = PlanOrigin { planner: self.name().to_owned(), ..PlanOrigin::default() };
        Ok(Planned { plan: self.plan(caption)?, origin, notes: Vec::new() })
    }
}

/// A plan and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The plan.
    pub plan: PromptPlan,
    /// Who made it.
    pub origin: PlanOrigin,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Which planner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannerKind {
    /// [`RulePlanner`].
    #[default]
    Rules,
    /// [`LlmPlanner`].
    Llm,
}

/// The planner that asks a language model, or the rules.
///
/// # Errors
/// As [`LlmPlanner::new`].
pub fn planner(llm: Option<&LlmConfig>) -> crate::Result<Box<dyn Planner>> {
    Ok(match llm {
        Some(config) => Box::new(LlmPlanner::new(config)?),
        None => Box::new(RulePlanner),
    })
}

/// Refuses what no planner takes.
///
/// # Errors
/// [`Error::Invalid`] for an empty or too long caption.
pub fn check_caption(caption: &str) -> Result<()> {
    let refuse = |reason: String| Err(Error::invalid("caption", reason));
    let count = caption.chars().count();
    if count > MAX_CAPTION_CHARS {
        return refuse(format!("expected at most {MAX_CAPTION_CHARS} characters, got {count}"));
    }
    if caption.trim().is_empty() {
        return refuse("expected a sentence, got an empty text".into());
    }
    Ok(())
}

/// The rule-based planner for English captions: no model, no state, the same plan every time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RulePlanner;

impl Planner for RulePlanner {
    fn name(&self) -> &str {
        "rules-en"
    }

    fn plan(&self, caption: &str) -> Result<PromptPlan> {
        check_caption(caption)?;
        let mut clauses = clause::parse(&contrary::told_apart(&recast::recast(
            opening::described(&token::tokenize(caption)),
        )));
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
