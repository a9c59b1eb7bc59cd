//! AdamW and Muon over flat parameters, with an exponential moving average.

use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_kernels::{AdamwHyper, adamw_ema_step, newton_schulz5};
use thrumask_nn::weights::Parameter;

use super::OptimizerConfig;

/// State of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, which the network of a step reads where they lie.
    pub values: Arc<Vec<f32>>,
    /// Moving average of the values.
    pub ema: Vec<f32>,
    /// Moving average of gradients (AdamW), or momentum (Muon).
    pub mean: Vec<f32>,
    /// Moving average of squared gradients (AdamW); empty for Muon, which has none.
    pub square: Vec<f32>,
}

/// Which rule moves a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Rule {
    /// Orthogonalised momentum (K. Jordan et al., "Muon", 2024), for matrices inside blocks.
    Muon,
    /// AdamW with weight decay.
    Decayed,
    /// AdamW without weight decay, for vectors and embeddings.
    Plain,
}

/// All parameters with their state.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// One slot per parameter, in the order of [`thrumask_nn::weights::parameters`].
    pub slots: Vec<Slot>,
    /// Steps taken.
    pub step: u64,
}

impl Optimizer {
    /// Fresh state for `parameters`.
    pub fn new(config: OptimizerConfig, parameters: Vec<Parameter>) -> Self {
        let slots = parameters
            .into_iter()
            .map(|p| {
                let squares = match rule(&config, &p.name, &p.shape) {
                    Rule::Muon => 0,
                    Rule::Decayed | Rule::Plain => p.values.len(),
                };
                Slot {
                    ema: p.values.clone(),
                    mean: vec![0.0; p.values.len()],
                    square: vec![0.0; squares],
                    name: p.name,
                    shape: p.shape,
                    values: Arc::new(p.values),
                }
            })
            .collect();
        Self { config, slots, step: 0 }
    }

    /// Share of the learning rates at step `step` (from 1) of `steps`.
    pub fn rate_share(&self, step: u64, steps: u64) -> f32 {
        let c = &self.config;
        let warm = (step as f32 / c.warmup.max(1) as f32).min(1.0);
        let done = step as f32 / steps as f32;
        let left = if done <= c.decay_from || c.decay_from >= 1.0 {
            1.0
        } else {
            let fall = ((done - c.decay_from) / (1.0 - c.decay_from)).min(1.0);
            1.0 - fall * (1.0 - c.final_share)
        };
        warm * left
    }

    /// One step along `gradients` (one per slot; `None` leaves a parameter where it is). Values that somebody
    /// else still holds are copied.
    ///
    /// Returns the global norm of the gradients before clipping. A step whose norm is not finite
    /// changes nothing but the step count.
    pub fn step(&mut self, gradients: Vec<Option<Vec<f32>>>, steps: u64) -> f32 {
        self.step += 1;
        let sum = |g: &Vec<f32>| g.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>();
        // Each parameter on its own thread; the sums are added up in order.
        let sums: Vec<f64> = gradients.par_iter().flatten().map(sum).collect();
        let norm = sums.iter().sum::<f64>().sqrt() as f32;
        if !norm.is_finite() {
            return norm;
        }
        let clip = (self.config.clip / norm.max(1e-12)).min(1.0);
        let share = self.rate_share(self.step, steps);
        let n = self.step as f32;
        let ema = self.config.ema.min((1.0 + n) / (10.0 + n));
        let (config, step) = (self.config.clone(), self.step);
        self.slots.par_iter_mut().zip(&gradients).with_max_len(1).for_each(|(slot, gradient)| {
            let Some(gradient) = gradient else { return };
            match rule(&config, &slot.name, &slot.shape) {
                // Orthogonalisation undoes any scale, so clipping has no say here beyond the momentum.
                Rule::Muon => muon(&config, slot, gradient, clip, share, ema),
                rule => {
                    let decay = if rule == Rule::Decayed { config.weight_decay } else { 0.0 };
                    let hyper = AdamwHyper {
                        lr: config.rate * share,
                        beta1: 0.9,
                        beta2: config.square_decay,
                        eps: 1e-8,
                        weight_decay: decay,
                        step,
                        grad_scale: clip,
                        ema_decay: ema,
                    };
                    let Slot { values, ema, mean, square, .. } = slot;
                    let values: &mut Vec<f32> = Arc::make_mut(values);
                    adamw_ema_step(values, gradient, mean, square, ema, &hyper);
                }
            }
        });
        norm
    }
}

fn rule(config: &OptimizerConfig, name: &str, shape: &[usize]) -> Rule {
    // Statistics of latents and the like are no weights, and tables of words or positions are not
    // maps: orthogonal updates only make sense for matrices that map one space to another.
    let leaf = name.rsplit('.').next().unwrap_or_default();
    let is_map = matches!((shape.len(), leaf), (2, "weight" | "kernel") | (4, "weight"));
    let inside = ["blocks.", "mid_block."].iter().any(|part| name.contains(part));
    match (is_map, inside && config.matrix_rate > 0.0) {
        (true, true) => Rule::Muon,
        (true, false) => Rule::Decayed,
        (false, _) => Rule::Plain,
    }
}

