//! Objects of a first frame, followed through a video by a small SAM 2 that learned on the world.

use burn::tensor::Device;
use thrumask_core::{Clip, Error, LabelMap, Trajectory};
use thrumask_nn::{
    layers::Init,
    perception::sam2::{
        Sam2Config,
        video::{Direction, FrameMasks, Propagation, Sam2Video, VideoSession},
    },
    weights::WeightFile,
};

use crate::{
    Result,
    model::files::{metadata, to_json},
};

/// A trained network that follows objects.
#[derive(Debug, Clone)]
pub struct Tracker {
    network: Sam2Video,
}

impl Tracker {
    /// A tracker of a trained network.
    pub fn new(network: Sam2Video) -> Self {
        Self { network }
    }

    /// Reads a model file; `what` names it in errors.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when the bytes are no such model.
    pub fn read(what: &str, bytes: &[u8], device: &Device) -> Result<Self> {
        let file = WeightFile::read(what, bytes)?;
        let config: Sam2Config = metadata(what, &file, "config")?;
        let network = Sam2Video::new(&mut Init::new(0, device), &config)?;
        Ok(Self::new(file.load_into(what, "", network)?))
    }

    /// The bytes of a model file, in half precision.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut file = WeightFile::default();
        file.insert_module("", &self.network);
        file.metadata.insert("config".into(), to_json("config", self.network.config())?);
        Ok(file.write(true)?)
    }

    /// Where the objects of the first frame are on all frames; each pixel is of one of them at most. The
    /// first frame stays as it was given.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the first frame's labels are not of the clip's size.
    pub fn follow(&self, clip: &Clip, first: &LabelMap) -> Result<Trajectory> {
        if first.size() != clip.size() {
            return Err(Error::mismatch("labels to follow", clip.size(), first.size()).into());
        }
        let frames = clip.frames();
        let mut session = VideoSession::new(frames.len(), clip.size());
        let objects = first.ids_present();
        for &object in &objects {
            session.set_mask(object, 0, first.mask_of(object))?;
        }
        let mut found = vec![first.clone()];
        let mut each = |masks: FrameMasks| {
            if masks.frame > 0 {
                found.push(masks.labels(clip.size()));
            }
            Ok(())
        };
        let way = Propagation { from: 0, direction: Direction::Forward, most: None };
        self.network.propagate(&mut session, frames, way, &mut each)?;
        let most = objects.last().copied().unwrap_or(0);
        Ok(Trajectory::new(found, usize::from(most), clip.fps())?)
    }
}
