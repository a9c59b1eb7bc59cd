//! A whole transformer block against diffusers' `WanTransformerBlock`, gradients of every parameter
//! included.

use burn::tensor::Device;
use thrumask_kernels::RopeTable;
use thrumask_nn::{
    backbone::{
        FirstFrame, ObjectLayers,
        dit::{BlockContext, DitBlock, DitConfig},
    },
    layers::{Context, Init, KeyMask},
    weights::{gradients, parameters},
};

use crate::fixture::{BLOCK, Fixture};

#[test]
fn block_without_object_layers() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let (x, text) = (fixture.input::<3>("x"), fixture.input::<3>("text"));
    let [batch, tokens, width] = x.dims();
    let [_, text_tokens, text_width] = text.dims();
    let config = DitConfig {
        latent_channels: 1,
        condition_channels: 0,
        latent_size: [1, 1, tokens],
        patch: [1, 1, 1],
        width,
        depth: 1,
        heads: 1,
        mlp_ratio: 2,
        text_width,
        object_layers: ObjectLayers::NONE,
        first_frame: FirstFrame::None,
        first_frame_channel: 0,
        rotary: None,
    };
    let mut init = Init::new(0, &Device::flex().autodiff());
    let block = DitBlock::new(&mut init, &config, 0);
    let block = fixture.0.load_into("fixture", "block.", block).unwrap();

    let modulation = fixture.input::<3>("modulation");
    let rope = RopeTable::from_angles(fixture.values("angles"), tokens, width / 2);
    let text_context = Context::new(text.clone(), KeyMask::Lengths(vec![text_tokens; batch]));
    let context = BlockContext {
        modulation: modulation.clone().reshape([batch, 6 * width]),
        text: &text_context,
        objects: None,
        rope: Some(&rope),
    };
    let out = block.forward(x.clone(), &context);
    let found = fixture.backward("", out, BLOCK);
    fixture.gradient("d_x", &x, &found, BLOCK);
    fixture.gradient("d_text", &text, &found, BLOCK);
    fixture.gradient("d_modulation", &modulation, &found, BLOCK);
    for (parameter, gradient) in parameters(&block).iter().zip(gradients(&block, found)) {
        let name = &parameter.name;
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient for {name}"));
        fixture.close(&format!("d_block.{name}"), &gradient, BLOCK);
    }
}
