//! A trajectory from any of the forms in which a person may give one.

use std::path::Path;

use crate::{
    ColorMatch, Error, LabelMap, Picture, Result, Trajectory, WriteOptions, fsio, media, palette,
};

/// Quantisation of trajectory videos: fine enough that edges snap back to where they were.
const VIDEO_QP: u8 = 8;

impl Trajectory {
    /// Reads a trajectory of `objects` objects from whatever `path` is: JSON of ours or of SA-V, a
    /// video in palette colours (MP4, GIF, WebP), or a folder of PNG frames in the order of their
    /// names. A palette picture's indices are the object ids; colours of the others are snapped to
    /// the palette.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is none of these;
    /// [`Error::Mismatch`] when it is for another number of objects; otherwise as
    /// [`Trajectory::from_json`], [`media::read_frames`] and [`Trajectory::new`].
    pub fn read(path: impl AsRef<Path>, objects: usize) -> Result<Self> {
        let path = path.as_ref();
        let trajectory = if path.is_dir() {
            read_folder(path, objects)?
        } else if starts_as_json(path)? {
            let what = path.display().to_string();
            let text = fsio::read_text_limited(path, super::json::MAX_BYTES)?;
            if text.contains("\"masklet\"") {
                Self::from_sav_json(&what, &text)?
            } else {
                Self::from_json(&what, &text)?
            }
        } else {
            let mut frames = Vec::new();
            let fps = media::read_frames(path, |picture| {
                frames.push(snapped(&picture, objects)?);
                Ok(())
            })?;
            Self::new(frames, objects, fps)?
        };
        if trajectory.objects() != objects {
            let what = format!("objects of trajectory {}", path.display());
            return Err(Error::mismatch(what, objects, trajectory.objects()));
        }
        Ok(trajectory)
    }

    /// Writes the trajectory in palette colours, to be looked at, or painted over and read back.
    ///
    /// # Errors
    /// As [`crate::Clip::write_with`].
    pub fn write_video(&self, path: impl AsRef<Path>, note: Option<&str>) -> Result<()> {
        let options = WriteOptions { note: note.map(str::to_owned), qp: VIDEO_QP };
        self.to_clip()?.write_with(path, &options)
    }
}

/// The object ids of a picture: each pixel snapped to background and ids `1..=objects`.
pub(super) fn snapped(picture: &Picture, objects: usize) -> Result<LabelMap> {
    let known = u8::try_from(objects).unwrap_or(u8::MAX);
    let colors = picture.rgb().chunks_exact(3);
    let id = |c: &[u8]| palette::snap([c[0], c[1], c[2]], known, palette::SNAP_THRESHOLD);
    LabelMap::new(picture.size(), colors.map(id).collect())
}

/// Whether the first character that is not blank opens a JSON object.
fn starts_as_json(path: &Path) -> Result<bool> {
    use std::io::Read;
    let failed = |e| Error::io("reading", path, e);
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(64).read_to_end(&mut start).map_err(failed)?;
    Ok(start.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{'))
}

/// The PNG frames of a folder.
fn read_folder(path: &Path, objects: usize) -> Result<Trajectory> {
    let matching = ColorMatch::Snap { objects: u8::try_from(objects).unwrap_or(u8::MAX) };
    let mut frames: Vec<LabelMap> = Vec::new();
    for name in fsio::list_names(path)? {
        if !name.to_ascii_lowercase().ends_with(".png") {
            continue;
        }
        let frame = LabelMap::read_png_with(path.join(&name), matching)?;
        super::json::check_length(&path.display().to_string(), frames.len() + 1, frame.size())?;
        frames.push(frame);
    }
    if frames.is_empty() {
        return Err(Error::invalid(path.display().to_string(), "expected PNG frames, got none"));
    }
    Trajectory::new(frames, objects, media::fps_of_folder(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    /// Three boxes that move, one of them out of the picture.
    fn moving() -> Trajectory {
        let size = Size::new(65, 48);
        let frame = |t: usize| {
            let mut labels = LabelMap::empty(size);
            for (id, x0, y0) in [(1u8, 4 + 3 * t, 6), (2, 20, 10 + t), (3, 50 + 6 * t, 30)] {
                for y in y0..y0 + 12 {
                    for x in (x0..x0 + 12).filter(|&x| x < size.width) {
                        labels.ids_mut()[y * size.width + x] = id;
                    }
                }
            }
            labels
        };
        Trajectory::new((0..4).map(frame).collect(), 3, 6.0).unwrap()
    }

    #[test]
    fn every_form_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let made = moving();
        let path = |name: &str| dir.path().join(name);
        made.write_json(path("t.json")).unwrap();
        assert_eq!(Trajectory::read(path("t.json"), 3).unwrap(), made);
        for exact in ["frames/", "t.webp", "t.gif"] {
            made.write_video(path(exact), None).unwrap();
            let read = Trajectory::read(path(exact), 3).unwrap();
            assert_eq!(read.frames(), made.frames(), "{exact}");
            assert!((read.fps() - 6.0).abs() < 0.1, "{exact}: {}", read.fps());
        }
        std::fs::create_dir(path("ids")).unwrap();
        for (t, frame) in made.frames().iter().enumerate() {
            frame.write_png(path(&format!("ids/{t}.png"))).unwrap();
        }
        assert_eq!(Trajectory::read(path("ids"), 3).unwrap().frames(), made.frames());
        // Video keeps colours at half the resolution, so edges may move by a pixel.
        made.write_video(path("t.mp4"), None).unwrap();
        let read = Trajectory::read(path("t.mp4"), 3).unwrap();
        assert_eq!((read.size(), read.fps()), (made.size(), 6.0));
        for (a, b) in made.frames().iter().zip(read.frames()) {
            for id in 1..=3u8 {
                let pairs = || a.ids().iter().zip(b.ids());
                let both = pairs().filter(|(x, y)| **x == id && **y == id).count();
                let any = pairs().filter(|(x, y)| **x == id || **y == id).count();
                assert!(both * 100 >= any * 90, "object {id}: {both} of {any}");
            }
        }
    }

    #[test]
    fn other_files_and_other_numbers_of_objects_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.json");
        moving().write_json(&path).unwrap();
        let e = Trajectory::read(&path, 2).unwrap_err().to_string();
        assert!(e.contains("expected 2, got 3"), "{e}");
        std::fs::write(&path, b"  {\"version\": 1").unwrap();
        assert!(Trajectory::read(&path, 3).unwrap_err().to_string().contains("JSON"));
        std::fs::write(&path, b"neither").unwrap();
        assert!(Trajectory::read(&path, 3).unwrap_err().to_string().contains("t.json"));
        let e = Trajectory::read(dir.path(), 3).unwrap_err().to_string();
        assert!(e.contains("expected PNG frames"), "{e}");
    }
}
