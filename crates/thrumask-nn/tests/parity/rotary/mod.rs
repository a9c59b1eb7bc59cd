//! Rotary embedding against transformers' Llama and diffusers' `apply_rotary_emb`.

use thrumask_kernels::{RopeTable, rope};

use crate::fixture::{Fixture, OPERATOR, values};

#[test]
fn rotate_half() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let [tokens, pairs] = *fixture.shape("angles") else { panic!("[N, D / 2]") };
    let table = RopeTable::from_angles(fixture.values("angles"), tokens, pairs);
    let x = fixture.input::<3>("x");
    let heads = x.dims()[2] / (2 * pairs);
    let out = rope(x.clone(), heads, &table);
    let found = values(out.clone());
    fixture.close("llama", &found, OPERATOR);
    fixture.close("diffusers", &found, OPERATOR);
    let gradients = (out * fixture.tensor::<3>("weights", &x.device())).sum().backward();
    fixture.gradient("d_x", &x, &gradients, OPERATOR);
}
