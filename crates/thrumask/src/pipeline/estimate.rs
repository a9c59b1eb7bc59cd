//! What a run will take, before it is run.

use serde::Serialize;
use thrumask_nn::{Cost, diffusion::guidance::Guidance};

use super::settings::Settings;
use crate::{
    Result,
    model::{Sampling, StageKind},
    models::{self, Models},
};

/// Floating-point operations a thread does in a second, of the order of what was measured on a
/// two-core AVX2 machine; the estimate is meant to tell seconds from minutes.
const OPERATIONS_PER_SECOND: f64 = 20e9;

/// The same of networks whose layers are wide, where products come near the processor's best: a full-size
/// step of the U-Net was measured at 140e9 with AVX-512.
const WIDE_OPERATIONS_PER_SECOND: f64 = 100e9;

/// Operations from which on a network counts as wide: ours take less for a whole video, Stable Diffusion's
/// autoencoder more for a frame.
const WIDE: f64 = 50e9;

/// Resident memory of the program before it reads a model, in bytes.
const PROGRAM_BYTES: f64 = 40e6;

/// Reading the models and writing the files of a stage, in seconds.
const AROUND: f64 = 0.2;

/// How many objects a plan has, when nobody has read the caption yet.
const OBJECTS: f64 = 2.0;

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
        let seconds = |of: Cost| seconds(of, threads);
        let weights = |name: &str| Ok::<_, crate::Error>(models.memory(name)? as f64);
        let codec = models.codec_config()?;
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
                peak_bytes: (PROGRAM_BYTES + 2.0 * weights(models::SEGMENTER)? + 60e6) as u64,
            },
        ];
        let generative = [
            (StageKind::Motion, "makes the trajectory", &settings.motion),
            (StageKind::Video, "makes the frames", &settings.video),
        ];
        for (kind, work, sampling) in generative {
            let config = models.stage_config(kind)?;
            let pass = config.denoiser.cost(settings.frame_chunk);
            let passes = passes(sampling);
            let (size, frames) = (config.video.size, config.video.frames);
            let [encode, decode] = codec.cost([frames, size, size]);
            // Stage 1 sees two pictures and reads a prompt, stage 2 a picture, a video and one prompt more
            // for each object; conditions that guidance leaves out are read as empty texts.
            let (seen, read) = match kind {
                StageKind::Motion => (2.0, 1.0),
                StageKind::Video | StageKind::Ti2v => (1.0 + frames as f64, 1.0 + OBJECTS),
            };
            let text = config.text.cost();
            let widest = [pass.floats, encode.floats, decode.floats, text.floats * read];
            let widest = widest.into_iter().fold(0.0, f64::max);
            stages.push(StageEstimate {
                name: kind.name(),
                work: format!(
                    "{work}: {frames} frames of {size}x{size}, {} steps of {passes} pass{}",
                    sampling.steps,
                    if passes == 1 { "" } else { "es" },
                ),
                seconds: seconds(pass) * (sampling.steps * passes) as f64
                    + seconds(text) * read * passes as f64
                    + seconds(encode) * seen / frames as f64
                    + seconds(decode)
                    + AROUND,
                peak_bytes: (PROGRAM_BYTES
                    + weights(kind.name())?
                    + weights(models::AUTOENCODER)?
                    + widest * 4.0
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

/// How long a network takes with `threads` threads.
fn seconds(Cost { operations, .. }: Cost, threads: usize) -> f64 {
    let wide = operations > WIDE;
    let rate = if wide { WIDE_OPERATIONS_PER_SECOND } else { OPERATIONS_PER_SECOND };
    operations / (rate * threads.max(1) as f64)
}

/// Forward passes of one step: those of guidance whose weight is not zero.
fn passes(sampling: &Sampling) -> usize {
    let Guidance { image, text } = sampling.guidance;
    [text, image - text, 1.0 - image].iter().filter(|&&w| w != 0.0).count().max(1)
}

#[cfg(test)]
mod tests {
    use thrumask_nn::backbone::BackboneKind;

    use super::*;
    use crate::model::{FullSize, StageConfig};

    /// `docs/performance.md`: 14.5 s a step with 2 threads.
    #[test]
    fn a_full_size_step_is_told_within_a_factor_of_two() {
        let (of, video) = (FullSize::Sd15.networks(), FullSize::Sd15.video());
        let stage = StageConfig::on_public(StageKind::Motion, &of, video, 0.0).unwrap();
        let told = seconds(stage.denoiser.cost(None), 2);
        assert!((7.25..29.0).contains(&told), "{told}");
    }

    #[test]
    fn ours_are_narrow_and_more_steps_and_passes_take_longer() {
        let settings = Settings::default();
        let of = |settings: &Settings| Estimate::new(settings, 2).unwrap().seconds;
        let usual = of(&settings);
        assert!((0.3..10.0).contains(&usual), "{usual}");
        let mut more = settings.clone();
        more.video = Sampling { steps: 40, ..Sampling::nano(BackboneKind::Dit) };
        assert!(of(&more) > 2.0 * usual);
        let mut guided = settings;
        guided.video.guidance.text = 3.0;
        assert!(of(&guided) > usual);
    }
}
