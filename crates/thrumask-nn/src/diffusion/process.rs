//! How noise and data mix, in training and in sampling: by flow matching or by discrete diffusion.

use burn::tensor::Tensor;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer, value::StrDeserializer},
};

use super::{
    discrete::{self, Level, Levels, NoiseSchedule, Target},
    noise::Noise,
    path::{self, Prediction, SIGMA_MIN, TimeSampling},
};
use crate::{Error, Result};

/// The process that a network is trained on and sampled with. In files, flow matching is its
/// prediction alone, `"velocity"` or `"sample"`, and diffusion a table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Process {
    /// Flow matching; times run from 0 (noise) to 1 (data).
    Flow(Prediction),
    /// Diffusion; times are whole timesteps from T − 1 (noise) to 0 (nearly data).
    Diffusion(Diffusion),
}

/// Diffusion with discrete timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// The noise of each timestep.
    pub schedule: NoiseSchedule,
    /// What the network predicts.
    pub target: Target,
    /// γ of min-SNR weighting of the loss (Hang et al. 2023: 5), above 0; without, all errors weigh 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_snr_gamma: Option<f64>,
}

impl Diffusion {
    /// The paper's U-Net: AnimateDiff's betas with zero terminal SNR, v-prediction.
    pub const PAPER: Self = Self {
        schedule: NoiseSchedule::ANIMATE_DIFF.zero_terminal_snr(),
        target: Target::V,
        min_snr_gamma: None,
    };

    /// The levels of all timesteps.
    ///
    /// # Errors
    /// [`Error::Config`] as [`NoiseSchedule::levels`], for ε-prediction with zero terminal SNR, and
    /// for a γ that is not above 0.
    pub fn levels(&self) -> Result<Levels> {
        let levels = self.schedule.levels()?;
        self.target.check(levels.at((levels.train_steps() - 1) as f32)?)?;
        match self.min_snr_gamma {
            Some(gamma) if !(gamma > 0.0 && gamma.is_finite()) => {
                let reason = format!("expected a number above 0, got {gamma}");
                Err(Error::config("min_snr_gamma", reason))
            }
            _ => Ok(levels),
        }
    }

    fn rows(&self, times: &[f32]) -> Result<Vec<Level>> {
        let levels = self.levels()?;
        times.iter().map(|&t| levels.at(t)).collect()
    }
}

impl Process {
    /// Whether the configuration is sound.
    ///
    /// # Errors
    /// As [`Diffusion::levels`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Flow(_) => Ok(()),
            Self::Diffusion(diffusion) => diffusion.levels().map(drop),
        }
    }

    /// The training time at position `index` of a stream, as the network is told it: in [0, 1) for
    /// flow, a whole number from 0 to T − 1 for diffusion. Without `sampling` all times are equally
    /// likely; with it, flow's time t is drawn, and diffusion takes the timestep nearest to
    /// (1 − t)·(T − 1).
    pub fn draw_time(&self, sampling: Option<&TimeSampling>, noise: &Noise, index: u64) -> f32 {
        let drawn = sampling.map(|s| s.draw(noise, index));
        let uniform = || noise.uniform(2 * index);
        match self {
            Self::Flow(_) => drawn.unwrap_or_else(uniform),
            Self::Diffusion(Diffusion { schedule, .. }) => {
                let last = schedule.train_steps.saturating_sub(1);
                match drawn {
                    Some(t) => ((1.0 - t) * last as f32).round(),
                    None => {
                        let step = f64::from(uniform()) * schedule.train_steps as f64;
                        (step as usize).min(last) as f32
                    }
                }
            }
        }
    }

    /// Data with noise, each row at its own time.
    ///
    /// # Shapes
    /// - `data`, `noise`: `[B, C, T, H, W]`
    /// - `times`: one per batch row
    /// - returns `[B, C, T, H, W]`
    ///
    /// # Errors
    /// As [`Process::check`], and when a time is no timestep.
    pub fn noised(&self, data: Tensor<5>, noise: Tensor<5>, times: &[f32]) -> Result<Tensor<5>> {
        Ok(match self {
            Self::Flow(_) => path::interpolate(data, noise, times),
            Self::Diffusion(diffusion) => discrete::noised(data, noise, &diffusion.rows(times)?),
        })
    }

    /// What the network should say of [`Process::noised`].
    ///
    /// # Shapes
    /// As [`Process::noised`].
    ///
    /// # Errors
    /// As [`Process::noised`].
    pub fn target(&self, data: Tensor<5>, noise: Tensor<5>, times: &[f32]) -> Result<Tensor<5>> {
        Ok(match self {
            Self::Flow(Prediction::Sample) => data,
            Self::Flow(Prediction::Velocity) => data - noise * (1.0 - SIGMA_MIN),
            Self::Diffusion(diffusion) => diffusion.target.of(data, noise, &diffusion.rows(times)?),
        })
    }

    /// Weight of each row's squared error in the loss; `None` when all weigh 1.
    ///
    /// # Errors
    /// As [`Process::noised`].
    pub fn loss_weights(&self, times: &[f32]) -> Result<Option<Vec<f32>>> {
        let Self::Diffusion(diffusion @ Diffusion { min_snr_gamma: Some(gamma), .. }) = self else {
            return Ok(None);
        };
        let weight = |l: Level| diffusion.target.min_snr_weight(l, *gamma) as f32;
        Ok(Some(diffusion.rows(times)?.into_iter().map(weight).collect()))
    }
}

