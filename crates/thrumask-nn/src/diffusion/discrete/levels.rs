//! How much signal and noise each timestep holds.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How β_t, the variance that step t adds, grows over the training timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "kind")]
pub enum BetaCurve {
    /// β itself grows linearly (Ho et al. 2020; AnimateDiff).
    Linear {
        /// β_0, in (0, 1).
        start: f64,
        /// β_{T−1}, above `start` and below 1.
        end: f64,
    },
    /// √β grows linearly (Rombach et al. 2022; Stable Diffusion).
    ScaledLinear {
        /// β_0, in (0, 1).
        start: f64,
        /// β_{T−1}, above `start` and below 1.
        end: f64,
    },
    /// ᾱ follows a squared cosine (Nichol and Dhariwal 2021, eq. 17), β at most 0.999; diffusers'
    /// `squaredcos_cap_v2`.
    #[serde(alias = "squaredcos_cap_v2")]
    Cosine {},
}

/// The noise of all training timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseSchedule {
    /// The curve of β.
    pub betas: BetaCurve,
    /// T, the number of training timesteps, at least 2.
    #[serde(default = "thousand")]
    pub train_steps: usize,
    /// Rescaled so that nothing of the data is left at T − 1 (Lin et al. 2023, Algorithm 1).
    #[serde(default)]
    pub zero_terminal_snr: bool,
}

fn thousand() -> usize {
    1000
}

/// Shares of a mixture x_t = signal·x₀ + noise·ε; signal² + noise² = 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// √ᾱ_t, in [0, 1].
    pub signal: f64,
    /// √(1 − ᾱ_t), in [0, 1].
    pub noise: f64,
}

impl Level {
    /// The data itself.
    pub const DATA: Self = Self { signal: 1.0, noise: 0.0 };

    /// The level of ᾱ, in [0, 1].
    pub fn from_alpha_bar(alpha_bar: f64) -> Self {
        Self { signal: alpha_bar.sqrt(), noise: (1.0 - alpha_bar).sqrt() }
    }

    /// The level of σ = √((1 − ᾱ)/ᾱ), at least 0 and finite.
    pub fn from_sigma(sigma: f64) -> Self {
        let signal = 1.0 / (sigma * sigma + 1.0).sqrt();
        Self { signal, noise: sigma * signal }
    }

    /// σ = noise/signal: infinite where no signal is left.
    pub fn sigma(self) -> f64 {
        self.noise / self.signal
    }

    /// Signal-to-noise ratio ᾱ/(1 − ᾱ).
    pub fn snr(self) -> f64 {
        (self.signal / self.noise).powi(2)
    }
}

impl NoiseSchedule {
    /// AnimateDiff's: linear, 0.00085 to 0.012.
    pub const ANIMATE_DIFF: Self = Self {
        betas: BetaCurve::Linear { start: 0.000_85, end: 0.012 },
        train_steps: 1000,
        zero_terminal_snr: false,
    };
    /// Stable Diffusion 1.5's: scaled linear, 0.00085 to 0.012.
    pub const STABLE_DIFFUSION: Self = Self {
        betas: BetaCurve::ScaledLinear { start: 0.000_85, end: 0.012 },
        train_steps: 1000,
        zero_terminal_snr: false,
    };

    /// The same with zero terminal SNR.
    pub const fn zero_terminal_snr(self) -> Self {
        Self { zero_terminal_snr: true, ..self }
    }

    /// The level of every timestep.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two timesteps or betas that do not rise within (0, 1).
    pub fn levels(&self) -> Result<Levels> {
        let steps = self.train_steps;
        if steps < 2 {
            let reason = format!("expected at least 2 training timesteps, got {steps}");
            return Err(Error::config("train_steps", reason));
        }
        let betas = self.betas.values(steps)?;
        let mut alpha_bar: Vec<f64> = betas
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        if self.zero_terminal_snr {
            // Algorithm 1: shift √ᾱ so that its last value is 0, scale so that its first is as before.
            let (first, last) = (alpha_bar[0].sqrt(), alpha_bar[steps - 1].sqrt());
            for value in &mut alpha_bar {
                *value = ((value.sqrt() - last) * (first / (first - last))).powi(2);
            }
        }
        Ok(Levels { alpha_bar })
    }
}

