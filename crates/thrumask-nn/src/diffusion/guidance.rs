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

impl Keep {
    /// Whether it keeps all.
    fn is_whole(self) -> bool {
        self.image && self.text
    }
}

impl Guidance {
    /// No guidance: one forward pass.
    pub const OFF: Self = Self { image: 1.0, text: 1.0 };

    /// The passes of a guided prediction with their weights, which sum to 1: those of e(I,T), e(I,∅) and e(∅,∅) whose
    /// weight is not zero and, to be rescaled with factor `phi`, e(I,T) in any case.
    pub fn passes(self, phi: f32) -> Vec<(Keep, f32)> {
        let rescales = self.rescales(phi);
        let all = [
            (Keep { image: true, text: true }, self.text),
            (Keep { image: true, text: false }, self.image - self.text),
            (Keep { image: false, text: false }, 1.0 - self.image),
        ];
        let counts = |&(keep, weight): &(Keep, f32)| weight != 0.0 || rescales && keep.is_whole();
        all.into_iter().filter(counts).collect()
    }

    /// With one pass guided and conditional prediction are the same.
    fn rescales(self, phi: f32) -> bool {
        phi != 0.0 && self != Self::OFF
    }

    /// The guided prediction; `predict` is called only for the passes whose weight is not zero.
    ///
    /// # Shapes
    /// - returns what `predict` returns, `[B, C, T, H, W]`
    ///
    /// # Errors
    /// Whatever `predict` gives.
    pub fn apply<E>(
        self,
        predict: impl FnMut(Keep) -> Result<Tensor<5>, E>,
    ) -> Result<Tensor<5>, E> {
        self.apply_rescaled(0.0, predict)
    }

    /// The guided prediction, rescaled towards the deviation of e(I,T) with factor `phi` in [0, 1]; see
    /// [`rescaled`]. At 0 nothing is rescaled; above, e(I,T) is computed even where its weight is zero.
    ///
    /// # Shapes
    /// - returns what `predict` returns, `[B, C, T, H, W]`
    ///
    /// # Errors
    /// Whatever `predict` gives.
    pub fn apply_rescaled<E>(
        self,
        phi: f32,
        mut predict: impl FnMut(Keep) -> Result<Tensor<5>, E>,
    ) -> Result<Tensor<5>, E> {
        let mut sum: Option<Tensor<5>> = None;
        let mut conditional: Option<Tensor<5>> = None;
        for (keep, weight) in self.passes(phi) {
            let term = predict(keep)?;
            if self.rescales(phi) && keep.is_whole() {
                conditional = Some(term.clone());
            }
            if weight == 0.0 {
                continue;
            }
            let term = if weight == 1.0 { term } else { term * weight };
            sum = Some(match sum {
                Some(s) => s + term,
                None => term,
            });
        }
        match (sum, conditional) {
            (Some(guided), Some(conditional)) => Ok(rescaled(guided, conditional, phi)),
            (Some(guided), None) => Ok(guided),
            // The weights sum to 1, so one is not zero; scales that are no numbers end up here.
            (None, Some(conditional)) => Ok(conditional),
            (None, None) => predict(Keep { image: true, text: true }),
        }
    }
}

/// Guidance rescale (Lin et al. 2023, §3.4; diffusers 0.42.1 `rescale_noise_cfg`): each row of `guided`
/// brought to the standard deviation of that row of `conditional`, mixed by φ with what it was:
/// φ·guided·(std conditional / std guided) + (1 − φ)·guided. A row without deviation stays.
///
/// # Shapes
/// - `guided`, `conditional`: `[B, C, T, H, W]`
/// - `phi`: in [0, 1]; the paper's is 0.7
/// - returns `[B, C, T, H, W]`
pub fn rescaled(guided: Tensor<5>, conditional: Tensor<5>, phi: f32) -> Tensor<5> {
    let rows = guided.dims()[0];
    let deviation = |of: Tensor<5>| {
        let flat: Tensor<2> = of.flatten(1, 4); // [B, C·T·H·W]
        flat.var(1).sqrt() // [B, 1]
    };
    let (wanted, found) = (deviation(conditional), deviation(guided.clone()));
    let none = found.clone().equal_elem(0.0);
    let ratio = (wanted / found).mask_fill(none, 1.0);
    let factor: Tensor<5> = (ratio * phi + (1.0 - phi)).reshape([rows, 1, 1, 1, 1]);
    guided * factor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::noise::Noise;
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

    #[test]
    fn rescaling_mixes_the_deviation_of_the_conditional_prediction_row_by_row() {
        let device = Device::flex();
        let noise = |name: &str| Noise::new(1, name).normal_tensor([2, 3, 2, 4, 4], &device);
        // The second row of the conditional prediction deviates three times as much.
        let rows = Tensor::<1>::from_floats([1.0, 3.0], &device).reshape([2, 1, 1, 1, 1]);
        let (full, image, none) = (noise("full") * rows, noise("image"), noise("none"));
        let predict = |keep: Keep| -> Result<_, ()> {
            Ok(match (keep.image, keep.text) {
                (true, true) => full.clone(),
                (true, false) => image.clone(),
                _ => none.clone(),
            })
        };
        let row_deviations = |of: Tensor<5>| -> Vec<f32> {
            let rows: Tensor<2> = of.flatten(1, 4);
            rows.var(1).sqrt().into_data().try_into_vec().expect("float32")
        };
        let guidance = Guidance { image: 1.5, text: 7.5 };
        let plain = guidance.apply(predict).expect("no error is possible");
        let (wanted, before) = (row_deviations(full.clone()), row_deviations(plain.clone()));
        for phi in [0.0, 0.7, 1.0] {
            let after = guidance.apply_rescaled(phi, predict).expect("no error is possible");
            for ((w, b), a) in wanted.iter().zip(&before).zip(row_deviations(after.clone())) {
                assert!((phi * w + (1.0 - phi) * b - a).abs() < 1e-4 * b, "{phi}: {w} {b} {a}");
            }
            if phi == 0.0 {
                assert_eq!((after - plain.clone()).abs().max().into_scalar::<f32>(), 0.0);
            }
        }
        // The conditional prediction is wanted even where its weight is zero, and once.
        let mut calls = Vec::new();
        let guidance = Guidance { image: 2.0, text: 0.0 };
        let _ = guidance.apply_rescaled(0.7, |keep| {
            calls.push(keep);
            predict(keep)
        });
        assert_eq!(calls.iter().filter(|k| k.text).count(), 1);
        assert_eq!(calls.len(), 3);
        assert_eq!(Guidance::OFF.apply_rescaled(0.7, predict).map(row_deviations), Ok(wanted));
    }

    #[test]
    fn a_row_without_deviation_stays_as_it_is() {
        let flat = Tensor::<5>::full([1, 1, 1, 2, 2], 3.0, &Device::flex());
        let varied = Noise::new(1, "v").normal_tensor([1, 1, 1, 2, 2], &Device::flex());
        let same = rescaled(flat, varied, 0.7);
        assert_eq!(same.into_data().try_into_vec::<f32>().expect("float32"), [3.0; 4]);
    }
}
