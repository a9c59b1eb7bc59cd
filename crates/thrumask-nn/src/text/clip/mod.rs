//! CLIP's text tower with its byte-pair tokens, as Stable Diffusion reads texts.

mod config;
mod model;
pub mod names;
mod tokenizer;

pub use config::{Activation, ClipTextConfig};
pub use model::ClipText;
pub use tokenizer::{ClipTokenizer, byte_vocabulary};
