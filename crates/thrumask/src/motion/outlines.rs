//! Reads trajectories off the mask videos that a network made.

use std::collections::BTreeMap;

use thrumask_core::{
    Clip, Error, LabelMap, Trajectory,
    placement::{Turn, carry_masks},
};

use super::{MotionRequest, Outlines};
use crate::{Result, plan::turn_of};

/// Pieces of an object that are smaller than this share of its largest one are none of it: what the network
/// paints beside an object, or in the wrong colour. What really lies in pieces, as behind another object,
/// has larger ones.
pub const STRAY: f32 = 0.1;

impl MotionRequest<'_> {
    /// The objects whose prompts say that they turn, which a blurred mask video hardly shows.
    pub(super) fn turns(&self) -> BTreeMap<u8, Turn> {
        let motion = self.motion_said();
        let told = self.plan.objects.iter().map(|object| turn_of(object, &motion));
        (1..).zip(told).filter_map(|(id, turn)| Some((id, turn?))).collect()
    }

    /// The trajectory in a mask video: each pixel snapped to the palette, [stray pieces](STRAY) dropped, the objects
    /// with the [`Outlines`] that are asked for, frame 0 and objects with given motion as they were given.
    ///
    /// # Errors
    /// When the video is not of the request's size.
    pub fn trajectory_from(&self, clip: &Clip) -> Result<Trajectory> {
        let (objects, size) = (self.masks.objects, self.masks.labels.size());
        let snapped = Trajectory::from_clip(clip, objects)?;
        if snapped.size() != size {
            return Err(Error::mismatch("size of a mask video", size, snapped.size()).into());
        }
        let mut frames: Vec<LabelMap> =
            snapped.frames().iter().map(|frame| frame.without_strays(STRAY)).collect();
        if let Some(first) = frames.first_mut() {
            *first = self.masks.labels.clone();
        }
        if self.outlines == Outlines::Carried {
            frames = carry_masks(&frames, Some(clip.frames()), &self.turns());
        }
        if let Some(given) = self.given {
            frames.iter_mut().zip(given.frames()).for_each(|(f, g)| paint(f, g));
        }
        Ok(Trajectory::new(frames, objects, self.fps)?)
    }
}

/// Replaces the objects of `given` in `frame` by their given masks.
fn paint(frame: &mut LabelMap, given: &LabelMap) {
    let ids = given.ids_present();
    for (id, &known) in frame.ids_mut().iter_mut().zip(given.ids()) {
        if known != 0 {
            *id = known;
        } else if ids.contains(id) {
            *id = 0;
        }
    }
}
