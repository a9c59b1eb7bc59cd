//! The training configuration file (TOML).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thrumask_core::Error;
use thrumask_nn::{
    autoencoder::AutoencoderConfig,
    backbone::{BackboneKind, ObjectLayer},
    diffusion::{path::TimeSampling, process::Process},
    perception::{classifier::ClassifierConfig, grounded::GroundedConfig, sam2::Sam2Config},
};

use super::{from_toml, read_toml};
use crate::{
    Result,
    data::DataConfig,
    model::{MotionForm, Sampling, StageConfig, StageKind, Variant},
    world::WorldConfig,
};

/// The model file of a run.
pub const MODEL: &str = "model.safetensors";

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskName {
    /// Pixels to latents and back.
    Autoencoder,
    /// Finds named objects in a picture.
    Segmenter,
    /// Tells what objects of a video are and do.
    Classifier,
    /// Follows objects through a video.
    Tracker,
    /// Stage 1.
    Motion,
    /// Stage 2.
    Video,
    /// The baseline without a trajectory.
    Ti2v,
}

impl TaskName {
    /// The stage of a stage model's task.
    pub fn stage(self) -> Option<StageKind> {
        match self {
            Self::Motion => Some(StageKind::Motion),
            Self::Video => Some(StageKind::Video),
            Self::Ti2v => Some(StageKind::Ti2v),
            Self::Autoencoder | Self::Segmenter | Self::Classifier | Self::Tracker => None,
        }
    }
}

/// One training run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// What is trained.
    pub task: TaskName,
    /// Length, batch and rhythm of the run.
    pub run: RunConfig,
    /// How parameters move.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// The videos it learns from, unless `data` names others.
    #[serde(default)]
    pub world: WorldConfig,
    /// Shards to learn from in place of the world, whose size and length the samples then have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataConfig>,
    /// For the task "autoencoder".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoencoder: Option<AutoencoderTraining>,
    /// For the task "segmenter".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<SegmenterTraining>,
    /// For the task "classifier".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierTraining>,
    /// For the task "tracker".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracker: Option<TrackerTraining>,
    /// For the tasks "motion", "video" and "ti2v".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageTraining>,
}

/// Length, batch and rhythm of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Seed of the initial parameters, noise, times and dropout.
    pub seed: u64,
    /// Steps of the whole run, at least 1.
    pub steps: u64,
    /// Samples of one batch, at least 1.
    pub batch: usize,
    /// Batches of one step, at least 1, whose gradients are averaged: more samples than memory has room for. 1 when
    /// left out.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: u64,
    /// Steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps between validations, with a sample sheet each.
    pub validate_every: u64,
    /// Samples of the fixed validation set.
    pub validation_samples: usize,
    /// A model file, or a checkpoint of another run (its averaged parameters), that the first parameters
    /// are taken from; fresh ones when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<PathBuf>,
    /// Batches that are passed over at the beginning: those that the model of `start` has learned from. None when left
    /// out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

/// How parameters move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Learning rate of AdamW.
    pub rate: f32,
    /// Learning rate of Muon, for the matrices inside blocks; 0 gives them to AdamW as well.
    pub matrix_rate: f32,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Share of the run after which rates fall linearly.
    pub decay_from: f32,
    /// Share of the rates that is left at the end.
    pub final_share: f32,
    /// Largest global norm of the gradients.
    pub clip: f32,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f32,
    /// β₁ of AdamW and momentum of Muon.
    pub momentum: f32,
    /// β₂ of AdamW.
    pub square_decay: f32,
    /// Decay of the exponential moving average of the parameters, warmed up as (1 + n)/(10 + n).
    pub ema: f32,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            rate: 2e-3,
            matrix_rate: 0.02,
            warmup: 100,
            decay_from: 0.6,
            final_share: 0.05,
            clip: 1.0,
            weight_decay: 0.01,
            momentum: 0.95,
            square_decay: 0.98,
            ema: 0.998,
        }
    }
}

