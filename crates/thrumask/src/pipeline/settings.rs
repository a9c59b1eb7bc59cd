//! What a person may set, and what it resolves to: defaults, then a configuration file, then the
//! command line are laid over each other, and nothing is left open afterwards.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thrumask_core::{Error, Result, Size, fsio};
use thrumask_nn::{backbone::BackboneKind, weights::FloatType};

use super::{
    fit::Fit,
    given::Given,
    tables::{leaves, merge, nested, one_line},
};
use crate::{
    DeviceName,
    model::{Sampling, StageKind, VideoShape},
    motion::{OpenWords, Outlines},
    plan::{LlmConfig, PlannerKind},
};

/// The longest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// Frames per second when nobody says.
const FPS: f32 = 8.0;

/// The most denoising steps of a stage.
const MAX_STEPS: usize = 1000;

/// What becomes of a run when an object of the plan is not found in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It goes on without the object, and says so.
    #[default]
    GoOn,
    /// It stops before anything is generated.
    Stop,
}

/// Everything that may be set, by the names used in configuration files and with `--set`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Seed of all noise.
    pub seed: u64,
    /// Frames per second of the results, above 0.
    pub fps: f32,
    /// Frames of the results; the models' number when open.
    pub frames: Option<usize>,
    /// Longer side of the results in pixels; by default such that the shorter is the models'.
    pub size: Option<usize>,
    /// Threads to work with; all there are when open.
    pub threads: Option<usize>,
    /// Frames that a U-Net works on at once where none sees another; all when open. Fewer take less
    /// memory, and the results are the same.
    pub frame_chunk: Option<NonZeroUsize>,
    /// How networks in folders keep their weights in memory; they compute in 32 bits all the same.
    pub weights: FloatType,
    /// Whether weights of folders stay where they lie in their files, mapped, where those have the type in
    /// which they are kept. The results are the same; the files must not change meanwhile.
    pub map_weights: bool,
    /// Folder of the models; those built into the program when open.
    pub models: Option<PathBuf>,
    /// A SAM 2 that cuts objects out of boxes and points: a folder as transformers has it, or a file of its authors;
    /// that of the folder of models when open, and without one colour tells.
    pub masker: Option<PathBuf>,
    /// What becomes of the run when an object is not found.
    pub missing: Missing,
    /// Where the networks run.
    pub device: DeviceName,
    /// Which network removes the noise. Another one than before also brings its own way of sampling.
    pub backbone: BackboneKind,
    /// Who takes the caption apart.
    pub planner: PlannerKind,
    /// The language model that does so, where one shall.
    pub llm: LlmConfig,
    /// How stage 1 is sampled.
    pub motion: Sampling,
    /// Outlines of the objects in trajectories; when open, carried along from the first masks by the models built in,
    /// and by others as they paint them.
    pub outlines: Option<Outlines>,
    /// What becomes of words that leave open how far, how often or which way round; when open, one meaning is drawn
    /// for the models built in, and others read them as they are.
    pub open_words: Option<OpenWords>,
    /// How stage 2 is sampled.
    pub video: Sampling,
    /// What is given in place of what a stage would find.
    pub given: Given,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            fps: FPS,
            frames: None,
            size: None,
            threads: None,
            frame_chunk: None,
            weights: FloatType::F32,
            map_weights: false,
            models: None,
            masker: None,
            missing: Missing::default(),
            device: DeviceName::default(),
            backbone: BackboneKind::default(),
            planner: PlannerKind::default(),
            llm: LlmConfig::default(),
            motion: Sampling::usual(StageKind::Motion, BackboneKind::default(), false),
            outlines: None,
            open_words: None,
            video: Sampling::usual(StageKind::Video, BackboneKind::default(), false),
            given: Given::default(),
        }
    }
}

