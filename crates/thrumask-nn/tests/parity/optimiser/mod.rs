//! The optimiser step against `torch.optim.AdamW`, `clip_grad_norm_` and `swa_utils`.

use thrumask_kernels::{AdamwHyper, adamw_ema_step};

use crate::fixture::{Fixture, OPERATOR};

const CLIP: f32 = 3.0;

#[test]
fn adamw_with_clipping_and_running_average() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let mut values = fixture.values("start").to_vec();
    let len = values.len();
    let (mut mean, mut square, mut average) = (vec![0.0; len], vec![0.0; len], values.clone());
    let (mut expected, mut averages) = (Vec::new(), Vec::new());
    let norms = fixture.values("norms");
    assert!(norms.iter().any(|&n| n > CLIP) && norms.iter().any(|&n| n < CLIP));
    for (step, gradient) in fixture.values("gradients").chunks_exact(len).enumerate() {
        let hyper = AdamwHyper {
            lr: 0.05,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            step: step as u64 + 1,
            grad_scale: (CLIP / norms[step]).min(1.0),
            // The reference's first update copies.
            ema_decay: if step == 0 { 0.0 } else { 0.9 },
        };
        adamw_ema_step(&mut values, gradient, &mut mean, &mut square, &mut average, &hyper);
        expected.extend_from_slice(&values);
        averages.extend_from_slice(&average);
    }
    fixture.close("parameters", &expected, OPERATOR);
    fixture.close("averages", &averages, OPERATOR);
}
