//! Public networks in the preparation: SAM 2 follows objects, RAFT measures motion.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Clip, Fingerprint, MaskSet, Picture, Trajectory};
use thrumask_nn::perception::{
    raft::{LEAST_SIDE, Raft},
    sam2::video::{Direction, Propagation, Sam2Video, VideoSession},
};

use super::{FilterConfig, MotionMeasure, Tracker};
use crate::{
    Result,
    eval::displacement::{DisplacementConfig, mean_magnitude},
    hub::{Checksum, checksum},
    model::folders,
};

/// Follows objects with SAM 2.
#[derive(Debug)]
pub struct SamTracker {
    network: Sam2Video,
    name: String,
}

impl SamTracker {
    /// The network of a folder in transformers' layout or of an original file, which is told by its tensors.
    ///
    /// # Errors
    /// When description or weights cannot be read, or do not fit each other.
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let (weights, config) = folders::open_sam2(path)?;
        let network = Sam2Video::load(&path.display().to_string(), &weights, &config, device)?;
        Ok(Self { network, name: named("sam 2", weights.files())? })
    }
}

impl Tracker for SamTracker {
    fn name(&self) -> &str {
        &self.name
    }

    fn track(&self, frames: &[Picture], first: &MaskSet, fps: f32) -> Result<Trajectory> {
        let labels = &first.labels;
        let size = labels.size();
        let mut session = VideoSession::new(frames.len(), size);
        for id in labels.ids_present() {
            let mask = labels.ids().iter().map(|&other| other == id).collect();
            session.set_mask(id, 0, mask)?;
        }
        let mut found = Vec::with_capacity(frames.len());
        let way = Propagation { from: 0, direction: Direction::Forward, most: None };
        self.network.propagate(&mut session, frames, way, &mut |masks| {
            found.push(masks.labels(size));
            Ok(())
        })?;
        // What was given is better than what the network makes of it.
        if let Some(given) = found.first_mut() {
            given.clone_from(labels);
        }
        Ok(Trajectory::new(found, first.objects, fps)?)
    }
}

/// The mean length of the optical flow from frame to frame, as a share of the frame's shorter side.
#[derive(Debug)]
pub struct FlowLength {
    network: Raft,
    name: String,
}

impl FlowLength {
    /// RAFT of either size, from a file of public weights.
    ///
    /// # Errors
    /// As [`Raft::open`].
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        Ok(Self { network: Raft::open(path, device)?, name: named("raft", std::iter::once(path))? })
    }
}

impl MotionMeasure for FlowLength {
    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self, filter: &FilterConfig) -> [f32; 2] {
        filter.flow
    }

    fn magnitude(&self, frames: &[Picture]) -> Result<f32> {
        let config = DisplacementConfig {
            frames: frames.len(),
            side: Some(LEAST_SIDE),
            ..DisplacementConfig::default()
        };
        // Lengths are from frame to frame, whatever the rate.
        let clip = Clip::new(frames.to_vec(), 1.0)?;
        let shorter = clip.size().width.min(clip.size().height) as f32;
        Ok(mean_magnitude(&clip, &self.network, &config)? / shorter)
    }
}

/// A network's name with what tells its weights from others.
fn named<'a>(kind: &str, files: impl Iterator<Item = &'a Path>) -> Result<String> {
    let mut sums = Fingerprint::new("weights");
    for path in files {
        sums = sums.text("file", checksum(path, Checksum::Sha256, &mut |_| Ok(()))?);
    }
    Ok(format!("{kind} {}", &sums.finish()[..16]))
}

#[cfg(test)]
mod tests {
    use thrumask_core::{LabelMap, Size};
    use thrumask_nn::{
        layers::Init,
        perception::{raft::RaftConfig, sam2::Sam2Config},
    };

    use super::*;

    fn picture(size: Size, shift: usize) -> Picture {
        let level = |i: usize| (((i + 3 * shift) * 7919) % 251) as u8;
        Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap()
    }

    #[test]
    fn all_objects_are_followed_from_the_masks_that_were_given() {
        let mut init = Init::new(3, &Device::flex());
        let network = Sam2Video::new(&mut init, &Sam2Config::test()).unwrap();
        let tracker = SamTracker { network, name: "sam 2".into() };
        let size = Size::new(40, 24);
        let ids = (0..size.area()).map(|i| match (i % 40, i / 40) {
            (2..10, 3..12) => 1,
            (20..30, 8..20) => 3,
            _ => 0,
        });
        let first = MaskSet::new(LabelMap::new(size, ids.collect()).unwrap(), 3).unwrap();
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
    }

    #[test]
    fn flow_is_measured_as_a_share_of_the_frame() {
        let network = Raft::new(&mut Init::new(5, &Device::flex()), &RaftConfig::small()).unwrap();
        let measure = FlowLength { network, name: "raft".into() };
        let frames: Vec<Picture> = (0..2).map(|t| picture(Size::new(140, 128), t)).collect();
        let large: Vec<Picture> =
            frames.iter().map(|f| f.resize(Size::new(280, 256)).unwrap()).collect();
        let [found, twice] = [&frames, &large].map(|f| measure.magnitude(f).unwrap());
        assert!(found > 0.0 && (found / twice - 1.0).abs() < 0.3, "{found}, {twice}");
        let filter = FilterConfig { flow: [0.25, 0.5], ..FilterConfig::default() };
        assert_eq!(measure.limits(&filter), [0.25, 0.5]);
    }
}
