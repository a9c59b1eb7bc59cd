//! Parameters by name: strict loading, saving as safetensors, public names and layouts, reading of
//! PyTorch checkpoints, and flat access for the optimiser.

mod file;
mod part;
mod public;
mod torch;
mod walk;

pub use file::{LoadReport, WeightFile, weights_hash};
pub use part::Part;
pub use public::{
    TensorSource, load_public, public_check, public_report, public_shapes, public_tensors,
};
pub use walk::{Parameter, gradients, parameters, with_values};
