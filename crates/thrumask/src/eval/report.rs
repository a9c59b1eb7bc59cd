//! The report: every figure with its interval, as JSON and as a table to read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    EvalConfig,
    bootstrap::{Estimate, Resamples, Tally},
    cases::Crowd,
    measure::{Measure, Scores},
};
use crate::{
    motion::{OpenWords, Outlines},
    page::Page,
    world::{Action, Split},
};

/// Version of the report's JSON; it counts up when a field or the meaning of a figure changes.
pub const VERSION: u32 = 4;

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The segmenter alone.
    Segmenter,
    /// Stage 1 from true first masks and the true plan.
    Motion,
    /// Stage 1 from true first masks and other words: opposite ones, and those of people.
    Words,
    /// Stage 2 on true trajectories.
    Video,
    /// From the caption to the video, each stage working on what the one before made.
    Chained,
}

impl Part {
    /// Every part.
    pub const ALL: &'static [Self] =
        &[Self::Segmenter, Self::Motion, Self::Words, Self::Video, Self::Chained];

    /// Its title in a table.
    fn title(self) -> &'static str {
        match self {
            Self::Segmenter => "Segmenter alone",
            Self::Motion => "Stage 1, from true first masks and the true plan",
            Self::Words => "Stage 1 in other words, from true first masks",
            Self::Video => "Stage 2, on true trajectories (masks found again in the videos)",
            Self::Chained => "Chained, from the caption (masks found again in the videos)",
        }
    }

    /// The word for it in names of files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Segmenter => "segmenter",
            Self::Motion => "motion",
            Self::Words => "words",
            Self::Video => "video",
            Self::Chained => "chained",
        }
    }

    /// The columns of its table.
    fn columns(self) -> &'static [Measure] {
        use Measure::*;
        match self {
            Self::Segmenter => &[Iou, Half, RightObject],
            Self::Motion => &[Actions, Iou, Half, SaidIou, SaidHalf, Pieces, Steady, Valid],
            Self::Words => &[Followed, FollowedInView, Named, Actions, Iou, Half],
            Self::Video => &[
                Actions, J, F, TrackedJ, TrackedF, Half, Appearance, FirstPsnr, FirstSsim,
                SecondPsnr, Psnr, Lpips,
            ],
            Self::Chained => {
                &[Actions, Iou, Half, J, F, TrackedJ, TrackedF, Appearance, Psnr, Plan]
            }
        }
    }
}

/// Who is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// The truth: the true masks, or those found again in the true video, which is the ceiling.
    Truth,
    /// The same words over the same first frame, drawn again by the world: what they leave open.
    AnotherDraw,
    /// The truth through the autoencoder and back: the best that a stage can do with it.
    Autoencoder,
    /// The model, or the chain from true first masks.
    Model,
    /// The chain from masks that the segmenter found.
    FoundMasks,
    /// The model without a trajectory.
    Ti2v,
    /// The first frame for as long as the clip lasts.
    StaticPicture,
    /// Objects that move as randomly drawn others do.
    RandomMotion,
    /// Stage 1 in the scene's own words, over the objects that can be told the opposite.
    OwnWords,
    /// Stage 1 when these objects are told the opposite.
    OppositeWords,
    /// The scenes of [`Candidate::StudiedParaphrase`] from their own captions.
    StudiedOwn,
    /// From paraphrases that the planner was developed on.
    StudiedParaphrase,
    /// The scenes of [`Candidate::UnseenParaphrase`] from their own captions.
    UnseenOwn,
    /// From paraphrases that nothing was developed on.
    UnseenParaphrase,
    /// The segmenter or stage 1 when the objects have names that it never read.
    StrangeNames,
}

