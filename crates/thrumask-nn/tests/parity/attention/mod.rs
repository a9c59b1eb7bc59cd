//! Attention operators against `torch.nn.functional.scaled_dot_product_attention`.

use burn::tensor::Tensor;
use thrumask_kernels::{
    PromptVisibility, TokenGroups, attention, grouped_attention, grouped_cross_attention,
};

use crate::fixture::{Fixture, OPERATOR, values};

const HEADS: usize = 2;

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn compare(fixture: &Fixture, case: &str, attend: impl FnOnce([Tensor<3>; 3]) -> Tensor<3>) {
    let names = ["q", "k", "v"].map(|n| format!("{case}.{n}"));
    let inputs = names.each_ref().map(|n| fixture.input::<3>(n));
    let out = attend(inputs.clone());
    let gradients = fixture.backward(&format!("{case}."), out, OPERATOR);
    for (name, input) in ["q", "k", "v"].iter().zip(&inputs) {
        fixture.gradient(&format!("{case}.d_{name}"), input, &gradients, OPERATOR);
    }
}

#[test]
fn dense_with_key_lengths() {
    let fixture = fixture();
    let lengths = fixture.numbers("dense.lengths");
    compare(&fixture, "dense", |[q, k, v]| attention(q, k, v, HEADS, Some(&lengths)));
}

#[test]
fn within_groups() {
    let fixture = fixture();
    let [batch, tokens] = *fixture.shape("grouped.groups") else { panic!("[B, N]") };
    let ids: Vec<u16> = fixture.numbers("grouped.groups").iter().map(|&id| id as u16).collect();
    let groups = TokenGroups::new(&ids, batch, tokens);
    compare(&fixture, "grouped", |[q, k, v]| grouped_attention(q, k, v, HEADS, &groups));
}

#[test]
fn over_visible_prompts() {
    let fixture = fixture();
    let [batch, tokens, prompts] = *fixture.shape("prompts.visible") else { panic!("[B, N, S]") };
    let visible: Vec<bool> = fixture.numbers("prompts.visible").iter().map(|&v| v == 1).collect();
    let lengths = fixture.numbers("prompts.lengths");
    let padded = fixture.shape("prompts.k")[1] / prompts;
    let visible = PromptVisibility::new(&visible, &lengths, [batch, tokens, prompts], padded);
    compare(&fixture, "prompts", |[q, k, v]| grouped_cross_attention(q, k, v, HEADS, &visible));

    // The first token of each row sees nothing: exactly zero, as the reference says too.
    let [q, k, v] = ["prompts.q", "prompts.k", "prompts.v"].map(|n| fixture.input::<3>(n));
    let out = grouped_cross_attention(q, k, v, HEADS, &visible);
    assert!(values(out.slice([0..batch, 0..1])).iter().all(|&v| v == 0.0));
    assert!(
        fixture.values("prompts.out")[..fixture.shape("prompts.q")[2]].iter().all(|&v| v == 0.0)
    );
}
