//! The training loop.

use std::{collections::BTreeMap, path::Path, time::Instant};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use serde_json::json;
use thrumask_core::{
    Error, Picture,
    fsio::{self, write_atomic},
};
use thrumask_nn::weights::{gradients, parameters, with_values};

use super::{
    AutoencoderTask, ClassifierTask, Optimizer, SegmenterTask, StageTask, TaskName, TrackerTask,
    TrainConfig, batches::with_batches, checkpoint, log::Log,
};
use crate::Result;

/// What a network learns from.
pub trait Task: Sync {
    /// The network.
    type Network: Module;
    /// What one step looks at.
    type Batch: Send;

    /// A network with fresh parameters on `device`.
    ///
    /// # Errors
    /// When the configuration cannot be built.
    fn fresh(&self, device: &Device) -> Result<Self::Network>;

    /// What should be known before the first step, in a sentence.
    fn notice(&self) -> Option<String> {
        None
    }

    /// The batch of step `step` (from 0): a pure function of configuration and step.
    ///
    /// # Errors
    /// When the data cannot be made or read.
    fn batch(&self, step: u64) -> Result<Self::Batch>;

    /// The loss of a batch; `network` is on an autodiff device.
    ///
    /// # Shapes
    /// - returns `[1]`
    ///
    /// # Errors
    /// When the batch does not fit the network.
    fn loss(&self, network: &Self::Network, batch: Self::Batch) -> Result<Tensor<1>>;

    /// Scores on the fixed validation set, and a sheet of samples to look at; `network` holds the
    /// averaged parameters.
    ///
    /// # Errors
    /// When sampling fails.
    fn validate(&self, network: &Self::Network) -> Result<(BTreeMap<String, f64>, Picture)>;

    /// The model file of a trained network.
    ///
    /// # Errors
    /// When it cannot be written.
    fn export(&self, network: Self::Network) -> Result<Vec<u8>>;
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done; the model file is written.
    Finished,
    /// Asked to stop; a checkpoint is written.
    Interrupted,
}

/// What the loop tells while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// Something that should be known, in a sentence, before the first step.
    Notice(String),
    /// A step was taken: its number (from 1), the loss, the seconds it took.
    Step {
        /// Number of the step, from 1.
        step: u64,
        /// Loss of its batch.
        loss: f32,
        /// Seconds it took.
        seconds: f64,
    },
    /// Scores after a step.
    Validation {
        /// Number of the step, from 1.
        step: u64,
        /// Scores by name.
        scores: BTreeMap<String, f64>,
    },
}

/// Trains what a configuration names; paths in it are relative to `base`. See [`train`].
///
/// # Errors
/// As [`train`], and when the configuration does not fit its task.
pub fn train_configured(
    config: &TrainConfig,
    base: &Path,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(Report),
) -> Result<Outcome> {
    match config.task {
        TaskName::Autoencoder => train(
            &AutoencoderTask::new(config, base, device)?,
            config,
            base,
            folder,
            device,
            stop,
            report,
        ),
        TaskName::Segmenter => {
            train(&SegmenterTask::new(config, device)?, config, base, folder, device, stop, report)
        }
        TaskName::Classifier => {
            train(&ClassifierTask::new(config, device)?, config, base, folder, device, stop, report)
        }
        TaskName::Tracker => {
            train(&TrackerTask::new(config, device)?, config, base, folder, device, stop, report)
        }
        TaskName::Motion | TaskName::Video | TaskName::Ti2v => train(
            &StageTask::new(config, base, device)?,
            config,
            base,
            folder,
            device,
            stop,
            report,
        ),
    }
}

/// Trains until the end or until `stop` says so; resumes from the newest checkpoint in `folder`, else begins
/// with the parameters of `run.start`, relative to `base`.
///
/// `folder` receives `config.json`, `checkpoint.safetensors`, `log.jsonl`, `sheet-*.png` and
/// `model.safetensors` (averaged parameters, rewritten at each validation).
///
/// # Errors
/// What the task's functions give, [`Error::Io`] when the folder cannot be written, and
/// [`thrumask_nn::Error::Weights`] when `run.start` has other parameters than the network.
pub fn train<T: Task>(
    task: &T,
    config: &TrainConfig,
    base: &Path,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(Report),
) -> Result<Outcome> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("making folder", folder, e))?;
    // What a kill in the middle of a write left behind.
    fsio::remove_leftovers(folder)?;
    let fresh = task.fresh(device)?;
    let mut optimizer = Optimizer::new(config.optimizer.clone(), parameters(&fresh));
    if !checkpoint::restore(folder, config, &mut optimizer)?
        && let Some(start) = &config.run.start
    {
        let begun = checkpoint::averaged(&base.join(start), fresh.clone())?;
        optimizer = Optimizer::new(config.optimizer.clone(), parameters(&begun));
    }
    let described = serde_json::to_string_pretty(config).unwrap_or_default();
    write_atomic(folder.join("config.json"), described.as_bytes())?;
    let mut log = Log::open(folder, optimizer.step)?;
    if let Some(words) = task.notice() {
        report(Report::Notice(words));
    }
    let steps = config.run.steps;
    let trained = |optimizer: &Optimizer| {
        let values = |i: usize, _: &str, _: &[usize]| Some(optimizer.slots[i].values.clone());
        with_values(fresh.clone(), values).train()
    };
    let averaged = |optimizer: &Optimizer| {
        let values = |i: usize, _: &str, _: &[usize]| Some(optimizer.slots[i].ema.clone());
        with_values(fresh.clone(), values)
    };

    with_batches(
        optimizer.step,
        steps,
        |step| task.batch(step),
        |batches| {
            while optimizer.step < steps {
                if stop() {
                    checkpoint::save(folder, config, &mut optimizer)?;
                    return Ok(Outcome::Interrupted);
                }
                let started = Instant::now();
                let batch = batches.next()?;
                let network = trained(&optimizer);
                let loss = task.loss(&network, batch)?;
                let gradients = gradients(&network, loss.backward());
                let value = loss.into_scalar::<f32>();
                let norm = optimizer.step(gradients, steps);
                let (step, seconds) = (optimizer.step, started.elapsed().as_secs_f64());
                let entry = json!({"step": step, "loss": value, "norm": norm, "seconds": seconds});
                log.add(&entry)?;
                report(Report::Step { step, loss: value, seconds });
                if step % config.run.validate_every == 0 || step == steps {
                    let network = averaged(&optimizer);
                    let (scores, sheet) = task.validate(&network)?;
                    log.add(&json!({"step": step, "validation": scores}))?;
                    sheet.write_png(folder.join(format!("sheet-{step:07}.png")))?;
                    write_atomic(folder.join("model.safetensors"), &task.export(network)?)?;
                    report(Report::Validation { step, scores });
                }
                if step % config.run.checkpoint_every == 0 || step == steps {
                    checkpoint::save(folder, config, &mut optimizer)?;
                }
            }
            Ok(Outcome::Finished)
        },
    )
}
