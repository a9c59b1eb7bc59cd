//! Planners against plans written by hand, in the canonical form that [`crate::plan`] describes.
//!
//! - `developed`: what the rules were developed on.
//! - `held-out`: written before the rules had read them; see `docs/planner.md` for the first run.
//! - `paper`: the paper's own caption, and those of the public photographs of an image-to-video model.

use std::path::Path;

use serde::Serialize;
use thrumask_core::{Error, ObjectPrompt, PromptPlan, fsio};

use crate::{Result, plan::Planner, progress::Progress};

/// The longest suite that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Plans that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What it is called.
    pub name: String,
    /// The plans; their captions are what planners read.
    pub plans: Vec<PromptPlan>,
}

impl Suite {
    /// Names of the suites that are built in.
    pub const NAMES: [&'static str; 3] = ["developed", "held-out", "paper"];

    /// A built-in suite by its name, or a JSON file with a list of plans.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, [`Error::Format`] when it is no list of plans, and
    /// as [`PromptPlan::validate`].
    pub fn open(name: &str) -> Result<Self> {
        let text = match name {
            "developed" => include_str!("plans/developed.json").to_owned(),
            "held-out" => include_str!("plans/held_out.json").to_owned(),
            "paper" => include_str!("plans/paper.json").to_owned(),
            file => fsio::read_text_limited(Path::new(file), MAX_BYTES)?,
        };
        let plans: Vec<PromptPlan> = serde_json::from_str(&text)
            .map_err(|e| Error::format(name, format!("expected a list of plans in JSON: {e}")))?;
        for (i, plan) in plans.iter().enumerate() {
            plan.validate(&format!("{name}, plan {}", i + 1))?;
        }
        if plans.is_empty() {
            return Err(Error::invalid(name, "expected plans, got none").into());
        }
        Ok(Self { name: name.to_owned(), plans })
    }
}

/// How many objects agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Matches {
    /// Objects that are wanted.
    pub wanted: usize,
    /// Objects that the planner gave.
    pub got: usize,
    /// Objects that are both.
    pub matched: usize,
}

impl Matches {
    /// Share of the given objects that are wanted; 1 where none was given.
    pub fn precision(&self) -> f64 {
        if self.got == 0 { 1.0 } else { self.matched as f64 / self.got as f64 }
    }

    /// Share of the wanted objects that were given; 1 where none is wanted.
    pub fn recall(&self) -> f64 {
        if self.wanted == 0 { 1.0 } else { self.matched as f64 / self.wanted as f64 }
    }

    /// Their harmonic mean.
    pub fn f1(&self) -> f64 {
        let all = self.got + self.wanted;
        if all == 0 { 1.0 } else { 2.0 * self.matched as f64 / all as f64 }
    }

    /// Adds the objects of a plan; each wanted one takes at most one that is the `same`.
    fn add(
        &mut self,
        want: &PromptPlan,
        got: &PromptPlan,
        same: impl Fn(&ObjectPrompt, &ObjectPrompt) -> bool,
    ) {
        self.wanted += want.objects.len();
        self.got += got.objects.len();
        let mut left: Vec<&ObjectPrompt> = got.objects.iter().collect();
        for object in &want.objects {
            if let Some(i) = left.iter().position(|other| same(object, other)) {
                left.remove(i);
                self.matched += 1;
            }
        }
    }
}

/// How well plans agree with the wanted ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Score {
    /// Plans.
    pub plans: usize,
    /// Plans that are the wanted ones word by word.
    pub exact: usize,
    /// Objects by the noun that their name ends in.
    pub objects: Matches,
    /// Objects by that noun and the whole prompt.
    pub prompts: Matches,
}

impl Score {
    /// Adds a plan.
    pub fn add(&mut self, want: &PromptPlan, got: &PromptPlan) {
        self.plans += 1;
        self.exact += usize::from(want == got);
        self.objects.add(want, got, |a, b| noun(a) == noun(b));
        self.prompts.add(want, got, |a, b| noun(a) == noun(b) && a.prompt == b.prompt);
    }

