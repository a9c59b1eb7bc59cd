//! The comparison's configuration file (TOML).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thrumask_core::Error;

use super::{MODEL, Trained, flow_autoencoder_folder, methods::Base};
use crate::{
    Result,
    train::{self, TrainConfig},
};

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperConfig {
    /// Seeds of training; each model is trained once with each.
    pub seeds: Vec<u64>,
    /// Scenes with one object, and as many with two to four, at least 2.
    pub scenes: usize,
    /// Scenes that the models work on at once; it changes no result.
    pub batch: usize,
    /// Resamples of the bootstrap, at least 100.
    pub resamples: usize,
    /// Scenes on each contact sheet, from the first on.
    pub shown: usize,
    /// How stage 1 is trained.
    pub motion: Training,
    /// How stage 2, its ablations and TI2V are trained.
    pub video: Training,
    /// A trained classifier of the world to judge with; one is trained when left out. Distances are
    /// comparable by one classifier only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier_model: Option<PathBuf>,
    /// How the classifier of the world is trained.
    pub classifier: Training,
    /// How the autoencoder of the flow variant is trained: the others' never saw flow, and pales it.
    pub flow_autoencoder: Training,
}

/// A training configuration and what is changed in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Its file, as `thrumask train` reads it.
    pub config: PathBuf,
    /// Overrides, such as `run.steps=1000`.
    #[serde(default)]
    pub set: Vec<String>,
}

impl Training {
    /// The configuration with further overrides.
    ///
    /// # Errors
    /// As [`TrainConfig::from_toml`], and [`Error::Io`] when the file cannot be read.
    pub fn read(&self, base: &Path, more: &[String]) -> Result<TrainConfig> {
        let set: Vec<String> = self.set.iter().chain(more).cloned().collect();
        TrainConfig::read(&base.join(&self.config), &set)
    }
}

impl PaperConfig {
    /// Reads a configuration from TOML text, with dotted overrides such as `scenes=32`.
    ///
    /// # Errors
    /// [`Error::Format`] when the text is malformed or holds unknown keys; [`Error::Invalid`] when
    /// a value is out of range.
    pub fn from_toml(what: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let config: Self = train::from_toml(what, text, overrides)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads a configuration file; see [`PaperConfig::from_toml`].
    ///
    /// # Errors
    /// As [`PaperConfig::from_toml`], and [`Error::Io`] when the file cannot be read.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let config: Self = train::read_toml(path, overrides)?;
        config.validate()?;
        Ok(config)
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the field, its range and its value.
    pub fn validate(&self) -> Result<()> {
        let least = [
            ("seeds", self.seeds.len(), 1),
            ("scenes", self.scenes, 2),
            ("batch", self.batch, 1),
            ("resamples", self.resamples, 100),
        ];
        for (field, value, least) in least {
            if value < least {
                let reason = format!("expected at least {least}, got {value}");
                return Err(Error::invalid(field, reason).into());
            }
        }
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        // 0 stands for what no model makes.
        if seeds.len() < self.seeds.len() || seeds.contains(&0) {
            let reason = format!("expected different ones above 0, got {:?}", self.seeds);
            return Err(Error::invalid("seeds", reason).into());
        }
        Ok(())
    }

    /// How a model is trained with a seed. The path of the autoencoder is relative to `base`, that of the
    /// flow variant's to the comparison's folder, which may be moved.
    ///
    /// # Errors
    /// As [`Training::read`].
    pub fn training(&self, base: &Path, model: Trained, seed: u64) -> Result<TrainConfig> {
        let training = match model.base() {
            Base::Motion => &self.motion,
            Base::Video => &self.video,
        };
        let mut set = vec![format!("run.seed={seed}")];
        set.extend(model.settings().iter().map(|s| (*s).to_owned()));
        let mut config = training.read(base, &set)?;
        if model.is_flow()
            && let Some(stage) = &mut config.stage
        {
            stage.autoencoder = flow_autoencoder_folder(Path::new("")).join(MODEL);
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        seeds = [1, 2]
        scenes = 4
        batch = 2
        resamples = 100
        shown = 1
        motion = { config = "motion.toml", set = ["run.steps=3"] }
        video = { config = "video.toml" }
        classifier = { config = "classifier.toml" }
        flow_autoencoder = { config = "autoencoder.toml" }
    "#;

    #[test]
    fn what_is_out_of_range_is_named() {
        assert!(PaperConfig::from_toml("t", TEXT, &[]).is_ok());
        let with = |from: &str, to: &str| {
            PaperConfig::from_toml("t", &TEXT.replace(from, to), &[]).unwrap_err().to_string()
        };
        assert!(with("scenes = 4", "scenes = 1").contains("scenes"));
        assert!(with("[1, 2]", "[1, 1]").contains("different"));
        assert!(with("[1, 2]", "[0]").contains("above 0"));
        assert!(with("shown", "show").contains("show"));
    }
}
