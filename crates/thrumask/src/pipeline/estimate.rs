//! What a run will take, before it is run.

use std::fs;

use serde::Serialize;
use thrumask_nn::Cost;

use super::{rates::Rates, settings::Settings};
use crate::{
    DeviceName, Result,
    model::StageKind,
    models::{self, Models},
    plan::PlannerKind,
};

/// Resident memory of the program with its picture before it reads a model, in bytes; and what is kept of the segmenter's
/// when that is done, in pieces that are too small for another network's weights.
const PROGRAM_BYTES: f64 = 17e6;
const LEFT_BYTES: f64 = 22e6;

/// Reading a run's files and writing those of stages 1 and 2, in operators on next to nothing that take as long (42 and
/// 50 ms); and the same of the segmenter as a whole, which always sees pictures of one size.
const AROUND: [f64; 2] = [45e3, 53e3];
const SEGMENTER: f64 = 15.5e3;

/// Bytes of built-in models that are read in a second.
const READ_BUILT_IN: f64 = 0.55e9;

/// Values of weights in folders that are read in a second, from a file in half precision in the system's cache:
/// a full-size U-Net's came to 75 million kept in 32 bits, and 88 million in 16 (`docs/performance.md`).
const READ: f64 = 80e6;

/// How many objects a plan has, when nobody has read the caption yet.
const OBJECTS: f64 = 2.0;

/// One stage's share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageEstimate {
    /// The stage.
    pub name: &'static str,
    /// What it does, in words.
    pub work: String,
    /// About how long it takes, in seconds; `None` where that is not known before.
    pub seconds: Option<f64>,
    /// About how much memory it takes, in bytes.
    pub peak_bytes: u64,
}

/// What the whole line will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Stage by stage.
    pub stages: Vec<StageEstimate>,
    /// Seconds in all, of the stages of which they are known.
    pub seconds: f64,
    /// The most memory at any time, in bytes.
    pub peak_bytes: u64,
    /// What else a person should know of these figures.
    pub notes: Vec<String>,
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
            plan(settings),
            StageEstimate {
                name: "segment",
                work: "finds each object in the picture".into(),
                seconds: Some(rates.operators(SEGMENTER)),
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
        // Pages of built-in models that were read stay in memory: they are the program's.
        let mut pages = 0.0;
        for (kind, work, sampling) in generative {
            let config = models.stage_config(kind)?;
            let pass = config.denoiser.cost(settings.frame_chunk);
            let passes = sampling.guidance.passes(sampling.guidance_rescale).len();
            let (size, frames) = (config.video.size, config.video.frames);
            let [encode, decode] = codec.cost([frames, size, size]);
            // Stage 1 sees two pictures and reads a prompt, stage 2 a picture, a video and one prompt more
            // for each object; conditions that guidance leaves out are read as empty texts.
            let (seen, read, around) = match kind {
                StageKind::Motion => (2.0, 1.0, AROUND[0]),
                StageKind::Video | StageKind::Ti2v => {
                    (1.0 + frames as f64, 1.0 + OBJECTS, AROUND[1])
                }
            };
            let text = config.text.cost();
            let built_in = models.built_in_bytes(kind.name())? as f64;
            let memory = models.stage_memory(kind)?;
            let most = [
                (memory.autoencoder, encode.floats.max(decode.floats)),
                (memory.text, text.floats * read),
                (memory.denoiser, pass.floats),
            ];
            let most = most.map(|(held, floats)| held as f64 + floats * 4.0);
            let most = most.into_iter().fold(0.0, f64::max);
            stages.push(StageEstimate {
                name: kind.name(),
                work: format!(
                    "{work}: {frames} frames of {size}x{size}, {} steps of {passes} pass{}",
                    sampling.steps,
                    if passes == 1 { "" } else { "es" },
                ),
                seconds: Some(
                    rates.pass(pass, config.denoiser.operators())
                        * (sampling.steps * passes) as f64
                        + seconds(text) * read * passes as f64
                        + seconds(encode) * seen / frames as f64
                        + seconds(decode)
                        + rates.operators(around)
                        + built_in / READ_BUILT_IN
                        + reading(&models, settings, kind)?,
                ),
                peak_bytes: (PROGRAM_BYTES + LEFT_BYTES + pages + most) as u64,
            });
            pages += built_in;
        }
        let note = "told for the processor: how fast a graphics card is, and which memory is its own, is not \
                    known before";
        let notes = match settings.device {
            DeviceName::Cpu => Vec::new(),
            DeviceName::Gpu(_) => vec![note.to_owned()],
        };
        Ok(Self::of_stages(stages, notes))
    }

    /// What it comes to when only the stages are done whose names `counts` picks.
    #[must_use]
    pub fn only(&self, counts: impl Fn(&str) -> bool) -> Self {
        let stages = self.stages.iter().filter(|stage| counts(stage.name)).cloned().collect();
        Self::of_stages(stages, self.notes.clone())
    }

    fn of_stages(stages: Vec<StageEstimate>, notes: Vec<String>) -> Self {
        Self {
            // The sum of nothing is -0.
            seconds: 0.0 + stages.iter().filter_map(|stage| stage.seconds).sum::<f64>(),
            peak_bytes: stages.iter().map(|stage| stage.peak_bytes).max().unwrap_or(0),
            stages,
            notes,
        }
    }
}

