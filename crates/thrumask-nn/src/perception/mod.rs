//! Networks that look at pictures.
//!
//! - [`grounded`]: finds the objects that texts name, as masks (the segmenter's network).
//! - [`lpips`]: how different two pictures look.

pub mod grounded;
pub mod lpips;
