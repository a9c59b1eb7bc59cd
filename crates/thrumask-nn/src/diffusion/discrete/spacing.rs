//! Which of the training timesteps a run visits (Lin et al. 2023, table 2).

use serde::{Deserialize, Serialize};

/// How timesteps are spread. Each solver of diffusers counts a little differently; so do these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Spacing {
    /// From T − 1 down in equal parts: always begins with the noisiest. What zero terminal SNR needs.
    Trailing,
    /// Multiples of a whole stride from 0 up: never visits T − 1, and with one step only the offset.
    Leading {
        /// Added to each, 0 or 1 in public configurations.
        steps_offset: usize,
    },
    /// From 0 to T − 1, both included. One step of DDIM or Euler visits only 0.
    Linspace,
}

impl Spacing {
    /// The timesteps of DDIM, falling whole numbers; `steps` from 1 to `train_steps`.
    pub(super) fn ddim(self, train_steps: usize, steps: usize) -> Vec<f64> {
        match self {
            Self::Trailing => trailing(train_steps, steps),
            Self::Leading { steps_offset } => leading(train_steps / steps, steps, steps_offset, 0),
            Self::Linspace => {
                let mut times = linspace(train_steps, steps);
                times.iter_mut().for_each(|t| *t = t.round_ties_even());
                times
            }
        }
    }

    /// The timesteps of Euler: those of DDIM, but not rounded where they are spread evenly.
    pub(super) fn euler(self, train_steps: usize, steps: usize) -> Vec<f64> {
        match self {
            // The reference holds them in float32 and looks up σ with that.
            Self::Linspace => {
                linspace(train_steps, steps).into_iter().map(|t| f64::from(t as f32)).collect()
            }
            _ => self.ddim(train_steps, steps),
        }
    }

    /// The timesteps of DPM-Solver, which shares the range by one more and leaves out the least.
    pub(super) fn dpm_solver(self, train_steps: usize, steps: usize) -> Vec<f64> {
        match self {
            Self::Trailing => trailing(train_steps, steps),
            Self::Leading { steps_offset } => {
                leading(train_steps / (steps + 1), steps, steps_offset, 1)
            }
            Self::Linspace => {
                let mut times = linspace(train_steps, steps + 1);
                times.truncate(steps);
                times.iter_mut().for_each(|t| *t = t.round_ties_even());
                times
            }
        }
    }
}

/// numpy's `arange(T, 0, -T/n)` rounded half to even, less 1. For some n (61 is the first at T = 1000)
/// rounding gives numpy one value more, and the reference a timestep of −1; not here.
fn trailing(train_steps: usize, steps: usize) -> Vec<f64> {
    let start = train_steps as f64;
    // As numpy does it: the step is the difference of the first two values.
    let delta = (start - start / steps as f64) - start;
    (0..steps).map(|i| (start + i as f64 * delta).round_ties_even() - 1.0).collect()
}

/// `stride`·i + `offset` for `steps` values of i from `first` up, falling.
fn leading(stride: usize, steps: usize, offset: usize, first: usize) -> Vec<f64> {
    (first..first + steps).rev().map(|i| (i * stride + offset) as f64).collect()
}

/// numpy's `linspace(0, T − 1, count)`, falling.
fn linspace(train_steps: usize, count: usize) -> Vec<f64> {
    let last = (train_steps - 1) as f64;
    let stride = last / (count.max(2) - 1) as f64;
    let at = |i: usize| if i > 0 && i == count - 1 { last } else { i as f64 * stride };
    (0..count).rev().map(at).collect()
}
