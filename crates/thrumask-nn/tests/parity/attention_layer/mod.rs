//! Attention layers of several heads with query-key norm against diffusers' `Attention`, gradients
//! of every parameter included.

use burn::{
    module::Module,
    tensor::{Device, Gradients},
};
use thrumask_kernels::PromptVisibility;
use thrumask_nn::{
    layers::{Attention, Context, Init, KeyMask},
    weights::{gradients, parameters},
};

use crate::fixture::{BLOCK, Fixture};

const HEADS: usize = 3;

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

/// Fresh parameters, all of which the fixture replaces.
fn init() -> Init {
    Init::new(0, &Device::flex().autodiff())
}

/// The gradients of all parameters, which the walk takes out.
fn check_parameters<M: Module>(fixture: &Fixture, case: &str, module: &M, found: Gradients) {
    for (parameter, gradient) in parameters(module).iter().zip(gradients(module, found)) {
        let name = &parameter.name;
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient for {name}"));
        fixture.close(&format!("{case}.d_module.{name}"), &gradient, BLOCK);
    }
}

#[test]
fn self_attention() {
    let fixture = fixture();
    let x = fixture.input::<3>("self.x");
    let module = Attention::new(&mut init(), x.dims()[2], HEADS, 1.0);
    let module = fixture.0.load_into("fixture", "self.module.", module).unwrap();
    let out = module.among(x.clone(), None, None, None);
    let gradients = fixture.backward("self.", out, BLOCK);
    fixture.gradient("self.d_x", &x, &gradients, BLOCK);
    check_parameters(&fixture, "self", &module, gradients);
}

fn cross_attention(fixture: &Fixture, case: &str, mask: KeyMask) {
    let (x, text) =
        (fixture.input::<3>(&format!("{case}.x")), fixture.input::<3>(&format!("{case}.text")));
    let (width, text_width) = (x.dims()[2], text.dims()[2]);
    let module = Attention::with_context(&mut init(), width, text_width, HEADS, 1.0);
    let module = fixture.0.load_into("fixture", &format!("{case}.module."), module).unwrap();
    let out = module.to(x.clone(), &Context::new(text.clone(), mask));
    let gradients = fixture.backward(&format!("{case}."), out, BLOCK);
    fixture.gradient(&format!("{case}.d_x"), &x, &gradients, BLOCK);
    fixture.gradient(&format!("{case}.d_text"), &text, &gradients, BLOCK);
    check_parameters(fixture, case, &module, gradients);
}

#[test]
fn cross_attention_to_texts_of_several_lengths() {
    let fixture = fixture();
    let lengths = fixture.numbers("lengths.lengths");
    cross_attention(&fixture, "lengths", KeyMask::Lengths(lengths));
}

#[test]
fn cross_attention_to_visible_prompts() {
    let fixture = fixture();
    let [batch, tokens, prompts] = *fixture.shape("prompts.visible") else { panic!("[B, N, S]") };
    let visible: Vec<bool> = fixture.numbers("prompts.visible").iter().map(|&v| v == 1).collect();
    let padded = fixture.shape("prompts.text")[1] / prompts;
    let lengths = fixture.numbers("prompts.lengths");
    let visible = PromptVisibility::new(&visible, &lengths, [batch, tokens, prompts], padded);
    cross_attention(&fixture, "prompts", KeyMask::Prompts(visible));
}
