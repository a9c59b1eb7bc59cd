//! The objects of the first frame: their masks and, for boxes given without masks, their boxes.

mod files;

use crate::{Error, LabelMap, PixelBox, Result};

/// Masks `s(0)` of the objects of a plan on the input picture, disjoint by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskSet {
    /// Object id per pixel of the input picture; ids `1..=objects`.
    pub labels: LabelMap,
    /// Number of objects of the plan; an object that was not found has no pixel.
    pub objects: usize,
}

impl MaskSet {
    /// Masks for `objects` objects.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the label map holds an id above `objects`.
    pub fn new(labels: LabelMap, objects: usize) -> Result<Self> {
        check_ids("masks", &labels, objects)?;
        Ok(Self { labels, objects })
    }

    /// Bounding box of object `id` (from 1), `None` when it has no pixel.
    pub fn box_of(&self, id: u8) -> Option<PixelBox> {
        self.labels.box_of(id)
    }
}

/// Refuses ids that no object of the plan has.
pub(crate) fn check_ids(what: &str, labels: &LabelMap, objects: usize) -> Result<()> {
    match labels.ids_present().into_iter().find(|&id| usize::from(id) > objects) {
        Some(id) => Err(Error::invalid(
            what,
            format!("expected object ids 1 to {objects}, as in the plan, got {id}"),
        )),
        None => Ok(()),
    }
}