impl Candidate {
    /// Its name in the table of a part.
    fn words(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Truth, Part::Words) => "opposite motion, drawn by the world",
            (Self::Truth, Part::Motion | Part::Segmenter) => "truth",
            (Self::Truth, _) => "true video (ceiling)",
            (Self::AnotherDraw, _) => "the same words, another draw",
            (Self::Autoencoder, _) => "truth through the autoencoder",
            (Self::Model, Part::Segmenter) => "segmenter",
            (Self::Model, Part::Motion | Part::Words) => "**stage 1**",
            (Self::Model, Part::Video) => "**stage 2**",
            (Self::Model, Part::Chained) => "**chain, true first masks**",
            (Self::FoundMasks, _) => "**chain, found first masks**",
            (Self::Ti2v, _) => "TI2V",
            (Self::StaticPicture, _) => "static picture",
            (Self::RandomMotion, _) => "random motion",
            (Self::OwnWords, _) => "own words, the same objects",
            (Self::OppositeWords, _) => "**opposite words**",
            (Self::StudiedOwn, _) => "own captions of paraphrased scenes (development)",
            (Self::StudiedParaphrase, _) => "paraphrases (development)",
            (Self::UnseenOwn, _) => "own captions of paraphrased scenes (held out)",
            (Self::UnseenParaphrase, _) => "**paraphrases (held out)**",
            (Self::StrangeNames, _) => "**invented names**",
        }
    }
}

/// The figures of one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is judged.
    pub part: Part,
    /// Who is judged.
    pub candidate: Candidate,
    /// By measure.
    pub figures: BTreeMap<Measure, Estimate>,
    /// Action accuracy by true action.
    pub actions: BTreeMap<Action, Estimate>,
}

/// The figures of one group of scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Split of the scenes.
    pub split: Split,
    /// Which of its scenes.
    pub crowd: Crowd,
    /// How many scenes.
    pub scenes: usize,
    /// How many objects in them.
    pub objects: usize,
    /// One for each part and candidate.
    pub rows: Vec<Row>,
}

/// The scores of one scene: its number of objects, and the scores of each part and candidate.
pub type SceneScores = (usize, BTreeMap<(Part, Candidate), Scores>);

/// The figures of all candidates in all parts, with intervals over scenes.
pub(super) fn rows(scenes: &[SceneScores], config: &EvalConfig) -> Vec<Row> {
    let resamples = Resamples::new(scenes.len(), config.resamples, config.seed);
    let mut keys: Vec<(Part, Candidate)> =
        scenes.iter().flat_map(|s| s.1.keys().copied()).collect();
    keys.sort_unstable();
    keys.dedup();
    let row = |key: (Part, Candidate)| {
        let scores: Vec<Option<&Scores>> = scenes.iter().map(|s| s.1.get(&key)).collect();
        let estimate = |of: &dyn Fn(&Scores) -> Option<Tally>| {
            let tally = |s: &Option<&Scores>| s.and_then(of).unwrap_or_default();
            resamples.estimate(&scores.iter().map(tally).collect::<Vec<_>>())
        };
        let figures = Measure::ALL
            .iter()
            .filter_map(|&m| Some((m, estimate(&|s| s.figures.get(&m).copied())?)));
        let actions = Action::ALL
            .iter()
            .filter_map(|&a| Some((a, estimate(&|s| s.actions.get(&a).copied())?)));
        let (part, candidate) = key;
        Row { part, candidate, figures: figures.collect(), actions: actions.collect() }
    };
    keys.into_iter().map(row).collect()
}

impl Group {
    /// The figures of some scenes.
    pub fn new(split: Split, crowd: Crowd, scenes: &[SceneScores], config: &EvalConfig) -> Self {
        let objects = scenes.iter().map(|s| s.0).sum();
        Self { split, crowd, scenes: scenes.len(), objects, rows: rows(scenes, config) }
    }

    /// The row of a candidate in a part.
    pub fn row(&self, part: Part, candidate: Candidate) -> Option<&Row> {
        self.rows.iter().find(|r| r.part == part && r.candidate == candidate)
    }
}

/// Everything that was measured, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// How it was measured, seeds included.
    pub config: EvalConfig,
    /// SHA-256 of each model file, by its role.
    pub models: BTreeMap<String, String>,
    /// Whether all groups are there; false in the file that an interrupted run leaves.
    pub complete: bool,
    /// The figures.
    pub groups: Vec<Group>,
}

