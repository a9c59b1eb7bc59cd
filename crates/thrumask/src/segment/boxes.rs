//! Masks from boxes by a network, one box at a time, and what becomes of overlaps.

use std::collections::BTreeMap;

use thrumask_core::{Error, MaskSet, Picture, PixelBox, PromptPlan, Size};

use super::{
    BoxMasker, Segmentation,
    canvas::{ScoreGrid, paint},
    label_of,
};
use crate::Result;

/// Share of an object's pixels that others may take before it is said.
const SAID: f32 = 0.5;

/// What a network says of one box.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxMask {
    /// Columns and rows of the mask, which covers the whole picture.
    pub size: Size,
    /// Above 0 where the object is, row-major; the higher, the surer.
    pub logits: Vec<f32>,
    /// How good the mask is, 0 to 1.
    pub score: f32,
}

/// Finds the object that a box is around (Segment Anything, say).
pub trait MaskFromBox {
    /// The network's name, as written into a run's record.
    fn name(&self) -> &str;

    /// A mask for each box (left, top, right, bottom, in pixels of the picture).
    ///
    /// # Errors
    /// When the picture cannot be worked on, or a box does not lie on it.
    fn masks(&self, picture: &Picture, boxes: &[[f32; 4]]) -> Result<Vec<BoxMask>>;
}

/// A network's masks as those of a plan's objects: a pixel that several want goes to the surest.
#[derive(Debug, Clone)]
pub struct NetworkMasker<M>(pub M);

impl<M: MaskFromBox> BoxMasker for NetworkMasker<M> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn mask(
        &self,
        picture: &Picture,
        plan: &PromptPlan,
        boxes: &BTreeMap<u8, [f32; 4]>,
    ) -> Result<Segmentation> {
        let (size, count) = (picture.size(), plan.objects.len());
        if let Some(id) = boxes.keys().find(|&&id| !(1..=count).contains(&usize::from(id))) {
            let reason = format!("expected an object of the plan, 1 to {count}, got {id}");
            return Err(Error::invalid("object id", reason).into());
        }
        let given: Vec<[f32; 4]> = boxes.values().copied().collect();
        let made = match given.is_empty() {
            true => Vec::new(),
            false => self.0.masks(picture, &given)?,
        };
        if made.len() != given.len() {
            return Err(Error::mismatch("masks of boxes", given.len(), made.len()).into());
        }
        let area = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
        let mut grids = vec![ScoreGrid::nothing(); count];
        let mut scores = vec![0.0; count];
        for (&id, mask) in boxes.keys().zip(made) {
            if mask.logits.len() != mask.size.area() || mask.logits.is_empty() {
                return Err(Error::mismatch(
                    "cells of a mask",
                    mask.size.area(),
                    mask.logits.len(),
                )
                .into());
            }
            let index = usize::from(id) - 1;
            grids[index] = ScoreGrid::over(area, mask.size, mask.logits);
            scores[index] = mask.score;
        }
        let labels = paint(size, &grids)?;
        let mut notes = Vec::new();
        for &id in boxes.keys() {
            let index = usize::from(id) - 1;
            let (kept, own) = (labels.area_of(id), paint(size, &grids[index..=index])?.area_of(1));
            if (kept as f32) < (1.0 - SAID) * own as f32 {
                let lost = 100 * (own - kept) / own;
                let what = label_of(plan, index);
                notes.push(format!("{what}: {lost}% of its pixels went to objects over it"));
            }
        }
        Ok(Segmentation::new(plan, MaskSet::new(labels, count)?, scores, notes)?)
    }
}
