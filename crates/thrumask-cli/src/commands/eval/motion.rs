//! `thrumask eval motion`: how much moves in videos.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use thrumask::eval::displacement::{Displacement, DisplacementConfig, STILL, displacement};
use thrumask_core::Clip;
use thrumask_nn::perception::raft::Raft;

use super::Bars;
use crate::{
    options::{DeviceOption, TalkOptions, on_threads, start_threads},
    terminal,
};

/// Measure how much moves in videos: AD, the mean length of the flow between frames, by RAFT.
///
/// Prints for each video AD, the length that 95 % of the pixels do not exceed, and the share of pixels that
/// stand still (less than half a pixel), between neighbours of evenly spread frames, in pixels of the video.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  thrumask eval motion a.mp4 b.mp4 --weights raft-small.pth")]
pub struct Motion {
    /// Videos: MP4, GIF, WebP or folders of frames.
    #[arg(required = true, value_name = "VIDEO")]
    videos: Vec<PathBuf>,
    /// Public weights of RAFT, small or large.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Frames that are looked at, evenly spread over the video.
    #[arg(long, default_value_t = DisplacementConfig::default().frames)]
    frames: usize,
    /// Bring the shorter side of the frames to this many pixels before [default: as they are].
    #[arg(long, value_name = "PIXELS")]
    side: Option<usize>,
    /// How often the network changes each flow.
    #[arg(long, default_value_t = DisplacementConfig::default().iterations)]
    iterations: usize,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    talk: TalkOptions,
}

/// What was measured, and how.
#[derive(Serialize)]
struct Report {
    config: DisplacementConfig,
    weights: PathBuf,
    videos: Vec<Measured>,
}

/// What was measured of a video.
#[derive(Serialize)]
struct Measured {
    video: PathBuf,
    #[serde(flatten)]
    found: Displacement,
}

impl Motion {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let Self { frames, side, iterations, .. } = self;
        let config = DisplacementConfig { frames, side, iterations };
        config.validate()?;
        let raft = Raft::open(&self.weights, &self.device.open()?)?;
        let mut videos = Vec::new();
        for video in self.videos {
            let mut bars = Bars::new(self.talk.reporter());
            let clip = Clip::read(&video)?;
            let found = on_threads(|| displacement(&clip, &raft, &config, &mut bars))?;
            videos.push(Measured { video, found });
        }
        let report = Report { config, weights: self.weights, videos };
        if self.talk.json {
            return terminal::print_json(&report);
        }
        let mut text = format!("| video | frames | seen at | AD | 95 % within | below {STILL} |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for Measured { video, found } in &report.videos {
            let (name, count) = (video.display(), found.frames.len());
            let Displacement { seen, mean, fast, still, .. } = found;
            let still = 100.0 * still;
            text.push_str(&format!(
                "| {name} | {count} | {seen} | {mean:.2} | {fast:.2} | {still:.0} % |\n"
            ));
        }
        terminal::print(&text)
    }
}
