//! How data is prepared (TOML).

use std::path::Path;

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, MAX_OBJECTS, Result};

use super::LatentNumber;
use crate::train::{from_toml, read_toml};

/// How videos become samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareConfig {
    /// Width and height of the samples in pixels, 16 to 4096.
    pub size: usize,
    /// Frames of a sample, 2 to 1024.
    pub frames: usize,
    /// Frames per second of a sample, above 0; less where masks are given at a lower rate.
    pub fps: f32,
    /// How pictures come to the square.
    pub framing: Framing,
    /// Samples of one video at most.
    pub clips_per_video: usize,
    /// A shard is closed with the video that brings it to so many samples.
    pub samples_per_shard: usize,
    /// Quantisation of the written H.264, 0 (best) to 51.
    pub qp: u8,
    /// Longer side in pixels of the frames that objects are found on, followed and measured on.
    pub work_side: usize,
    /// Whether a video with masks but without a caption is left out.
    pub require_captions: bool,
    /// Whether, and how, each sample's latents are kept beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents: Option<LatentNumber>,
    /// Where a scene ends.
    pub cuts: CutConfig,
    /// Which clips are left out.
    pub filter: FilterConfig,
    /// Which objects count.
    pub masks: MaskConfig,
}

impl Default for PrepareConfig {
    fn default() -> Self {
        Self {
            size: 96,
            frames: 12,
            fps: 8.0,
            framing: Framing::Squash,
            clips_per_video: 8,
            samples_per_shard: 256,
            qp: 12,
            work_side: 512,
            require_captions: false,
            latents: None,
            cuts: CutConfig::default(),
            filter: FilterConfig::default(),
            masks: MaskConfig::default(),
        }
    }
}

/// How pictures come to the square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Without keeping the aspect, as the pipeline does with a user's picture.
    Squash,
    /// The largest square in the middle.
    Crop,
}

/// Where a scene ends. Two consecutive frames are cut apart when both numbers are exceeded: a light that
/// goes on changes the colours but not the picture's structure, a fast motion the structure but not the
/// colours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CutConfig {
    /// Share of the pixels whose colour (of 64) is no longer there, 0 to 1.
    pub histogram: f32,
    /// Mean change of luma, 0 to 1.
    pub difference: f32,
}

impl Default for CutConfig {
    fn default() -> Self {
        Self { histogram: 0.3, difference: 0.08 }
    }
}

/// What a clip must be like, smallest and largest values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterConfig {
    /// Mean luma, 0 to 1.
    pub brightness: [f32; 2],
    /// Least sharpness, see [`super::Measures::sharpness`].
    pub sharpness: f32,
    /// Mean change of luma from frame to frame, 0 to 1, where motion is measured by it.
    pub motion: [f32; 2],
    /// Mean length of the optical flow from frame to frame, as a share of the shorter side, where motion is
    /// measured by it.
    pub flow: [f32; 2],
    /// Most trembling of the camera, see [`super::Measures::shake`].
    pub shake: f32,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            brightness: [0.06, 0.95],
            sharpness: 20.0,
            motion: [0.001, 0.2],
            flow: [0.0005, 0.1],
            shake: 0.012,
        }
    }
}

/// Which objects count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// Least share of the first frame that an object covers, 0 to 1.
    pub least_area: f32,
    /// Objects of a sample at most, 1 to 255: the largest are kept.
    pub most_objects: usize,
    /// Least overlap (intersection over union) of a given mask and one that is found by name, for
    /// the given one to get that name.
    pub name_overlap: f32,
    /// Of SA-V's two annotations, the automatic one first.
    pub prefer_auto: bool,
}

impl Default for MaskConfig {
    fn default() -> Self {
        Self { least_area: 0.002, most_objects: 8, name_overlap: 0.5, prefer_auto: false }
    }
}

impl PrepareConfig {
    /// The configuration of a file, or the default one, with dotted overrides such as `size=64` laid over
    /// it.
    ///
    /// # Errors
    /// As [`read_toml`], and [`Error::Invalid`] when a value is out of range.
    pub fn read(path: Option<&Path>, overrides: &[String]) -> crate::Result<Self> {
        let config: Self = match path {
            Some(path) => read_toml(path, overrides)?,
            None => from_toml("--set", "", overrides)?,
        };
        config.validate()?;
        Ok(config)
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the field, its range and its value.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, field: &str, range: &str, got: String| match fits {
            true => Ok(()),
            false => Err(Error::invalid(field, format!("expected {range}, got {got}"))),
        };
        let whole = |field: &str, value: usize, low: usize, high: usize| {
            let fits = (low..=high).contains(&value);
            check(fits, field, &format!("{low} to {high}"), value.to_string())
        };
        whole("size", self.size, 16, 4096)?;
        whole("frames", self.frames, 2, 1024)?;
        whole("clips_per_video", self.clips_per_video, 1, usize::MAX)?;
        whole("samples_per_shard", self.samples_per_shard, 1, usize::MAX)?;
        whole("qp", self.qp.into(), 0, 51)?;
        whole("work_side", self.work_side, 64, 4096)?;
        whole("masks.most_objects", self.masks.most_objects, 1, MAX_OBJECTS)?;
        let fps_fits = self.fps.is_finite() && self.fps > 0.0;
        check(fps_fits, "fps", "a positive number", self.fps.to_string())?;
        let shares = [
            ("cuts.histogram", self.cuts.histogram),
            ("cuts.difference", self.cuts.difference),
            ("filter.brightness", self.filter.brightness[0]),
            ("filter.brightness", self.filter.brightness[1]),
            ("masks.least_area", self.masks.least_area),
            ("masks.name_overlap", self.masks.name_overlap),
        ];
        for (field, value) in shares {
            check((0.0..=1.0).contains(&value), field, "0 to 1", value.to_string())?;
        }
        for (field, [low, high]) in
            [("filter.motion", self.filter.motion), ("filter.flow", self.filter.flow)]
        {
            let fits = low >= 0.0 && low <= high;
            check(fits, field, "smallest and largest", format!("{low}, {high}"))?;
        }
        for (field, value) in
            [("filter.sharpness", self.filter.sharpness), ("filter.shake", self.filter.shake)]
        {
            check(value >= 0.0, field, "at least 0", value.to_string())?;
        }
        Ok(())
    }
}
