//! The diffusion transformer (the paper's second backbone, Movie Gen design): latents cut into
//! space-time patches, blocks with adaptive norms, text cross-attention, and masked self- and
//! cross-attention in the first K blocks.

mod block;
mod config;
mod model;

pub use block::{BlockContext, DitBlock};
pub use config::DitConfig;
pub use model::Dit;
