//! The first-order Euler solver of the flow's differential equation.

use burn::tensor::Tensor;

use super::path::{Prediction, velocity};

/// Integrates from noise to data along `times`.
///
/// `predict` gives the network's (guided) prediction for latents at a time; `before_step` sees each
/// state before its step and may change it (used to pin known parts), or stop the run with an error.
///
/// # Shapes
/// - `noise`: `[B, C, T, H, W]`
/// - `times`: rising, as from [`super::schedule::Schedule::times`]
/// - returns `[B, C, T, H, W]`
///
/// # Errors
/// Whatever `predict` or `before_step` gives.
pub fn euler<E>(
    kind: Prediction,
    noise: Tensor<5>,
    times: &[f32],
    mut predict: impl FnMut(&Tensor<5>, f32) -> Result<Tensor<5>, E>,
    mut before_step: impl FnMut(usize, f32, Tensor<5>) -> Result<Tensor<5>, E>,
) -> Result<Tensor<5>, E> {
    let mut latents = noise;
    for (step, pair) in times.windows(2).enumerate() {
        let (t, next) = (pair[0], pair[1]);
        latents = before_step(step, t, latents)?;
        let prediction = predict(&latents, t)?;
        let slope = velocity(kind, prediction, latents.clone(), t);
        latents = latents + slope * (next - t);
    }
    Ok(latents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::{noise::Noise, path::interpolate, schedule::Schedule};
    use burn::tensor::Device;

    /// A network that knows the data must arrive there, whatever it predicts and at any step count.
    #[test]
    fn a_perfect_prediction_reaches_the_data() {
        let device = Device::flex();
        let data = Noise::new(1, "data").normal_tensor([2, 3, 2, 4, 4], &device);
        let noise = Noise::new(1, "noise").normal_tensor([2, 3, 2, 4, 4], &device);
        for kind in [Prediction::Velocity, Prediction::Sample] {
            for steps in [1, 4] {
                let times = Schedule::Shifted { shift: 4.0 }.times(steps);
                let target = match kind {
                    Prediction::Sample => data.clone(),
                    Prediction::Velocity => {
                        data.clone() - noise.clone() * (1.0 - crate::diffusion::path::SIGMA_MIN)
                    }
                };
                let end = euler::<()>(
                    kind,
                    noise.clone(),
                    &times,
                    |_, _| Ok(target.clone()),
                    |_, t, latents| {
                        let expected = interpolate(data.clone(), noise.clone(), &[t, t]);
                        let off = (latents.clone() - expected).abs().max().into_scalar::<f32>();
                        assert!(off < 1e-4, "{kind:?}: off the path by {off} at {t}");
                        Ok(latents)
                    },
                )
                .expect("no error is possible");
                let off = (end - data.clone()).abs().max().into_scalar::<f32>();
                assert!(off < 1e-4, "{kind:?}, {steps} steps: {off}");
            }
        }
    }
}
