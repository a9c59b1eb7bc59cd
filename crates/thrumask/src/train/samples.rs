//! Where samples come from: the world, or shards of real videos.

use std::{collections::BTreeMap, path::Path};

use thrumask_core::{Clip, Error, FlowField, Trajectory};
use thrumask_nn::text::Vocabulary;

use super::TrainConfig;
use crate::{
    Result,
    data::{Latents, Shards},
    model::VideoShape,
    world::{self, Sample, Split, WorldConfig},
};

/// A source of samples without end. Sample `index` of a split is always the same.
pub(super) enum Samples {
    /// The procedural world.
    World(WorldConfig),
    /// Shards, in an order that the run's seed decides.
    Shards {
        /// The shards.
        shards: Box<Shards>,
        /// The run's seed.
        seed: u64,
        /// Frames a second of the first sample.
        fps: f32,
        /// Shape of all samples.
        shape: VideoShape,
    },
}

impl Samples {
    /// The source that a configuration names; paths in it are relative to `base`.
    ///
    /// # Errors
    /// As [`Shards::open`].
    pub(super) fn open(config: &TrainConfig, base: &Path) -> Result<Self> {
        let Some(data) = &config.data else { return Ok(Self::World(config.world.clone())) };
        let shards = Shards::open(data, base)?;
        let first = shards.first();
        let first =
            first.ok_or_else(|| Error::invalid("data.shards", "expected samples, got none"))?;
        let shape = VideoShape { size: first.size, frames: first.frames };
        let (seed, fps) = (config.run.seed, first.fps);
        Ok(Self::Shards { shards: Box::new(shards), seed, fps, shape })
    }

    /// Size and length of every sample.
    pub(super) fn shape(&self) -> VideoShape {
        match self {
            Self::World(world) => VideoShape { size: world.size, frames: world.frames },
            Self::Shards { shape, .. } => *shape,
        }
    }

    /// Frames a second.
    pub(super) fn fps(&self) -> f32 {
        match self {
            Self::World(world) => world.fps,
            Self::Shards { fps, .. } => *fps,
        }
    }

    /// The words of captions and prompts: those of the world, and those of shards after them.
    ///
    /// # Errors
    /// None in practice: the words differ.
    pub(super) fn vocabulary(&self) -> Result<Vocabulary> {
        let mut words = world::words();
        if let Self::Shards { shards, .. } = self {
            let known: std::collections::BTreeSet<String> = words.iter().cloned().collect();
            words.extend(shards.words().iter().filter(|w| !known.contains(*w)).cloned());
        }
        Ok(Vocabulary::new(words)?)
    }

    /// Whether the true flow of a sample is known.
    pub(super) fn has_flow(&self) -> bool {
        matches!(self, Self::World(_))
    }

    /// Sample `index` of a split.
    ///
    /// # Errors
    /// As [`world::sample`] and [`Shards::sample`].
    pub(super) fn sample(&self, split: Split, index: u64) -> Result<Sample> {
        match self {
            Self::World(world) => Ok(world::sample(world, split, index)?),
            Self::Shards { shards, seed, .. } => shards.sample(split, index, *seed),
        }
    }

    /// How many samples have latents of each autoencoder, by its fingerprint, and how many samples there are;
    /// those of the world have none and no end.
    pub(super) fn latent_counts(&self) -> (BTreeMap<&str, usize>, usize) {
        match self {
            Self::World(_) => (BTreeMap::new(), 0),
            Self::Shards { shards, .. } => (shards.latent_counts(), shards.len()),
        }
    }

    /// The latents of sample `index` of a split, if there are any of this autoencoder.
    ///
    /// # Errors
    /// As [`Shards::latents`].
    pub(super) fn latents(
        &self,
        split: Split,
        index: u64,
        autoencoder: &str,
    ) -> Result<Option<Latents>> {
        match self {
            Self::World(_) => Ok(None),
            Self::Shards { shards, seed, .. } => {
                shards.latents_of(split, index, *seed, autoencoder)
            }
        }
    }

    /// The clip of sample `index` of a split; the world draws no masks for it.
    ///
    /// # Errors
    /// As [`Samples::sample`].
    pub(super) fn clip(&self, split: Split, index: u64) -> Result<Clip> {
        match self {
            Self::World(world) => Ok(world::scene(world, split, index)?.clip(world.size)?),
            Self::Shards { .. } => Ok(self.sample(split, index)?.clip),
        }
    }

    /// The masks of sample `index` of a split; the world draws no clip for them.
    ///
    /// # Errors
    /// As [`Samples::sample`].
    pub(super) fn masks(&self, split: Split, index: u64) -> Result<Trajectory> {
        match self {
            Self::World(world) => Ok(world::scene(world, split, index)?.masks(world.size)?),
            Self::Shards { .. } => Ok(self.sample(split, index)?.masks),
        }
    }

    /// Sample `index` of a split with the true flow of each frame to the next.
    ///
    /// # Errors
    /// As [`Samples::sample`]; [`Error::Invalid`] for shards, of which it is not known.
    pub(super) fn with_flow(&self, split: Split, index: u64) -> Result<(Sample, Vec<FlowField>)> {
        let Self::World(world) = self else { return Err(no_flow()) };
        let scene = world::scene(world, split, index)?;
        Ok((scene.sample(world.size)?, scene.flow(world.size)?))
    }
}

/// Shards do not say how pixels move.
pub(super) fn no_flow() -> crate::Error {
    let reason = "flow is learned from the world, whose true flow is known; shards have masks";
    Error::invalid("data", reason).into()
}
