//! The scenes that are judged, with everything that is known of them.

use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, FlowField, Result, Trajectory};
use thrumask_nn::diffusion::noise::Noise;

use super::{
    resegment::Resegmenter,
    words::{Opposite, Paraphrase, paraphrase_of},
};
use crate::world::{self, Sample, Scene, Split, WorldConfig};

/// Scenes that are reported on together, by their number of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crowd {
    /// One object.
    Single,
    /// Two to four objects.
    Multi,
    /// Those of [`Crowd::Multi`] with two or three objects.
    TwoOrThree,
}

impl Crowd {
    /// The numbers of objects.
    pub fn objects(self) -> RangeInclusive<usize> {
        match self {
            Self::Single => 1..=1,
            Self::Multi => 2..=4,
            Self::TwoOrThree => 2..=3,
        }
    }

    /// Its words in a table.
    pub fn words(self) -> &'static str {
        match self {
            Self::Single => "1 object",
            Self::Multi => "2-4 objects",
            Self::TwoOrThree => "2-3 objects",
        }
    }
}

/// One scene to be judged.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its place in the split.
    pub index: u64,
    /// What is true.
    pub truth: Sample,
    /// Finds its objects in videos.
    pub resegmenter: Resegmenter,
    /// The true video as the resegmenter sees it: the ceiling of every score it gives.
    pub ceiling: Trajectory,
    /// The same objects in other motions; see [`Selection`].
    pub random: (Clip, Trajectory),
    /// The true flow of each frame to the next.
    pub flow: Vec<FlowField>,
    /// The masks of the same words, drawn again; see [`world::another_draw`].
    pub another: Trajectory,
    /// The scene in opposite words, when there is anything to turn round.
    pub opposite: Option<Opposite>,
    /// What a person would say of it, when somebody has.
    pub paraphrase: Option<Paraphrase>,
}

/// Which scenes are judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// How scenes are made; its number of objects is replaced by that of `crowd`.
    pub world: WorldConfig,
    /// Split they come from.
    pub split: Split,
    /// Number of objects.
    pub crowd: Crowd,
    /// How many: those of indices 0 and up, in order.
    pub scenes: usize,
    /// Seed of the random motions.
    pub seed: u64,
}

impl Selection {
    /// Some of the scenes, made on all cores.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Invalid`] when the world's configuration is out of range.
    pub fn cases(&self, indices: Range<usize>) -> Result<Vec<Case>> {
        let world = WorldConfig { objects: self.crowd.objects(), ..self.world.clone() };
        let case = |index: usize| {
            let index = index as u64;
            let scene = world::scene(&world, self.split, index)?;
            let truth = scene.sample(world.size)?;
            let background = scene.background(world.size)?;
            let (first, masks) = (&truth.clip.frames()[0], &truth.masks.frames()[0]);
            let resegmenter = Resegmenter::new(&background, first, masks, scene.objects.len())?;
            let ceiling = resegmenter.masks(&truth.clip)?;
            let moved = self.random_motion(&world, &scene, index)?;
            let random = (moved.clip(world.size)?, moved.masks(world.size)?);
            let another = world::another_draw(&world, self.split, index, self.seed)?;
            let another = another.masks(world.size)?;
            let opposite = Opposite::of(&world, self.split, index, &scene)?;
            let paraphrase = paraphrase_of(&world, self.split, self.crowd, index);
            Ok(Case {
                index,
                truth,
                resegmenter,
                ceiling,
                random,
                flow: scene.flow(world.size)?,
                another,
                opposite,
                paraphrase,
            })
        };
        indices.into_par_iter().map(case).collect()
    }

    /// The baseline "random motion": the scene in which each object moves as a randomly drawn
    /// object of another scene of the same split does, whatever its caption says.
    fn random_motion(&self, world: &WorldConfig, scene: &Scene, index: u64) -> Result<Scene> {
        let noise = Noise::new(self.seed, "random motion");
        // Scenes to draw from; at least one other than this one.
        let pool = self.scenes.max(2) as u64;
        let mut moved = scene.clone();
        for (i, object) in moved.objects.iter_mut().enumerate() {
            let draw = |k: u64, n: u64| {
                let u = noise.uniform(index * 64 + i as u64 * 4 + k);
                ((u * n as f32) as u64).min(n - 1)
            };
            let other = (index + 1 + draw(0, pool - 1)) % pool;
            let donor = world::scene(world, self.split, other)?;
            let donor = &donor.objects[draw(1, donor.objects.len() as u64) as usize].poses;
            let start = object.poses[0];
            for (pose, by) in object.poses.iter_mut().zip(donor) {
                pose.at = [0, 1].map(|axis| start.at[axis] + (by.at[axis] - donor[0].at[axis]));
                pose.scale = start.scale * (by.scale / donor[0].scale);
                pose.angle = start.angle + (by.angle - donor[0].angle);
            }
        }
        Ok(moved)
    }
}

/// The baseline "static picture": the first frame and its masks for as long as the clip lasts.
///
/// # Errors
/// None for a sample of the world.
pub fn static_picture(truth: &Sample) -> Result<(Clip, Trajectory)> {
    let frames = truth.clip.frames().len();
    let clip = Clip::new(vec![truth.clip.frames()[0].clone(); frames], truth.clip.fps())?;
    let masks = vec![truth.masks.frames()[0].clone(); frames];
    Ok((clip, Trajectory::new(masks, truth.masks.objects(), truth.masks.fps())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_motion_keeps_the_first_frame_and_moves_otherwise() {
        let (world, split, crowd) = (WorldConfig::default(), Split::Test, Crowd::Multi);
        let selection = Selection { world, split, crowd, scenes: 6, seed: 0 };
        let cases = selection.cases(0..6).unwrap();
        let mut changed = 0;
        for case in &cases {
            let (clip, masks) = &case.random;
            assert!(clip.frames()[0] == case.truth.clip.frames()[0], "{}", case.index);
            assert!(masks.frames()[0] == case.truth.masks.frames()[0], "{}", case.index);
            assert!((2..=4).contains(&case.truth.objects.len()));
            changed += usize::from(*masks != case.truth.masks);
        }
        assert!(changed >= 5, "{changed}");
        // Scene 4 is the same alone.
        let alone = &selection.cases(4..5).unwrap()[0];
        assert!(alone.random == cases[4].random && alone.truth == cases[4].truth);
    }

    #[test]
    fn the_static_picture_does_not_move() {
        let truth = world::sample(&WorldConfig::default(), Split::Test, 0).unwrap();
        let (clip, masks) = static_picture(&truth).unwrap();
        assert_eq!(clip.frames().len(), truth.clip.frames().len());
        assert!(clip.frames().iter().all(|f| f == &truth.clip.frames()[0]));
        assert!(masks.frames().iter().all(|f| f == &truth.masks.frames()[0]));
    }
}
