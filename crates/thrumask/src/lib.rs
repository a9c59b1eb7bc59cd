//! thrumask: the stages of *Through-The-Mask* as plain functions.
//!
//! ```text
//! (Image, Caption) --plan--> PromptPlan --segment--> MaskSet --motion--> Trajectory --video--> Clip --> file
//! ```
//!
//! - [`plan`]: caption to prompts; [`motion`]: stage 1; [`video`]: stage 2.
//! - [`segment`]: the objects of the picture.
//! - [`model`]: the trained networks and how they are sampled.
//! - [`pipeline`]: all of it on a run directory; [`models`]: those of a run, built in or from a folder.
//! - [`data`]: captioned videos as training samples.
//! - [`train`], [`eval`], [`paper`]: training, figures, and the paper's comparisons.
//! - [`device`]: processor or graphics card.
//! - [`hub`]: public models, downloaded and kept where Python's libraries keep them.
//! - [`world`]: the procedural videos that the nano models learn from.

pub mod data;
pub mod device;
pub mod error;
pub mod eval;
pub mod hub;
pub mod model;
pub mod models;
pub mod motion;
mod page;
pub mod paper;
pub mod pipeline;
pub mod plan;
pub mod progress;
pub mod segment;
pub mod tracker;
pub mod train;
pub mod video;
pub mod world;

pub use device::DeviceName;
pub use error::{Error, Result};
pub use thrumask_kernels::{LineAllocator, keep_freed_memory};
