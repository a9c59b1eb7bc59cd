//! Networks that look at pictures.
//!
//! - [`grounded`]: finds the objects that texts name, as masks (the segmenter's network).

pub mod grounded;
