//! Mask adherence of any video: a tracker follows the objects of the trajectory's first frame through it, and
//! what it finds is held against the rest of the trajectory.

use serde::Serialize;
use thrumask_core::{Clip, Error, LabelMap, MaskSet, Trajectory};

use super::{
    measure::{mean, mean_region},
    metrics::{boundary_f, boundary_tolerance},
};
use crate::{Result, tracker::Tracker};

/// How well a video follows a trajectory: region similarity J and boundary accuracy F as in DAVIS (Perazzi et
/// al., CVPR 2016), both in 0..=1. The first frame is left out, for it is given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Adherence {
    /// Frames that were looked at, the first included.
    pub frames: usize,
    /// Mean of the objects' J.
    pub j: Option<f32>,
    /// Mean of the objects' F.
    pub f: Option<f32>,
    /// One for each object of the trajectory that is in its first frame.
    pub objects: Vec<ObjectAdherence>,
}

/// How well one object follows its trajectory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObjectAdherence {
    /// Its number in the trajectory.
    pub id: u8,
    /// What the trajectory calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mean intersection over union over the frames that it is in, by the trajectory or the tracker.
    pub j: Option<f32>,
    /// Mean agreement of the boundaries over these frames.
    pub f: Option<f32>,
    /// Frames in which the trajectory has the object and the tracker finds none of it.
    pub lost: usize,
}

/// Measures how well `clip` follows `trajectory`, and returns what `tracker` found, at the clip's size.
///
/// # Errors
/// [`Error::Mismatch`] when they differ in their number of frames or in their aspects, [`Error::Invalid`] when the
/// first frame of the trajectory has no object; as [`Tracker::track`].
pub fn adherence(
    clip: &Clip,
    trajectory: &Trajectory,
    tracker: &dyn Tracker,
) -> Result<(Adherence, Trajectory)> {
    let wanted = at_size(trajectory, clip)?;
    let first = MaskSet::new(wanted[0].clone(), trajectory.objects())?;
    let ids = first.labels.ids_present();
    if ids.is_empty() {
        let reason = "expected objects to follow in its first frame, got none";
        return Err(Error::invalid("trajectory", reason).into());
    }
    let wanted = Trajectory::new(wanted, trajectory.objects(), clip.fps())?;
    let found = tracker.track(clip.frames(), &first, clip.fps())?;
    let tolerance = boundary_tolerance(clip.size());
    let pairs = || found.frames().iter().zip(wanted.frames()).skip(1);
    let of_object = |id: u8| ObjectAdherence {
        id,
        name: trajectory.names().get(usize::from(id) - 1).cloned().flatten(),
        j: mean_region(&found, &wanted, id),
        f: mean(pairs().filter_map(|(a, b)| boundary_f(a, b, id, tolerance))),
        lost: pairs().filter(|(a, b)| a.area_of(id) == 0 && b.area_of(id) > 0).count(),
    };
    let objects: Vec<ObjectAdherence> = ids.into_iter().map(of_object).collect();
    let adherence = Adherence {
        frames: clip.frames().len(),
        j: mean(objects.iter().filter_map(|o| o.j)),
        f: mean(objects.iter().filter_map(|o| o.f)),
        objects,
    };
    Ok((adherence, found))
}

/// A trajectory's frames at the size of the clip.
fn at_size(trajectory: &Trajectory, clip: &Clip) -> Result<Vec<LabelMap>> {
    let (own, size) = (trajectory.size(), clip.size());
    let (frames, expected) = (trajectory.frames().len(), clip.frames().len());
    if frames != expected {
        return Err(Error::mismatch("frames of the trajectory", expected, frames).into());
    }
    if !size.has_aspect_of(own) {
        return Err(Error::mismatch("aspect of the trajectory", size, own).into());
    }
    let frames = trajectory.frames().iter().map(|frame| frame.resize_nearest(size));
    Ok(frames.collect::<thrumask_core::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use thrumask_core::{Picture, Size};

    use super::*;
    use crate::world::{Split, WorldConfig, sample};

    /// Finds what it was told to find, but for one object that it loses.
    struct Known {
        found: Trajectory,
        loses: u8,
    }

    impl Tracker for Known {
        fn name(&self) -> &str {
            "known"
        }

        fn track(&self, frames: &[Picture], first: &MaskSet, fps: f32) -> Result<Trajectory> {
            assert_eq!(
                (frames.len(), &first.labels),
                (self.found.frames().len(), &self.found.frames()[0])
            );
            let mut found = self.found.frames().to_vec();
            for frame in &mut found[1..] {
                frame.ids_mut().iter_mut().filter(|id| **id == self.loses).for_each(|id| *id = 0);
            }
            Ok(Trajectory::new(found, first.objects, fps)?)
        }
    }

    #[test]
    fn what_follows_has_one_and_what_is_lost_none() {
        let world = WorldConfig { objects: 2..=2, ..WorldConfig::default() };
        let truth = sample(&world, Split::Test, 3).unwrap();
        let of = |loses: u8| {
            let tracker = Known { found: truth.masks.clone(), loses };
            adherence(&truth.clip, &truth.masks, &tracker).unwrap().0
        };
        let whole = of(9);
        assert_eq!((whole.j, whole.f, whole.objects.len()), (Some(1.0), Some(1.0), 2));
        let half = of(2);
        assert_eq!((half.j, half.f), (Some(0.5), Some(0.5)));
        let frames = truth.masks.frames().iter().skip(1);
        let seen = frames.filter(|frame| frame.area_of(2) > 0).count();
        assert_eq!((half.objects[0].lost, half.objects[1].lost), (0, seen));
    }

    #[test]
    fn a_trajectory_of_another_size_is_brought_to_the_video_and_one_of_another_shape_refused() {
        let world = WorldConfig { objects: 2..=2, ..WorldConfig::default() };
        let truth = sample(&world, Split::Test, 3).unwrap();
        let resized = |size: Size, frames: usize| {
            let frames =
                truth.masks.frames()[..frames].iter().map(|f| f.resize_nearest(size).unwrap());
            Trajectory::new(frames.collect(), 2, 8.0).unwrap()
        };
        let (size, count) = (truth.clip.size(), truth.clip.frames().len());
        let twice = resized(Size::new(2 * size.width, 2 * size.height), count);
        let tracker = Known { found: truth.masks.clone(), loses: 9 };
        assert_eq!(adherence(&truth.clip, &twice, &tracker).unwrap().0.j, Some(1.0));
        let refused = |trajectory: &Trajectory| {
            adherence(&truth.clip, trajectory, &tracker).unwrap_err().to_string()
        };
        assert!(refused(&resized(Size::new(64, 40), count)).contains("aspect of the trajectory"));
        assert!(refused(&resized(size, count - 1)).contains("frames of the trajectory"));
        let empty = Trajectory::new(vec![LabelMap::empty(size); count], 2, 8.0).unwrap();
        assert!(refused(&empty).contains("expected objects to follow"));
    }
}
