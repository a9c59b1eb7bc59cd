//! Videos as files: written by the extension of the name, read by content.

use std::path::Path;

use super::{
    frames, gif, guarded,
    h264::{H264Decoder, H264Encoder},
    mp4, picture, webp,
};
use crate::{Clip, Error, MAX_CLIP_PIXELS, Picture, Result, fsio};

/// The longest video file that is read, in bytes.
pub const MAX_VIDEO_BYTES: u64 = 4 << 30;

/// Frames per second of what does not say: still pictures and folders of frames.
pub const DEFAULT_FPS: f32 = 8.0;

/// How a clip is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Text that is put into the file, such as the settings it was made with.
    pub note: Option<String>,
    /// Quantisation of H.264, 0 (best) to 51; GIF, WebP and PNG do not use it.
    pub qp: u8,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { note: None, qp: 16 }
    }
}

/// The forms in which a clip can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Mp4,
    Gif,
    WebP,
    Folder,
}

impl Form {
    /// The form that a path asks for: by extension, a folder when there is none.
    fn of(path: &Path) -> Result<Self> {
        let text = path.as_os_str().to_string_lossy();
        if text.ends_with(['/', std::path::MAIN_SEPARATOR]) || path.is_dir() {
            return Ok(Self::Folder);
        }
        let Some(extension) = path.extension() else { return Ok(Self::Folder) };
        match extension.to_string_lossy().to_ascii_lowercase().as_str() {
            "mp4" | "m4v" => Ok(Self::Mp4),
            "gif" => Ok(Self::Gif),
            "webp" => Ok(Self::WebP),
            other => Err(Error::invalid(
                path.display().to_string(),
                format!(
                    "expected .mp4, .gif, .webp or a folder (name/) for PNG frames, got .{other}"
                ),
            )),
        }
    }
}

impl Clip {
    /// Whether [`Clip::write`] knows what to write at `path`: to be asked before the work is done.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the choices.
    pub fn check_path(path: impl AsRef<Path>) -> Result<()> {
        Form::of(path.as_ref()).map(|_| ())
    }

    /// Writes the clip with the default options, see [`Clip::write_with`].
    ///
    /// # Errors
    /// As [`Clip::write_with`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        self.write_with(path, &WriteOptions::default())
    }

    /// Writes the clip: `.mp4` as H.264 (index first, BT.709, odd sides grown by one for the codec
    /// and marked to be cropped), `.gif` and `.webp` (lossless) as endless animations, and a folder
    /// of PNG frames at a path that ends in a slash, has no extension, or is a folder. The same
    /// clip gives the same bytes, and nothing half-written stands at `path` at any time.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another extension, and for sizes and rates that the format cannot
    /// hold; [`Error::Io`] when it cannot be written.
    pub fn write_with(&self, path: impl AsRef<Path>, options: &WriteOptions) -> Result<()> {
        let path = path.as_ref();
        match Form::of(path)? {
            Form::Mp4 => fsio::write_atomic(path, &self.to_mp4(options)?),
            Form::Gif => fsio::write_atomic(path, &gif::encode(self, options.note.as_deref())?),
            Form::WebP => fsio::write_atomic(path, &webp::encode(self)?),
            Form::Folder => frames::write(self, path, options.note.as_deref()),
        }
    }

    /// The clip as the bytes of an MP4.
    ///
    /// # Errors
    /// [`Error::Invalid`] for sizes and rates that it cannot hold.
    pub fn to_mp4(&self, options: &WriteOptions) -> Result<Vec<u8>> {
        mp4::encode(&H264Encoder { qp: options.qp }, self, options.note.as_deref())
    }

    /// Reads a video by content, see [`read_frames`].
    ///
    /// # Errors
    /// As [`read_frames`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let mut pictures = Vec::new();
        let fps = read_frames(path, |picture| {
            pictures.push(picture);
            Ok(())
        })?;
        Self::new(pictures, fps)
    }

    /// A video from the bytes of a file, by content; `what` names the file in errors.
    ///
    /// # Errors
    /// As [`read_frames`].
    pub fn from_bytes(what: &str, bytes: &[u8]) -> Result<Self> {
        let mut pictures = Vec::new();
        let fps = decode(what, bytes, MAX_CLIP_PIXELS, &mut |picture, _| {
            pictures.push(picture);
            Ok(())
        })?;
        Self::new(pictures, fps)
    }
}

