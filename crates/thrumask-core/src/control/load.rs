//! The masks that a control file points to.

use super::{ControlObject, MaskSource};
use crate::{Error, LabelMap, Result, Rle, Size, labels::png as label_png};

impl ControlObject {
    /// The object's mask on an input picture of `size`, row-major, when the file gives one.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the mask is of another size than the picture; otherwise as
    /// [`LabelMap::read_png`].
    pub fn load_mask(&self, size: Size) -> Result<Option<Vec<bool>>> {
        let (found, mask) = match &self.mask {
            None => return Ok(None),
            Some(MaskSource::Rle(rle)) => {
                let rle = Rle::try_from(rle)?;
                (rle.size(), rle.decode())
            }
            Some(MaskSource::File(file)) => {
                let labels: LabelMap = label_png::read_any_color(file)?;
                (labels.size(), labels.ids().iter().map(|&v| v != 0).collect())
            }
        };
        if found != size {
            let what = format!("control: object {}, field mask: size", self.id);
            return Err(Error::mismatch(what, size, found));
        }
        Ok(Some(mask))
    }
}
