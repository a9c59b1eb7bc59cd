//! SAM 2's video part against transformers' `Sam2VideoModel`.

mod scenario;

use burn::tensor::{Device, Tensor};
use thrumask_nn::{
    perception::sam2::{
        Sam2Config,
        video::{Recalled, Sam2Video},
    },
    weights::only_prefix,
};

use crate::fixture::{BLOCK, Fixture, MODEL, values};
use scenario::{large, propagations};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn load(fixture: &Fixture) -> Sam2Video {
    let config = Sam2Config::from_transformers(&fixture.0.metadata["config"]).unwrap();
    let state = only_prefix(&fixture.0, "state.");
    Sam2Video::load("fixture", &state, &config, &Device::flex()).unwrap()
}

#[test]
fn memories_and_the_attention_to_them() {
    let (fixture, device) = (fixture(), Device::flex());
    let network = load(&fixture);
    let features = fixture.tensor::<4>("features", &device);
    let memory = network.encoder.forward(features.clone(), large(&fixture.0, "masks"));
    fixture.close("memory", &values(memory), BLOCK);
    let recalled = Recalled {
        tokens: fixture.tensor("recalled", &device),
        positions: fixture.tensor("places", &device),
        maps: 2,
    };
    let positions: Tensor<4> = fixture.tensor("positions", &device);
    let found = network.attention.forward(features, positions, &recalled);
    fixture.close("attended", &values(found), BLOCK);
}

#[test]
fn two_objects_forward_corrected_and_backward() {
    let fixture = fixture();
    let found = propagations(&load(&fixture), &fixture.0);
    let is_expected = |name: &&String| name.ends_with("logits") || name.ends_with("scores");
    let expected: Vec<&String> = fixture.0.tensors.keys().filter(is_expected).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected);
    for (name, values) in &found {
        fixture.close(name, values, MODEL);
    }
}
