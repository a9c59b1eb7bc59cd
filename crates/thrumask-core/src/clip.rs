//! A video in memory: equally sized pictures at a constant frame rate.

use crate::{Error, Picture, Result, Size};

/// Frames at a constant rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    frames: Vec<Picture>,
    /// Frames per second, above 0.
    fps: f32,
}

impl Clip {
    /// A clip of at least one frame, all of one size.
    ///
    /// # Errors
    /// [`Error::Invalid`] without frames or with a rate that is not a positive number;
    /// [`Error::Mismatch`] when a frame's size differs from the first one's.
    pub fn new(frames: Vec<Picture>, fps: f32) -> Result<Self> {
        let Some(first) = frames.first() else {
            return Err(Error::invalid("clip", "expected at least one frame, got none"));
        };
        let size = first.size();
        if let Some((i, f)) = frames.iter().enumerate().find(|(_, f)| f.size() != size) {
            return Err(Error::mismatch(format!("size of frame {i}"), size, f.size()));
        }
        if !(fps.is_finite() && fps > 0.0) {
            return Err(Error::invalid("fps", format!("expected a positive number, got {fps}")));
        }
        Ok(Self { frames, fps })
    }

    /// The frames.
    pub fn frames(&self) -> &[Picture] {
        &self.frames
    }

    /// Frames per second.
    pub fn fps(&self) -> f32 {
        self.fps
    }

    /// Size of every frame.
    pub fn size(&self) -> Size {
        self.frames[0].size()
    }
}