impl BetaCurve {
    fn values(self, steps: usize) -> Result<Vec<f64>> {
        let spread = |start: f64, end: f64| {
            (0..steps).map(move |t| start + (end - start) * t as f64 / (steps - 1) as f64)
        };
        match self {
            Self::Linear { start, end } | Self::ScaledLinear { start, end }
                if !(0.0 < start && start < end && end < 1.0) =>
            {
                let reason = format!("expected 0 < start < end < 1, got {start} to {end}");
                Err(Error::config("betas", reason))
            }
            Self::Linear { start, end } => Ok(spread(start, end).collect()),
            Self::ScaledLinear { start, end } => {
                Ok(spread(start.sqrt(), end.sqrt()).map(|root| root * root).collect())
            }
            Self::Cosine {} => {
                let alpha_bar = |t: usize| {
                    let angle = (t as f64 / steps as f64 + 0.008) / 1.008;
                    (angle * std::f64::consts::FRAC_PI_2).cos().powi(2)
                };
                let beta = |t: usize| (1.0 - alpha_bar(t + 1) / alpha_bar(t)).min(0.999);
                Ok((0..steps).map(beta).collect())
            }
        }
    }
}

/// The levels of all timesteps of a [`NoiseSchedule`].
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    alpha_bar: Vec<f64>,
}

/// What σ-based solvers put in place of ᾱ = 0, so that the first σ is finite (4096): the smallest
/// float16 above 0. Diffusers does so in its Euler and DPM-Solver schedulers.
const SMALLEST_ALPHA_BAR: f64 = 1.0 / 16_777_216.0;

impl Levels {
    /// ᾱ_t for t = 0 to T − 1, strictly falling.
    pub fn alpha_bar(&self) -> &[f64] {
        &self.alpha_bar
    }

    /// T.
    pub fn train_steps(&self) -> usize {
        self.alpha_bar.len()
    }

    /// β_t = 1 − ᾱ_t/ᾱ_{t−1}; 1 at the end when no signal is left there.
    pub fn betas(&self) -> Vec<f64> {
        let before = std::iter::once(&1.0).chain(&self.alpha_bar);
        self.alpha_bar.iter().zip(before).map(|(now, before)| 1.0 - now / before).collect()
    }

    /// The level of a timestep.
    ///
    /// # Errors
    /// [`Error::Config`] when `time` is no whole number from 0 to T − 1.
    pub fn at(&self, time: f32) -> Result<Level> {
        let found = (time >= 0.0 && time.fract() == 0.0).then(|| self.alpha_bar.get(time as usize));
        let Some(Some(&alpha_bar)) = found else {
            let last = self.train_steps() - 1;
            let reason = format!("expected a whole number from 0 to {last}, got {time}");
            return Err(Error::config("timestep", reason));
        };
        Ok(Level::from_alpha_bar(alpha_bar))
    }

