//! Whether stage, samples and autoencoder fit each other.

use thrumask_core::Error;
use thrumask_nn::autoencoder::LatentCodec;

use crate::{
    Result,
    data::fingerprint,
    model::{StageConfig, StageKind, VideoShape},
    train::samples::Samples,
};

/// Whether a stage is of the kind that is trained, and makes what the samples and the autoencoder have.
pub(super) fn check_fit(
    stage: &StageConfig,
    kind: StageKind,
    video: VideoShape,
    autoencoder: &LatentCodec,
) -> Result<()> {
    if stage.kind != kind || stage.video != video {
        let words = |kind: StageKind, VideoShape { size, frames }: VideoShape| {
            format!(
                "{} of {frames} frames of {size}×{size} pixels, as the samples are",
                kind.name()
            )
        };
        let (expected, got) = (words(kind, video), words(stage.kind, stage.video));
        return Err(Error::mismatch(
            "the stage",
            expected,
            got.replace(", as the samples are", ""),
        )
        .into());
    }
    let codec = autoencoder.config();
    let made = codec.latent_size([video.frames, video.size, video.size])?;
    let made = (codec.latent_channels(), made);
    let read = (stage.denoiser.latent_channels(), stage.denoiser.latent_size());
    match made == read {
        true => Ok(()),
        false => Err(Error::mismatch(
            "latents of the stage",
            format!("{made:?}, as the autoencoder makes"),
            format!("{read:?}"),
        )
        .into()),
    }
}

/// The autoencoder's fingerprint if some samples have latents of it, and what should be known of those that
/// have none while others do, or have other ones.
pub(super) fn kept_latents(
    samples: &Samples,
    autoencoder: &LatentCodec,
) -> Result<(Option<String>, Option<String>)> {
    let (counts, all) = samples.latent_counts();
    if counts.is_empty() {
        return Ok((None, None));
    }
    let own = fingerprint(autoencoder)?;
    let usable = counts.get(own.as_str()).copied().unwrap_or(0);
    let notice = (usable < all).then(|| {
        let others = counts.values().sum::<usize>() - usable;
        format!(
            "{usable} of {all} samples have latents of this autoencoder, {others} have those of another one: \
             samples without the right ones are encoded in each step"
        )
    });
    Ok(((usable > 0).then_some(own), notice))
}
