//! What every network is built from: thin modules over the fused operators of `thrumask-kernels`.

pub mod attention;
pub mod block;
pub mod context;
pub mod convolution;
pub mod embedding;
pub mod init;
pub mod kept;
pub mod linear;
pub mod norm;
pub mod rotary;

pub use attention::Attention;
pub use block::EncoderBlock;
pub use context::{Context, KeyMask};
pub use convolution::{Convolution, Depthwise};
pub use embedding::{Embedding, LearnedPositions, Lone, TimeEmbedding};
pub use init::Init;
pub use kept::Kept;
pub use linear::{GatedMlp, Linear, Mlp, Perceptron, Pointwise};
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use rotary::Rotary;
