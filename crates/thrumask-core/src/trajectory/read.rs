//! A trajectory from any of the forms in which a person may give one.

use std::path::Path;

use crate::{ColorMatch, Error, LabelMap, Result, Trajectory, fsio};

/// Frames per second of a folder of pictures that does not say.
pub const DEFAULT_FPS: f32 = 8.0;

impl Trajectory {
    /// Reads a trajectory of `objects` objects from whatever `path` is: JSON of ours or of SA-V,
    /// or a folder of PNG frames in the order of their names, where a palette picture's indices
    /// are the object ids and colours are snapped to the palette.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is none of these;
    /// [`Error::Mismatch`] when it is for another number of objects;
    /// otherwise as [`Trajectory::from_json`] and [`Trajectory::new`].
    pub fn read(path: impl AsRef<Path>, objects: usize) -> Result<Self> {
        let path = path.as_ref();
        let trajectory = if path.is_dir() {
            read_folder(path, objects)?
        } else {
            let what = path.display().to_string();
            let text = fsio::read_text_limited(path, super::json::MAX_BYTES)?;
            if text.contains("\"masklet\"") {
                Self::from_sav_json(&what, &text)?
            } else {
                Self::from_json(&what, &text)?
            }
        };
        if trajectory.objects() != objects {
            let what = format!("objects of trajectory {}", path.display());
            return Err(Error::mismatch(what, objects, trajectory.objects()));
        }
        Ok(trajectory)
    }
}

/// The PNG frames of a folder.
fn read_folder(path: &Path, objects: usize) -> Result<Trajectory> {
    let known = u8::try_from(objects).unwrap_or(u8::MAX);
    let mut frames: Vec<LabelMap> = Vec::new();
    for name in fsio::list_names(path)? {
        if !name.to_ascii_lowercase().ends_with(".png") {
            continue;
        }
        let frame = LabelMap::read_png_with(path.join(&name), ColorMatch::Snap { objects: known })?;
        super::json::check_length(&path.display().to_string(), frames.len() + 1, frame.size())?;
        frames.push(frame);
    }
    if frames.is_empty() {
        return Err(Error::invalid(path.display().to_string(), "expected PNG frames, got none"));
    }
    Trajectory::new(frames, objects, DEFAULT_FPS)
}
