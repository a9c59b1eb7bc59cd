//! How much moves in a video: the AD of the paper's tables, the mean length of the flow between frames, and
//! what else tells videos apart that hardly move or move too much.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, Error, FlowField, Picture, Size};
use thrumask_nn::perception::raft::{FlowTask, LEAST_SIDE, Raft, RaftOptions};

use crate::{Result, progress::Progress, progress::Silent};

/// Pixels that move by less than this between two frames count as still, in pixels of the video.
pub const STILL: f32 = 0.5;

/// Which frames are looked at, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DisplacementConfig {
    /// Frames, evenly spread over the video with its first and last one; all when it has no more.
    pub frames: usize,
    /// The shorter side to which frames are brought before, in pixels; left as they are when `None`. Frames
    /// with a side below 128 are enlarged in any case, as the network cannot look at them.
    pub side: Option<usize>,
    /// How often the network changes each flow.
    pub iterations: usize,
}

impl Default for DisplacementConfig {
    /// 16 frames at their size.
    fn default() -> Self {
        Self { frames: 16, side: None, iterations: RaftOptions::default().iterations }
    }
}

impl DisplacementConfig {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the field, its range and its value.
    pub fn validate(&self) -> thrumask_core::Result<()> {
        let least = |field: &str, value: usize, least: usize| match value >= least {
            true => Ok(()),
            false => Err(Error::invalid(field, format!("expected at least {least}, got {value}"))),
        };
        least("frames", self.frames, 2)?;
        least("iterations", self.iterations, 1)?;
        least("side", self.side.unwrap_or(LEAST_SIDE), LEAST_SIDE)
    }
}

/// How much moves in a video. Lengths are in pixels of the video, whatever size was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Displacement {
    /// The frames that were looked at.
    pub frames: Vec<usize>,
    /// Size of the frames as they were looked at.
    pub seen: Size,
    /// AD: the mean length of the flow from each of the frames to the next.
    pub mean: f32,
    /// The mean of each pair.
    pub pairs: Vec<f32>,
    /// The length that 95 % of all pixels of all pairs do not exceed: of a small thing that moves fast, where
    /// the mean tells little.
    pub fast: f32,
    /// Share of pixels that move by less than [`STILL`].
    pub still: f32,
}

/// How much moves in a clip.
///
/// # Errors
/// [`Error::Invalid`] for a configuration out of range, and for a clip of a single frame; what the network
/// or `progress` returns.
pub fn displacement(
    clip: &Clip,
    raft: &Raft,
    config: &DisplacementConfig,
    progress: &mut dyn Progress,
) -> Result<Displacement> {
    config.validate()?;
    let numbers = spread(clip.frames().len(), config.frames);
    if numbers.len() < 2 {
        let reason = "expected at least two frames, between which something can move, got one";
        return Err(Error::invalid("clip", reason).into());
    }
    let (seen, scale) = seen_size(clip.size(), config.side);
    let chosen = || numbers.par_iter().map(|&i| &clip.frames()[i]);
    let resized: Vec<Picture> = match scale == [1.0; 2] {
        true => Vec::new(),
        false => chosen().map(|frame| frame.resize(seen)).collect::<thrumask_core::Result<_>>()?,
    };
    let frames: Vec<&Picture> = match resized.is_empty() {
        true => chosen().collect(),
        false => resized.iter().collect(),
    };
    let options = RaftOptions { iterations: config.iterations, ..RaftOptions::default() };
    let (mut pairs, mut lengths) = (Vec::new(), Vec::new());
    let total = frames.len() - 1;
    progress.step("flow", 0, total)?;
    raft.flows::<crate::Error>(&frames, &FlowTask { options, warm: false }, |i, flow| {
        let moved = flow.vectors().iter().map(|[dx, dy]| (dx / scale[0]).hypot(dy / scale[1]));
        let moved: Vec<f32> = moved.collect();
        let sum: f64 = moved.iter().map(|&v| f64::from(v)).sum();
        pairs.push((sum / moved.len() as f64) as f32);
        lengths.extend(moved);
        progress.step("flow", i + 1, total)
    })?;
    let still = lengths.iter().filter(|&&v| v < STILL).count() as f32 / lengths.len() as f32;
    let rank = (lengths.len() * 95).div_ceil(100).clamp(1, lengths.len()) - 1;
    let (_, &mut fast, _) = lengths.select_nth_unstable_by(rank, f32::total_cmp);
    let mean = pairs.iter().sum::<f32>() / pairs.len() as f32;
    Ok(Displacement { frames: numbers, seen, mean, pairs, fast, still })
}

/// The AD of a clip alone, for filters of training data.
///
/// # Errors
/// As [`displacement`].
pub fn mean_magnitude(clip: &Clip, raft: &Raft, config: &DisplacementConfig) -> Result<f32> {
    Ok(displacement(clip, raft, config, &mut Silent)?.mean)
}

/// All flows of a clip, from each frame to the next.
///
/// # Errors
/// What the network or `progress` returns.
pub fn flows(
    frames: &[Picture],
    raft: &Raft,
    task: &FlowTask,
    progress: &mut dyn Progress,
) -> Result<Vec<FlowField>> {
    let frames: Vec<&Picture> = frames.iter().collect();
    let (mut found, total) = (Vec::new(), frames.len().saturating_sub(1));
    progress.step("flow", 0, total)?;
    raft.flows::<crate::Error>(&frames, task, |i, flow| {
        found.push(flow);
        progress.step("flow", i + 1, total)
    })?;
    Ok(found)
}

