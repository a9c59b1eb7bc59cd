//! What each stage depends on and makes, so that it is known without doing it.

use std::path::PathBuf;

use thrumask_core::{Control, Fingerprint, Picture, RunDir, RunRecord, run_dir};
use thrumask_nn::weights::FloatType;

use super::{
    Animation,
    report::Origin,
    run::{Mode, Run, Work},
    settings::Config,
};
use crate::{
    Result,
    models::{self, Models},
    motion::{OpenWords, Outlines},
    plan::{Planner, RulePlanner},
    progress::Silent,
};

/// What a job would do with what is in its run directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Outlook {
    /// The resolved configuration.
    pub config: Config,
    /// The run directory.
    pub run: PathBuf,
    /// The file or folder to write.
    pub output: PathBuf,
    /// How each stage would come to its artefact.
    pub stages: Vec<(&'static str, Origin)>,
}

/// Looks at a job without doing it or writing anything.
///
/// # Errors
/// As [`super::animate`] before its first stage.
pub fn outlook(job: &Animation) -> Result<Outlook> {
    job.check()?;
    let picture = Picture::read(&job.picture)?;
    let models = Models::from_settings(&job.settings);
    let config = job.settings.resolve(picture.size(), models.check()?)?;
    let dir = RunDir::look(&job.run);
    let mode = if job.fresh || !job.run.is_dir() { Mode::Fresh } else { Mode::Whole };
    let record = match mode {
        Mode::Fresh => None,
        _ => dir.read_record()?,
    };
    let record = record.unwrap_or_else(|| RunRecord::new(config.seed, Default::default()));
    let mut silent = Silent;
    let mut run = Run::of_parts(dir, record, config.clone(), models, mode, &mut silent);
    let control = run.config.given.read_control()?;
    let control = control.as_ref();
    let works = [
        input_work(&picture),
        run.plan_work(&job.caption, control)?,
        run.segment_work(control)?,
        run.motion_work(control)?,
        run.video_work()?,
    ];
    let mut stages = Vec::new();
    for work in &works {
        let made = stages.iter().any(|(_, origin)| *origin == Origin::Made);
        let standing = run.foreseen(work)?;
        let origin = if made && standing == Origin::Kept { Origin::Made } else { standing };
        stages.push((work.name, origin));
    }
    Ok(Outlook { config, run: job.run.clone(), output: job.output.clone(), stages })
}

/// The stage that puts the upright picture into the run directory.
pub(super) fn input_work(picture: &Picture) -> Work {
    let asked = asked("input").text("size", picture.size()).bytes("picture", picture.rgb());
    Work { name: "input", asked, from: &[], makes: &[run_dir::INPUT] }
}

impl Run<'_> {
    /// Caption to prompts.
    pub(super) fn plan_work(&mut self, caption: &str, control: Option<&Control>) -> Result<Work> {
        let asked = asked("plan").text("caption", caption);
        let asked = match &self.config.llm {
            Some(llm) => llm.add_to(asked)?,
            None => asked.text("planner", RulePlanner.name()),
        };
        let asked = self.config.given.add_control(asked, control)?;
        Ok(Work { name: "plan", asked, from: &[], makes: &[run_dir::PLAN] })
    }

    /// Picture and prompts to first masks.
    pub(super) fn segment_work(&mut self, control: Option<&Control>) -> Result<Work> {
        let mut asked = asked("segment").text("model", self.use_model(models::SEGMENTER)?);
        match self.models.masker_hash()? {
            Some(hash) => {
                self.record.weights.insert(models::MASKER.to_owned(), hash.clone());
                asked = asked.text("masker", hash);
            }
            // A run that had one goes on without.
            None => _ = self.record.weights.remove(models::MASKER),
        }
        let asked = self.config.given.add_masks(asked)?;
        let asked = self.config.given.add_control(asked, control)?;
        let from = &[run_dir::INPUT, run_dir::PLAN];
        Ok(Work { name: "segment", asked, from, makes: &[run_dir::MASKS] })
    }

    /// First masks and prompts to the trajectory.
    pub(super) fn motion_work(&mut self, control: Option<&Control>) -> Result<Work> {
        let asked = asked("motion")
            .text("model", self.use_model(models::MOTION)?)
            .text("sampling", json(&self.config.motion)?);
        // What was made before there was a choice stays.
        let asked = match self.config.outlines {
            Outlines::Painted => asked,
            Outlines::Carried => asked.text("outlines", "carried"),
        };
        let asked = match self.config.open_words {
            OpenWords::Left => asked,
            OpenWords::Drawn => asked.text("open words", "drawn"),
        };
        let asked = self.add_generation(asked)?;
        let asked = self.config.given.add_control(asked, control)?;
        let asked = self.config.given.add_trajectory(asked)?;
        let from = &[run_dir::INPUT, run_dir::PLAN, run_dir::MASKS];
        let makes = &[run_dir::TRAJECTORY, run_dir::TRAJECTORY_VIDEO];
        Ok(Work { name: "motion", asked, from, makes })
    }

    /// Trajectory and prompts to the video.
    pub(super) fn video_work(&mut self) -> Result<Work> {
        let asked = asked("video")
            .text("model", self.use_model(models::VIDEO)?)
            .text("sampling", json(&self.config.video)?);
        let asked = self.add_generation(asked)?;
        let from = &[run_dir::INPUT, run_dir::PLAN, run_dir::TRAJECTORY];
        Ok(Work { name: "video", asked, from, makes: &[run_dir::VIDEO] })
    }

    /// What both generating stages depend on.
    fn add_generation(&mut self, asked: Fingerprint) -> Result<Fingerprint> {
        // What was made before there was a choice stays.
        let asked = match self.config.weights {
            FloatType::F32 => asked,
            kept => asked.text("weights", kept.number().name()),
        };
        Ok(asked
            .text("autoencoder", self.use_model(models::AUTOENCODER)?)
            .text("seed", self.config.seed)
            .text("frames", self.config.frames)
            .text("fps", self.config.fps)
            .text("output", self.config.fit.output))
    }

    /// The hash of a model, noted in the record as used.
    fn use_model(&mut self, name: &str) -> Result<String> {
        let hash = self.models.hash(name)?;
        self.record.weights.insert(name.to_owned(), hash.clone());
        Ok(hash)
    }
}

/// What every stage depends on.
fn asked(stage: &str) -> Fingerprint {
    Fingerprint::new(stage).text("version", env!("CARGO_PKG_VERSION"))
}

/// A value in JSON, for a fingerprint.
fn json(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string(value);
    let failed =
        |e: serde_json::Error| thrumask_core::Error::format("configuration", e.to_string());
    Ok(text.map_err(failed)?)
}