/// What an autoencoder learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderTraining {
    /// Its sizes.
    pub model: AutoencoderConfig,
    /// Noise added to the latents, in shares of their standard deviation, so that the decoder
    /// forgives the small errors that denoisers make.
    pub latent_noise: f32,
    /// Whether it learns flow as colours too, for models that make it in the place of masks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flow: bool,
}

/// What a segmenter learns. All shares are of the pictures, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterTraining {
    /// Its sizes; the nano configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<GroundedConfig>,
    /// Pictures whose objects are all of one kind, told apart by place or order.
    pub alike: f32,
    /// Pictures of which an object is asked for that is not in them.
    pub absent: f32,
    /// Pictures of which only some objects are asked for.
    pub partial: f32,
    /// Pictures taken from a later frame, where no place is named.
    pub later: f32,
    /// Pictures that are a part of a larger one.
    pub cropped: f32,
    /// Pictures in other light, with noise, or enlarged or reduced.
    pub altered: f32,
    /// Pictures in which a kind has an uncommon word, or one that is not known.
    pub reworded: f32,
}

/// What a classifier learns. Shares are of the videos, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierTraining {
    /// Its sizes; the nano configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ClassifierConfig>,
    /// Videos made softer, as generated ones are.
    pub softened: f32,
    /// Videos whose masks are less exact, as masks found again are.
    pub inexact: f32,
}

/// What a tracker learns. Shares are of the steps or clips, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackerTraining {
    /// Its sizes; the nano configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Sam2Config>,
    /// Frames of a clip, the prompted one included; at least 2.
    pub frames: usize,
    /// Steps whose objects are given as boxes; of the rest, as masks.
    pub boxes: f32,
    /// Steps whose objects are given as points.
    pub points: f32,
    /// Clips of which frames are left out in between.
    pub hasty: f32,
    /// Clips that are shown from the end.
    pub backward: f32,
}

/// What a stage model learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTraining {
    /// Model file of the autoencoder, or its folder in the layout of diffusers.
    pub autoencoder: PathBuf,
    /// A folder of models as `thrumask models assemble` writes it: its stage is trained further, and written as a
    /// folder again. Its text encoder, CLIP, stays as it is. What its config.json says is meant where `form`, attention
    /// (masked or unmasked, as it has weights for), `process` and `carried` are left out; `backbone`, `patched` and
    /// `shortcuts` are refused beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The whole model; the stage's nano configuration when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<StageConfig>,
    /// Without `model`: what stage 1 makes and stage 2 follows, masks when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<MotionForm>,
    /// Without `model`: what stands in the place of masked self-attention; as usual when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_attention: Option<ObjectLayer>,
    /// Without `model`: what stands in the place of masked cross-attention; as usual when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_attention: Option<ObjectLayer>,
    /// Without `model`: which network removes the noise; `dit` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<BackboneKind>,
    /// What the network is trained to undo: flow of the data for `dit`, diffusion to zero terminal SNR
    /// for `unet` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Without `model`: whether a U-Net stands on the transformer's patches of latents, with fewer places and more
    /// channels; on every latent when left out, as the paper's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub patched: bool,
    /// Without `model`: whether a U-Net's prediction adds to the first frame, as the transformer's does, and mixes in
    /// the noisy latents; neither when left out, as the paper's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortcuts: bool,
    /// Without `model`: whether stage 2 sees in each frame the picture carried along the trajectory, in the place of
    /// the picture itself, which the paper repeats; not when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carried: Option<bool>,
    /// How training times are drawn; all are equally likely when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeSampling>,
    /// Weight of latents that belong to an object; 1 treats all alike.
    pub object_weight: f32,
    /// Share of samples without image conditions.
    pub drop_image: f32,
    /// Share of samples without texts.
    pub drop_text: f32,
    /// Share of samples without either.
    pub drop_both: f32,
    /// How validation samples.
    pub sampling: Sampling,
}

