//! Training data from real videos: captioned videos become shards, and shards become samples.
//!
//! ```text
//! folder, manifest, tars --source--> items --slice--> clips --filter, masks--> samples --shard--> tars
//! ```
//!
//! - [`source`]: which videos there are, and what stands beside them: captions, plans, masks.
//! - [`mod@slice`]: scene cuts, and windows of frames at the rate of training.
//! - [`filter`]: what is too dark, blurred, still or shaky.
//! - [`masks`]: masks that are given, or found on the first frame and followed by a [`crate::tracker::Tracker`].
//! - [`LatentEncoder`]: what an autoencoder makes of a sample, to be kept beside it.
//! - [`prepare()`]: all of it, in any number of processes that can be killed; [`report`] says what came of it.
//! - [`shards`]: tars in the layout of WebDataset, read by the trainers; [`inspect`] looks into one.
//!
//! Everything is a pure function of configuration and input. docs/data.md describes the files.

pub mod archive;
mod config;
pub mod filter;
pub mod inspect;
mod item;
mod latents;
mod manifest;
pub mod masks;
mod networks;
pub mod prepare;
mod records;
pub mod report;
mod sample;
pub mod shards;
pub mod slice;
pub mod source;
#[cfg(test)]
pub(crate) mod tests;

pub use config::{CutConfig, FilterConfig, Framing, MaskConfig, PrepareConfig};
pub use filter::{FrameDifference, Measures, MotionMeasure};
pub use item::{Reason, Rejected, Tools};
pub use latents::{LatentEncoder, LatentNumber, Latents, fingerprint};
pub use networks::FlowLength;
pub use prepare::{Job, Part, Summary, prepare};
pub use sample::{About, MaskOrigin};
pub use shards::{DataConfig, Shards};