impl Report {
    /// Whether the rule reads every action off the true masks, as it must; `None` before stage 1
    /// was measured.
    pub fn rule_agrees(&self) -> Option<bool> {
        let rows = self.groups.iter().filter_map(|g| g.row(Part::Motion, Candidate::Truth));
        let exact = |r: &Row| r.figures.get(&Measure::Actions).is_some_and(|e| e.mean == 1.0);
        rows.map(exact).reduce(|a, b| a && b)
    }

    /// The report in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut page = Page::default();
        page.heading(1, "Evaluation on the world");
        let mut facts: Vec<String> =
            self.models.iter().map(|(role, hash)| format!("{role}: sha256:{hash}")).collect();
        facts.push(format!(
            "seed {}, {} scenes a group; in brackets 95 % intervals (bootstrap over scenes)",
            self.config.seed, self.config.scenes
        ));
        if let Some(agrees) = self.rule_agrees() {
            let word = if agrees { "every action" } else { "NOT every action" };
            facts.push(format!("the written rule reads {word} off the true masks"));
        }
        if !self.config.parts.iter().all(|&part| part == Part::Video) {
            if self.config.outlines == Outlines::Carried {
                facts
                    .push("stage 1: first masks carried to where it paints the objects".to_owned());
            }
            if self.config.open_words == OpenWords::Drawn {
                facts.push("stage 1: what words leave open is drawn by the seed".to_owned());
            }
        }
        page.list(facts);
        for group in &self.groups {
            let (split, crowd) = (group.split.word(), group.crowd.words());
            let (scenes, objects) = (group.scenes, group.objects);
            page.heading(2, format!("{split}, {crowd} ({scenes} scenes, {objects} objects)"));
            for &part in Part::ALL {
                let rows: Vec<&Row> = group.rows.iter().filter(|r| r.part == part).collect();
                if !rows.is_empty() {
                    table(&mut page, part, &rows);
                }
            }
        }
        page.to_markdown()
    }
}

/// One table, and below it the accuracy by action.
pub(super) fn table(page: &mut Page, part: Part, rows: &[&Row]) {
    let shown = |m: &&Measure| rows.iter().any(|r| r.figures.contains_key(*m));
    let columns: Vec<Measure> = part.columns().iter().filter(shown).copied().collect();
    page.heading(3, part.title());
    let row = |row: &&Row| {
        let cell = |m: &Measure| row.figures.get(m).map_or(String::new(), |e| figure(*m, e));
        let name = row.candidate.words(part).to_owned();
        [name].into_iter().chain(columns.iter().map(cell)).collect()
    };
    page.table(measure_heads(&columns), rows.iter().map(row).collect());
    for row in rows {
        if matches!(row.candidate, Candidate::Model | Candidate::FoundMasks | Candidate::Ti2v)
            && !row.actions.is_empty()
        {
            let one =
                |(a, e): (&Action, &Estimate)| format!("{} {:.2} ({})", a.word(), e.mean, e.count);
            let list: Vec<String> = row.actions.iter().map(one).collect();
            let name = row.candidate.words(part).replace('*', "");
            page.paragraph(format!("Actions of {name}: {}.", list.join(", ")));
        }
    }
}

/// The head of a table: an empty corner and the measures.
pub(crate) fn measure_heads(columns: &[Measure]) -> Vec<String> {
    let words = columns.iter().map(|m| m.word().to_owned());
    [String::new()].into_iter().chain(words).collect()
}

/// A figure with its interval.
fn figure(measure: Measure, e: &Estimate) -> String {
    use Measure::*;
    match measure {
        FirstPsnr | SecondPsnr | Psnr => format!("{:.1} [{:.1}, {:.1}]", e.mean, e.low, e.high),
        Lpips => format!("{:.3} [{:.3}, {:.3}]", e.mean, e.low, e.high),
        _ => format!("{:.2} [{:.2}, {:.2}]", e.mean, e.low, e.high),
    }
}
