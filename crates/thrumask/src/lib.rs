//! thrumask: the stages of *Through-The-Mask* as plain functions.
//!
//! ```text
//! (Image, Caption) --plan--> PromptPlan --segment--> MaskSet --motion--> Trajectory --video--> Clip --> file
//! ```
//!
//! - [`plan`]: caption to prompts; [`motion`]: stage 1; [`video`]: stage 2.
//! - [`model`]: the trained networks and how they are sampled.
//! - [`world`]: the procedural videos that the nano models learn from.

pub mod error;
pub mod model;
pub mod motion;
pub mod plan;
pub mod progress;
pub mod video;
pub mod world;

pub use error::{Error, Result};
