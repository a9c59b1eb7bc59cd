//! The networks of thrumask and the mathematics around them.
//!
//! - [`layers`]: what every network is built from.
//! - [`backbone`]: the denoisers behind one interface, [`backbone::Denoiser`].
//! - [`autoencoder`]: pixels to latents and back.
//! - [`text`]: words to embeddings.
//! - [`diffusion`]: schedules, solvers, guidance and noise; pure functions that import no model.
//! - [`perception`]: networks that look at pictures (the segmenter).
//! - [`weights`]: strict loading and saving of parameters by name.
//!
//! Axis legend: `B` batch, `T` frames, `C` channels, `H W` rows and columns, `N` tokens, `L` text
//! tokens, `S` objects, `D` text width. Latent videos are `[B, C, T, H, W]`, token sequences
//! `[B, N, C]` in frame-major order. Pixels lie in [-1, 1]. Masks are `true` = may attend.

pub mod autoencoder;
pub mod backbone;
mod cost;
pub mod diffusion;
pub mod error;
pub mod layers;
pub mod perception;
pub mod pixels;
pub mod text;
pub mod weights;

pub use cost::Cost;
pub use error::{Error, Result};
