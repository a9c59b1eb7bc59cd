//! What becomes of weights on their way from a file into a network.

use std::path::Path;

use super::{Checkpoint, FloatType};
use crate::Result;

/// How networks keep the weights that they read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keeping {
    /// Their type in memory.
    pub float: FloatType,
    /// Whether files are mapped: weights that have this type there stay where they lie, shared with all
    /// programs that read them, and the system may take their memory back and read them again.
    pub mapped: bool,
}

impl Keeping {
    /// The checkpoint to read weights from that are kept so.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Checkpoint> {
        if self.mapped { Checkpoint::open_mapped(path) } else { Checkpoint::open(path) }
    }
}
