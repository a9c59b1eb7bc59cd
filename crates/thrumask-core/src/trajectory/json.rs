//! `trajectory.json`: the exact form of a trajectory, run lengths per object and frame, each entry
//! as COCO's tools read it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, LabelMap, MAX_CLIP_PIXELS, MAX_OBJECTS, Result, Rle, Size, Trajectory, fsio,
    rle::{CocoRle, Counts, check_size},
};

/// The version of the file that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The longest trajectory file that is read, in bytes.
pub const MAX_BYTES: u64 = 512 << 20;

/// The file as it stands in JSON.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    size: Size,
    fps: f32,
    objects: Vec<Object>,
    frames: Vec<Vec<Mask>>,
}

/// One object; ids count from 1 without gaps.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Object {
    id: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// One object's mask in one frame; objects that are not seen are left out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Mask {
    id: usize,
    /// Height and width.
    size: [usize; 2],
    counts: Counts,
}

impl Trajectory {
    /// The trajectory as JSON text, one frame a line.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the frames are larger than any that can be read back.
    pub fn to_json(&self) -> Result<String> {
        let bad = |e: serde_json::Error| Error::format("writing trajectory", e.to_string());
        let objects: Vec<Object> =
            (1..).zip(self.names()).map(|(id, name)| Object { id, name: name.clone() }).collect();
        let mut text = format!(
            "{{\"version\":{VERSION},\n\"size\":{},\n\"fps\":{},\n\"objects\":{},\n\"frames\":[\n",
            serde_json::to_string(&self.size()).map_err(bad)?,
            serde_json::to_string(&self.fps()).map_err(bad)?,
            serde_json::to_string(&objects).map_err(bad)?,
        );
        for (t, frame) in self.frames().iter().enumerate() {
            let mut masks = Vec::new();
            for id in frame.ids_present() {
                let CocoRle { size, counts } =
                    Rle::encode(frame.size(), &frame.mask_of(id))?.to_coco();
                masks.push(Mask { id: usize::from(id), size, counts });
            }
            text.push_str(&serde_json::to_string(&masks).map_err(bad)?);
            text.push_str(if t + 1 < self.frames().len() { ",\n" } else { "\n" });
        }
        text.push_str("]}\n");
        Ok(text)
    }

    /// Writes [`Trajectory::to_json`] to `path`.
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_json(&self, path: impl AsRef<Path>) -> Result<()> {
        fsio::write_atomic(path, self.to_json()?.as_bytes())
    }

    /// Reads what [`Trajectory::write_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`Trajectory::from_json`].
    pub fn read_json(path: impl AsRef<Path>) -> Result<Self> {
        let text = fsio::read_text_limited(&path, MAX_BYTES)?;
        Self::from_json(&path.as_ref().display().to_string(), &text)
    }

    /// A trajectory from JSON text; `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] for malformed JSON, unknown or missing fields, and another version;
    /// [`Error::Invalid`] and [`Error::Mismatch`] with frame and object for what does not fit
    /// together: ids with gaps, sizes, run lengths, objects that overlap.
    pub fn from_json(what: &str, text: &str) -> Result<Self> {
        let doc: Document = serde_json::from_str(text)
            .map_err(|e| Error::format(what, format!("expected a trajectory in JSON: {e}")))?;
        if doc.version != VERSION {
            let got = doc.version;
            return Err(Error::format(what, format!("expected version {VERSION}, got {got}")));
        }
        check_size(doc.size).map_err(|e| Error::invalid(what, e.to_string()))?;
        check_length(what, doc.frames.len(), doc.size)?;
        if doc.objects.len() > MAX_OBJECTS {
            let got = doc.objects.len();
            let reason = format!("expected at most {MAX_OBJECTS} objects, got {got}");
            return Err(Error::invalid(what, reason));
        }
        for (expected, object) in (1..).zip(&doc.objects) {
            if object.id != expected {
                let place = format!("{what}: id of object {expected} in the list");
                return Err(Error::mismatch(place, expected, object.id));
            }
        }
        let mut frames = Vec::with_capacity(doc.frames.len());
        for (t, masks) in doc.frames.into_iter().enumerate() {
            frames.push(painted(
                &format!("{what}: frame {t}"),
                doc.size,
                masks,
                doc.objects.len(),
            )?);
        }
        let trajectory = Self::new(frames, doc.objects.len(), doc.fps)
            .map_err(|e| Error::invalid(what, e.to_string()))?;
        trajectory.with_names(doc.objects.into_iter().map(|o| o.name).collect())
    }
}

