//! The paper's comparisons (Tables 1, 3 and 4) repeated on the world: TI2V, Through-The-Mask, its
//! ablations, and optical flow in the place of masks, at equal parameters, data, steps and sampling.
//!
//! [`train()`] trains every model with every seed, [`judge`] lets them all work on the same held-out
//! scenes with the same noise, and [`Report`] says what follows, with intervals and paired tests. All of
//! it can be interrupted and goes on where it was.
//!
//! - [`config`], [`methods`]: what is compared; [`published`]: what the paper found.
//! - `judging`, `records`: videos and their scores; [`statistics`]: what can be said of them.
//! - [`report`]: what a person reads.

pub mod config;
mod judging;
pub mod methods;
pub mod published;
mod records;
pub mod report;
pub mod statistics;
mod tables;

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use thrumask_core::{Error, fsio};

use crate::{
    Result,
    progress::Progress,
    train::{self, Outcome, TrainConfig, train_configured},
};

pub use config::{PaperConfig, Training};
pub use judging::judge;
pub use methods::{Method, Trained};
pub use report::Report;

/// The file of a trained model in its folder.
pub const MODEL: &str = "model.safetensors";

/// The folder of a model's training within that of the comparison.
pub fn model_folder(folder: &Path, model: Trained, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}")).join(model.name())
}

/// The folder of the classifier's training within that of the comparison.
pub fn classifier_folder(folder: &Path) -> PathBuf {
    folder.join("classifier")
}

/// The folder of the flow variant's autoencoder within that of the comparison.
pub fn flow_autoencoder_folder(folder: &Path) -> PathBuf {
    folder.join("flow-autoencoder")
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// The classifier of the world.
    Classifier,
    /// The autoencoder of the flow variant.
    FlowAutoencoder,
    /// A model with a seed.
    Model(Trained, u64),
}

impl Job {
    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::FlowAutoencoder => "flow-autoencoder",
            Self::Model(model, _) => model.name(),
        }
    }

    /// The seed of a model.
    pub const fn seed(self) -> Option<u64> {
        match self {
            Self::Classifier | Self::FlowAutoencoder => None,
            Self::Model(_, seed) => Some(seed),
        }
    }

    /// Whether it needs the autoencoder that learned flow.
    const fn follows_flow(self) -> bool {
        matches!(self, Self::Model(model, _) if model.is_flow())
    }

    /// How it is trained, and where.
    fn training(
        self,
        config: &PaperConfig,
        base: &Path,
        folder: &Path,
    ) -> Result<(TrainConfig, PathBuf)> {
        Ok(match self {
            Self::Classifier => (config.classifier.read(base, &[])?, classifier_folder(folder)),
            Self::FlowAutoencoder => {
                let run = config.flow_autoencoder.read(base, &["autoencoder.flow=true".into()])?;
                (run, flow_autoencoder_folder(folder))
            }
            Self::Model(model, seed) => {
                let run = config.training(base, model, seed)?;
                (run, model_folder(folder, model, seed))
            }
        })
    }
}

/// All trainings of a comparison, seed by seed, so that an unfinished one has whole seeds.
pub fn jobs(config: &PaperConfig) -> Vec<Job> {
    let models =
        config.seeds.iter().flat_map(|&seed| Trained::ALL.map(|model| Job::Model(model, seed)));
    let classifier = config.classifier_model.is_none().then_some(Job::Classifier);
    classifier.into_iter().chain([Job::FlowAutoencoder]).chain(models).collect()
}

/// Trains what is not trained yet of `jobs`; the models are in their folders within `folder`. Paths in
/// configurations are relative to `base`.
///
/// # Errors
/// As [`train_configured`]; [`Error::Interrupted`] when `stop` says so.
pub fn train(
    config: &PaperConfig,
    jobs: &[Job],
    base: &Path,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    report: &mut dyn FnMut(&str, u64, train::Report),
) -> Result<()> {
    for job in jobs {
        let (run, out) = job.training(config, base, folder)?;
        let name = match job.seed() {
            Some(seed) => format!("{}, seed {seed}", job.name()),
            None => job.name().to_owned(),
        };
        let steps = run.run.steps;
        let mut hear = |r: train::Report| report(&name, steps, r);
        let base = if job.follows_flow() { folder } else { base };
        match train_configured(&run, base, &out, device, stop, &mut hear)? {
            Outcome::Finished => {}
            Outcome::Interrupted => return Err(Error::Interrupted.into()),
        }
    }
    Ok(())
}

/// Everything: trains what is missing, judges it, and writes `report.json`, `report.md`, `report.html`
/// and contact sheets into `folder`.
///
/// # Errors
/// As [`train()`] and [`judge`].
pub fn run(
    config: &PaperConfig,
    base: &Path,
    folder: &Path,
    device: &Device,
    stop: &dyn Fn() -> bool,
    trained: &mut dyn FnMut(&str, u64, train::Report),
    progress: &mut dyn Progress,
) -> Result<Report> {
    config.validate()?;
    std::fs::create_dir_all(folder).map_err(|e| Error::io("creating", folder, e))?;
    train(config, &jobs(config), base, folder, device, stop, trained)?;
    let report = judge(config, base, folder, device, progress)?;
    fsio::write_json(folder.join("report.json"), &report)?;
    fsio::write_atomic(folder.join("report.md"), report.to_markdown().as_bytes())?;
    fsio::write_atomic(folder.join("report.html"), report.to_html().as_bytes())?;
    Ok(report)
}
