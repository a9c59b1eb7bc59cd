//! Grounding DINO (Liu et al., "Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object
//! Detection", ECCV 2024): boxes around what a text names, as transformers' `GroundingDinoForObjectDetection`
//! (5.23).
//!
//! ```text
//! text ── word pieces ── BERT ──────────┐
//!                                       encoder: fusion, text attention, deformable attention, 6 times
//! picture ── Swin ── levels of features ┘             │
//!                         the 900 most text-like cells ── decoder, 6 times ── boxes, and a score for each token
//! ```
//!
//! [`GroundingDino`] is the network, [`GroundedDetector`] the network with its tokens and pictures: from
//! "red car. black car." and a picture to [`Found`] boxes with their phrases.

mod config;
mod decoder;
mod deformable;
mod detector;
mod encoder;
mod found;
mod load;
mod model;
pub mod names;
mod picture;
mod positions;
mod pyramid;
mod texts;

pub use config::GroundingDinoConfig;
pub use detector::GroundedDetector;
pub use found::{Fit, Found, Thresholds, intersection_over_union, suppressed};
pub use model::{GroundingDino, Scored};
pub use picture::{PictureSettings, Pictures};
pub use texts::Texts;