/// Refuses more frames than fit into memory.
pub(super) fn check_length(what: &str, frames: usize, size: Size) -> Result<()> {
    if frames.saturating_mul(size.area()) > MAX_CLIP_PIXELS {
        let reason = format!(
            "expected at most {MAX_CLIP_PIXELS} pixels in all frames, got {frames} frames of {size}"
        );
        return Err(Error::invalid(what, reason));
    }
    Ok(())
}

/// One frame from its masks.
fn painted(what: &str, size: Size, masks: Vec<Mask>, objects: usize) -> Result<LabelMap> {
    let mut labels = LabelMap::empty(size);
    for mask in masks {
        let named = format!("{what}, object {}", mask.id);
        let id = u8::try_from(mask.id).ok().filter(|&id| id > 0 && usize::from(id) <= objects);
        let Some(id) = id else {
            return Err(Error::invalid(named, format!("expected an id of 1 to {objects}")));
        };
        let rle = Rle::try_from(&CocoRle { size: mask.size, counts: mask.counts })
            .map_err(|e| Error::format(named.as_str(), e.to_string()))?;
        if rle.size() != size {
            return Err(Error::mismatch(format!("{named}: size of the mask"), size, rle.size()));
        }
        let mut taken = None;
        rle.for_each_pixel(|i| match labels.ids()[i] {
            0 => labels.ids_mut()[i] = id,
            other => taken = taken.or(Some((i, other))),
        });
        if let Some((i, other)) = taken {
            let (x, y) = (i % size.width, i / size.width);
            let reason = format!("overlaps object {other} at column {x}, row {y}");
            return Err(Error::invalid(named, reason));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"version":1,"size":{"width":3,"height":2},"fps":8,
        "objects":[{"id":1,"name":"dog"},{"id":2}],
        "frames":[[{"id":1,"size":[2,3],"counts":[0,1,5]},{"id":2,"size":[2,3],"counts":"42"}],[]]}"#;

    #[test]
    fn a_file_written_by_hand_is_read() {
        let read = Trajectory::from_json("t", GOOD).unwrap();
        assert_eq!(read.frames()[0].ids(), [1, 0, 2, 0, 0, 2]);
        assert_eq!(read.frames()[1], LabelMap::empty(Size::new(3, 2)));
        assert_eq!((read.fps(), read.objects()), (8.0, 2));
        assert_eq!(read.names(), [Some("dog".to_owned()), None]);
    }

    #[test]
    fn bad_files_are_refused_with_what_is_wrong() {
        for (from, to, words) in [
            ("\"version\":1", "\"version\":2", "expected version 1, got 2"),
            ("\"fps\":8", "\"fps\":0", "fps"),
            ("\"fps\":8", "\"speed\":8", "speed"),
            ("\"id\":2}", "\"id\":3}", "expected 2, got 3"),
            ("\"counts\":\"42\"", "\"counts\":\"06\"", "overlaps object 1"),
            ("\"counts\":\"42\"", "\"counts\":\"43\"", "expected 6, got 7"),
            ("\"counts\":\"42\"", "\"counts\":[1,2]", "frame 0, object 2"),
            ("\"width\":3", "\"width\":4", "expected 4x2, got 3x2"),
            ("\"width\":3", "\"width\":30000", "expected sides"),
            ("{\"id\":1,\"size\"", "{\"id\":7,\"size\"", "object 7"),
            (",[]]}", "", "JSON"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let e = Trajectory::from_json("t.json", &GOOD.replacen(from, to, 1)).unwrap_err();
            let e = e.to_string();
            assert!(e.contains(words) && e.contains("t.json"), "{from} -> {to}: {e}");
        }
        let empty =
            r#"{"version":1,"size":{"width":1,"height":1},"fps":1,"objects":[],"frames":[]}"#;
        assert!(Trajectory::from_json("t", empty).is_err());
    }

    proptest! {
        #[test]
        fn json_round_trips(
            w in 1usize..12, h in 1usize..12, t in 1usize..4, fps in 0.1f32..100.0,
            ids in proptest::collection::vec(0u8..5, 12 * 12 * 4)
        ) {
            let size = Size::new(w, h);
            let frames = ids.chunks_exact(w * h).take(t);
            let frames = frames.map(|c| LabelMap::new(size, c.to_vec()).unwrap()).collect();
            let made = Trajectory::new(frames, 4, fps).unwrap();
            let text = made.to_json().unwrap();
            prop_assert_eq!(Trajectory::from_json("t", &text).unwrap(), made);
        }
    }
}
