//! Segmenting: one mask on the input picture for each object of the plan (paper, Pipeline 2).
//!
//! A [`Segmenter`] finds the objects by their names. [`NanoSegmenter`] does it with one small
//! network trained on the world of this project: it knows the world's things and little else. Larger
//! models that split the work into names → boxes → masks (Grounding DINO, then Segment Anything)
//! come in as a [`Detector`] ([`DinoDetector`]) and a [`Masker`] ([`SamMasks`]) behind [`DetectThenMask`], which
//! settles which of several boxes a name means.
//!
//! What a person gives (masks, boxes, points) needs no model: see [`from_masks`], [`from_boxes`] and
//! [`from_points`]; [`from_places_by`] cuts it out with any masker, and [`segment_rest`] finds what is not given.

mod canvas;
mod cut;
mod detect;
mod dino;
mod files;
mod given;
mod masker;
mod nano;
mod place;
mod resolve;
mod sam;
mod search;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use thrumask_core::{Error, MaskSet, Picture, PromptPlan};

pub use canvas::ScoreGrid;
pub use detect::{DetectThenMask, Detection, Detector};
pub use dino::DinoDetector;
pub use files::{read_segmenter, write_segmenter};
pub use given::{Place, from_boxes, from_masks, from_places, from_places_by, from_points};
pub use masker::{ColorMasker, Cut, Masker, Sought, Within};
pub use nano::{NanoSegmenter, SegmenterModel, query_text};
pub use sam::SamMasks;

use crate::Result;

/// Masks of a plan's objects, and how they were come by.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// Masks of the picture's size; an object that was not found has no pixel.
    pub masks: MaskSet,
    /// How sure each object's mask is, 0 (not found) to 1 (given); scores of different segmenters
    /// do not compare.
    pub scores: Vec<f32>,
    /// What the user should know: objects that were not found, words that are not known.
    pub notes: Vec<String>,
}

impl Segmentation {
    /// Masks with their scores, and a note for each object without a pixel, which scores 0.
    fn new(
        plan: &PromptPlan,
        masks: MaskSet,
        mut scores: Vec<f32>,
        mut notes: Vec<String>,
    ) -> thrumask_core::Result<Self> {
        let mut seen = [false; 256];
        masks.labels.ids_present().into_iter().for_each(|id| seen[usize::from(id)] = true);
        for (i, score) in scores.iter_mut().enumerate() {
            if !seen.get(i + 1).copied().unwrap_or(false) {
                *score = 0.0;
                notes.push(format!("{} was not found in the picture", label_of(plan, i)));
            }
        }
        Ok(Self { masks, scores, notes })
    }
}

/// Finds the objects of a plan in a picture.
pub trait Segmenter {
    /// The segmenter's name, as written into a run's record.
    fn name(&self) -> &str;

    /// One mask for each object of the plan. An object that is not found has no pixel and a note:
    /// whether to go on without it is the caller's choice. A plan without objects gives no masks.
    ///
    /// # Errors
    /// When the picture cannot be worked on (its size, memory) or the plan has too many objects;
    /// never because an object was not found.
    fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation>;
}

/// Segments with `segmenter` what is not in `given`, masks of the objects of these ids. A given object keeps
/// its pixels: found ones give way where they overlap.
///
/// The segmenter is asked for all objects, given ones too: they help it to tell the others apart.
///
/// # Errors
/// As [`Segmenter::segment`].
pub fn segment_rest(
    segmenter: &dyn Segmenter,
    picture: &Picture,
    plan: &PromptPlan,
    given: Segmentation,
    ids: &BTreeSet<u8>,
) -> Result<Segmentation> {
    let is_given = |i: usize| u8::try_from(i + 1).is_ok_and(|id| ids.contains(&id));
    let found = segmenter.segment(picture, plan)?;
    let mut labels = given.masks.labels;
    for (own, &other) in labels.ids_mut().iter_mut().zip(found.masks.labels.ids()) {
        if *own == 0 && other > 0 && !is_given(usize::from(other) - 1) {
            *own = other;
        }
    }
    let scores = (0..plan.objects.len())
        .map(|i| if is_given(i) { given.scores[i] } else { found.scores[i] })
        .collect();
    // Notes of an object begin with its label; those of given objects are made by `given`.
    let about = |note: &&String, wanted: bool| {
        let of = |i: &usize| note.starts_with(&label_of(plan, *i));
        (0..plan.objects.len()).find(of).is_none_or(|i| is_given(i) == wanted)
    };
    let mut notes: Vec<String> = given.notes.iter().filter(|n| about(n, true)).cloned().collect();
    notes.extend(found.notes.iter().filter(|n| about(n, false)).cloned());
    notes.retain(|n| !n.ends_with("was not found in the picture"));
    let masks = MaskSet::new(labels, plan.objects.len())?;
    Ok(Segmentation::new(plan, masks, scores, notes)?)
}

/// What an object is called in notes and errors.
fn label_of(plan: &PromptPlan, index: usize) -> String {
    let name = plan.objects.get(index).map_or("", |o| o.name.as_str());
    format!("object {} (\"{name}\")", index + 1)
}

/// Refuses a plan with more objects than masks can name.
fn check_objects(plan: &PromptPlan) -> Result<()> {
    let (count, most) = (plan.objects.len(), thrumask_core::MAX_OBJECTS);
    if count > most {
        let reason = format!("expected at most {most} objects, got {count}");
        return Err(Error::invalid("plan", reason).into());
    }
    Ok(())
}
