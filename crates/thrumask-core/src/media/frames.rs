//! A folder of PNG frames, with the frame rate beside them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clip::{DEFAULT_FPS, check_total};
use crate::{Clip, Error, Picture, Result, fsio};

/// The file beside the frames.
const ABOUT: &str = "clip.json";

/// What the frames alone do not say.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    fps: f32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Writes `frame-00001.png` and so on, and [`ABOUT`].
pub(super) fn write(clip: &Clip, path: &Path, note: Option<&str>) -> Result<()> {
    let ours = |name: &str| name == ABOUT || (name.starts_with("frame-") && name.ends_with(".png"));
    fsio::write_folder_atomic(path, ours, |folder| {
        for (i, frame) in (1..).zip(clip.frames()) {
            frame.write_png(folder.join(format!("frame-{i:05}.png")))?;
        }
        let about = About { fps: clip.fps(), note: note.map(str::to_owned) };
        fsio::write_json(folder.join(ABOUT), &about)
    })
}

/// Frames per second of a folder of frames: as [`ABOUT`] says, else [`DEFAULT_FPS`].
pub(crate) fn fps_of(path: &Path) -> Result<f32> {
    let about = path.join(ABOUT);
    if !about.is_file() {
        return Ok(DEFAULT_FPS);
    }
    let text = fsio::read_text_limited(&about, 16 << 20)?;
    let read: About = serde_json::from_str(&text)
        .map_err(|e| Error::format(about.display().to_string(), e.to_string()))?;
    Ok(read.fps)
}

/// Reads every picture of a folder, in the order of the names.
pub(super) fn read(path: &Path, visit: &mut dyn FnMut(Picture) -> Result<()>) -> Result<f32> {
    let what = path.display().to_string();
    let fps = fps_of(path)?;
    let mut count = 0;
    for name in fsio::list_names(path)? {
        let lower = name.to_ascii_lowercase();
        let known = [".png", ".jpg", ".jpeg", ".webp"];
        if !known.iter().any(|e| lower.ends_with(e)) {
            continue;
        }
        let picture = Picture::read(path.join(&name))?;
        count += 1;
        check_total(&what, count, picture.size().area())?;
        visit(picture)?;
    }
    if count == 0 {
        return Err(Error::invalid(
            what,
            "expected a folder of PNG, JPEG or WebP frames, got none",
        ));
    }
    Ok(fps)
}