impl StageTraining {
    /// How the stage differs from its usual nano configuration.
    pub fn variant(&self) -> Variant {
        let Self { form, self_attention, cross_attention, backbone, process, .. } = *self;
        let Self { patched, shortcuts, carried, .. } = *self;
        Variant {
            form,
            self_attention,
            cross_attention,
            backbone,
            process,
            patched,
            shortcuts,
            carried,
        }
    }
}

impl TrainConfig {
    /// Reads a configuration from TOML text, with dotted overrides such as `run.steps=100`.
    ///
    /// # Errors
    /// [`Error::Format`] when the text is malformed or holds unknown keys; [`Error::Invalid`] when
    /// a value is out of range.
    pub fn from_toml(what: &str, text: &str, overrides: &[String]) -> Result<Self> {
        let config: Self = from_toml(what, text, overrides)?;
        config.check()?;
        Ok(config)
    }

    /// Reads a configuration file; see [`TrainConfig::from_toml`].
    ///
    /// # Errors
    /// As [`TrainConfig::from_toml`], and [`Error::Io`] when the file cannot be read.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let config: Self = read_toml(path, overrides)?;
        config.check()?;
        Ok(config)
    }

    /// Where the model of a run in `folder` lies: a file, or the folder of a stage of public classes.
    pub fn model_in(&self, folder: &Path) -> PathBuf {
        match (&self.stage, self.task.stage()) {
            (Some(StageTraining { folder: Some(_), .. }), Some(kind)) => folder.join(kind.name()),
            _ => folder.join(MODEL),
        }
    }

    fn check(&self) -> Result<()> {
        let at_least_1 = [
            ("run.steps", self.run.steps),
            ("run.batch", self.run.batch as u64),
            ("run.accumulate", self.run.accumulate),
            ("run.checkpoint_every", self.run.checkpoint_every),
            ("run.validate_every", self.run.validate_every),
            ("run.validation_samples", self.run.validation_samples as u64),
        ];
        for (field, value) in at_least_1 {
            if value == 0 {
                return Err(Error::invalid(field, "expected at least 1, got 0").into());
            }
        }
        let o = &self.optimizer;
        let shares = [
            ("optimizer.decay_from", o.decay_from),
            ("optimizer.final_share", o.final_share),
            ("optimizer.momentum", o.momentum),
            ("optimizer.square_decay", o.square_decay),
            ("optimizer.ema", o.ema),
        ];
        for (field, value) in shares {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::invalid(field, format!("expected 0 to 1, got {value}")).into());
            }
        }
        self.world.validate()?;
        if let Some(stage) = &self.stage
            && stage.model.is_some()
            && stage.variant() != Variant::default()
        {
            let reason =
                "expected stage.model, or form and attention in the section [stage]; got both";
            return Err(Error::invalid("training configuration", reason).into());
        }
        if let Some(stage) = &self.stage
            && stage.folder.is_some()
            && stage.model.is_some()
        {
            let reason = "expected no stage.model beside it: its config.json says what it is";
            return Err(Error::invalid("stage.folder", reason).into());
        }
        if self.stage.as_ref().is_some_and(|stage| stage.folder.is_some())
            && self.run.start.is_some()
        {
            let reason = "expected run.start or stage.folder to begin with, got both";
            return Err(Error::invalid("training configuration", reason).into());
        }
        if self.data.is_some() && matches!(self.task, TaskName::Segmenter | TaskName::Classifier) {
            let reason =
                "this task learns from the world alone, whose truth it needs: expected none";
            return Err(Error::invalid("data", reason).into());
        }
        let (needed, there) = match self.task {
            TaskName::Autoencoder => ("autoencoder", self.autoencoder.is_some()),
            TaskName::Motion | TaskName::Video | TaskName::Ti2v => ("stage", self.stage.is_some()),
            TaskName::Segmenter => ("segmenter", self.segmenter.is_some()),
            TaskName::Classifier => ("classifier", self.classifier.is_some()),
            TaskName::Tracker => ("tracker", self.tracker.is_some()),
        };
        match there {
            true => Ok(()),
            false => {
                let reason = format!("expected a section [{needed}], got none");
                Err(Error::invalid("training configuration", reason).into())
            }
        }
    }
}
