//! The masks that a control file points to.

use std::path::Path;

use super::{ControlObject, MaskSource};
use crate::{
    Error, LabelMap, Picture, Result, Rle, Size, Trajectory, labels::png as label_png, media,
};

/// The brightest channel from which on a pixel of a mask video belongs to the object.
const INSIDE: u8 = 128;

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

    /// The object's mask in every frame, as a trajectory of one object, when the file gives a mask
    /// sequence: from a trajectory JSON the object of the same id (or its only one), from a video
    /// or a folder of pictures all that is brighter than half.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the JSON does not hold the object; otherwise as
    /// [`Trajectory::read_json`] and [`media::read_frames`].
    pub fn load_masks(&self) -> Result<Option<Trajectory>> {
        let Some(path) = &self.masks else { return Ok(None) };
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            return self.of_trajectory(path).map(Some);
        }
        let mut frames = Vec::new();
        let fps = media::read_frames(path, |picture| {
            frames.push(bright(&picture)?);
            Ok(())
        })?;
        Trajectory::new(frames, 1, fps).map(Some)
    }

    /// This object's part of a trajectory file.
    fn of_trajectory(&self, path: &Path) -> Result<Trajectory> {
        let all = Trajectory::read_json(path)?;
        let id = match all.objects() {
            1 => 1,
            n if n >= usize::from(self.id) => self.id,
            n => {
                let what = format!("control: object {}, field masks", self.id);
                let reason = format!("{} holds objects 1 to {n}", path.display());
                return Err(Error::invalid(what, reason));
            }
        };
        let alone = |f: &LabelMap| {
            let ids = f.ids().iter().map(|&v| u8::from(v == id)).collect();
            LabelMap::new(f.size(), ids)
        };
        let frames = all.frames().iter().map(alone).collect::<Result<_>>()?;
        Trajectory::new(frames, 1, all.fps())
    }
}

/// 1 where a picture is bright.
fn bright(picture: &Picture) -> Result<LabelMap> {
    let inside = |c: &[u8]| u8::from(c.iter().any(|&v| v >= INSIDE));
    LabelMap::new(picture.size(), picture.rgb().chunks_exact(3).map(inside).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clip, Control};

    #[test]
    fn mask_sequences_come_from_json_video_and_folders() {
        let dir = tempfile::tempdir().unwrap();
        let size = Size::new(32, 16);
        let frame = |t: usize, id: u8| {
            let left = |x: usize| (4 * t..4 * t + 8).contains(&x);
            let ids = (0..size.area()).map(|i| if left(i % 32) { id } else { 0 });
            LabelMap::new(size, ids.collect()).unwrap()
        };
        let truth: Vec<LabelMap> = (0..3).map(|t| frame(t, 1)).collect();
        let two = Trajectory::new((0..3).map(|t| frame(t, 2)).collect(), 2, 8.0).unwrap();
        two.write_json(dir.path().join("two.json")).unwrap();
        let white = |f: &LabelMap| {
            let rgb = f.ids().iter().flat_map(|&v| [v * 255; 3]).collect();
            Picture::new(size, rgb).unwrap()
        };
        let clip = Clip::new(truth.iter().map(white).collect(), 8.0).unwrap();
        clip.write(dir.path().join("m.mp4")).unwrap();
        clip.write(dir.path().join("m")).unwrap();
        let load = |id: u8, masks: &str| {
            let text =
                format!(r#"{{"version": 1, "objects": [{{"id": {id}, "masks": "{masks}"}}]}}"#);
            std::fs::write(dir.path().join("control.json"), text).unwrap();
            let control = Control::read(dir.path().join("control.json")).unwrap();
            control.objects[0].load_masks().map(|m| m.unwrap())
        };
        for (id, masks) in [(2, "two.json"), (1, "m.mp4"), (5, "m/")] {
            let loaded = load(id, masks).unwrap();
            assert_eq!((loaded.frames(), loaded.fps()), (&truth[..], 8.0), "{masks}");
        }
        let e = load(3, "two.json").unwrap_err().to_string();
        assert!(e.contains("object 3, field masks") && e.contains("objects 1 to 2"), "{e}");
        assert!(load(1, "none.mp4").unwrap_err().to_string().contains("none.mp4"));
    }
}
