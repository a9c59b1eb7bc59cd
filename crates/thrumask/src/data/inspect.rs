//! What is in shards.

use std::path::PathBuf;

use serde::Serialize;
use thrumask_core::Picture;

use super::{About, LatentNumber, Latents, report::small, shards::Shards};
use crate::{Result, progress::Progress, world::contact_sheet};

/// Latents that are kept beside a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Kept {
    /// Fingerprint of the autoencoder they are of.
    pub autoencoder: String,
    /// How they are kept.
    pub number: LatentNumber,
    /// `[C, T', H', W']` of the video's.
    pub shape: [usize; 4],
}

/// A sample of a shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspected {
    /// Its key.
    pub key: String,
    /// How many bytes its files have.
    pub bytes: u64,
    /// How many objects it has.
    pub objects: usize,
    /// What it is.
    pub about: About,
    /// Its latents, if there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<Kept>,
}

/// Reads every sample of some tars whole, videos, masks and latents too, and lists them; with `sheet`, also a
/// contact sheet of the first so many.
///
/// # Errors
/// When a sample is broken, by its tar and key; what `progress` returns.
pub fn inspect(
    tars: Vec<PathBuf>,
    sheet: usize,
    progress: &mut dyn Progress,
) -> Result<(Vec<Inspected>, Option<Picture>)> {
    let shards = Shards::index(tars)?;
    let (mut found, mut shown) = (Vec::new(), Vec::new());
    for i in 0..shards.len() {
        progress.step("inspect", i, shards.len())?;
        let (sample, about) = shards.read(i)?;
        let (key, bytes) = (shards.key(i).to_owned(), shards.bytes(i));
        let latents = shards.latents(i)?;
        let latents = latents.map(|Latents { autoencoder, number, shape, .. }| Kept {
            autoencoder,
            number,
            shape,
        });
        found.push(Inspected { key, bytes, objects: sample.masks.objects(), about, latents });
        // Samples of one sheet are of one size.
        let fits = |first: &crate::world::Sample, s: &crate::world::Sample| {
            first.clip.size() == s.clip.size()
        };
        if shown.len() < sheet {
            let sample = small(sample)?;
            if shown.first().is_none_or(|first| fits(first, &sample)) {
                shown.push(sample);
            }
        }
    }
    let sheet = if shown.is_empty() { None } else { Some(contact_sheet(&shown, 2)?) };
    Ok((found, sheet))
}
