//! Swin Transformer (Liu et al., ICCV 2021) as a backbone: features of a picture at several resolutions, as
//! transformers' `SwinBackbone` (5.23).

mod config;
mod model;
pub mod names;
mod windows;

pub use config::SwinConfig;
pub use model::{Features, Swin};