impl Settings {
    /// These settings with a table of others laid over them. `what` names the table in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown key or a value of the wrong type, with the key.
    pub fn overlaid(&self, what: &str, table: &Value) -> Result<Self> {
        let bad = |e: serde_json::Error| Error::invalid(what, e.to_string());
        let named = table.get("backbone").map(BackboneKind::deserialize);
        let others = table.get("models").map_or(self.models.is_some(), |v| !v.is_null());
        let backbone = named.transpose().ok().flatten().unwrap_or(self.backbone);
        let mut base = Self { backbone, ..self.clone() };
        for (kind, sampling) in
            [(StageKind::Motion, &mut base.motion), (StageKind::Video, &mut base.video)]
        {
            // What nobody set goes with whose models they are; of another backbone nothing fits.
            let usual = Sampling::usual(kind, self.backbone, self.models.is_some());
            if backbone != self.backbone || *sampling == usual {
                *sampling = Sampling::usual(kind, backbone, others);
            }
        }
        let known = serde_json::to_value(base).map_err(bad)?;
        // Key by key, so that a wrong one is named even where its neighbours are right.
        for (key, value) in leaves(table) {
            let mut alone = known.clone();
            merge(&mut alone, &nested(&key, value));
            // The members of a schedule depend on its kind, so they are only judged together.
            if !key.contains(".schedule.") {
                serde_json::from_value::<Self>(alone)
                    .map_err(|e| Error::invalid(format!("{what}: {key}"), e.to_string()))?;
            }
        }
        let mut merged = known;
        merge(&mut merged, table);
        serde_json::from_value(merged).map_err(bad)
    }

    /// These settings with a configuration file (TOML) laid over them; names of other files in it
    /// are relative to its folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Format`] when it is no TOML, otherwise as
    /// [`Settings::overlaid`].
    pub fn overlaid_file(&self, path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        let text = fsio::read_text_limited(path, MAX_BYTES)?;
        let table: toml::Table =
            text.parse().map_err(|e: toml::de::Error| Error::format(&*what, one_line(&e)))?;
        let table =
            serde_json::to_value(table).map_err(|e| Error::format(&*what, e.to_string()))?;
        let mut made = self.overlaid(&what, &table)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = |key: &str| table.pointer(key).is_some();
        let Self { models, masker, given: Given { masks, control, trajectory, .. }, .. } =
            &mut made;
        for (key, file) in [
            ("/models", models),
            ("/masker", masker),
            ("/given/masks", masks),
            ("/given/control", control),
            ("/given/trajectory", trajectory),
        ] {
            if let Some(file) = file.as_mut().filter(|_| named(key)) {
                *file = folder.join(&*file);
            }
        }
        Ok(made)
    }

    /// What it comes to for an input picture of `input` and models that make `model`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value out of range, with its name, range and value.
    pub fn resolve(&self, input: Size, model: VideoShape) -> Result<Config> {
        let check = |ok: bool, what: &str, range: String, got: String| match ok {
            true => Ok(()),
            false => Err(Error::invalid(what, format!("expected {range}, got {got}"))),
        };
        let fps_fits = (0.1..=240.0).contains(&self.fps);
        check(fps_fits, "fps", "a number from 0.1 to 240".into(), self.fps.to_string())?;
        let frames = self.frames.unwrap_or(model.frames);
        let range = format!("1 to {}, as many as the models make", model.frames);
        check((1..=model.frames).contains(&frames), "frames", range, frames.to_string())?;
        for (stage, sampling) in [("motion", &self.motion), ("video", &self.video)] {
            let steps = sampling.steps;
            let fits = (1..=MAX_STEPS).contains(&steps);
            let range = format!("1 to {MAX_STEPS}");
            check(fits, &format!("{stage}.steps"), range, steps.to_string())?;
            let scales = [("image", sampling.guidance.image), ("text", sampling.guidance.text)];
            for (name, scale) in scales {
                let what = format!("{stage}.guidance.{name}");
                let fits = (0.0..=100.0).contains(&scale);
                check(fits, &what, "a number from 0 to 100".into(), scale.to_string())?;
            }
            let phi = sampling.guidance_rescale;
            let what = format!("{stage}.guidance_rescale");
            check(
                (0.0..=1.0).contains(&phi),
                &what,
                "a number from 0 to 1".into(),
                phi.to_string(),
            )?;
        }
        let llm = (self.planner == PlannerKind::Llm).then(|| self.llm.clone());
        llm.iter().try_for_each(LlmConfig::check)?;
        let fit = Fit::new(input, model.size, self.size)?;
        Ok(Config {
            seed: self.seed,
            fps: self.fps,
            frames,
            size: fit.output.width.max(fit.output.height),
            fit: Sizes { input, output: fit.output },
            model,
            weights: self.weights,
            models: self.models.clone(),
            masker: self.masker.clone(),
            missing: self.missing,
            device: self.device,
            backbone: self.backbone,
            planner: self.planner,
            llm,
            motion: self.motion,
            outlines: self.outlines.unwrap_or(Outlines::usual(self.models.is_some())),
            open_words: self.open_words.unwrap_or(OpenWords::usual(self.models.is_some())),
            video: self.video,
            given: self.given.clone(),
        })
    }
}

