//! Words to embeddings: the nano vocabulary and the small text encoder trained with each network; in
//! [`clip`], the one that Stable Diffusion reads; in [`bert`], the one that Grounding DINO reads. Stages take
//! either of the first two, as a [`PromptEncoder`] with its [`Tokenizer`].

mod any;
pub mod bert;
pub mod clip;
pub mod encoder;
pub mod merge;
pub mod vocabulary;

pub use any::{PromptEncoder, PromptEncoderConfig, Tokenizer};
pub use encoder::{TextEncoder, TextEncoderConfig};
pub use vocabulary::{Vocabulary, words_of};
