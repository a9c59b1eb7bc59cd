//! Names → boxes → masks, as the paper does it with Grounding DINO and SAM 2: two parts behind the
//! one interface of a segmenter.

use std::collections::BTreeMap;

use thrumask_core::{MaskSet, Picture, PromptPlan};

use super::{Place, Segmentation, Segmenter, check_objects, from_places};
use crate::Result;

/// Where a detector sees an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom, in pixels of the picture.
    pub bounds: [f32; 4],
    /// How sure it is, 0 to 1.
    pub score: f32,
}

/// Finds objects by their names, as boxes.
pub trait Detector {
    /// The detector's name, as written into a run's record.
    fn name(&self) -> &str;

    /// The best box of each object of the plan, `None` for one that is not seen.
    ///
    /// # Errors
    /// When the picture cannot be worked on.
    fn detect(&self, picture: &Picture, plan: &PromptPlan) -> Result<Vec<Option<Detection>>>;
}

/// Turns boxes into masks.
pub trait BoxMasker {
    /// The masker's name, as written into a run's record.
    fn name(&self) -> &str;

    /// Masks from a box (left, top, right, bottom) for each object, by id; an object without a box
    /// has no pixel.
    ///
    /// # Errors
    /// When the picture cannot be worked on, or a box does not lie on it.
    fn mask(
        &self,
        picture: &Picture,
        plan: &PromptPlan,
        boxes: &BTreeMap<u8, [f32; 4]>,
    ) -> Result<Segmentation>;
}

/// Cuts objects out of their boxes by colour, without a model; see [`super::from_boxes`].
#[derive(Debug, Clone, Copy, Default)]
pub struct ColorMasker;

impl BoxMasker for ColorMasker {
    fn name(&self) -> &str {
        "colour"
    }

    fn mask(
        &self,
        picture: &Picture,
        plan: &PromptPlan,
        boxes: &BTreeMap<u8, [f32; 4]>,
    ) -> Result<Segmentation> {
        let places = boxes.iter().map(|(&id, &b)| (id, Place::Box(b))).collect();
        Ok(from_places(picture, plan, &places)?)
    }
}

/// A detector, then a masker.
#[derive(Debug, Clone)]
pub struct DetectThenMask<D, M> {
    detector: D,
    masker: M,
    name: String,
    threshold: f32,
}

impl<D: Detector, M: BoxMasker> DetectThenMask<D, M> {
    /// Boxes that score below `threshold` (the paper's detector: 0.25) count as not found.
    pub fn new(detector: D, masker: M, threshold: f32) -> Self {
        let name = format!("{} + {}", detector.name(), masker.name());
        Self { detector, masker, name, threshold }
    }
}

impl<D: Detector, M: BoxMasker> Segmenter for DetectThenMask<D, M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation> {
        check_objects(plan)?;
        let found = self.detector.detect(picture, plan)?;
        let sure = |(i, d): (usize, &Option<Detection>)| {
            d.filter(|d| d.score >= self.threshold).map(|d| (i as u8 + 1, d))
        };
        let found: BTreeMap<u8, Detection> = found.iter().enumerate().filter_map(sure).collect();
        let boxes = found.iter().map(|(&id, d)| (id, d.bounds)).collect();
        let Segmentation { masks, scores, notes } = self.masker.mask(picture, plan, &boxes)?;
        let score = |(i, s): (usize, f32)| s * found.get(&(i as u8 + 1)).map_or(0.0, |d| d.score);
        let scores = scores.into_iter().enumerate().map(score).collect();
        let masks = MaskSet::new(masks.labels, plan.objects.len())?;
        Ok(Segmentation { masks, scores, notes })
    }
}
