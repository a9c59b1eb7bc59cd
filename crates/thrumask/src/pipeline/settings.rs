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

use super::{fit::Fit, given::Given};
use crate::{
    DeviceName,
    model::{Sampling, VideoShape},
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
    /// Folder of the models; those built into the program when open.
    pub models: Option<PathBuf>,
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
            models: None,
            missing: Missing::default(),
            device: DeviceName::default(),
            backbone: BackboneKind::default(),
            planner: PlannerKind::default(),
            llm: LlmConfig::default(),
            motion: Sampling::nano(BackboneKind::default()),
            video: Sampling::nano(BackboneKind::default()),
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
        let base = match named.transpose() {
            Ok(Some(backbone)) if backbone != self.backbone => {
                let sampling = Sampling::nano(backbone);
                Self { backbone, motion: sampling, video: sampling, ..self.clone() }
            }
            _ => self.clone(),
        };
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
        if let Some(models) = made.models.as_mut().filter(|_| named("/models")) {
            *models = folder.join(&*models);
        }
        let Given { masks, control, trajectory, .. } = &mut made.given;
        for (key, file) in [("masks", masks), ("control", control), ("trajectory", trajectory)] {
            if let Some(file) = file.as_mut().filter(|_| named(&format!("/given/{key}"))) {
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
            missing: self.missing,
            device: self.device,
            backbone: self.backbone,
            planner: self.planner,
            llm,
            motion: self.motion,
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
            models: self.models.clone(),
            missing: self.missing,
            device: self.device,
            backbone: self.backbone,
            planner: self.planner,
            llm: self.llm.clone().unwrap_or_default(),
            motion: self.motion,
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

/// A table with one value at a dotted key: `motion.steps` and 8 give `{"motion": {"steps": 8}}`.
pub fn nested(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |inner, part| {
        Value::Object(serde_json::Map::from_iter([(part.to_owned(), inner)]))
    })
}

/// A value as it stands after `key=` on the command line: a number, a truth value, an array or a
/// table as in TOML, otherwise a text.
pub fn typed(text: &str) -> Value {
    // A seed may be larger than TOML's whole numbers.
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    let parsed = format!("v = {text}").parse::<toml::Table>().ok();
    let value = parsed.and_then(|mut t| t.remove("v"));
    let value = value.and_then(|v| serde_json::to_value(v).ok());
    value.unwrap_or_else(|| Value::from(text))
}

/// Lays `over` on `base`, table by table. A table with a `kind` replaces one of another kind.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over))
            if over.get("kind").is_none_or(|kind| base.get("kind") == Some(kind)) =>
        {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// All values in a table that are no tables, with their dotted keys.
fn leaves(table: &Value) -> Vec<(String, Value)> {
    let Value::Object(members) = table else { return Vec::new() };
    let mut found = Vec::new();
    for (key, value) in members {
        let below = leaves(value);
        if below.is_empty() {
            found.push((key.clone(), value.clone()));
        }
        found.extend(below.into_iter().map(|(inner, v)| (format!("{key}.{inner}"), v)));
    }
    found
}

/// A complaint of the TOML reader in one line, with its place.
fn one_line(e: &toml::de::Error) -> String {
    e.to_string().lines().filter(|l| !l.contains('|')).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use thrumask_nn::diffusion::schedule::Schedule;

    use super::*;

    const MODEL: VideoShape = VideoShape { size: 96, frames: 12 };
    const INPUT: Size = Size::new(40, 20);

    #[test]
    fn tables_are_laid_over_each_other_key_by_key() {
        let made = Settings::default()
            .overlaid("a", &json!({"seed": u64::MAX, "motion": {"steps": 8}}))
            .unwrap()
            .overlaid("b", &json!({"fps": 12, "motion": {"guidance": {"text": 2.5}}}))
            .unwrap();
        assert_eq!((made.seed, made.fps, made.motion.steps), (u64::MAX, 12.0, 8));
        assert_eq!(made.motion.guidance.text, 2.5);
        assert_eq!(made.video, Sampling::nano(BackboneKind::Dit));
    }

    #[test]
    fn a_schedule_of_another_kind_replaces_the_whole_schedule() {
        let over = json!({"video": {"schedule": {"kind": "linear_quadratic", "emulated": 250}}});
        let made = Settings::default().overlaid("a", &over).unwrap();
        assert_eq!(made.video.schedule, Schedule::LinearQuadratic { emulated: 250 }.into());
        let over = json!({"video": {"schedule": {"kind": "uniform"}}});
        assert_eq!(made.overlaid("b", &over).unwrap().video.schedule, Schedule::Uniform.into());
        let over = json!({"motion": {"schedule": {"shift": 4.0}}});
        let made = Settings::default().overlaid("c", &over).unwrap();
        assert_eq!(made.motion.schedule, Schedule::Shifted { shift: 4.0 }.into());
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_named() {
        let says = |over: Value, words: [&str; 2]| {
            let e = Settings::default().overlaid("it", &over).unwrap_err().to_string();
            assert!(words.iter().all(|w| e.contains(w)), "{e}");
        };
        says(json!({"sede": 1}), ["it: sede", "unknown field"]);
        says(json!({"motion": {"stepz": 1}}), ["it: motion.stepz", "unknown field"]);
        says(json!({"motion": {"steps": "many"}}), ["it: motion.steps", "many"]);
        says(json!({"seed": -1}), ["it: seed", "-1"]);
        says(json!({"frame_chunk": 0}), ["it: frame_chunk", "0"]);
        says(json!({"video": {"schedule": {"kind": "bent"}}}), ["it", "bent"]);
        says(json!({"video": {"schedule": {"shaft": 1}}}), ["it", "shaft"]);
    }

    #[test]
    fn nothing_is_left_open_and_a_configuration_resolves_to_itself() {
        let over = json!({"frames": 6, "seed": 7, "given": {"boxes": {"1": [0, 0, 4, 5]}}});
        let config =
            Settings::default().overlaid("a", &over).unwrap().resolve(INPUT, MODEL).unwrap();
        assert_eq!((config.frames, config.size), (6, 192));
        assert_eq!(config.settings().resolve(INPUT, MODEL).unwrap(), config);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_range() {
        let says = |over: Value, words: &str| {
            let settings = Settings::default().overlaid("a", &over).unwrap();
            let e = settings.resolve(INPUT, MODEL).unwrap_err().to_string();
            assert!(e.contains(words), "{e}");
        };
        says(json!({"frames": 13}), "frames: expected 1 to 12, as many as the models make, got 13");
        says(json!({"frames": 0}), "got 0");
        says(json!({"fps": 0}), "fps: expected a number from 0.1 to 240, got 0");
        says(json!({"motion": {"steps": 0}}), "motion.steps: expected 1 to 1000, got 0");
        says(json!({"video": {"guidance": {"text": -1}}}), "video.guidance.text");
        says(json!({"motion": {"guidance_rescale": 1.5}}), "motion.guidance_rescale");
        says(json!({"size": 7}), "size");
    }

    #[test]
    fn typed_values() {
        assert_eq!(typed("18446744073709551615"), json!(u64::MAX));
        assert_eq!(typed("2.5"), json!(2.5));
        assert_eq!(typed("\"a b\""), json!("a b"));
        assert_eq!(typed("uniform"), json!("uniform"));
        assert_eq!(typed("[1, 2]"), json!([1, 2]));
        assert_eq!(nested("a.b", 1.into()), json!({"a": {"b": 1}}));
    }

    #[test]
    fn files_are_read_relative_to_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "seed = 3\n[given]\nmasks = \"m.png\"\n[motion]\nsteps = 9\n")
            .unwrap();
        let made = Settings::default().overlaid_file(&path).unwrap();
        assert_eq!((made.seed, made.motion.steps), (3, 9));
        assert_eq!(made.given.masks, Some(folder.path().join("m.png")));
        std::fs::write(&path, "seed = = 3\n").unwrap();
        let e = Settings::default().overlaid_file(&path).unwrap_err().to_string();
        assert!(e.contains("a.toml") && e.contains("line 1") && !e.contains('\n'), "{e}");
    }
}