/// Numbers of up to `wanted` of `count` frames, evenly spread, the first and the last among them.
fn spread(count: usize, wanted: usize) -> Vec<usize> {
    if count <= wanted {
        return (0..count).collect();
    }
    let last = wanted.saturating_sub(1).max(1);
    (0..wanted).map(|i| (i * (count - 1) + last / 2) / last).collect()
}

/// The size that is looked at, and how much wider and higher than the frame it is.
fn seen_size(size: Size, side: Option<usize>) -> (Size, [f32; 2]) {
    let Size { width, height } = size;
    let shorter = width.min(height).max(1);
    let wanted = side.unwrap_or(shorter).max(LEAST_SIDE);
    let of = |length: usize| (length * wanted + shorter / 2) / shorter;
    let seen = Size::new(of(width), of(height));
    (seen, [seen.width as f32 / width as f32, seen.height as f32 / height as f32])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use thrumask_nn::{layers::Init, perception::raft::RaftConfig};

    use super::*;

    #[test]
    fn frames_are_spread_over_the_whole_video() {
        assert_eq!(spread(5, 16), [0, 1, 2, 3, 4]);
        assert_eq!(spread(31, 16), (0..16).map(|i| 2 * i).collect::<Vec<_>>());
        assert_eq!(spread(100, 4), [0, 33, 66, 99]);
        assert_eq!(spread(100, 2), [0, 99]);
    }

    #[test]
    fn small_frames_are_enlarged_and_others_as_asked() {
        let of = |w, h, side| seen_size(Size::new(w, h), side).0;
        assert_eq!(of(640, 360, None), Size::new(640, 360));
        assert_eq!(of(640, 360, Some(180)), Size::new(320, 180));
        assert_eq!(of(48, 32, None), Size::new(192, 128));
        assert_eq!(seen_size(Size::new(48, 32), None).1, [4.0, 4.0]);
    }

    /// Narrow, so that it runs in no time; what it says means nothing.
    fn raft() -> Raft {
        let config = RaftConfig {
            widths: [4; 4],
            features: 4,
            hidden: 4,
            context: 4,
            compared: vec![4],
            flow: [4, 4],
            motion: 6,
            head: 4,
            ..RaftConfig::small()
        };
        Raft::new(&mut Init::new(3, &Device::flex()), &config).unwrap()
    }

    fn clip(count: u8) -> Clip {
        let size = Size::new(40, 32);
        let frame = |t: u8| {
            let mut frame = Picture::filled(size, [20, 90, 160]);
            for (x, y) in (8..20).flat_map(|y| (4..14).map(move |x| (x + usize::from(t), y))) {
                frame.set_pixel(x, y, [250, 10 * x as u8, 5 * y as u8]);
            }
            frame
        };
        Clip::new((0..count).map(frame).collect(), 8.0).unwrap()
    }

    #[test]
    fn figures_are_those_of_the_flow_in_pixels_of_the_video() {
        let (raft, clip) = (raft(), clip(5));
        let config = DisplacementConfig { frames: 3, side: None, iterations: 2 };
        let found = displacement(&clip, &raft, &config, &mut Silent).unwrap();
        assert_eq!((&found.frames[..], found.seen), (&[0, 2, 4][..], Size::new(160, 128)));
        let large = |i: usize| clip.frames()[i].resize(Size::new(160, 128)).unwrap();
        let options = RaftOptions { iterations: 2, ..RaftOptions::default() };
        let expected: Vec<FlowField> = [(0, 2), (2, 4)]
            .map(|(a, b)| raft.flow(&large(a), &large(b), &options).unwrap())
            .to_vec();
        for (pair, flow) in found.pairs.iter().zip(&expected) {
            assert!((pair - flow.mean() / 4.0).abs() < 1e-4, "{pair} {}", flow.mean());
        }
        let mean = found.pairs.iter().sum::<f32>() / 2.0;
        assert_eq!(found.mean, mean);
        assert_eq!(mean_magnitude(&clip, &raft, &config).unwrap(), mean);
        let all = expected.iter().flat_map(|f| f.vectors());
        let mut all: Vec<f32> = all.map(|[x, y]| x.hypot(*y) / 4.0).collect();
        let still = all.iter().filter(|v| **v < STILL).count() as f32 / all.len() as f32;
        assert!((found.still - still).abs() < 1e-3);
        all.sort_by(f32::total_cmp);
        assert!((found.fast - all[all.len() * 95 / 100]).abs() < 1e-2);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let raft = raft();
        let error = |clip: &Clip, config: DisplacementConfig| {
            displacement(clip, &raft, &config, &mut Silent).unwrap_err().to_string()
        };
        let usual = DisplacementConfig::default();
        assert!(error(&clip(1), usual.clone()).contains("at least two frames"));
        let side = Some(64);
        assert!(error(&clip(3), DisplacementConfig { side, ..usual.clone() }).contains("side"));
        assert!(error(&clip(3), DisplacementConfig { frames: 1, ..usual }).contains("frames"));
    }
}
