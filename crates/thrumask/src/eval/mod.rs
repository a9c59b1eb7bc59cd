//! Evaluation on the world: do objects do what the caption says, in one piece and in their colours?
//!
//! [`run`] judges the segmenter, stage 1, stage 2 and the whole chain on scenes that no training has
//! seen, and beside each the truth, the static picture, random motion and a model without
//! trajectories. What each figure means is said at [`Measure`]; `docs/evaluation.md` tells how to
//! read them.
//!
//! - [`cases`]: the scenes and the baselines; `generate`: what the models make of them; `watch`: what
//!   networks see in that.
//! - [`resegment`]: finds objects again in videos; [`metrics`]: measures of masks and pictures.
//! - [`measure`], `score`: a scene's scores; [`bootstrap`]: intervals.
//! - [`displacement`]: how much moves in any video; [`adherence`]: how well any follows a trajectory.
//! - [`collage`]: stage 2 on pictures of other worlds.
//! - [`plans`]: planners against plans written by hand.
//! - [`words`]: the same scenes in opposite words, and in those of people.
//! - [`report`], [`sheets`], [`worst`]: what a person reads and looks at.

pub mod adherence;
pub mod bootstrap;
pub mod cases;
pub mod classifier;
pub mod collage;
pub mod displacement;
pub mod frechet;
pub(crate) mod generate;
pub mod measure;
pub mod metrics;
pub mod plans;
mod renamed;
pub mod report;
pub mod resegment;
mod score;
pub mod sheets;
mod subjects;
#[cfg(test)]
mod tests;
mod watch;
pub mod words;
pub mod worst;

use std::{ops::Range, path::Path};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_core::{Error, fsio};
use thrumask_nn::backbone::BackboneKind;

use crate::{
    Result,
    model::{Sampling, StageKind},
    motion::{OpenWords, Outlines},
    progress::Progress,
    world::{Split, WorldConfig},
};

pub use cases::{Crowd, Selection};
pub use measure::Measure;
pub use report::{Candidate, Group, Part, Report, Row};
pub use subjects::{ROLES, Subjects};

use cases::Case;
use report::SceneScores;
use sheets::Exhibit;
use worst::Worst;

/// How to evaluate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Seed of the models' noise, the random motions and the bootstrap. The scenes have none: they
    /// are those of indices 0 and up.
    pub seed: u64,
    /// Scenes of each split and number of objects, at least 1.
    pub scenes: usize,
    /// Scenes that the models work on at once, at least 1; it changes no result.
    pub batch: usize,
    /// Resamples of the bootstrap, at least 100.
    pub resamples: usize,
    /// Which splits.
    pub splits: Vec<Split>,
    /// Which numbers of objects; those of two and three are always shown within those of two to
    /// four.
    pub crowds: Vec<Crowd>,
    /// What is judged.
    pub parts: Vec<Part>,
    /// Scenes on each contact sheet, from the first on.
    pub shown: usize,
    /// How scenes are made. Size and length are those of the models; the number of objects is that
    /// of `crowds`.
    pub world: WorldConfig,
    /// How stage 1 is sampled.
    pub motion: Sampling,
    /// Outlines of the objects in trajectories.
    pub outlines: Outlines,
    /// What becomes of words that leave something open.
    pub open_words: OpenWords,
    /// How stage 2 and the model without trajectories are sampled.
    pub video: Sampling,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            scenes: 64,
            batch: 8,
            resamples: 2000,
            splits: vec![Split::Test, Split::Compositional],
            crowds: vec![Crowd::Single, Crowd::Multi],
            parts: Part::ALL.to_vec(),
            shown: 8,
            world: WorldConfig::default(),
            motion: Sampling::usual(StageKind::Motion, BackboneKind::Dit, false),
            outlines: Outlines::usual(false),
            open_words: OpenWords::usual(false),
            video: Sampling::usual(StageKind::Video, BackboneKind::Dit, false),
        }
    }
}

impl EvalConfig {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the field, its range and its value.
    pub fn validate(&self) -> thrumask_core::Result<()> {
        let check = |field: &str, value: usize, least: usize| {
            let reason = || format!("expected at least {least}, got {value}");
            if value >= least { Ok(()) } else { Err(Error::invalid(field, reason())) }
        };
        check("scenes", self.scenes, 1)?;
        check("batch", self.batch, 1)?;
        check("resamples", self.resamples, 100)?;
        check("splits", self.splits.len(), 1)?;
        check("crowds", self.crowds.len(), 1)?;
        check("parts", self.parts.len(), 1)?;
        check("steps of stage 1", self.motion.steps, 1)?;
        check("steps of stage 2", self.video.steps, 1)?;
        self.world.validate()
    }
}

