//! Reading and writing of pictures and video.

pub mod picture;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, Result};

/// Runs a third-party decoder on a user's bytes: should it panic on them, that is an
/// [`Error::Format`] of `what`, as any other broken file.
pub(crate) fn guarded<T>(
    what: &str,
    format: &str,
    decode: impl FnOnce() -> Result<T>,
) -> Result<T> {
    // The closure only reads bytes and builds a value that is dropped on a panic, so nothing
    // half-changed can be seen afterwards.
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| {
        Err(Error::format(what, format!("the {format} decoder failed on these bytes")))
    })
}
