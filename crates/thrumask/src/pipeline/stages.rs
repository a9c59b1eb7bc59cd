//! The stages on a run directory: each reads its artefacts from the files before it, so that a
//! stage alone and the whole line do the same, and what a person edited counts.

use thrumask_core::{
    Clip, Control, Error, LabelMap, MaskSet, PromptPlan, Trajectory, WriteOptions, run_dir,
};

use super::{
    drawn,
    run::{Made, Mode, Run},
    segmenting,
};
use crate::{
    Error as AnyError, Result,
    model::{Networks, StageKind},
    motion::{MotionRequest, generate_trajectories},
    plan::{Planned, planner},
    video::{VideoRequest, generate_videos},
};

/// Quantisation of the trajectory's video.
const TRAJECTORY_QP: u8 = 8;

impl Run<'_> {
    /// Caption to prompts: [`run_dir::PLAN`].
    ///
    /// # Errors
    /// When the caption or the control file is refused, or a file cannot be read or written.
    pub fn plan(&mut self, caption: &str) -> Result<PromptPlan> {
        let control = self.config.given.read_control()?;
        let work = self.plan_work(caption, control.as_ref())?;
        self.stage(work, |run| {
            let (plan, mut notes) = run.planned(caption, control.as_ref())?;
            if plan.objects.is_empty() {
                notes.push("the caption names nothing that moves".to_owned());
            }
            Ok(Made { files: vec![json_bytes(run_dir::PLAN, &plan)?], notes })
        })?;
        Ok(self.dir.read_plan()?)
    }

    /// Picture and prompts to first masks: [`run_dir::MASKS`].
    ///
    /// # Errors
    /// When given masks do not fit, or a file or model cannot be read or written.
    pub fn segment(&mut self) -> Result<MaskSet> {
        let plan = self.dir.read_plan()?;
        let control = self.config.given.read_control()?;
        let work = self.segment_work(control.as_ref())?;
        self.stage(work, |run| {
            let picture = run.dir.read_input()?;
            let (masks, notes) = segmenting::first_masks(run, &picture, &plan, control.as_ref())?;
            segmenting::check_found(run.config.missing, &plan, &masks, &notes)?;
            Ok(Made { files: vec![masks.labels.to_png()?], notes })
        })?;
        let masks = self.read_masks(&plan)?;
        // What an earlier run went on without may be wanted now.
        segmenting::check_found(self.config.missing, &plan, &masks, &[])?;
        Ok(masks)
    }

    /// First masks and prompts to the trajectory: [`run_dir::TRAJECTORY`] and
    /// [`run_dir::TRAJECTORY_VIDEO`].
    ///
    /// # Errors
    /// When a given motion does not fit, a file or model cannot be read or written, or the person
    /// stops it.
    pub fn motion(&mut self) -> Result<Trajectory> {
        let plan = self.dir.read_plan()?;
        let masks = self.read_masks(&plan)?;
        let control = self.config.given.read_control()?;
        let work = self.motion_work(control.as_ref())?;
        if self.mode == Mode::Whole {
            self.refuse_to_drop(&work, &work.asked.clone().finish())?;
            self.adopt_trajectory(&plan)?;
        }
        self.stage(work, |run| {
            let (trajectory, notes) = match run.config.given.trajectory.clone() {
                Some(path) => (run.taken(&path.display().to_string(), &path, &plan)?, Vec::new()),
                None => run.generated(&plan, &masks, control.as_ref())?,
            };
            Ok(Made { files: run.trajectory_files(&trajectory)?, notes })
        })?;
        Ok(self.dir.read_trajectory(plan.objects.len())?)
    }

    /// Trajectory and prompts to the video: [`run_dir::VIDEO`].
    ///
    /// # Errors
    /// When the trajectory does not fit, a file or model cannot be read or written, or the person
    /// stops it.
    pub fn video(&mut self) -> Result<()> {
        let plan = self.dir.read_plan()?;
        self.adopt_trajectory(&plan)?;
        let work = self.video_work()?;
        self.stage(work, |run| {
            let clip = run.filmed(&plan)?;
            let bytes = clip.to_mp4(&run.write_options(&plan)?)?;
            run.clip = Some(clip);
            Ok(Made { files: vec![bytes], notes: Vec::new() })
        })
    }

    /// The frames of the video as the models made them.
    ///
    /// # Errors
    /// As [`Run::video`].
    pub(super) fn frames(&mut self) -> Result<Clip> {
        if let Some(clip) = &self.clip {
            return Ok(clip.clone());
        }
        // Kept from an earlier run: making it again gives the same frames, reading the file does
        // not quite. What a person put there is read.
        if self.is_changed(run_dir::VIDEO)? {
            return Ok(Clip::read(self.dir.file(run_dir::VIDEO))?);
        }
        let plan = self.dir.read_plan()?;
        self.reporter.begin("video");
        self.filmed(&plan)
    }

    /// Settings that are put into the video file.
    pub(super) fn write_options(&self, plan: &PromptPlan) -> Result<WriteOptions> {
        let note = serde_json::json!({
            "program": concat!("thrumask ", env!("CARGO_PKG_VERSION")),
            "caption": plan.caption,
            "seed": self.config.seed,
            "motion": self.config.motion,
            "video": self.config.video,
        });
        Ok(WriteOptions { note: Some(note.to_string()), ..WriteOptions::default() })
    }

    /// The plan for a caption, with what the control file lays down, and what a person should know.
    fn planned(
        &mut self,
        caption: &str,
        control: Option<&Control>,
    ) -> Result<(PromptPlan, Vec<String>)> {
        if let Some(plan) = control.and_then(|c| c.plan(caption)) {
            return Ok((plan, Vec::new()));
        }
        let planner = planner(self.config.llm.as_ref())?;
        let Planned { mut plan, origin, notes } = planner.plan_with(caption, self.reporter)?;
        if let Some(control) = control {
            control.override_plan(&mut plan)?;
        }
        self.planned_by = Some(origin);
        Ok((plan, notes))
    }

    /// The first masks of the plan's objects, which must be of the picture's size.
    fn read_masks(&self, plan: &PromptPlan) -> Result<MaskSet> {
        let masks = self.dir.read_masks(plan.objects.len())?;
        let (expected, got) = (self.config.fit.input, masks.labels.size());
        if expected != got {
            let what = format!("size of {}", self.dir.file(run_dir::MASKS).display());
            return Err(Error::mismatch(what, expected, got).into());
        }
        Ok(masks)
    }

    /// Stage 1, and what a person should know of it.
    fn generated(
        &mut self,
        plan: &PromptPlan,
        masks: &MaskSet,
        control: Option<&Control>,
    ) -> Result<(Trajectory, Vec<String>)> {
        let (fit, config) = (self.config.sizes(), &self.config);
        let picture = fit.picture_to_model(&self.dir.read_input()?)?;
        let given = match control {
            Some(control) => {
                let (used, all) = (config.frames, config.model.frames);
                drawn::given_motion(control, masks, &fit, used, all, config.fps)?
            }
            None => None,
        };
        let masks = MaskSet::new(fit.masks_to_model(&masks.labels)?, masks.objects)?;
        let request = MotionRequest {
            picture: &picture,
            masks: &masks,
            plan,
            given: given.as_ref(),
            outlines: config.outlines,
            open_words: config.open_words,
            seed: config.seed,
            fps: config.fps,
        };
        let networks = self.models.networks(StageKind::Motion)?;
        let sampling = config.motion;
        let told = request.told_words(networks.tokenizer());
        let notes =
            told.map(|said| format!("stage 1 is told, with what the words leave open: {said}"));
        let made = generate_trajectories(&networks, &[request], &sampling, self.reporter)?;
        let made = only(made, "trajectory")?;
        let mut frames = made.frames().to_vec();
        frames.truncate(config.frames);
        let made = Trajectory::new(frames, made.objects(), config.fps)?;
        Ok((fit.trajectory_to_output(&made)?, notes.into_iter().collect()))
    }

    /// Stage 2. A trajectory shorter than the models' videos is held at its end, and the video cut.
    fn filmed(&mut self, plan: &PromptPlan) -> Result<Clip> {
        let (fit, config) = (self.config.sizes(), &self.config);
        let path = self.dir.file(run_dir::TRAJECTORY);
        let what = path.display().to_string();
        let trajectory = self.dir.read_trajectory(plan.objects.len())?;
        let trajectory = fit.trajectory_to_model(&what, &trajectory)?;
        let count = self.checked_length(&what, &trajectory)?;
        let picture = fit.picture_to_model(&self.dir.read_input()?)?;
        let last = trajectory.frames().last().cloned();
        let held: Vec<LabelMap> = trajectory
            .frames()
            .iter()
            .cloned()
            .chain(last.into_iter().cycle())
            .take(config.model.frames)
            .collect();
        let held = Trajectory::new(held, trajectory.objects(), config.fps)?;
        let request = VideoRequest {
            picture: &picture,
            trajectory: Some(&held),
            // A stage that follows flow was refused before the run.
            flow: None,
            plan,
            seed: config.seed,
            fps: config.fps,
        };
        let networks = self.models.networks(StageKind::Video)?;
        let made = generate_videos(&networks, &[request], &config.video, self.reporter)?;
        let made = only(made, "video")?;
        let mut frames = made.frames().to_vec();
        frames.truncate(count.min(config.frames));
        Ok(fit.clip_to_output(&Clip::new(frames, config.fps)?)?)
    }

    /// The trajectory that a person gave, as the run writes it.
    pub(super) fn taken(
        &self,
        what: &str,
        path: &std::path::Path,
        plan: &PromptPlan,
    ) -> Result<Trajectory> {
        let given = Trajectory::read(path, plan.objects.len())?;
        self.checked_length(what, &given)?;
        let fit = self.config.sizes();
        fit.trajectory_to_model(what, &given)?;
        Ok(fit.trajectory_to_output(&given)?)
    }

    /// The number of frames of a trajectory, which the models must be able to follow.
    fn checked_length(&self, what: &str, trajectory: &Trajectory) -> Result<usize> {
        let (count, most) = (trajectory.frames().len(), self.config.model.frames);
        if count > most {
            let reason =
                format!("expected at most {most} frames, as many as the models make, got {count}");
            return Err(Error::invalid(what, reason).into());
        }
        Ok(count)
    }

    /// The bytes of a trajectory, and of the video to look at.
    pub(super) fn trajectory_files(&self, trajectory: &Trajectory) -> Result<Vec<Vec<u8>>> {
        let plan = self.dir.read_plan()?;
        let names = plan.objects.iter().map(|o| Some(o.name.clone())).collect();
        let named = trajectory.clone().with_names(names)?;
        Ok(vec![named.to_json()?.into_bytes(), looked_at(&named)?])
    }
}

/// A trajectory as a video, fine enough that its colours snap back to where they were.
pub(super) fn looked_at(trajectory: &Trajectory) -> Result<Vec<u8>> {
    let options = WriteOptions { note: None, qp: TRAJECTORY_QP };
    Ok(trajectory.to_clip()?.to_mp4(&options)?)
}

/// The one result of a batch of one.
fn only<T>(made: Vec<T>, what: &str) -> Result<T> {
    let count = made.len();
    let none = || AnyError::from(Error::mismatch(format!("number of {what}s"), 1, count));
    made.into_iter().next().ok_or_else(none)
}

/// A value as an indented JSON file.
fn json_bytes(name: &str, value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec_pretty(value);
    let mut bytes = bytes.map_err(|e| Error::format(name, e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
