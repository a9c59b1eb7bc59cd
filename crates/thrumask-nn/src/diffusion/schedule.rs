//! Time schedules for inference: from t = 0 (noise) to t = 1 (data).

use serde::{Deserialize, Serialize};

/// How the steps are spread over [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields, tag = "kind")]
pub enum Schedule {
    /// Equal steps.
    Uniform,
    /// The first half of the steps follow an `emulated`-step uniform schedule, the rest grow
    /// quadratically, with equal slope where they meet (Movie Gen §3.2; 25 + 25 for 250).
    LinearQuadratic {
        /// Steps of the emulated uniform schedule; at least the number of steps taken.
        emulated: usize,
    },
    /// Equal steps, pushed towards noise: u = 1 − t becomes s·u / (1 + (s − 1)u).
    Shifted {
        /// Shift s, at least 1 (1 = uniform).
        shift: f32,
    },
}

impl Schedule {
    /// The `steps + 1` times of `steps` steps: starts at 0, ends at 1, strictly rising.
    pub fn times(self, steps: usize) -> Vec<f32> {
        let steps = steps.max(1);
        let n = steps as f64;
        let mut times: Vec<f64> = match self {
            Self::Uniform => (0..=steps).map(|i| i as f64 / n).collect(),
            Self::Shifted { shift } => {
                let s = f64::from(shift);
                let at = |i: usize| {
                    let u = 1.0 - i as f64 / n;
                    1.0 - s * u / (1.0 + (s - 1.0) * u)
                };
                (0..=steps).map(at).collect()
            }
            Self::LinearQuadratic { emulated } => {
                let slope = 1.0 / emulated.max(steps) as f64;
                let linear = steps / 2;
                let quadratic = (steps - linear) as f64;
                let joint = linear as f64 * slope;
                let curve = (1.0 - joint - quadratic * slope) / (quadratic * quadratic);
                let at = |i: usize| match i.checked_sub(linear) {
                    None | Some(0) => i as f64 * slope,
                    Some(j) => joint + slope * j as f64 + curve * (j * j) as f64,
                };
                (0..=steps).map(at).collect()
            }
        };
        times[steps] = 1.0;
        times.into_iter().map(|t| t as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_run_from_noise_to_data_and_rise() {
        for schedule in [
            Schedule::Uniform,
            Schedule::LinearQuadratic { emulated: 250 },
            Schedule::LinearQuadratic { emulated: 4 },
            Schedule::Shifted { shift: 16.0 },
        ] {
            for steps in [1, 2, 3, 7, 50] {
                let times = schedule.times(steps);
                assert_eq!(times.len(), steps + 1);
                assert_eq!((times[0], times[steps]), (0.0, 1.0), "{schedule:?} {steps}");
                assert!(times.windows(2).all(|w| w[0] < w[1]), "{schedule:?} {times:?}");
            }
        }
    }

    #[test]
    fn linear_quadratic_starts_as_the_emulated_schedule_does() {
        let times = Schedule::LinearQuadratic { emulated: 250 }.times(50);
        for (i, t) in times.iter().take(26).enumerate() {
            assert!((t - i as f32 / 250.0).abs() < 1e-6);
        }
        assert!(times[26] - times[25] < 2.0 / 250.0 + 1e-3);
        assert!(times[50] - times[49] > 5.0 / 250.0);
    }
}
