//! Parameters by name: strict loading, saving as safetensors, reading of PyTorch checkpoints, and flat
//! access for the optimiser.

mod file;
mod torch;
mod walk;

pub use file::{LoadReport, WeightFile, weights_hash};
pub use walk::{Parameter, gradients, parameters, with_values};
