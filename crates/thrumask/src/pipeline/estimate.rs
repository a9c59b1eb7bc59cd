//! What a run will take, before it is run.

use serde::Serialize;
use thrumask_nn::{backbone::Cost, diffusion::guidance::Guidance};

use super::settings::Settings;
use crate::{
    Result,
    model::{Sampling, StageKind},
    nano::{self, Models},
};

/// Floating-point operations a thread does in a second, of the order of what was measured on a
/// two-core AVX2 machine; the estimate is meant to tell seconds from minutes.
const OPERATIONS_PER_SECOND: f64 = 20e9;

/// Resident memory of the program before it reads a model, in bytes.
const PROGRAM_BYTES: f64 = 40e6;

/// One stage's share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEstimate {
    /// The stage.
    pub name: &'static str,
    /// What it does, in words.
    pub work: String,
    /// About how long it takes, in seconds.
    pub seconds: f64,
    /// About how much memory it takes, in bytes.
    pub peak_bytes: u64,
}

/// What the whole line will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// Seconds in all.
    pub seconds: f64,
    /// The most memory at any time, in bytes.
    pub peak_bytes: u64,
}

impl Estimate {
    /// What settings take with `threads` threads.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn new(settings: &Settings, threads: usize) -> Result<Self> {
        let models = Models::from_settings(settings);
        let rate = OPERATIONS_PER_SECOND * threads.max(1) as f64;
        let weights = |name: &str| Ok::<_, crate::Error>(models.bytes(name)?.len() as f64 * 2.0);
        let mut stages = vec![
            StageEstimate {
                name: "plan",
                work: "reads the caption by rules".into(),
                seconds: 0.01,
                peak_bytes: PROGRAM_BYTES as u64,
            },
            StageEstimate {
                name: "segment",
                work: "finds each object in the picture".into(),
                seconds: 0.1,
                peak_bytes: (PROGRAM_BYTES + 4.0 * weights(nano::SEGMENTER)? + 60e6) as u64,
            },
        ];
        let generative = [
            (StageKind::Motion, "makes the trajectory", &settings.motion),
            (StageKind::Video, "makes the frames", &settings.video),
        ];
        for (kind, work, sampling) in generative {
            let config = models.stage_config(kind)?;
            let Cost { operations, floats } = config.denoiser.cost();
            let passes = passes(sampling);
            let decoding = 0.2;
            let (size, frames) = (config.video.size, config.video.frames);
            stages.push(StageEstimate {
                name: kind.name(),
                work: format!(
                    "{work}: {frames} frames of {size}x{size}, {} steps of {passes} pass{}",
                    sampling.steps,
                    if passes == 1 { "" } else { "es" },
                ),
                seconds: operations * (sampling.steps * passes) as f64 / rate + decoding,
                peak_bytes: (PROGRAM_BYTES
                    + weights(kind.name())? * 2.0
                    + floats * 4.0
                    + (frames * size * size * 4 * 60) as f64) as u64,
            });
        }
        Ok(Self {
            seconds: stages.iter().map(|s| s.seconds).sum(),
            peak_bytes: stages.iter().map(|s| s.peak_bytes).max().unwrap_or(0),
            stages,
        })
    }
}

/// Forward passes of one step: those of guidance whose weight is not zero.
fn passes(sampling: &Sampling) -> usize {
    let Guidance { image, text } = sampling.guidance;
    [text, image - text, 1.0 - image].iter().filter(|&&w| w != 0.0).count().max(1)
}
