//! One frame after the other.

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::Picture;

use super::super::{ImageFeatures, normalised};
use super::{
    Direction, FrameMasks, Look, Memories, ObjectPrompt, Sam2Video, VideoSession, choose, resized,
    session::{Kept, Track},
};
use crate::{Error, Result, pixels::host_values};

/// How far from 0 the logits of a corrected mask are shown to the decoder at most.
const SHOWN: f32 = 32.0;

/// Where frames come from.
pub trait VideoFrames {
    /// A frame as the encoder reads it, `[1, 3, side, side]`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn pixels(&self, frame: usize, side: usize, device: &Device) -> Result<Tensor<4>>;
}

impl VideoFrames for [Picture] {
    fn pixels(&self, frame: usize, side: usize, device: &Device) -> Result<Tensor<4>> {
        let picture = self.get(frame);
        let picture = picture.ok_or_else(|| Error::shape("frame", 0..self.len(), frame))?;
        normalised(std::slice::from_ref(picture), side, device)
    }
}

/// Frames as the encoder reads them, `[T, 3, side, side]`.
impl VideoFrames for Tensor<4> {
    fn pixels(&self, frame: usize, side: usize, device: &Device) -> Result<Tensor<4>> {
        let [frames, channels, rows, columns] = self.dims();
        if frame >= frames || [channels, rows, columns] != [3, side, side] {
            return Err(Error::shape("frames", [frame + 1, 3, side, side], self.dims()));
        }
        Ok(self.clone().narrow(0, frame, 1).to_device(device))
    }
}

/// From where to where objects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// The first frame.
    pub from: usize,
    /// Which way from there.
    pub direction: Direction,
    /// How many frames after the first at most; to the end of the video when `None`.
    pub most: Option<usize>,
}

impl Propagation {
    /// The frames in their order.
    fn frames(&self, total: usize) -> Vec<usize> {
        let most = self.most.unwrap_or(usize::MAX);
        match self.direction {
            Direction::Forward => {
                (self.from..=self.from.saturating_add(most).min(total.saturating_sub(1))).collect()
            }
            Direction::Backward => (self.from.saturating_sub(most)..=self.from).rev().collect(),
        }
    }
}

impl Sam2Video {
    /// Follows all objects from frame to frame; `each` is given what was found. Prompts on frames that lie
    /// elsewhere, and those of objects that are not known yet, are looked at first.
    ///
    /// # Errors
    /// As [`Self::step`], that of `each`, and [`Error::Shape`] for a first frame beyond the last.
    pub fn propagate<V: VideoFrames + ?Sized>(
        &self,
        session: &mut VideoSession,
        video: &V,
        way: Propagation,
        each: &mut dyn FnMut(FrameMasks) -> Result<()>,
    ) -> Result<()> {
        if way.from >= session.frames {
            return Err(Error::shape("first frame", 0..session.frames, way.from));
        }
        let frames = way.frames(session.frames);
        for frame in session.pending() {
            for object in session.objects() {
                let track = &session.objects[&object];
                let corrects = track.passed.contains(&frame) && frames.contains(&frame);
                if track.pending.contains(&frame) && !corrects {
                    self.follow(session, video, object, frame, way.direction)?;
                }
            }
        }
        for frame in frames {
            each(self.step(session, video, frame, way.direction)?)?;
        }
        Ok(())
    }

    /// Looks at a frame for every object. What was prompted there and looked at already is not done again.
    ///
    /// # Errors
    /// When the frame cannot be read, and [`Error::Shape`] when there is no such frame, or of an object no
    /// prompted frame was looked at yet.
    pub fn step<V: VideoFrames + ?Sized>(
        &self,
        session: &mut VideoSession,
        video: &V,
        frame: usize,
        direction: Direction,
    ) -> Result<FrameMasks> {
        if frame >= session.frames {
            return Err(Error::shape("frame", 0..session.frames, frame));
        }
        let mut found = FrameMasks { frame, objects: Vec::new() };
        for object in session.objects() {
            let track = &session.objects[&object];
            let done = track.prompts.contains_key(&frame) && !track.pending.contains(&frame);
            if !done || track.found(frame).is_none() {
                self.follow(session, video, object, frame, direction)?;
            }
            let kept = session.objects[&object].found(frame);
            found.objects.extend(kept.map(|kept| kept.mask(object)));
        }
        Ok(found)
    }

