//! BERT with its word pieces, as Grounding DINO reads texts.

mod config;
mod model;
pub mod names;
mod tokenizer;

pub use config::BertConfig;
pub use model::Bert;
pub(crate) use model::visibility_bias;
pub use tokenizer::WordPieces;
