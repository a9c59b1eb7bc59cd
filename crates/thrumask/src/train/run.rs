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
use thrumask_nn::weights::{
    Parameter, frozen, gradients, parameters, visit_shapes, with_shared_values, with_values,
    without_values,
};

use super::{
    AutoencoderTask, ClassifierTask, Optimizer, RunConfig, SegmenterTask, StageTask, TaskName,
    TrackerTask, TrainConfig, batches::with_batches, checkpoint, log::Log,
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

    /// Whether a parameter of the network, by its path, is learned; others stay as [`Task::fresh`] gives them.
    fn is_trained(&self, _parameter: &str) -> bool {
        true
    }

    /// Batch number `step` (from 0) of the run: a pure function of configuration and number.
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

    /// Writes the model of a trained network to `path`, where [`TrainConfig::model_in`] says; in one step.
    ///
    /// # Errors
    /// As [`Task::export`], and [`Error::Io`] when it cannot be written.
    fn write(&self, network: Self::Network, path: &Path) -> Result<()> {
        Ok(write_atomic(path, &self.export(network)?)?)
    }
}

/// The learned parameters of a network, and the slot of each parameter in their list.
struct Learned {
    slots: Vec<Option<usize>>,
}

impl Learned {
    fn of<T: Task>(task: &T, network: &T::Network) -> Self {
        let (mut slots, mut count) = (Vec::new(), 0);
        visit_shapes(network, |name, _| {
            let learned = task.is_trained(name);
            slots.push(learned.then_some(count));
            count += usize::from(learned);
        });
        Self { slots }
    }

    /// Of what there is for each parameter, what there is for the learned ones.
    fn only<V>(&self, all: Vec<V>) -> Vec<V> {
        let pairs = all.into_iter().zip(&self.slots);
        pairs.filter_map(|(value, slot)| slot.map(|_| value)).collect()
    }

    fn parameters<M: Module>(&self, network: &M) -> Vec<Parameter> {
        self.only(parameters(network))
    }

    /// The network with the averaged values of the learned parameters.
    fn put_averaged<M: Module>(&self, network: M, optimizer: &Optimizer) -> M {
        let values = |slot: usize| optimizer.slots[slot].ema.clone();
        with_values(network, |index, _, _| self.slots[index].map(values))
    }

    /// The network with the values of the learned parameters, which stay the optimizer's.
    fn lend<M: Module>(&self, network: M, optimizer: &Optimizer) -> M {
        let values = |slot: usize| optimizer.slots[slot].values.clone();
        with_shared_values(network, |index| self.slots[index].map(values))
    }

    /// The network without them, so that the optimizer may change them in place.
    fn give_back<M: Module>(&self, network: M) -> M {
        without_values(network, |index| self.slots[index].is_some())
    }
}

/// The mean loss and gradients of the batches of a step.
#[derive(Default)]
struct Mean {
    loss: f32,
    gradients: Vec<Option<Vec<f32>>>,
    count: usize,
}

impl Mean {
    fn add(&mut self, loss: f32, gradients: Vec<Option<Vec<f32>>>) {
        self.loss += loss;
        self.count += 1;
        if self.count == 1 {
            self.gradients = gradients;
            return;
        }
        for (sum, new) in self.gradients.iter_mut().zip(gradients) {
            match (sum.as_mut(), new) {
                (Some(sum), Some(new)) => sum.iter_mut().zip(new).for_each(|(s, n)| *s += n),
                (None, new) => *sum = new,
                (Some(_), None) => {}
            }
        }
    }

    fn finish(mut self) -> (f32, Vec<Option<Vec<f32>>>) {
        if self.count > 1 {
            let share = 1.0 / self.count as f32;
            self.loss *= share;
            self.gradients.iter_mut().flatten().flatten().for_each(|value| *value *= share);
        }
        (self.loss, self.gradients)
    }
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
/// As [`train`], when the configuration does not fit its task, and [`Error::Invalid`] when `folder` is that of
/// the stage that is trained further, which would be written over.
pub fn train_configured(
    config: &TrainConfig,
    base: &Path,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(Report),
) -> Result<Outcome> {
    if let Some(root) = config.stage.as_ref().and_then(|stage| stage.folder.as_ref())
        && let (Ok(from), Ok(to)) = (base.join(root).canonicalize(), folder.canonicalize())
        && from == to
    {
        let reason = "expected another folder than stage.folder, whose stage would be written over";
        return Err(
            Error::invalid(format!("folder of the run {}", folder.display()), reason).into()
        );
    }
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
/// `folder` receives `config.json`, `checkpoint.safetensors`, `log.jsonl`, `sheet-*.png` and the model
/// (averaged parameters, rewritten at each validation) where [`TrainConfig::model_in`] says.
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
    let mut network = task.fresh(device)?;
    let learned = Learned::of(task, &network);
    let mut optimizer = Optimizer::new(config.optimizer.clone(), learned.parameters(&network));
    if !checkpoint::restore(folder, config, &mut optimizer)?
        && let Some(start) = &config.run.start
    {
        let begun = checkpoint::averaged(&base.join(start), network.clone())?;
        optimizer = Optimizer::new(config.optimizer.clone(), learned.parameters(&begun));
    }
    let described = serde_json::to_string_pretty(config).unwrap_or_default();
    write_atomic(folder.join("config.json"), described.as_bytes())?;
    let mut log = Log::open(folder, optimizer.step)?;
    if let Some(words) = task.notice() {
        report(Report::Notice(words));
    }
    let RunConfig { steps, accumulate: parts, skip, .. } = config.run;
    // The optimizer's values are lent to the network for the time of a step: they are held once.
    network = learned.give_back(network);
    let trained = |network: T::Network, optimizer: &Optimizer| {
        frozen(learned.lend(network, optimizer).train(), |name| !task.is_trained(name))
    };

    with_batches(
        skip + optimizer.step * parts,
        skip + steps * parts,
        |step| task.batch(step),
        |batches| {
            while optimizer.step < steps {
                if stop() {
                    checkpoint::save(folder, config, &mut optimizer)?;
                    return Ok(Outcome::Interrupted);
                }
                let started = Instant::now();
                network = trained(network, &optimizer);
                let mut mean = Mean::default();
                for _ in 0..parts {
                    let loss = task.loss(&network, batches.next()?)?;
                    let gradients = learned.only(gradients(&network, loss.backward()));
                    mean.add(loss.into_scalar::<f32>(), gradients);
                }
                network = learned.give_back(network);
                let (value, gradients) = mean.finish();
                let norm = optimizer.step(gradients, steps);
                let (step, seconds) = (optimizer.step, started.elapsed().as_secs_f64());
                let entry = json!({"step": step, "loss": value, "norm": norm, "seconds": seconds});
                log.add(&entry)?;
                report(Report::Step { step, loss: value, seconds });
                if step % config.run.validate_every == 0 || step == steps {
                    let network = learned.put_averaged(network.valid(), &optimizer);
                    let (scores, sheet) = task.validate(&network)?;
                    log.add(&json!({"step": step, "validation": scores}))?;
                    sheet.write_png(folder.join(format!("sheet-{step:07}.png")))?;
                    task.write(network, &config.model_in(folder))?;
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
