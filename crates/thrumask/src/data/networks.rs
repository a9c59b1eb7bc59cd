//! Public networks in the preparation: RAFT measures motion.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Clip, Picture};
use thrumask_nn::perception::raft::{LEAST_SIDE, Raft};

use super::{FilterConfig, MotionMeasure};
use crate::{
    Result,
    eval::displacement::{DisplacementConfig, mean_magnitude},
    hub::named_weights,
};

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
        Ok(Self {
            network: Raft::open(path, device)?,
            name: named_weights("raft", std::iter::once(path))?,
        })
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

#[cfg(test)]
mod tests {
    use thrumask_core::Size;
    use thrumask_nn::{layers::Init, perception::raft::RaftConfig};

    use super::*;

    fn picture(size: Size, shift: usize) -> Picture {
        let level = |i: usize| (((i + 3 * shift) * 7919) % 251) as u8;
        Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap()
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
