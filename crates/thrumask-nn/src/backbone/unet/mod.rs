//! The U-Net (the paper's first backbone): Stable Diffusion 1.5's network with AnimateDiff's motion
//! modules, conditions on extra channels, and masked self- and cross-attention in the spatial
//! attention blocks of the encoder.
//!
//! Fields are called as in the public layout of diffusers (0.42) where they are the same thing.

mod config;
mod level;
mod load;
mod model;
mod motion;
pub mod names;
mod pass;
mod public;
mod resnet;
mod spatial;
mod time;

pub use config::{MotionModules, UnetConfig};
pub use model::Unet;
