//! What a prediction adds to: one of the conditions, which shows the first frame in every frame, or in each what
//! has become of it.

use burn::{module::Param, tensor::Tensor};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, layers::Init};

/// What the output adds to: a network trained from scratch is right early where nothing moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstFrame {
    /// Nothing (the paper's networks, which start from pretrained weights).
    #[default]
    None,
    /// A learned gain per frame times the first frame's latents.
    Residual,
    /// A gate per output value, predicted by the network, times the first frame's latents.
    Gated,
}

impl FirstFrame {
    /// Channels that a network makes for a prediction of `channels`.
    pub(super) fn outputs(self, channels: usize) -> usize {
        if self == Self::Gated { 2 * channels } else { channels }
    }

    /// The gain of each of `frames`, where there is one.
    pub(super) fn gain(self, init: &Init, frames: usize) -> Option<Param<Tensor<1>>> {
        (self == Self::Residual).then(|| init.constant([frames], 0.7))
    }

    /// Checks that the conditions have the channels from `channel` on.
    pub(super) fn check(self, channel: usize, [latents, conditions]: [usize; 2]) -> Result<()> {
        if self != Self::None && channel + latents > conditions {
            let reason = format!("expected {latents} of {conditions} channels, got from {channel}");
            return Err(Error::config("first_frame_channel", reason));
        }
        Ok(())
    }

    /// The prediction from what a network made.
    ///
    /// # Shapes
    /// - `x`: `[B, outputs, T, H, W]`
    /// - `conditions`: `[B, Cc, T, H, W]`, of which the latents begin at `channel`
    /// - `gain`: `[T]`
    /// - returns `[B, C, T, H, W]`
    pub(super) fn add(
        self,
        x: Tensor<5>,
        conditions: &Tensor<5>,
        channel: usize,
        gain: Option<Tensor<1>>,
    ) -> Tensor<5> {
        let [_, outputs, t, _, _] = x.dims();
        let channels = if self == Self::Gated { outputs / 2 } else { outputs };
        let first = || conditions.clone().narrow(1, channel, channels);
        match self {
            Self::None => x,
            Self::Residual => match gain {
                Some(gain) => x + first() * gain.reshape([1, 1, t, 1, 1]),
                None => x + first(),
            },
            Self::Gated => {
                let gate = thrumask_kernels::sigmoid(x.clone().narrow(1, channels, channels));
                x.narrow(1, 0, channels) + gate * first()
            }
        }
    }
}