    /// σ_t = √((1 − ᾱ_t)/ᾱ_t), strictly rising and finite: with zero terminal SNR the last is 4096, or more where
    /// large betas bring the one before it that far.
    pub fn sigmas(&self) -> Vec<f64> {
        let last = self.train_steps() - 1;
        let sigma = |(t, &alpha_bar): (usize, &f64)| {
            let floored = t == last && alpha_bar == 0.0;
            // The references leave it at 4096 even where that is less than the one before it.
            let before = self.alpha_bar[t.saturating_sub(1)];
            let overtaken = 0.0 < before && before <= SMALLEST_ALPHA_BAR;
            let floor = if overtaken { before / 2.0 } else { SMALLEST_ALPHA_BAR };
            Level::from_alpha_bar(if floored { floor } else { alpha_bar }).sigma()
        };
        self.alpha_bar.iter().enumerate().map(sigma).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedules() -> Vec<NoiseSchedule> {
        let cosine = NoiseSchedule { betas: BetaCurve::Cosine {}, ..NoiseSchedule::ANIMATE_DIFF };
        let small = NoiseSchedule { train_steps: 2, ..NoiseSchedule::ANIMATE_DIFF };
        let linear = BetaCurve::Linear { start: 1e-4, end: 0.03 };
        let large = NoiseSchedule { betas: linear, ..NoiseSchedule::ANIMATE_DIFF };
        vec![NoiseSchedule::ANIMATE_DIFF, NoiseSchedule::STABLE_DIFFUSION, cosine, small, large]
    }

    #[test]
    fn betas_are_within_range_and_alpha_bar_falls() {
        for schedule in schedules() {
            for schedule in [schedule, schedule.zero_terminal_snr()] {
                let levels = schedule.levels().expect("a sound schedule");
                let last = schedule.train_steps - 1;
                for (t, beta) in levels.betas().into_iter().enumerate() {
                    let ends = t == last && schedule.zero_terminal_snr;
                    let top = if ends { beta == 1.0 } else { beta < 1.0 };
                    assert!(beta > 1e-6 && top, "{schedule:?}: β_{t} = {beta}");
                }
                let alpha_bar = levels.alpha_bar();
                assert!(alpha_bar.windows(2).all(|w| w[0] > w[1]), "{schedule:?}");
                assert!(levels.sigmas().windows(2).all(|w| w[0] < w[1]), "{schedule:?}");
            }
        }
    }

    #[test]
    fn end_points_of_linear_betas() {
        for schedule in [NoiseSchedule::ANIMATE_DIFF, NoiseSchedule::STABLE_DIFFUSION] {
            let betas = schedule.levels().expect("a sound schedule").betas();
            assert!((betas[0] - 0.000_85).abs() < 1e-12 && (betas[999] - 0.012).abs() < 1e-12);
        }
    }

    #[test]
    fn rescaling_keeps_the_first_level_and_leaves_no_signal_at_the_last() {
        for schedule in schedules() {
            let before = schedule.levels().expect("a sound schedule");
            let after = schedule.zero_terminal_snr().levels().expect("a sound schedule");
            assert!(before.alpha_bar()[schedule.train_steps - 1] > 0.0);
            assert_eq!(after.alpha_bar()[schedule.train_steps - 1], 0.0);
            assert!((after.alpha_bar()[0] - before.alpha_bar()[0]).abs() < 1e-14);
            let largest = after.sigmas()[schedule.train_steps - 1];
            let large = matches!(schedule.betas, BetaCurve::Linear { end, .. } if end > 0.02);
            assert!(if large { largest > 4096.0 } else { largest == (16_777_215f64).sqrt() });
            let last = after.at((schedule.train_steps - 1) as f32).expect("a timestep");
            assert_eq!((last.signal, last.noise, last.snr()), (0.0, 1.0, 0.0));
        }
    }

    #[test]
    fn what_is_no_schedule_or_no_timestep_is_refused() {
        let with = |betas| NoiseSchedule { betas, ..NoiseSchedule::ANIMATE_DIFF };
        for (start, end) in [(0.0, 0.1), (0.1, 0.1), (0.2, 0.1), (0.1, 1.0), (f64::NAN, 0.1)] {
            assert!(with(BetaCurve::Linear { start, end }).levels().is_err(), "{start} {end}");
            assert!(with(BetaCurve::ScaledLinear { start, end }).levels().is_err());
        }
        let one = NoiseSchedule { train_steps: 1, ..NoiseSchedule::ANIMATE_DIFF };
        assert!(one.levels().is_err());
        let levels = NoiseSchedule::ANIMATE_DIFF.levels().expect("a sound schedule");
        for time in [-1.0, 0.5, 1000.0, f32::NAN] {
            assert!(levels.at(time).is_err(), "{time}");
        }
    }

    #[test]
    fn configuration_refuses_unknown_keys() {
        let read = serde_json::from_str::<NoiseSchedule>;
        let plain = read(r#"{"betas":{"kind":"linear","start":0.00085,"end":0.012}}"#);
        assert_eq!(plain.expect("complete"), NoiseSchedule::ANIMATE_DIFF);
        assert!(read(r#"{"betas":{"kind":"squaredcos_cap_v2"}}"#).is_ok());
        for wrong in [
            r#"{"betas":{"kind":"cosine","start":0.1}}"#,
            r#"{"betas":{"kind":"linear","start":0.1}}"#,
            r#"{"betas":{"kind":"cosine"},"steps":3}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