impl From<Prediction> for Process {
    fn from(prediction: Prediction) -> Self {
        Self::Flow(prediction)
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Process;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"velocity\" or \"sample\" for flow, or a table for diffusion")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> std::result::Result<Process, E> {
                Prediction::deserialize(StrDeserializer::new(name)).map(Process::Flow)
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                map: A,
            ) -> std::result::Result<Process, A::Error> {
                Diffusion::deserialize(MapAccessDeserializer::new(map)).map(Process::Diffusion)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const FLOW: Process = Process::Flow(Prediction::Velocity);
    const PAPER: Process = Process::Diffusion(Diffusion::PAPER);

    #[test]
    fn files_keep_the_form_that_flow_models_have() {
        let read = serde_json::from_str::<Process>;
        assert_eq!(serde_json::to_string(&FLOW).expect("plain"), r#""velocity""#);
        assert_eq!(read(r#""sample""#).expect("known"), Process::Flow(Prediction::Sample));
        let text = serde_json::to_string(&PAPER).expect("plain");
        assert_eq!(read(&text).expect("what was written"), PAPER);
        let wrong = text.replace("\"target\"", "\"aim\"");
        let error = read(&wrong).expect_err("an unknown key").to_string();
        assert!(error.contains("aim") && error.contains("target"), "{error}");
        assert!(read(r#""speed""#).is_err_and(|e| e.to_string().contains("velocity")));
    }

    #[test]
    fn noise_is_not_predicted_with_zero_terminal_snr() {
        let noise = Diffusion { target: Target::Epsilon, ..Diffusion::PAPER };
        assert!(Process::Diffusion(noise).check().is_err());
        let plain = Diffusion { schedule: NoiseSchedule::ANIMATE_DIFF, ..noise };
        assert!(Process::Diffusion(plain).check().is_ok() && PAPER.check().is_ok());
        let no_weight = Diffusion { min_snr_gamma: Some(0.0), ..Diffusion::PAPER };
        assert!(Process::Diffusion(no_weight).check().is_err());
    }

    #[test]
    fn drawn_times_are_timesteps_and_reach_both_ends() {
        let stream = Noise::new(3, "time");
        let even = |i| PAPER.draw_time(None, &stream, i);
        let drawn: Vec<f32> = (0..20_000).map(even).collect();
        assert!(drawn.iter().all(|t| t.fract() == 0.0 && (0.0..=999.0).contains(t)));
        let mean = drawn.iter().map(|&t| f64::from(t)).sum::<f64>() / drawn.len() as f64;
        assert!((mean - 499.5).abs() < 10.0, "{mean}");
        assert!(drawn.contains(&0.0) && drawn.contains(&999.0));
        let noisy = TimeSampling { mean: -1.0, std: 0.5, pure_noise: 0.25 };
        let drawn: Vec<f32> =
            (0..4000).map(|i| PAPER.draw_time(Some(&noisy), &stream, i)).collect();
        let terminal = drawn.iter().filter(|&&t| t == 999.0).count();
        assert!((900..1100).contains(&terminal), "{terminal}");
        // Flow draws what it always drew.
        assert_eq!(FLOW.draw_time(Some(&noisy), &stream, 7), noisy.draw(&stream, 7));
    }

    #[test]
    fn noising_and_targets_are_those_of_each_process() {
        let device = Device::flex();
        let data = Noise::new(1, "data").normal_tensor([2, 1, 1, 2, 2], &device);
        let noise = Noise::new(1, "noise").normal_tensor([2, 1, 1, 2, 2], &device);
        let at = |p: Process, t: &[f32]| p.noised(data.clone(), noise.clone(), t).expect("times");
        let off = |a: Tensor<5>, b: Tensor<5>| (a - b).abs().max().into_scalar::<f32>();
        let flow = path::interpolate(data.clone(), noise.clone(), &[0.2, 0.9]);
        assert_eq!(off(at(FLOW, &[0.2, 0.9]), flow), 0.0);
        assert_eq!(off(at(PAPER, &[999.0, 999.0]), noise.clone()), 0.0);
        let target = PAPER.target(data.clone(), noise.clone(), &[999.0; 2]).expect("times");
        assert_eq!(off(target, data.clone().neg()), 0.0);
        assert!(PAPER.noised(data.clone(), noise.clone(), &[0.5, 0.5]).is_err());
        assert_eq!(PAPER.loss_weights(&[1.0]).expect("times"), None);
        let weighted = Diffusion { min_snr_gamma: Some(5.0), ..Diffusion::PAPER };
        let weights = Process::Diffusion(weighted).loss_weights(&[999.0, 500.0]).expect("times");
        let weights = weights.expect("weights");
        assert!(weights[0] == 0.0 && weights[1] > 0.0 && weights[1] < 1.0, "{weights:?}");
    }
}
