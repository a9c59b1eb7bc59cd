//! Training of every network from one configuration file.
//!
//! A [`Task`] says what a network learns from; [`train`] is the loop: batches made ahead on a thread
//! of their own, AdamW and Muon with warm-up, decay, clipping and EMA, checkpoints, a log, validation
//! and sample sheets. Everything is a pure function of configuration and step, so a run that was
//! killed goes on to the same bytes.

mod autoencoder;
mod batches;
mod checkpoint;
mod classifier;
mod config;
mod draw;
mod from_toml;
mod log;
mod optimizer;
mod referring;
mod run;
mod samples;
mod segmenter;
mod stage;
mod tally;
#[cfg(test)]
mod tests;
mod tracker;

pub use autoencoder::AutoencoderTask;
pub use classifier::ClassifierTask;
pub use config::{
    AutoencoderTraining, ClassifierTraining, OptimizerConfig, RunConfig, SegmenterTraining,
    StageTraining, TaskName, TrackerTraining, TrainConfig,
};
pub use from_toml::{from_toml, read_toml};
pub use optimizer::Optimizer;
pub use run::{Outcome, Report, Task, train, train_configured};
pub use segmenter::{SegmenterScores, SegmenterTask, score_segmenter};
pub use stage::StageTask;
pub use tracker::TrackerTask;