/// Evaluates `subjects`. With `out`, the report and contact sheets are written there after each
/// group, and groups that an interrupted run of the same configuration and models finished there
/// are taken over.
///
/// # Errors
/// When the configuration is out of range, models do not fit together or fail, files cannot be
/// written, or `progress` stops the run.
pub fn run(
    config: &EvalConfig,
    subjects: &Subjects,
    out: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<Report> {
    let mut config = config.clone();
    if let Some(shape) = subjects.shape()? {
        (config.world.size, config.world.frames) = (shape.size, shape.frames);
    }
    config.validate()?;
    let mut report = Report {
        version: report::VERSION,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        models: subjects.hashes.clone(),
        complete: false,
        groups: Vec::new(),
        config,
    };
    let finished = match out {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("creating", folder, e))?;
            unfinished_groups(folder, &report)
        }
        None => Vec::new(),
    };
    let config = report.config.clone();
    for &split in &config.splits {
        for &crowd in &config.crowds {
            let wanted = |g: &&Group| {
                let part = crowd == Crowd::Multi && g.crowd == Crowd::TwoOrThree;
                g.split == split && (g.crowd == crowd || part)
            };
            let known: Vec<Group> = finished.iter().filter(wanted).cloned().collect();
            if !known.is_empty() {
                report.groups.extend(known);
                continue;
            }
            let (scores, exhibits, worst) = judge(&config, subjects, split, crowd, progress)?;
            report.groups.push(Group::new(split, crowd, &scores, &config));
            if crowd == Crowd::Multi {
                let of = Crowd::TwoOrThree;
                let fewer: Vec<SceneScores> =
                    scores.into_iter().filter(|s| of.objects().contains(&s.0)).collect();
                report.groups.push(Group::new(split, of, &fewer, &config));
            }
            if let Some(folder) = out {
                let group = format!("{split:?}-{crowd:?}").to_lowercase();
                write_sheets(folder, &group, &exhibits, worst)?;
                fsio::write_json(folder.join(REPORT), &report)?;
            }
        }
    }
    report.complete = true;
    if let Some(folder) = out {
        fsio::write_atomic(folder.join("report.md"), report.to_markdown().as_bytes())?;
        fsio::write_json(folder.join(REPORT), &report)?;
    }
    Ok(report)
}

/// Frames per second of moving sheets.
const MOVING_FPS: f32 = 8.0;
/// The report's file.
const REPORT: &str = "report.json";
/// The longest report that is read, in bytes.
const MAX_REPORT_BYTES: u64 = 64 << 20;

/// The groups that an interrupted run with the same configuration and models left in `folder`.
fn unfinished_groups(folder: &Path, now: &Report) -> Vec<Group> {
    let text = fsio::read_text_limited(folder.join(REPORT), MAX_REPORT_BYTES);
    let old = text.ok().and_then(|t| serde_json::from_str::<Report>(&t).ok());
    let same = |old: &Report| {
        !old.complete
            && (old.version, &old.program) == (now.version, &now.program)
            && old.config == now.config
            && old.models == now.models
    };
    old.filter(same).map_or(Vec::new(), |old| old.groups)
}

/// Scores of all scenes of a group, and what is shown of the first of them.
fn judge(
    config: &EvalConfig,
    subjects: &Subjects,
    split: Split,
    crowd: Crowd,
    progress: &mut dyn Progress,
) -> Result<(Vec<SceneScores>, Vec<Exhibit>, Worst)> {
    let (world, scenes, seed) = (config.world.clone(), config.scenes, config.seed);
    let selection = Selection { world, split, crowd, scenes, seed };
    let stage = format!("{split:?}, {}", crowd.words());
    judge_cases(config, subjects, &stage, &|indices| selection.cases(indices), progress)
}

/// Makes cases by their indices.
type Cases<'a> = dyn Fn(Range<usize>) -> thrumask_core::Result<Vec<Case>> + 'a;

/// Scores of `config.scenes` cases, what is shown of the first of them, and the worst; `stage` tells of them in the
/// progress.
fn judge_cases(
    config: &EvalConfig,
    subjects: &Subjects,
    stage: &str,
    cases: &Cases<'_>,
    progress: &mut dyn Progress,
) -> Result<(Vec<SceneScores>, Vec<Exhibit>, Worst)> {
    let scenes = config.scenes;
    let (mut scores, mut exhibits, mut worst) = (Vec::new(), Vec::new(), Worst::default());
    for start in (0..scenes).step_by(config.batch) {
        progress.step(stage, start, scenes)?;
        let cases = cases(start..(start + config.batch).min(scenes))?;
        let mut within = Within { outer: progress, stage, done: start, total: scenes };
        let made = generate::make(subjects, &cases, config, &mut within)?;
        let judged = cases
            .par_iter()
            .zip(&made)
            .map(|(case, made)| score::score(case, made, &config.parts))
            .collect::<thrumask_core::Result<Vec<_>>>()?;
        for (scene, exhibit) in judged {
            worst.add(&scene, &exhibit);
            scores.push(scene);
            if exhibits.len() < config.shown {
                exhibits.push(exhibit);
            }
        }
    }
    progress.step(stage, scenes, scenes)?;
    Ok((scores, exhibits, worst))
}

/// Writes the contact sheet of a group, still and moving, and those of its worst scenes.
fn write_sheets(folder: &Path, group: &str, exhibits: &[Exhibit], worst: Worst) -> Result<()> {
    if !exhibits.is_empty() {
        sheets::sheet(exhibits, 2)?.write_png(folder.join(format!("sheet-{group}.png")))?;
        let moving = sheets::moving_sheet(exhibits, 4, MOVING_FPS)?;
        moving.write(folder.join(format!("sheet-{group}.gif")))?;
    }
    for (name, exhibits) in worst.sheets() {
        let path = folder.join(format!("worst-{name}-{group}.png"));
        sheets::sheet(&exhibits, 2)?.write_png(path)?;
    }
    Ok(())
}

/// Passes on that the work should stop, and shows how many scenes are done.
pub(crate) struct Within<'a> {
    pub(crate) outer: &'a mut dyn Progress,
    pub(crate) stage: &'a str,
    pub(crate) done: usize,
    pub(crate) total: usize,
}

impl Progress for Within<'_> {
    fn step(&mut self, _stage: &str, _done: usize, _total: usize) -> Result<()> {
        self.outer.step(self.stage, self.done, self.total)
    }
}