/// Resolved settings: everything a run does, with nothing left open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of all noise.
    pub seed: u64,
    /// Frames per second of the results.
    pub fps: f32,
    /// Frames of the results.
    pub frames: usize,
    /// Longer side of the results in pixels.
    pub size: usize,
    /// Sizes that follow from the picture.
    pub fit: Sizes,
    /// What the models make.
    pub model: VideoShape,
    /// How networks in folders keep their weights in memory.
    #[serde(default)]
    pub weights: FloatType,
    /// Folder of the models; `None` means those built into the program.
    pub models: Option<PathBuf>,
    /// A SAM 2 that cuts objects out of boxes and points, in place of that of the folder of models.
    #[serde(default)]
    pub masker: Option<PathBuf>,
    /// What becomes of the run when an object is not found.
    #[serde(default)]
    pub missing: Missing,
    /// Where the networks run.
    #[serde(default)]
    pub device: DeviceName,
    /// Which network removes the noise.
    #[serde(default)]
    pub backbone: BackboneKind,
    /// Who takes the caption apart.
    #[serde(default)]
    pub planner: PlannerKind,
    /// The language model that does so, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub llm: Option<LlmConfig>,
    /// How stage 1 is sampled.
    pub motion: Sampling,
    /// Outlines of the objects in trajectories.
    #[serde(default)]
    pub outlines: Outlines,
    /// What becomes of words that leave something open.
    #[serde(default)]
    pub open_words: OpenWords,
    /// How stage 2 is sampled.
    pub video: Sampling,
    /// What is given in place of what a stage would find.
    pub given: Given,
}

/// Sizes of a run, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sizes {
    /// Of the input picture and its masks.
    pub input: Size,
    /// Of the results.
    pub output: Size,
}

impl Config {
    /// The settings that resolve to this configuration again.
    pub fn settings(&self) -> Settings {
        Settings {
            seed: self.seed,
            fps: self.fps,
            frames: Some(self.frames),
            size: Some(self.size),
            threads: None,
            frame_chunk: None,
            weights: self.weights,
            map_weights: false,
            models: self.models.clone(),
            masker: self.masker.clone(),
            missing: self.missing,
            device: self.device,
            backbone: self.backbone,
            planner: self.planner,
            llm: self.llm.clone().unwrap_or_default(),
            motion: self.motion,
            outlines: Some(self.outlines),
            open_words: Some(self.open_words),
            video: self.video,
            given: self.given.clone(),
        }
    }

    /// The three sizes.
    pub fn sizes(&self) -> Fit {
        let model = Size::new(self.model.size, self.model.size);
        Fit { input: self.fit.input, model, output: self.fit.output }
    }
}

#[cfg(test)]
mod tests;