    /// Share of plans that are the wanted ones.
    pub fn exact_share(&self) -> f64 {
        self.exact as f64 / self.plans.max(1) as f64
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exact {}/{} = {:.3}", self.exact, self.plans, self.exact_share())?;
        for (what, m) in [("objects", &self.objects), ("with prompts", &self.prompts)] {
            let (precision, recall, f1) = (m.precision(), m.recall(), m.f1());
            write!(f, "; {what}: precision {precision:.3}, recall {recall:.3}, F1 {f1:.3}")?;
        }
        Ok(())
    }
}

/// The noun that a name ends in: "car" of "right car".
fn noun(object: &ObjectPrompt) -> String {
    object.name.rsplit(' ').next().unwrap_or_default().to_lowercase()
}

/// A plan that is not the wanted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// What was wanted.
    pub wanted: PromptPlan,
    /// What the planner gave, or why it gave nothing.
    pub got: std::result::Result<PromptPlan, String>,
}

/// A planner on a suite.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The suite.
    pub suite: String,
    /// The planner.
    pub planner: String,
    /// How well it did.
    pub score: Score,
    /// How often the rules had to plan in place of a language model, and why, each reason once.
    pub fell_back: (usize, Vec<String>),
    /// How often answers came from the cache.
    pub cached: usize,
    /// Plans that are not the wanted ones.
    pub misses: Vec<Miss>,
}

/// Lets a planner plan a suite. A caption that it refuses counts as one without objects.
///
/// # Errors
/// Whatever `progress` returns.
pub fn judge(planner: &dyn Planner, suite: &Suite, progress: &mut dyn Progress) -> Result<Judged> {
    let mut judged = Judged {
        suite: suite.name.clone(),
        planner: planner.name().to_owned(),
        score: Score::default(),
        fell_back: (0, Vec::new()),
        cached: 0,
        misses: Vec::new(),
    };
    for (i, wanted) in suite.plans.iter().enumerate() {
        progress.step(&suite.name, i, suite.plans.len())?;
        let none = || PromptPlan {
            caption: wanted.caption.clone(),
            motion: String::new(),
            objects: Vec::new(),
        };
        let got = match planner.plan_with(&wanted.caption, progress) {
            Ok(planned) => {
                judged.cached += usize::from(planned.origin.cached);
                if let Some(reason) = planned.origin.fell_back {
                    judged.fell_back.0 += 1;
                    if !judged.fell_back.1.contains(&reason) {
                        judged.fell_back.1.push(reason);
                    }
                }
                Ok(planned.plan)
            }
            Err(e) if e.is_interrupted() => return Err(e),
            Err(e) => Err(e.to_string()),
        };
        judged.score.add(wanted, got.as_ref().unwrap_or(&none()));
        if got.as_ref() != Ok(wanted) {
            judged.misses.push(Miss { wanted: wanted.clone(), got });
        }
    }
    progress.step(&suite.name, suite.plans.len(), suite.plans.len())?;
    Ok(judged)
}

/// A table of results.
pub fn to_markdown(all: &[Judged]) -> String {
    let mut text = String::from(
        "| suite | planner | plans | exact | objects P | R | F1 | with prompts F1 | fell back | cached |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Judged { suite, planner, score, fell_back, cached, .. } in all {
        let (o, p) = (score.objects, score.prompts);
        let (precision, recall, f1) = (o.precision(), o.recall(), o.f1());
        text.push_str(&format!(
            "| {suite} | {planner} | {} | {:.3} | {precision:.3} | {recall:.3} | {f1:.3} | {:.3} | {} | {cached} |\n",
            score.plans,
            score.exact_share(),
            p.f1(),
            fell_back.0,
        ));
    }
    let reasons = all.iter().flat_map(|judged| &judged.fell_back.1);
    for reason in reasons {
        text.push_str(&format!("\nfell back: {reason}\n"));
    }
    text
}
