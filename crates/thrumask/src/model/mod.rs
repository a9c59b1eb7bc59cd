//! Trained networks with everything they need: the stage models (stage 1, stage 2, TI2V and the
//! ablations are configurations of one type) and the autoencoder they share.

mod conditions;
mod config;
pub mod files;
pub mod folders;
mod form;
mod full;
mod generation;
mod stage;
mod variant;

pub(crate) use conditions::joined_latents;
pub use conditions::{Prepared, SceneConditions};
pub use config::{StageConfig, StageKind, VideoShape};
pub use files::{open_autoencoder, read_autoencoder, read_stage, write_autoencoder, write_stage};
pub use form::{FLOW_SPAN, MotionForm, flow_wheel};
pub use full::{FullSize, MaskerSize, PublicNetworks};
pub use generation::{AtHand, Networks, Pinned, generate};
pub use stage::{Network, Sampling, StageModel};
pub use variant::Variant;
