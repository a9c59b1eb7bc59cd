//! Words to embeddings: the nano vocabulary and the small text encoder trained with each network.

pub mod encoder;
pub mod vocabulary;

pub use encoder::{TextEncoder, TextEncoderConfig};
pub use vocabulary::Vocabulary;