/// The share of the planner. How long a language model takes depends on the model and on who runs it.
fn plan(settings: &Settings) -> StageEstimate {
    let (work, seconds, held) = match settings.planner {
        PlannerKind::Rules => ("reads the caption by rules", Some(0.002), 0),
        PlannerKind::Llm => {
            let file = settings.llm.file().and_then(|path| fs::metadata(path).ok());
            let held = file.map_or(0, |data| data.len());
            ("has the caption read by a language model", None, held)
        }
    };
    let peak_bytes = PROGRAM_BYTES as u64 + held;
    StageEstimate { name: "plan", work: work.into(), seconds, peak_bytes }
}

/// Seconds that reading models takes which are folders; of built-in ones see [`READ_BUILT_IN`]. What is mapped
/// is counted as not read.
fn reading(models: &Models, settings: &Settings, kind: StageKind) -> Result<f64> {
    let root = settings.models.as_deref().filter(|_| !settings.map_weights);
    let Some(root) = root else { return Ok(0.0) };
    let mut values = 0.0;
    // The autoencoder is read again to decode.
    for name in [kind.name(), models::AUTOENCODER, models::AUTOENCODER] {
        if models::folder_of(root, name).is_some_and(|own| own.exists()) {
            values += models.memory(name)? as f64 / settings.weights.number().width() as f64;
        }
    }
    Ok(values / READ)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::{FullSize, Sampling, StageConfig};

    const RATES: Rates = Rates { narrow: 120e9, wide: 190e9, convolutions: 400e9, operator: 1e-6 };

    /// `docs/performance.md`: 18 to 19.9 s a step with 2 threads of an EPYC (Zen 4).
    #[test]
    fn a_full_size_step_is_told_to_a_fifth() {
        let (of, video) = (FullSize::Sd15.networks(), FullSize::Sd15.video());
        let stage = StageConfig::on_public(StageKind::Motion, &of, video, 0.0).unwrap();
        let told = RATES.seconds(stage.denoiser.cost(None));
        assert!((15.2..22.8).contains(&told), "{told}");
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

    #[test]
    fn what_is_not_known_has_no_number() {
        let of = |settings: &Settings| Estimate::new(settings, &RATES).unwrap();
        let rules = of(&Settings::default());
        assert!(rules.notes.is_empty() && rules.stages.iter().all(|s| s.seconds.is_some()));
        let asked = of(&Settings { planner: PlannerKind::Llm, ..Settings::default() });
        assert_eq!(asked.stages[0].seconds, None);
        assert!(asked.stages[0].work.contains("language model"), "{asked:?}");
        assert!(asked.seconds < rules.seconds);
        let card = of(&Settings { device: DeviceName::Gpu(0), ..Settings::default() });
        assert!(card.notes[0].contains("told for the processor"), "{card:?}");
    }

    #[test]
    fn some_of_the_stages_take_their_share() {
        let all = Estimate::new(&Settings::default(), &RATES).unwrap();
        let video = all.only(|name| name == "video");
        assert_eq!(video.stages, all.stages[3..]);
        assert_eq!(Some(video.seconds), all.stages[3].seconds);
        assert_eq!(video.peak_bytes, all.stages[3].peak_bytes);
        assert_eq!(all.only(|_| false).peak_bytes, 0);
    }
}
