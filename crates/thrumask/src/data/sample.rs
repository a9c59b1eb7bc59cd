//! One sample as the files of a shard: `KEY.mp4`, `KEY.json`, `KEY.masks.json` and, where they are kept,
//! `KEY.latents.safetensors`.

use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, Error, PromptPlan, Result, Trajectory, WriteOptions};

use super::Measures;
use crate::world::Sample;

/// The version of `KEY.json` that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Ends of the names of a sample's files.
pub const VIDEO: &str = "mp4";
/// See [`VIDEO`].
pub const ABOUT: &str = "json";
/// See [`VIDEO`].
pub const MASKS: &str = "masks.json";
/// See [`VIDEO`]; need not be there.
pub const LATENTS: &str = "latents.safetensors";

/// Where masks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskOrigin {
    /// A trajectory beside the video.
    Given,
    /// Masklets of SA-V.
    Sav,
    /// Found in the first frame and followed.
    Tracked,
}

/// `KEY.json`: what a sample is and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Version of the file.
    pub version: u32,
    /// The video it was cut from, by its key: samples of one video are never torn apart between training
    /// and validation.
    pub video: String,
    /// Where that lay.
    pub source: String,
    /// Number of the scene in the video, from 0.
    pub scene: usize,
    /// Second of the video at which the sample begins.
    pub start: f64,
    /// Width and height.
    pub size: usize,
    /// Number of frames.
    pub frames: usize,
    /// Frames per second.
    pub fps: f32,
    /// Caption and prompts, empty where there is no caption.
    pub plan: PromptPlan,
    /// Where the masks come from.
    pub masks: MaskOrigin,
    /// What the clip was measured to be like.
    pub measures: Measures,
}

impl About {
    /// The version that is written.
    pub const VERSION: u32 = VERSION;

    /// From the text of a file; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Format`] when it is malformed or of another version.
    pub fn from_json(what: &str, bytes: &[u8]) -> Result<Self> {
        let about: Self = serde_json::from_slice(bytes)
            .map_err(|e| Error::format(what, format!("expected what a sample is: {e}")))?;
        match about.version {
            VERSION => Ok(about),
            got => Err(Error::format(what, format!("expected version {VERSION}, got {got}"))),
        }
    }
}

/// The files of a sample called `key`.
///
/// # Errors
/// When the clip cannot be encoded.
pub(super) fn files(
    key: &str,
    clip: &Clip,
    masks: &Trajectory,
    about: &About,
    qp: u8,
) -> Result<Vec<(String, Vec<u8>)>> {
    let video = clip.to_mp4(&WriteOptions { note: None, qp })?;
    let mut text = serde_json::to_vec(about).map_err(|e| Error::format(key, e.to_string()))?;
    text.push(b'\n');
    Ok(vec![
        (format!("{key}.{VIDEO}"), video),
        (format!("{key}.{ABOUT}"), text),
        (format!("{key}.{MASKS}"), masks.to_json()?.into_bytes()),
    ])
}

/// A sample from its files; `what` names it in errors.
///
/// # Errors
/// [`Error::Format`] for files that are malformed; [`Error::Mismatch`] for files that do not belong
/// together.
pub(super) fn read(
    what: &str,
    video: &[u8],
    about: &[u8],
    masks: &[u8],
) -> Result<(Sample, About)> {
    let about = About::from_json(&format!("{what}.{ABOUT}"), about)?;
    let clip = Clip::from_bytes(&format!("{what}.{VIDEO}"), video)?;
    let name = format!("{what}.{MASKS}");
    let text = std::str::from_utf8(masks).map_err(|_| Error::format(&name, "expected UTF-8"))?;
    let masks = Trajectory::from_json(&name, text)?;
    let shape =
        |frames: usize, side: [usize; 2]| format!("{frames} frames of {}x{}", side[0], side[1]);
    let expected = shape(about.frames, [about.size; 2]);
    for (part, frames, size) in
        [(VIDEO, clip.frames().len(), clip.size()), (MASKS, masks.frames().len(), masks.size())]
    {
        let got = shape(frames, [size.width, size.height]);
        if got != expected {
            return Err(Error::mismatch(format!("{what}.{part}"), expected, got));
        }
    }
    if about.plan.objects.len() != masks.objects() {
        let what = format!("objects of {name}");
        return Err(Error::mismatch(what, about.plan.objects.len(), masks.objects()));
    }
    Ok((Sample { clip, masks, plan: about.plan.clone(), objects: Vec::new() }, about))
}
