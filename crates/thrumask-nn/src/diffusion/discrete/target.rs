//! What a network predicts, and what a prediction says of data and noise.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Level;
use crate::{Error, Result, diffusion::per_row};

/// What a network's output means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The noise ε (Ho et al. 2020). Says nothing of the data where no signal is left.
    Epsilon,
    /// v = √ᾱ·ε − √(1 − ᾱ)·x₀ (Salimans and Ho 2022; the paper's U-Net).
    #[serde(alias = "v_prediction")]
    V,
    /// The data x₀.
    Sample,
}

/// A prediction as data and noise.
#[derive(Debug, Clone)]
pub struct Split {
    /// x₀, `[B, C, T, H, W]`.
    pub data: Tensor<5>,
    /// ε, `[B, C, T, H, W]`.
    pub noise: Tensor<5>,
}

/// x_t = √ᾱ·x₀ + √(1 − ᾱ)·ε.
///
/// # Shapes
/// - `data`, `noise`: `[B, C, T, H, W]`
/// - `levels`: one per batch row
/// - returns `[B, C, T, H, W]`
pub fn noised(data: Tensor<5>, noise: Tensor<5>, levels: &[Level]) -> Tensor<5> {
    let (signal_share, noise_share) = shares(levels, &data);
    data * signal_share + noise * noise_share
}

fn shares(levels: &[Level], like: &Tensor<5>) -> (Tensor<5>, Tensor<5>) {
    let rows = |share: fn(&Level) -> f64| {
        per_row(levels.iter().map(|l| share(l) as f32).collect(), &like.device())
    };
    (rows(|l| l.signal), rows(|l| l.noise)) // [B, 1, 1, 1, 1] each
}

impl Target {
    /// What the network should predict.
    ///
    /// # Shapes
    /// - `data`, `noise`: `[B, C, T, H, W]`
    /// - `levels`: one per batch row
    /// - returns `[B, C, T, H, W]`
    pub fn of(self, data: Tensor<5>, noise: Tensor<5>, levels: &[Level]) -> Tensor<5> {
        match self {
            Self::Epsilon => noise,
            Self::Sample => data,
            Self::V => {
                let (signal_share, noise_share) = shares(levels, &data);
                noise * signal_share - data * noise_share
            }
        }
    }

    /// Data and noise that a prediction stands for, at one level for the whole batch. Finite where no
    /// signal is left.
    ///
    /// # Shapes
    /// - `prediction`, `latents`: `[B, C, T, H, W]`
    /// - returns `[B, C, T, H, W]` twice
    ///
    /// # Errors
    /// [`Error::Config`] when noise is predicted where no signal is left.
    pub fn split(self, prediction: Tensor<5>, latents: Tensor<5>, level: Level) -> Result<Split> {
        let (signal, noise) = (level.signal as f32, level.noise as f32);
        Ok(match self {
            Self::Epsilon => {
                self.check(level)?;
                let data = (latents - prediction.clone() * noise) / signal;
                Split { data, noise: prediction }
            }
            Self::Sample => {
                let noise = (latents - prediction.clone() * signal) / noise;
                Split { data: prediction, noise }
            }
            Self::V => Split {
                data: latents.clone() * signal - prediction.clone() * noise,
                noise: prediction * signal + latents * noise,
            },
        })
    }

    /// Whether data can be told from a prediction at a level.
    ///
    /// # Errors
    /// [`Error::Config`] when noise is predicted where no signal is left.
    pub fn check(self, level: Level) -> Result<()> {
        if self == Self::Epsilon && level.signal == 0.0 {
            let reason = "a prediction of the noise says nothing of the data where no signal is left: \
                          expected target v or sample with zero terminal SNR, got epsilon";
            return Err(Error::config("target", reason));
        }
        Ok(())
    }

