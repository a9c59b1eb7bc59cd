//! Norms against `torch.nn.LayerNorm`, `torch.nn.RMSNorm` and diffusers' adaptive layer norm.

use thrumask_kernels::{layer_norm, layer_norm_modulate, rms_norm};

use crate::fixture::{Fixture, OPERATOR};

const EPS: f32 = 1e-5;

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

#[test]
fn layer() {
    let fixture = fixture();
    let x = fixture.input::<3>("x");
    let (gamma, beta) = (fixture.input::<1>("layer.gamma"), fixture.input::<1>("layer.beta"));
    let out = layer_norm(x.clone(), gamma.clone(), beta.clone(), EPS);
    let gradients = fixture.backward("layer.", out, OPERATOR);
    fixture.gradient("layer.d_x", &x, &gradients, OPERATOR);
    fixture.gradient("layer.d_gamma", &gamma, &gradients, OPERATOR);
    fixture.gradient("layer.d_beta", &beta, &gradients, OPERATOR);
}

#[test]
fn rms_of_each_head() {
    let fixture = fixture();
    let (x, gamma) = (fixture.input::<3>("x"), fixture.input::<1>("rms.gamma"));
    let [head_width] = gamma.dims();
    let out = rms_norm(x.clone(), gamma.clone(), head_width, EPS);
    let gradients = fixture.backward("rms.", out, OPERATOR);
    fixture.gradient("rms.d_x", &x, &gradients, OPERATOR);
    fixture.gradient("rms.d_gamma", &gamma, &gradients, OPERATOR);
}

#[test]
fn adaptive() {
    let fixture = fixture();
    let x = fixture.input::<3>("x");
    let [shift, scale] = ["adaptive.shift", "adaptive.scale"].map(|n| fixture.input::<2>(n));
    let out = layer_norm_modulate(x.clone(), shift.clone(), scale.clone(), EPS);
    let gradients = fixture.backward("adaptive.", out, OPERATOR);
    fixture.gradient("adaptive.d_x", &x, &gradients, OPERATOR);
    fixture.gradient("adaptive.d_shift", &shift, &gradients, OPERATOR);
    fixture.gradient("adaptive.d_scale", &scale, &gradients, OPERATOR);
}