    /// Looks at a frame for one object.
    fn follow<V: VideoFrames + ?Sized>(
        &self,
        session: &mut VideoSession,
        video: &V,
        object: u8,
        frame: usize,
        direction: Direction,
    ) -> Result<()> {
        let seen = self.seen(session, video, frame)?;
        let track = &session.objects[&object];
        let prompt = track.prompts.get(&frame);
        let first = prompt.is_some() && !track.passed.contains(&frame);
        let look = match prompt {
            Some(ObjectPrompt { mask: Some(mask), .. }) => {
                let mask = self.square(session, mask, &seen.positions.device());
                self.given(&seen, mask, session.behavior.several_of_given)?
            }
            _ => {
                let points = match prompt {
                    Some(prompt) => session.points(prompt, self.config().image_size)?,
                    None => Vec::new(),
                };
                let features = match first || (prompt.is_some() && track.conditioning.is_empty()) {
                    true => self.unremembered(&seen),
                    false => {
                        let memories = self.memories(session, track, object, frame, direction)?;
                        self.remembered(&seen, &memories)
                    }
                };
                let shown = prompt.is_some() && session.behavior.shows_corrected;
                let known = track.found(frame).filter(|_| shown);
                let known = known.map(|kept| kept.logits.clone().clamp(-SHOWN, SHOWN));
                let multimask = self.is_multimask(first, points.len());
                self.decode(&seen, features, &[points], known, multimask)?
            }
        };
        let prompted = prompt.is_some();
        let memory = self.memory(&seen, &look, prompted);
        let Look { logits, object_score, .. } = look;
        let kept = Kept::new(memory, logits, host_values(object_score)[0]);
        let stays = first || (prompted && session.behavior.corrections_stay);
        let (behavior, config) = (session.behavior, &self.config().memory);
        let Some(track) = session.objects.get_mut(&object) else { return Ok(()) };
        track.pending.remove(&frame);
        if stays || (prompted && track.conditioning.is_empty()) {
            track.tracked.remove(&frame);
            track.conditioning.insert(frame, kept);
        } else {
            track.conditioning.remove(&frame);
            track.tracked.insert(frame, kept);
            track.passed.insert(frame);
            // As many as one frame looks back at are there in any case.
            let least = config.frames.max(config.object_pointers);
            track.note(frame);
            track.forget(behavior.kept_frames.max(least));
        }
        Ok(())
    }

    /// What a frame looks back at.
    fn memories(
        &self,
        session: &VideoSession,
        track: &Track,
        object: u8,
        frame: usize,
        direction: Direction,
    ) -> Result<Memories> {
        if track.conditioning.is_empty() {
            let what = format!("prompts of object {object}");
            return Err(Error::shape(what, "a frame that was looked at", "none"));
        }
        let conditioning: Vec<usize> = track.conditioning.keys().copied().collect();
        let is_tracked = |then: usize| track.tracked.contains_key(&then);
        let memory = &self.config().memory;
        let chosen = choose(memory, frame, direction, session.frames, &conditioning, &is_tracked);
        let found = |then: usize| track.found(then);
        let maps =
            chosen.maps.into_iter().filter_map(|(then, slot)| Some((found(then)?.map(), slot)));
        let pointers = chosen.pointers.into_iter();
        let pointers = pointers.filter_map(|(then, ago)| Some((found(then)?.pointer.clone(), ago)));
        Ok(Memories { maps: maps.collect(), pointers: pointers.collect() })
    }

    /// The features of a frame, kept until another one is looked at.
    fn seen<V: VideoFrames + ?Sized>(
        &self,
        session: &mut VideoSession,
        video: &V,
        frame: usize,
    ) -> Result<ImageFeatures> {
        if let Some((number, seen)) = &session.seen
            && *number == frame
        {
            return Ok(seen.clone());
        }
        session.seen = None;
        let device = self.no_object.value.val().device();
        let pixels = video.pixels(frame, self.config().image_size, &device)?;
        let seen = self.image.image_encoder.forward(pixels);
        session.seen = Some((frame, seen.clone()));
        Ok(seen)
    }

    /// A mask of the video's size in the network's square: what at least half of which is the object's.
    ///
    /// # Shapes
    /// - returns `[1, 1, S, S]`
    fn square(&self, session: &VideoSession, mask: &[bool], device: &Device) -> Tensor<4> {
        let values: Vec<f32> = mask.iter().map(|&inside| f32::from(u8::from(inside))).collect();
        let shape = [1, 1, session.size.height, session.size.width];
        let mask = Tensor::<4>::from_data(TensorData::new(values, shape), device);
        resized(mask, [self.config().image_size; 2]).greater_equal_elem(0.5).float()
    }
}
