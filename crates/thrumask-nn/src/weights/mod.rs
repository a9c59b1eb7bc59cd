//! Parameters by name: strict loading, saving as safetensors, public names and layouts, reading of
//! public checkpoints, and flat access for the optimiser.

mod bytes;
mod checkpoint;
mod convert;
mod file;
mod fresh;
mod gguf;
mod keeping;
mod mapped;
mod number;
mod public;
mod recognise;
mod safetensors;
mod tensors;
mod torch;
mod view;
mod walk;
mod writer;

pub use checkpoint::{Checkpoint, components, weight_files};
pub use convert::{Conversion, convert};
pub use file::{LoadReport, WeightFile, weights_hash};
pub use fresh::FreshTensors;
pub use gguf::Blocks;
pub use keeping::Keeping;
pub use mapped::Mapped;
pub use number::{FloatType, Number};
pub use public::{
    TensorSource, load_public, public_check, public_report, public_shapes, public_tensors,
};
pub use recognise::recognise;
pub use tensors::{Format, Kind, TensorFile, TensorInfo};
pub use view::{Parted, Renamed, of_any_prefix, only_prefix, parted, renamed, without_prefix};
pub use walk::{
    Parameter, frozen, gradients, parameters, visit_shapes, with_shared_values, with_values,
    without_values,
};
pub use writer::write_public;
