//! Objects of a first frame, followed through a video by SAM 2: the public networks, and the small one of this
//! project.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Error, MaskSet, Picture, Trajectory, fingerprint::sha256_hex};
use thrumask_nn::{
    layers::Init,
    perception::sam2::{
        Sam2Config,
        video::{Direction, FrameMasks, Propagation, Sam2Video, VideoSession},
    },
    weights::{Checkpoint, WeightFile},
};

use crate::{
    Result,
    hub::named_weights,
    model::{
        files::{metadata, read_bytes, to_json},
        folders::open_sam2,
    },
};

/// What its networks are called, before what tells their weights apart.
const KIND: &str = "sam 2";

/// Follows the objects of a first frame through a clip.
pub trait Tracker {
    /// Its name, as written into the record of what it was used for.
    fn name(&self) -> &str;

    /// The objects' masks in every frame, of the frames' size, with as many objects as `first` has. An
    /// object that is not seen has no pixel, and each pixel is of one object at most.
    ///
    /// # Errors
    /// When frames and masks do not fit together, or cannot be worked on; never because an object is
    /// lost.
    fn track(&self, frames: &[Picture], first: &MaskSet, fps: f32) -> Result<Trajectory>;
}

/// Follows objects with SAM 2.
#[derive(Debug, Clone)]
pub struct SamTracker {
    network: Sam2Video,
    name: String,
}

impl SamTracker {
    /// A tracker of a network.
    pub fn new(network: Sam2Video, name: impl Into<String>) -> Self {
        Self { network, name: name.into() }
    }

    /// The network of a folder in transformers' layout, of an original file, which is told by its tensors, or
    /// of a file of this project, which explains itself.
    ///
    /// # Errors
    /// When description or weights cannot be read, or do not fit each other.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let what = path.display().to_string();
        if path.is_file() && Checkpoint::open(path)?.metadata().contains_key("config") {
            return Self::read(&what, &read_bytes(path)?, device);
        }
        let (weights, config) = open_sam2(path)?;
        let network = Sam2Video::load(&what, &weights, &config, device)?;
        Ok(Self::new(network, named_weights(KIND, weights.files())?))
    }

    /// Reads a model file of this project; `what` names it in errors.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when the bytes are no such model.
    pub fn read(what: &str, bytes: &[u8], device: &Device) -> Result<Self> {
        let file = WeightFile::read(what, bytes)?;
        let config: Sam2Config = metadata(what, &file, "config")?;
        let network = Sam2Video::new(&mut Init::new(0, device), &config)?;
        let name = format!("{KIND} {}", &sha256_hex(bytes)[..16]);
        Ok(Self::new(file.load_into(what, "", network)?, name))
    }

    /// The bytes of a model file of this project, in half precision.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut file = WeightFile::default();
        file.insert_module("", &self.network);
        file.metadata.insert("config".into(), to_json("config", self.network.config())?);
        Ok(file.write(true)?)
    }
}

impl Tracker for SamTracker {
    fn name(&self) -> &str {
        &self.name
    }

    fn track(&self, frames: &[Picture], first: &MaskSet, fps: f32) -> Result<Trajectory> {
        let (labels, size) = (&first.labels, first.labels.size());
        if let Some(frame) = frames.iter().find(|frame| frame.size() != size) {
            return Err(Error::mismatch("labels to follow", frame.size(), size).into());
        }
        let mut session = VideoSession::new(frames.len(), size);
        for id in labels.ids_present() {
            session.set_mask(id, 0, labels.mask_of(id))?;
        }
        // What was given is better than what the network makes of it.
        let mut found = vec![labels.clone()];
        let mut each = |masks: FrameMasks| {
            if masks.frame > 0 {
                found.push(masks.labels(size));
            }
            Ok(())
        };
        let way = Propagation { from: 0, direction: Direction::Forward, most: None };
        self.network.propagate(&mut session, frames, way, &mut each)?;
        Ok(Trajectory::new(found, first.objects, fps)?)
    }
}

#[cfg(test)]
mod tests {
    use thrumask_core::{LabelMap, Size};

    use super::*;

    fn tracker() -> SamTracker {
        let mut init = Init::new(3, &Device::flex());
        SamTracker::new(Sam2Video::new(&mut init, &Sam2Config::test()).unwrap(), "sam 2")
    }

    fn picture(size: Size, shift: usize) -> Picture {
        let level = |i: usize| (((i + 3 * shift) * 7919) % 251) as u8;
        Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap()
    }

    /// Objects 1 and 3 of three.
    fn first(size: Size) -> MaskSet {
        let ids = (0..size.area()).map(|i| match (i % 40, i / 40) {
            (2..10, 3..12) => 1,
            (20..30, 8..20) => 3,
            _ => 0,
        });
        MaskSet::new(LabelMap::new(size, ids.collect()).unwrap(), 3).unwrap()
    }

    #[test]
    fn all_objects_are_followed_from_the_masks_that_were_given() {
        let tracker = tracker();
        let size = Size::new(40, 24);
        let first = first(size);
        let frames: Vec<Picture> = (0..4).map(|t| picture(size, t)).collect();
        let found = tracker.track(&frames, &first, 6.0).unwrap();
        assert_eq!((found.frames().len(), found.objects(), found.fps()), (4, 3, 6.0));
        assert_eq!(found.frames()[0], first.labels);
        assert!(found.frames().iter().all(|f| f.size() == size && f.area_of(2) == 0));
        // An object does not depend on the others, but for pixels that both ask for.
        let alone = (0..size.area()).map(|i| u8::from(first.labels.ids()[i] == 1));
        let alone = MaskSet::new(LabelMap::new(size, alone.collect()).unwrap(), 3).unwrap();
        let alone = tracker.track(&frames, &alone, 6.0).unwrap();
        for (with, without) in found.frames().iter().zip(alone.frames()) {
            let pairs = with.ids().iter().zip(without.ids());
            assert!(pairs.clone().all(|(&with, &without)| with != 1 || without == 1));
        }
        assert!(tracker.track(&frames[..0], &first, 6.0).is_err());
        let error = tracker.track(&[picture(Size::new(8, 8), 0)], &first, 6.0).unwrap_err();
        assert!(error.to_string().contains("labels to follow"), "{error}");
    }

    #[test]
    fn a_file_of_ours_is_opened_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracker.safetensors");
        std::fs::write(&path, tracker().write().unwrap()).unwrap();
        let opened = SamTracker::open(&path, &Device::flex()).unwrap();
        // In half precision: the same once it was written.
        assert!(opened.write().unwrap() == std::fs::read(&path).unwrap());
        assert!(opened.name().starts_with("sam 2 ") && opened.name().len() == 22);
        std::fs::write(&path, b"nothing").unwrap();
        let error = SamTracker::open(&path, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("tracker.safetensors"), "{error}");
    }
}
