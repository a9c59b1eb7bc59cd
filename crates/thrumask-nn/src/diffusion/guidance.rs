//! Classifier-free guidance with two scales, in the InstructPix2Pix form (Brooks et al., CVPR 2023,
//! eq. 3): all visual conditions as one, all texts as one.
//!
//! ê = e(∅,∅) + s_I·[e(I,∅) − e(∅,∅)] + s_T·[e(I,T) − e(I,∅)]

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Guidance scales; 1 and 1 is the network's plain prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guidance {
    /// s_I, for the visual conditions.
    pub image: f32,
    /// s_T, for the texts.
    pub text: f32,
}

/// Which conditions one forward pass keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Visual conditions.
    pub image: bool,
    /// Texts.
    pub text: bool,
}

impl Guidance {
    /// No guidance: one forward pass.
    pub const OFF: Self = Self { image: 1.0, text: 1.0 };

    /// The guided prediction; `predict` is called only for the passes whose weight is not zero.
    ///
    /// # Shapes
    /// - returns what `predict` returns, `[B, C, T, H, W]`
    ///
    /// # Errors
    /// Whatever `predict` gives.
    pub fn apply<E>(
        self,
        mut predict: impl FnMut(Keep) -> Result<Tensor<5>, E>,
    ) -> Result<Tensor<5>, E> {
        // Weights of e(I,T), e(I,∅) and e(∅,∅); they sum to 1.
        let passes = [
            (Keep { image: true, text: true }, self.text),
            (Keep { image: true, text: false }, self.image - self.text),
            (Keep { image: false, text: false }, 1.0 - self.image),
        ];
        let mut sum: Option<Tensor<5>> = None;
        for (keep, weight) in passes {
            if weight != 0.0 {
                let term = predict(keep)?;
                let term = if weight == 1.0 { term } else { term * weight };
                sum = Some(match sum {
                    Some(s) => s + term,
                    None => term,
                });
            }
        }
        match sum {
            Some(s) => Ok(s),
            // The weights sum to 1, so one is not zero; scales that are no numbers end up here.
            None => predict(Keep { image: true, text: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn passes(guidance: Guidance) -> (usize, f32) {
        let mut calls = 0;
        let out = guidance.apply::<()>(|keep| {
            calls += 1;
            let value = match (keep.image, keep.text) {
                (true, true) => 5.0,
                (true, false) => 3.0,
                _ => 2.0,
            };
            Ok(Tensor::<5>::full([1, 1, 1, 1, 1], value, &Device::flex()))
        });
        (calls, out.expect("no error is possible").into_scalar::<f32>())
    }

    #[test]
    fn scales_of_one_cost_one_pass_and_change_nothing() {
        assert_eq!(passes(Guidance::OFF), (1, 5.0));
    }

    #[test]
    fn the_formula_holds() {
        // 2 + 1.5·(3 − 2) + 7.5·(5 − 3) = 18.5
        let (calls, value) = passes(Guidance { image: 1.5, text: 7.5 });
        assert_eq!(calls, 3);
        assert!((value - 18.5).abs() < 1e-5);
        let (calls, value) = passes(Guidance { image: 1.0, text: 2.0 });
        assert_eq!(calls, 2);
        assert!((value - 7.0).abs() < 1e-5);
    }
}
