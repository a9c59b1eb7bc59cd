//! A mask-based motion trajectory `ŝ`: for each frame, which object each pixel belongs to.

mod json;
mod read;
mod sav;

use crate::{Clip, Error, LabelMap, Picture, Result, Size, masks::check_ids, palette};

/// Object ids per pixel and frame, at a constant frame rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    frames: Vec<LabelMap>,
    objects: usize,
    /// One for each object, where it is known.
    names: Vec<Option<String>>,
    fps: f32,
}

impl Trajectory {
    /// A trajectory of `objects` objects over at least one frame.
    ///
    /// # Errors
    /// [`Error::Invalid`] without frames, with a rate that is not positive, or with an id above
    /// `objects`; [`Error::Mismatch`] when frames differ in size.
    pub fn new(frames: Vec<LabelMap>, objects: usize, fps: f32) -> Result<Self> {
        let Some(first) = frames.first() else {
            return Err(Error::invalid("trajectory", "expected at least one frame, got none"));
        };
        let size = first.size();
        for (i, f) in frames.iter().enumerate() {
            if f.size() != size {
                return Err(Error::mismatch(format!("size of mask frame {i}"), size, f.size()));
            }
            check_ids(&format!("trajectory, frame {i}"), f, objects)?;
        }
        if !(fps.is_finite() && fps > 0.0) {
            return Err(Error::invalid("fps", format!("expected a positive number, got {fps}")));
        }
        if objects > crate::MAX_OBJECTS {
            let top = crate::MAX_OBJECTS;
            return Err(Error::invalid(
                "objects",
                format!("expected at most {top}, got {objects}"),
            ));
        }
        Ok(Self { frames, objects, names: vec![None; objects], fps })
    }

    /// The same trajectory with the objects' names, for people who read the file.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when there is not one name for each object.
    pub fn with_names(mut self, names: Vec<Option<String>>) -> Result<Self> {
        if names.len() != self.objects {
            return Err(Error::mismatch("names of objects", self.objects, names.len()));
        }
        self.names = names;
        Ok(self)
    }

    /// The name of each object, where it is known.
    pub fn names(&self) -> &[Option<String>] {
        &self.names
    }

    /// The label map of each frame.
    pub fn frames(&self) -> &[LabelMap] {
        &self.frames
    }

    /// Number of objects of the plan it was made for.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// Frames per second.
    pub fn fps(&self) -> f32 {
        self.fps
    }

    /// Size of every frame.
    pub fn size(&self) -> Size {
        self.frames[0].size()
    }

    /// The RGB video the networks see: each object in its palette colour on black.
    ///
    /// # Errors
    /// None in practice: the frames were checked when the trajectory was made.
    pub fn to_clip(&self) -> Result<Clip> {
        let frames = self.frames.iter().map(colored).collect();
        Clip::new(frames, self.fps)
    }

    /// The trajectory in an RGB video, each pixel snapped to the nearest palette colour of
    /// background and ids `1..=objects`.
    ///
    /// # Errors
    /// As [`Trajectory::new`].
    pub fn from_clip(clip: &Clip, objects: usize) -> Result<Self> {
        let snap = |p: &Picture| read::snapped(p, objects);
        let frames = clip.frames().iter().map(snap).collect::<Result<_>>()?;
        Self::new(frames, objects, clip.fps())
    }
}

/// A label map in palette colours.
pub fn colored(labels: &LabelMap) -> Picture {
    let mut picture = Picture::filled(labels.size(), [0; 3]);
    for (rgb, &id) in picture.rgb_mut().chunks_exact_mut(3).zip(labels.ids()) {
        rgb.copy_from_slice(&palette::color_of(id));
    }
    picture
}
