//! How long work tells how far it is, and hears that it should stop.

use crate::Result;

/// Hears of the steps of a stage.
pub trait Progress {
    /// `done` of `total` steps of `stage` are finished.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Interrupted`] to stop the work here.
    fn step(&mut self, stage: &str, done: usize, total: usize) -> Result<()>;
}

/// Hears nothing and never stops anything.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _stage: &str, _done: usize, _total: usize) -> Result<()> {
        Ok(())
    }
}
