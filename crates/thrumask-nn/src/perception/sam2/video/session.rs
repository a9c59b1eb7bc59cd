//! What is known of a video and its objects.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use burn::tensor::{FloatDType, Tensor};
use thrumask_core::Size;

use super::super::{ImageFeatures, Prompt, PromptPoint, predictor::points_in_square};
use super::{FrameMemory, ObjectMask};
use crate::{Error, Result, layers::init::in_32_bits, pixels::host_values};

/// What may be done in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behavior {
    /// Whether a frame that is corrected after it was tracked is remembered as a prompted one from then on;
    /// else it is forgotten like other tracked ones. `add_all_frames_to_correct_as_cond` of the original,
    /// which has it both ways; transformers does not.
    pub corrections_stay: bool,
    /// Whether the decoder sees the mask that points correct, as in the original; transformers does not show
    /// it.
    pub shows_corrected: bool,
    /// Whether the pointer of a given mask is of the best of several masks, as in transformers, or of the
    /// single one, as in the original.
    pub several_of_given: bool,
    /// Of how many frames, the last ones that were tracked, memories are kept for an object; those of
    /// prompted frames are always kept. Both references keep all.
    pub kept_frames: usize,
}

impl Behavior {
    /// What transformers' `Sam2VideoModel` (5.23) does.
    pub fn transformers() -> Self {
        Self {
            corrections_stay: false,
            shows_corrected: false,
            several_of_given: true,
            kept_frames: usize::MAX,
        }
    }
}

impl Default for Behavior {
    /// What the original does, with corrections that stay and memories of 64 frames.
    fn default() -> Self {
        Self {
            corrections_stay: true,
            shows_corrected: true,
            several_of_given: false,
            kept_frames: 64,
        }
    }
}

/// What a user says of an object on a frame. Coordinates are pixels of the video.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectPrompt {
    /// Points on it (`true`) and beside it: column, row.
    pub points: Vec<([f32; 2], bool)>,
    /// A box around it: left, top, right, bottom.
    pub bounds: Option<[f32; 4]>,
    /// Whether each pixel is the object's, row-major; then there are neither points nor box.
    pub mask: Option<Vec<bool>>,
}

/// What is known of a video and its objects: plain data, to which prompts are added and of which
/// [`Sam2Video`](super::Sam2Video) makes masks.
#[derive(Debug, Clone)]
pub struct VideoSession {
    /// Number of frames.
    pub frames: usize,
    /// Size of the pictures, in whose pixels prompts are given.
    pub size: Size,
    /// What may be done in several ways.
    pub behavior: Behavior,
    /// The objects by id.
    pub(super) objects: BTreeMap<u8, Track>,
    /// The features of the frame that was looked at last.
    pub(super) seen: Option<(usize, ImageFeatures)>,
}

/// What is known of an object.
#[derive(Debug, Clone, Default)]
pub struct Track {
    /// What the user said, by frame.
    pub prompts: BTreeMap<usize, ObjectPrompt>,
    /// Frames whose prompts were not looked at yet.
    pub pending: BTreeSet<usize>,
    /// Prompted frames that are remembered as such.
    pub conditioning: BTreeMap<usize, Kept>,
    /// Other frames.
    pub tracked: BTreeMap<usize, Kept>,
    /// The frames of `tracked` without prompts, in the order in which they were looked at last.
    pub order: VecDeque<usize>,
    /// Frames that were tracked at some time.
    pub passed: BTreeSet<usize>,
}

/// What is kept of a frame.
#[derive(Debug, Clone)]
pub struct Kept {
    /// In 16 bits (`bfloat16`), as both references keep maps.
    map: Tensor<3>,
    pub pointer: Tensor<2>,
    pub logits: Tensor<4>,
    pub score: f32,
}

impl Kept {
    pub fn new(memory: FrameMemory, logits: Tensor<4>, score: f32) -> Self {
        let map = memory.map.cast(FloatDType::BF16);
        Self { map, pointer: memory.pointer, logits, score }
    }

    pub fn map(&self) -> Tensor<3> {
        in_32_bits(self.map.clone())
    }

    pub fn mask(&self, object: u8) -> ObjectMask {
        ObjectMask { object, logits: host_values(self.logits.clone()), score: self.score }
    }
}

impl VideoSession {
    /// A video of so many frames of a size, in which nothing was pointed at yet.
    pub fn new(frames: usize, size: Size) -> Self {
        let (objects, seen) = (BTreeMap::new(), None);
        Self { frames, size, behavior: Behavior::default(), objects, seen }
    }

    /// Ids of the objects, ascending.
    pub fn objects(&self) -> Vec<u8> {
        self.objects.keys().copied().collect()
    }

    /// What was said of an object on a frame.
    pub fn prompt(&self, object: u8, frame: usize) -> Option<&ObjectPrompt> {
        self.objects.get(&object)?.prompts.get(&frame)
    }

