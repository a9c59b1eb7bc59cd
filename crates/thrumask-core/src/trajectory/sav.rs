//! Masklets of the SA-V data set as trajectories.

use serde::Deserialize;

use crate::{Error, LabelMap, MAX_OBJECTS, Result, Rle, Size, Trajectory, rle::CocoRle};

/// SA-V annotates every fourth frame of a 24 fps video.
const FPS: f32 = 6.0;

/// The fields of an SA-V annotation that matter here.
#[derive(Deserialize)]
struct Document {
    /// Per annotated frame, one mask for each masklet.
    masklet: Vec<Vec<Option<CocoRle>>>,
}

impl Trajectory {
    /// A trajectory from an SA-V annotation: masklet `i` becomes object `i + 1`, at 6 frames a
    /// second. Where masklets overlap the first one keeps the pixel. `what` names the file in
    /// errors.
    ///
    /// # Errors
    /// [`Error::Format`] when the text is no SA-V annotation; [`Error::Invalid`] and
    /// [`Error::Mismatch`] when masks differ in size or number.
    pub fn from_sav_json(what: &str, text: &str) -> Result<Self> {
        let doc: Document = serde_json::from_str(text)
            .map_err(|e| Error::format(what, format!("expected an SA-V annotation: {e}")))?;
        let masks = || doc.masklet.iter().flatten().flatten();
        let (Some(first), Some(objects)) = (masks().next(), doc.masklet.first().map(Vec::len))
        else {
            return Err(Error::invalid(what, "expected at least one mask, got none"));
        };
        if objects > MAX_OBJECTS {
            let reason = format!("expected at most {MAX_OBJECTS} masklets, got {objects}");
            return Err(Error::invalid(what, reason));
        }
        let size = Size::new(first.size[1], first.size[0]);
        crate::rle::check_size(size).map_err(|e| Error::invalid(what, e.to_string()))?;
        super::json::check_length(what, doc.masklet.len(), size)?;
        let mut frames = Vec::with_capacity(doc.masklet.len());
        for (t, masklets) in doc.masklet.iter().enumerate() {
            if masklets.len() != objects {
                let place = format!("{what}: masklets of frame {t}");
                return Err(Error::mismatch(place, objects, masklets.len()));
            }
            let mut labels = LabelMap::empty(size);
            for (id, mask) in (1..=u8::MAX).zip(masklets) {
                let Some(mask) = mask else { continue };
                let place = || format!("{what}: frame {t}, masklet {}", id - 1);
                let rle = Rle::try_from(mask).map_err(|e| Error::format(place(), e.to_string()))?;
                if rle.size() != size {
                    return Err(Error::mismatch(place(), size, rle.size()));
                }
                rle.for_each_pixel(|i| {
                    let pixel = &mut labels.ids_mut()[i];
                    *pixel = if *pixel == 0 { id } else { *pixel };
                });
            }
            frames.push(labels);
        }
        Self::new(frames, objects, FPS)
    }
}
