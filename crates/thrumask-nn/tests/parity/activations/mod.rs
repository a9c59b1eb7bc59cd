//! Activations against `torch.nn.functional`.

use burn::tensor::Tensor;
use thrumask_kernels::{gelu, gelu_tanh, silu, softmax_last};

use crate::fixture::{Fixture, OPERATOR};

fn compare(name: &str, activate: impl FnOnce(Tensor<2>) -> Tensor<2>) {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let x = fixture.input::<2>("x");
    let gradients = fixture.backward(&format!("{name}."), activate(x.clone()), OPERATOR);
    fixture.gradient(&format!("{name}.d_x"), &x, &gradients, OPERATOR);
}

#[test]
fn gelu_erf_form() {
    compare("gelu", gelu);
}

#[test]
fn gelu_tanh_form() {
    compare("gelu_tanh", gelu_tanh);
}

#[test]
fn silu_form() {
    compare("silu", silu);
}

#[test]
fn softmax_over_the_last_axis() {
    compare("softmax", softmax_last);
}