/// Momentum with look-ahead, orthogonalised, scaled to the shape.
fn muon(
    config: &OptimizerConfig,
    slot: &mut Slot,
    gradient: &[f32],
    clip: f32,
    share: f32,
    ema: f32,
) {
    // A convolution is the map from what lies under its kernel.
    let (rows, cols) = (slot.shape[0], slot.shape[1..].iter().product());
    let mut update = Vec::with_capacity(gradient.len());
    for (m, &g) in slot.mean.iter_mut().zip(gradient) {
        let g = g * clip;
        *m = config.momentum * *m + g;
        update.push(g + config.momentum * *m);
    }
    newton_schulz5(&mut update, rows, cols);
    // Weights are [inputs, outputs], those of convolutions the other way round: a map to many outputs
    // gets the larger step.
    let (inputs, outputs) = if slot.shape.len() == 2 { (rows, cols) } else { (cols, rows) };
    let scale = (outputs as f32 / inputs as f32).max(1.0).sqrt();
    let rate = config.matrix_rate * share;
    for ((v, u), e) in Arc::make_mut(&mut slot.values).iter_mut().zip(&update).zip(&mut slot.ema) {
        *v -= rate * (scale * u + config.weight_decay * *v);
        *e += (1.0 - ema) * (*v - *e);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, shape: &[usize], values: Vec<f32>) -> Parameter {
        Parameter { name: name.into(), shape: shape.to_vec(), values }
    }

    #[test]
    fn both_rules_walk_down_a_bowl() {
        let target: Vec<f32> = (0..16).map(|i| (i as f32 * 0.7).sin()).collect();
        let names = ["blocks.0.up.weight", "embed.weight", "blocks.0.up.bias"];
        let shapes: [&[usize]; 3] = [&[4, 4], &[4, 4], &[16]];
        let parameters = names.iter().zip(shapes).map(|(n, s)| parameter(n, s, vec![0.0; 16]));
        let config =
            OptimizerConfig { rate: 0.02, weight_decay: 0.0, warmup: 1, ..Default::default() };
        let mut optimizer = Optimizer::new(config, parameters.collect());
        let away = |o: &Optimizer, i: usize| -> f32 {
            o.slots[i].values.iter().zip(&target).map(|(v, t)| (v - t).abs()).sum()
        };
        let before: Vec<f32> = (0..3).map(|i| away(&optimizer, i)).collect();
        for _ in 0..200 {
            let gradient =
                |s: &Slot| Some(s.values.iter().zip(&target).map(|(v, t)| v - t).collect());
            let gradients = optimizer.slots.iter().map(gradient).collect();
            optimizer.step(gradients, 400);
        }
        for i in 0..3 {
            assert!(away(&optimizer, i) < before[i] / 4.0, "{}", names[i]);
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let slot = parameter("a.weight", &[2, 2], vec![1.0; 4]);
        let mut optimizer = Optimizer::new(OptimizerConfig::default(), vec![slot]);
        let before = optimizer.slots.clone();
        let norm = optimizer.step(vec![Some(vec![f32::NAN, 0.0, 0.0, 0.0])], 10);
        assert!(norm.is_nan());
        assert_eq!((optimizer.slots.clone(), optimizer.step), (before, 1));
    }

    #[test]
    fn values_are_changed_in_place_but_where_somebody_still_holds_them() {
        let slots = ["a.weight", "blocks.0.a.weight"].map(|n| parameter(n, &[2, 2], vec![1.0; 4]));
        let mut optimizer = Optimizer::new(OptimizerConfig::default(), slots.to_vec());
        let place = |o: &Optimizer, slot: usize| o.slots[slot].values.as_ptr();
        let before = [0, 1].map(|slot| place(&optimizer, slot));
        let gradients = || vec![Some(vec![1.0, 0.5, 0.25, -1.0]); 2];
        optimizer.step(gradients(), 10);
        assert_eq!([0, 1].map(|slot| place(&optimizer, slot)), before);
        let lent = [0, 1].map(|slot: usize| optimizer.slots[slot].values.clone());
        let values = lent.each_ref().map(|values| values.to_vec());
        optimizer.step(gradients(), 10);
        for slot in 0..2 {
            assert_eq!(*lent[slot], values[slot], "lent values are as they were");
            assert_ne!(optimizer.slots[slot].values, lent[slot]);
        }
    }

    #[test]
    fn rates_warm_up_hold_and_fall() {
        let config = OptimizerConfig { warmup: 10, ..Default::default() };
        let optimizer = Optimizer::new(config, vec![]);
        assert!((optimizer.rate_share(1, 1000) - 0.1).abs() < 1e-6);
        assert_eq!(optimizer.rate_share(500, 1000), 1.0);
        assert!((optimizer.rate_share(1000, 1000) - 0.05).abs() < 1e-6);
    }
}