    /// Min-SNR-γ weight of a squared error at a level (Hang et al. 2023, §3.4): min(SNR, γ) of the
    /// error of x₀, in terms of what is predicted. For v and x₀ it is 0 where no signal is left, so
    /// that the last timestep of a schedule with zero terminal SNR is not trained.
    pub fn min_snr_weight(self, level: Level, gamma: f64) -> f64 {
        let snr = level.snr();
        match self {
            // min(SNR, γ)/SNR, written so that it is 1 at SNR 0.
            Self::Epsilon if snr <= gamma => 1.0,
            Self::Epsilon => gamma / snr,
            Self::V => snr.min(gamma) / (snr + 1.0),
            Self::Sample => snr.min(gamma),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{discrete::NoiseSchedule, noise::Noise};
    use burn::tensor::Device;

    fn off(a: &Tensor<5>, b: &Tensor<5>) -> f32 {
        (a.clone() - b.clone()).abs().max().into_scalar::<f32>()
    }

    #[test]
    fn targets_split_into_the_data_and_noise_they_were_made_of() {
        let device = Device::flex();
        let data = Noise::new(1, "data").normal_tensor([1, 2, 2, 3, 3], &device);
        let noise = Noise::new(1, "noise").normal_tensor([1, 2, 2, 3, 3], &device);
        let levels = NoiseSchedule::ANIMATE_DIFF.zero_terminal_snr().levels().expect("sound");
        for time in [0.0, 10.0, 500.0, 900.0, 999.0] {
            let level = levels.at(time).expect("a timestep");
            let latents = noised(data.clone(), noise.clone(), &[level]);
            for target in [Target::Epsilon, Target::V, Target::Sample] {
                let prediction = target.of(data.clone(), noise.clone(), &[level]);
                let split = target.split(prediction, latents.clone(), level);
                if target == Target::Epsilon && time == 999.0 {
                    assert!(split.is_err_and(|e| e.to_string().contains("zero terminal SNR")));
                    continue;
                }
                let split = split.expect("finite");
                // Rounding of x_t is divided by the share that is wanted.
                let tolerance = 1e-6 / level.signal.min(level.noise).max(0.01) as f32;
                let data_tolerance = if target == Target::Epsilon { tolerance } else { 2e-6 };
                let noise_tolerance = if target == Target::Sample { tolerance } else { 2e-6 };
                let found = (off(&split.data, &data), off(&split.noise, &noise));
                assert!(found.0 <= data_tolerance, "{target:?} at {time}: {found:?}");
                assert!(found.1 <= noise_tolerance, "{target:?} at {time}: {found:?}");
            }
        }
    }

    #[test]
    fn rows_keep_their_own_level() {
        let device = Device::flex();
        let data = Noise::new(1, "data").normal_tensor([2, 1, 1, 2, 2], &device);
        let noise = Noise::new(1, "noise").normal_tensor([2, 1, 1, 2, 2], &device);
        let levels = [Level::from_alpha_bar(0.0), Level::from_alpha_bar(1.0)];
        let mixed = noised(data.clone(), noise.clone(), &levels);
        let row = |t: &Tensor<5>, r: usize| t.clone().narrow(0, r, 1);
        assert_eq!(off(&row(&mixed, 0), &row(&noise, 0)), 0.0);
        assert_eq!(off(&row(&mixed, 1), &row(&data, 1)), 0.0);
        let v = Target::V.of(data.clone(), noise.clone(), &levels);
        assert_eq!(off(&row(&v, 0), &row(&data.neg(), 0)), 0.0);
        assert_eq!(off(&row(&v, 1), &row(&noise, 1)), 0.0);
    }

    /// The weights are one weight, min(SNR, γ), of the error of x₀: an error of 1 in the prediction
    /// is an error of signal⁻²·noise², noise² or 1 in the squared x₀.
    #[test]
    fn min_snr_weights_the_same_error_of_the_data() {
        for alpha_bar in [0.001, 0.3, 0.8, 0.83, 0.84, 0.999] {
            let level = Level::from_alpha_bar(alpha_bar);
            let expected = level.snr().min(5.0);
            let (signal, noise) = (level.signal.powi(2), level.noise.powi(2));
            for (target, error) in
                [(Target::Epsilon, noise / signal), (Target::V, noise), (Target::Sample, 1.0)]
            {
                let weight = target.min_snr_weight(level, 5.0) / error;
                assert!((weight / expected - 1.0).abs() < 1e-9, "{target:?} {alpha_bar}");
            }
        }
        assert_eq!(Target::Epsilon.min_snr_weight(Level::from_alpha_bar(0.0), 5.0), 1.0);
        assert_eq!(Target::V.min_snr_weight(Level::from_alpha_bar(0.0), 5.0), 0.0);
    }
}
