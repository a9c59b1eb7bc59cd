//! Reading and writing of pictures and video.

mod clip;
mod frames;
mod gif;
mod h264;
mod mp4;
pub mod picture;
mod webp;
mod yuv;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use clip::{DEFAULT_FPS, WriteOptions, read_frames, stream_frames};
pub(crate) use frames::fps_of as fps_of_folder;

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

/// Peak signal-to-noise ratio of two pictures of one size, in decibels.
#[cfg(test)]
pub(crate) fn psnr(a: &crate::Picture, b: &crate::Picture) -> f64 {
    assert_eq!(a.size(), b.size());
    let squares = a.rgb().iter().zip(b.rgb()).map(|(x, y)| f64::from(x.abs_diff(*y)).powi(2));
    let mean = squares.sum::<f64>() / a.rgb().len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}
