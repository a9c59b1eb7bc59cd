//! What is measured, and how one scene is scored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, LabelMap, Picture, Trajectory, palette};

use super::{
    bootstrap::Tally,
    classifier::{Look, answers},
    metrics::{Colors, boundary_f, boundary_tolerance, psnr, region, ssim},
};
use crate::world::{Action, ObjectTruth, Sample, judge};

/// Declares the measures with their words.
macro_rules! measures {
    ($($(#[$doc:meta])+ $name:ident = $word:literal),+ $(,)?) => {
        /// One measure. Unless said otherwise, frame 0 is left out, for it is given.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Measure { $($(#[$doc])+ $name),+ }

        impl Measure {
            /// Every measure.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its head in a table.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}

measures! {
    /// Share of objects whose action, and partner in it, the written rule reads off the masks.
    Actions = "actions",
    /// Mean over objects of the mean intersection over union with the true masks over the frames.
    Iou = "IoU",
    /// Share of objects with a mean IoU of at least 0.5.
    Half = "IoU ≥ .5",
    /// [`Self::Iou`] of the objects of which the words say all ([`ObjectTruth::open`] is false): the
    /// others may rightly do what the truth does not.
    SaidIou = "IoU, all said",
    /// [`Self::Half`] of the same objects.
    SaidHalf = "≥ .5, all said",
    /// Pieces of at least [`SPECK`] of the picture in which an object lies, where it is seen.
    Pieces = "pieces",
    /// Share of objects and frames in which an object is seen if, and only if, it truly is: it
    /// neither vanishes nor appears.
    Steady = "steady",
    /// Share of pixels that lie near a palette colour before they are snapped to it.
    Valid = "near palette",
    /// Region similarity with the trajectory that the video was made for.
    J = "J",
    /// Boundary accuracy against the trajectory that the video was made for.
    F = "F",
    /// Region similarity with that trajectory of the masks that a tracker finds.
    TrackedJ = "J (tracker)",
    /// Boundary accuracy against that trajectory of the masks that a tracker finds.
    TrackedF = "F (tracker)",
    /// Signal-to-noise ratio of the network's own frame 0 to the given picture, in decibels.
    FirstPsnr = "first frame dB",
    /// Structural similarity of the network's own frame 0 to the given picture.
    FirstSsim = "first frame SSIM",
    /// Signal-to-noise ratio of frame 1 to the true one, in decibels.
    SecondPsnr = "second frame dB",
    /// Mean signal-to-noise ratio to the true frames, in decibels.
    Psnr = "dB to truth",
    /// Mean LPIPS distance to the true frames (Zhang et al. 2018, SqueezeNet); lower is better.
    Lpips = "LPIPS",
    /// Overlap of an object's colours with those it has in the first frame.
    Appearance = "colours kept",
    /// Share of objects whose mask overlaps the true mask of the object it stands for more than
    /// that of any other.
    RightObject = "right object",
    /// Fréchet distance of the classifier's features from those of the true videos; of a set of
    /// videos, not of one. Less is better.
    Distance = "world classifier distance",
    /// Share of what the words say of an object (kind, colour, action) that the classifier sees.
    Alignment = "alignment",
    /// Share of objects whose kind the classifier sees.
    KindSeen = "kind seen",
    /// Share of objects whose colour the classifier sees.
    ColorSeen = "colour seen",
    /// Share of objects whose action the classifier sees.
    ActionSeen = "action seen",
    /// Mean cosine between the classifier's features of one stretch of time and the next.
    Consistency = "consistency",
    /// How far an object's centre moves from frame to frame, in percent of the picture's side. Neither
    /// more nor less than the true video's is good.
    Displacement = "displacement",
    /// Share of scenes in which the planner gives the true motion prompt and object prompts.
    Plan = "plan equal",
    /// Share of the objects that were told to go the opposite way, and that do.
    Followed = "words followed",
    /// The same, of the objects that have room to go the opposite way without touching the edge.
    FollowedInView = "where there is room",
    /// Share of true objects that the planner names.
    Named = "objects named",
}

/// Specks of less than this share of the picture are no piece of an object.
pub const SPECK: f32 = 0.0005;
/// An object of less than this share of the picture is not seen; the rule's own limit.
pub const SEEN: f32 = 0.0012;

/// How the objects of a video are found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// By their looks on the first frame and the known background; see [`super::resegment`].
    Looks,
    /// By a network that follows them; see [`crate::tracker`].
    Tracker,
}

/// The scores of one scene.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// By measure.
    pub figures: BTreeMap<Measure, Tally>,
    /// Action accuracy by true action.
    pub actions: BTreeMap<Action, Tally>,
}

impl Scores {
    /// Adds one value of a measure.
    pub fn add(&mut self, measure: Measure, value: f32) {
        self.figures.entry(measure).or_default().add(value);
    }

    /// Mean of a measure; `None` when nothing was added.
    pub fn mean(&self, measure: Measure) -> Option<f64> {
        let tally = self.figures.get(&measure).filter(|t| t.count > 0.0)?;
        Some(tally.sum / tally.count)
    }

    /// Adds a value that there may be none of.
    fn add_some(&mut self, measure: Measure, value: Option<f32>) {
        if let Some(value) = value {
            self.add(measure, value);
        }
    }

    /// Scores masks against the true ones: actions, IoU, pieces, steadiness.
    pub fn masks(&mut self, found: &Trajectory, truth: &Sample) {
        let judged = judge::judge_all(found);
        let size = found.size();
        let speck = (SPECK * size.area() as f32).round() as usize;
        let seen = |frame: &LabelMap, id: u8| frame.area_of(id) as f32 >= SEEN * size.area() as f32;
        for i in 0..truth.masks.objects() {
            let id = i as u8 + 1;
            // Of a collage, nothing is known but where things are.
            if let Some(object) = truth.objects.get(i) {
                let right = judge::is_right(judged.get(i).and_then(Option::as_ref), object);
                let right = f32::from(u8::from(right));
                self.add(Measure::Actions, right);
                self.actions.entry(object.action).or_default().add(right);
            }
            let iou = mean_region(found, &truth.masks, id);
            self.add_some(Measure::Iou, iou);
            let half = iou.map(|v| f32::from(u8::from(v >= 0.5)));
            self.add_some(Measure::Half, half);
            if truth.objects.get(i).is_some_and(|object| !object.open) {
                self.add_some(Measure::SaidIou, iou);
                self.add_some(Measure::SaidHalf, half);
            }
            for (frame, true_frame) in found.frames().iter().zip(truth.masks.frames()).skip(1) {
                let (here, there) = (seen(frame, id), seen(true_frame, id));
                self.add(Measure::Steady, f32::from(u8::from(here == there)));
                if here {
                    let pieces = judge::pieces(&frame.mask_of(id), size, speck);
                    self.add(Measure::Pieces, pieces as f32);
                }
            }
        }
    }

    /// Scores how well masks found in a video follow the trajectory that it was made for.
    pub fn adherence(&mut self, found: &Trajectory, trajectory: &Trajectory, by: FoundBy) {
        let tolerance = boundary_tolerance(found.size());
        let (region, boundary) = match by {
            FoundBy::Looks => (Measure::J, Measure::F),
            FoundBy::Tracker => (Measure::TrackedJ, Measure::TrackedF),
        };
        for id in 1..=trajectory.objects() as u8 {
            self.add_some(region, mean_region(found, trajectory, id));
            let pairs = found.frames().iter().zip(trajectory.frames()).skip(1);
            let f = mean(pairs.filter_map(|(a, b)| boundary_f(a, b, id, tolerance)));
            self.add_some(boundary, f);
        }
    }

    /// Measures how far objects move, where they are seen in a frame and the next.
    pub fn displacement(&mut self, found: &Trajectory) {
        let size = found.size();
        let least = (SEEN * size.area() as f32).ceil() as usize;
        let side = size.width.max(size.height) as f32;
        for id in 1..=found.objects() as u8 {
            let centers = found.frames().iter().map(|frame| frame.center_of(id, least));
            let centers: Vec<Option<[f32; 2]>> = centers.collect();
            let steps = centers.windows(2).filter_map(|pair| {
                let ([x0, y0], [x1, y1]) = (pair[0]?, pair[1]?);
                Some((x1 - x0).hypot(y1 - y0) * 100.0 / side)
            });
            self.add_some(Measure::Displacement, mean(steps));
        }
    }

    /// Scores what the classifier sees of a video.
    pub fn look(&mut self, look: &Look, truth: &Sample) {
        self.seen(look, truth, |_| true);
        self.add(Measure::Consistency, look.consistency());
    }

    /// Scores what the classifier sees of the objects of which `whom` is true: of one that is not
    /// found it sees nothing.
    pub fn seen(&mut self, look: &Look, truth: &Sample, whom: impl Fn(&ObjectTruth) -> bool) {
        let measures = [Measure::KindSeen, Measure::ColorSeen, Measure::ActionSeen];
        for (i, object) in truth.objects.iter().enumerate().filter(|(_, object)| whom(object)) {
            let seen = look.objects.get(i).copied().flatten();
            for (question, answer) in answers(object).into_iter().enumerate() {
                let right = seen.is_some_and(|seen| seen[question] == answer);
                let right = f32::from(u8::from(right));
                self.add(measures[question], right);
                self.add(Measure::Alignment, right);
            }
        }
    }

    /// Scores the network's own first frame.
    pub fn first_frame(&mut self, own: &Picture, given: &Picture) {
        self.add(Measure::FirstPsnr, psnr(own, given));
        self.add(Measure::FirstSsim, ssim(own, given));
    }

    /// Scores the pictures of a video: likeness to the true ones, and whether objects keep the
    /// colours they have in the first frame. `found` are the masks found in it.
    pub fn pictures(&mut self, clip: &Clip, found: &Trajectory, truth: &Sample) {
        let pairs = || clip.frames().iter().zip(truth.clip.frames()).skip(1);
        self.add_some(Measure::SecondPsnr, pairs().next().map(|(a, b)| psnr(a, b)));
        self.add_some(Measure::Psnr, mean(pairs().map(|(a, b)| psnr(a, b))));
        let least = (SEEN * clip.size().area() as f32).ceil() as usize;
        for id in 1..=truth.masks.objects() as u8 {
            let first = (&truth.clip.frames()[0], &truth.masks.frames()[0]);
            let Some(first) = Colors::of(first.0, first.1, id, 1) else { continue };
            let frames = clip.frames().iter().zip(found.frames()).skip(1);
            let now = frames.filter_map(|(p, l)| Colors::of(p, l, id, least));
            // An object that is never found keeps none of its colours.
            let kept = mean(now.map(|c| c.similarity(&first))).unwrap_or(0.0);
            self.add(Measure::Appearance, kept);
        }
    }

    /// Scores masks of the first frame that were found in the picture.
    pub fn segmentation(&mut self, found: &LabelMap, truth: &Sample) {
        let masks = &truth.masks.frames()[0];
        for id in 1..=truth.objects.len() as u8 {
            let iou = region(found, masks, id).unwrap_or(0.0);
            self.add(Measure::Iou, iou);
            self.add(Measure::Half, f32::from(u8::from(iou >= 0.5)));
            let mut overlap = vec![0usize; truth.objects.len() + 1];
            for (_, &v) in found.ids().iter().zip(masks.ids()).filter(|&(&f, _)| f == id) {
                overlap[usize::from(v)] += 1;
            }
            let own = overlap[usize::from(id)];
            let most = overlap[1..].iter().max().copied().unwrap_or(0);
            self.add(Measure::RightObject, f32::from(u8::from(own > 0 && own == most)));
        }
    }

    /// Scores a network's mask video before it is snapped to the palette.
    pub fn palette(&mut self, clip: &Clip, objects: usize) {
        let objects = objects.min(thrumask_core::MAX_OBJECTS) as u8;
        let limit = palette::SNAP_THRESHOLD * palette::SNAP_THRESHOLD;
        let near = |c: &[u8]| {
            let color = [c[0], c[1], c[2]];
            (0..=objects)
                .any(|id| palette::distance_squared(color, palette::color_of(id)) as f32 <= limit)
        };
        for frame in &clip.frames()[1..] {
            let pixels = frame.rgb().chunks_exact(3);
            let valid = pixels.filter(|c| near(c)).count() as f32 / frame.size().area() as f32;
            self.add(Measure::Valid, valid);
        }
    }
}

/// Mean region similarity of an object over the frames after the first in which either trajectory
/// has it.
pub fn mean_region(a: &Trajectory, b: &Trajectory, id: u8) -> Option<f32> {
    let pairs = a.frames().iter().zip(b.frames()).skip(1);
    mean(pairs.filter_map(|(a, b)| region(a, b, id)))
}

/// The mean of some values; `None` of none.
pub(super) fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, n) = values.fold((0.0, 0usize), |(s, n), v| (s + v, n + 1));
    (n > 0).then(|| sum / n as f32)
}

#[cfg(test)]
mod tests;
