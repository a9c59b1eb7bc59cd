//! What a run will take, before it is run.

use serde::Serialize;
use thrumask_nn::{Cost, diffusion::guidance::Guidance};

use super::{rates::Rates, settings::Settings};
use crate::{
    Result,
    model::{Sampling, StageKind},
    models::{self, Models},
};

/// Resident memory of the program before it reads a model, in bytes.
const PROGRAM_BYTES: f64 = 12e6;

/// Reading small models and writing the files of a stage, in operations of one thread that fit into that
/// time; and the same of the segmenter as a whole, which always sees pictures of one size.
const AROUND: f64 = 3.15e9;
const SEGMENTER: f64 = 1.25e9;

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
    /// What settings take on a machine of such rates.
    ///
    /// # Errors
    /// When a model cannot be read.
    pub fn new(settings: &Settings, rates: &Rates) -> Result<Self> {
        let models = Models::from_settings(settings);
        let seconds = |of: Cost| rates.seconds(of);
        let weights = |name: &str| Ok::<_, crate::Error>(models.memory(name)? as f64);
        let codec = models.codec_config()?;
        let mut stages = vec![
            StageEstimate {
                name: "plan",
                work: "reads the caption by rules".into(),
                seconds: 0.002,
                peak_bytes: PROGRAM_BYTES as u64,
            },
            StageEstimate {
                name: "segment",
                work: "finds each object in the picture".into(),
                seconds: rates.small(SEGMENTER),
                peak_bytes: (PROGRAM_BYTES
                    + 2.0 * weights(models::SEGMENTER)?
                    + models.masker_memory()? as f64
                    + 10e6) as u64,
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
                seconds: rates.pass(pass, config.denoiser.operators())
                    * (sampling.steps * passes) as f64
                    + seconds(text) * read * passes as f64
                    + seconds(encode) * seen / frames as f64
                    + seconds(decode)
                    + rates.small(AROUND),
                peak_bytes: (PROGRAM_BYTES
                    + weights(kind.name())?
                    + weights(models::AUTOENCODER)?
                    + widest * 4.0
                    + (frames * size * size * 4 * 45) as f64) as u64,
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

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::{FullSize, StageConfig};

    const RATES: Rates = Rates { narrow: 170e9, single: 85e9, wide: 280e9 };

    /// `docs/performance.md`: 14.5 s a step with 2 threads that did 140e9 operations a second each.
    #[test]
    fn a_full_size_step_is_told_to_a_fifth() {
        let (of, video) = (FullSize::Sd15.networks(), FullSize::Sd15.video());
        let stage = StageConfig::on_public(StageKind::Motion, &of, video, 0.0).unwrap();
        let told = RATES.seconds(stage.denoiser.cost(None));
        assert!((12.0..17.4).contains(&told), "{told}");
    }

    #[test]
    fn ours_are_narrow_and_more_steps_and_passes_take_longer() {
        let settings = Settings::default();
        let of = |settings: &Settings| Estimate::new(settings, &RATES).unwrap().seconds;
        let usual = of(&settings);
        assert!((0.1..1.0).contains(&usual), "{usual}");
        let mut more = settings.clone();
        more.video = Sampling { steps: 40, ..more.video };
        assert!(of(&more) > 2.0 * usual);
        let mut guided = settings;
        guided.video.guidance.text = 3.0;
        assert!(of(&guided) > usual);
    }
}