/// Reads an MP4 (H.264), GIF, WebP, still picture, or folder of pictures frame by frame, told apart
/// by content, and returns the frame rate: the mean, where frames last differently long. Rotation,
/// cropping and edit lists of an MP4 are applied.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is none of these or broken;
/// [`Error::Invalid`] when it is too large; and what `visit` returns.
pub fn read_frames(
    path: impl AsRef<Path>,
    mut visit: impl FnMut(Picture) -> Result<()>,
) -> Result<f32> {
    let path = path.as_ref();
    if path.is_dir() {
        return frames::read(path, &mut visit);
    }
    let bytes = fsio::read_limited(path, MAX_VIDEO_BYTES)?;
    let mut visit = |picture, _| visit(picture);
    decode(&path.display().to_string(), &bytes, MAX_CLIP_PIXELS, &mut visit)
}

/// Reads the bytes of a video as [`read_frames`] does, but of any length, and tells of each frame when it
/// is shown, in seconds from the first one: frames need not last equally long. `what` names the file in
/// errors.
///
/// # Errors
/// As [`read_frames`].
pub fn stream_frames(
    what: &str,
    bytes: &[u8],
    mut visit: impl FnMut(Picture, f64) -> Result<()>,
) -> Result<f32> {
    decode(what, bytes, usize::MAX, &mut visit)
}

/// Hears of each frame and of the second at which it is shown.
pub(super) type Visit<'a> = dyn FnMut(Picture, f64) -> Result<()> + 'a;

/// [`read_frames`] of a file's bytes; an MP4 of more than `most` pixels in all frames is refused.
fn decode(what: &str, bytes: &[u8], most: usize, visit: &mut Visit<'_>) -> Result<f32> {
    use image::ImageFormat;
    guarded(what, "video", || match picture::format_of(bytes) {
        Some(ImageFormat::Gif) => gif::decode(what, bytes, visit),
        Some(ImageFormat::WebP) if webp::is_animated(bytes) => webp::decode(what, bytes, visit),
        Some(_) => {
            visit(Picture::from_bytes(what, bytes)?, 0.0)?;
            Ok(DEFAULT_FPS)
        }
        None if is_mp4(bytes) => {
            let decoder = |entry: &_| Ok(Box::new(H264Decoder::new(what, entry)?) as Box<_>);
            mp4::decode(what, bytes, decoder, most, visit)
        }
        None => Err(Error::format(
            what,
            "expected an MP4 (H.264), GIF or WebP video, got something else".to_owned()
                + if bytes.is_empty() { ": the file is empty" } else { "" },
        )),
    })
}

/// Whether the first box is one with which MP4 and MOV files start.
fn is_mp4(bytes: &[u8]) -> bool {
    matches!(bytes.get(4..8), Some(b"ftyp" | b"moov" | b"mdat" | b"free" | b"wide" | b"skip"))
}

/// Refuses animations that do not fit into memory, frame by frame.
pub(super) fn check_total(what: &str, frames: usize, area: usize) -> Result<()> {
    if frames.saturating_mul(area) > MAX_CLIP_PIXELS {
        let reason = format!("expected at most {MAX_CLIP_PIXELS} pixels in all frames, got more");
        return Err(Error::invalid(what, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    #[test]
    fn the_extension_chooses_and_others_are_refused() {
        for (path, form) in [
            ("a.mp4", Form::Mp4),
            ("a.MP4", Form::Mp4),
            ("b/a.gif", Form::Gif),
            ("a.webp", Form::WebP),
            ("a.gif/", Form::Folder),
            ("frames", Form::Folder),
        ] {
            assert_eq!(Form::of(Path::new(path)).unwrap(), form, "{path}");
        }
        let e = Clip::check_path("a.avi").unwrap_err().to_string();
        assert!(e.contains(".mp4, .gif, .webp or a folder") && e.contains("got .avi"), "{e}");
    }

    #[test]
    fn what_is_no_video_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v.mp4");
        std::fs::write(&path, b"once upon a time").unwrap();
        let e = Clip::read(&path).unwrap_err().to_string();
        assert!(e.contains("v.mp4: expected an MP4"), "{e}");
        assert!(Clip::from_bytes("v", b"").unwrap_err().to_string().contains("empty"));
        assert!(Clip::read(dir.path()).unwrap_err().to_string().contains("got none"));
    }

    #[test]
    fn a_still_picture_is_a_clip_of_one_frame() {
        let still = Picture::filled(Size::new(3, 2), [4, 5, 6]);
        let clip = Clip::from_bytes("p", &still.to_png().unwrap()).unwrap();
        assert_eq!((clip.frames(), clip.fps()), (&[still][..], DEFAULT_FPS));
    }
}