    /// Adds points on an object (`true`) and beside it, after those that are there. The object is new if it
    /// is not known. A mask that was given there goes.
    ///
    /// # Errors
    /// [`Error::Shape`] for the id 0, a frame beyond the last, without points, or for coordinates that are
    /// no numbers.
    pub fn add_points(
        &mut self,
        object: u8,
        frame: usize,
        points: &[([f32; 2], bool)],
    ) -> Result<()> {
        if points.is_empty() {
            return Err(Error::shape("points of a prompt", "at least one", 0));
        }
        if let Some((place, _)) = points.iter().find(|(p, _)| p.iter().any(|v| !v.is_finite())) {
            return Err(Error::shape("coordinates of a prompt", "numbers", place));
        }
        let prompt = self.asked(object, frame)?;
        prompt.points.extend_from_slice(points);
        prompt.mask = None;
        Ok(())
    }

    /// Gives the box of an object, in the place of one that was given there. It stands before all points,
    /// whenever it is given. A mask that was given there goes.
    ///
    /// # Errors
    /// As [`Self::add_points`].
    pub fn set_box(&mut self, object: u8, frame: usize, bounds: [f32; 4]) -> Result<()> {
        if bounds.iter().any(|v| !v.is_finite()) {
            return Err(Error::shape("coordinates of a prompt", "numbers", bounds));
        }
        let prompt = self.asked(object, frame)?;
        (prompt.bounds, prompt.mask) = (Some(bounds), None);
        Ok(())
    }

    /// Gives the mask of an object, in the place of all that was said of it on this frame.
    ///
    /// # Errors
    /// As [`Self::add_points`], and [`Error::Shape`] for a mask of another size than the video's.
    pub fn set_mask(&mut self, object: u8, frame: usize, mask: Vec<bool>) -> Result<()> {
        if mask.len() != self.size.area() {
            return Err(Error::shape("pixels of a mask", self.size.area(), mask.len()));
        }
        *self.asked(object, frame)? = ObjectPrompt { mask: Some(mask), ..Default::default() };
        Ok(())
    }

    /// Takes back what was said of an object on a frame; what was found there counts as tracked.
    pub fn clear_prompts(&mut self, object: u8, frame: usize) {
        let Some(track) = self.objects.get_mut(&object) else { return };
        track.prompts.remove(&frame);
        track.pending.remove(&frame);
        if let Some(kept) = track.conditioning.remove(&frame) {
            track.tracked.insert(frame, kept);
            track.passed.remove(&frame);
        }
        if track.tracked.contains_key(&frame) {
            track.note(frame);
        }
    }

    /// Forgets an object; whether it was known.
    pub fn remove(&mut self, object: u8) -> bool {
        self.objects.remove(&object).is_some()
    }

    /// Number of frames of which a memory of an object is kept.
    pub fn kept(&self, object: u8) -> usize {
        self.objects.get(&object).map_or(0, |t| t.conditioning.len() + t.tracked.len())
    }

    /// Frames with prompts that were not looked at yet, ascending.
    pub fn pending(&self) -> Vec<usize> {
        let frames: BTreeSet<usize> =
            self.objects.values().flat_map(|t| t.pending.iter().copied()).collect();
        frames.into_iter().collect()
    }

    /// The prompt of an object on a frame, to be changed.
    fn asked(&mut self, object: u8, frame: usize) -> Result<&mut ObjectPrompt> {
        if object == 0 {
            return Err(Error::shape("id of an object", "1 to 255", 0));
        }
        if frame >= self.frames {
            return Err(Error::shape("frame of a prompt", 0..self.frames, frame));
        }
        let track = self.objects.entry(object).or_default();
        track.pending.insert(frame);
        track.order.retain(|&other| other != frame);
        Ok(track.prompts.entry(frame).or_default())
    }

    /// The points of a prompt in the network's square; a box is the first two.
    pub(super) fn points(&self, prompt: &ObjectPrompt, side: usize) -> Result<Vec<PromptPoint>> {
        let ObjectPrompt { points, bounds, .. } = prompt.clone();
        points_in_square(&Prompt { points, bounds, logits: None }, self.size, side)
    }
}

impl Track {
    /// Notes that a frame was tracked.
    pub fn note(&mut self, frame: usize) {
        self.order.retain(|&other| other != frame);
        if !self.prompts.contains_key(&frame) {
            self.order.push_back(frame);
        }
    }

    /// Forgets the frames without prompts that were tracked longest ago, until so many are left.
    pub fn forget(&mut self, kept: usize) {
        while self.order.len() > kept {
            let Some(oldest) = self.order.pop_front() else { return };
            self.tracked.remove(&oldest);
        }
    }

    /// What was found on a frame.
    pub fn found(&self, frame: usize) -> Option<&Kept> {
        self.conditioning.get(&frame).or_else(|| self.tracked.get(&frame))
    }
}
