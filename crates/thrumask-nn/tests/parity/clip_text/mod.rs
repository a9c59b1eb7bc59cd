//! CLIP's text tower against transformers' `CLIPTextModel`.

use burn::tensor::Device;
use thrumask_nn::{
    text::clip::{Activation, ClipText, ClipTextConfig},
    weights::only_prefix,
};

use crate::fixture::{BLOCK, Fixture, values};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn ids(fixture: &Fixture) -> Vec<Vec<u32>> {
    let ids = fixture.numbers("ids");
    ids.chunks(12).map(|row| row.iter().map(|&id| id as u32).collect()).collect()
}

#[test]
fn hidden_states() {
    let fixture = fixture();
    let ids = ids(&fixture);
    let short: Vec<Vec<u32>> = ids.iter().map(|row| row[..5].to_vec()).collect();
    let cases = [("quick_gelu", Activation::QuickGelu), ("gelu", Activation::Gelu)];
    for (case, activation) in cases {
        let config = ClipTextConfig { activation, ..ClipTextConfig::tiny() };
        let state = only_prefix(&fixture.0, &format!("{case}.state."));
        let clip = ClipText::load(case, &state, &config, &Device::flex()).unwrap();
        for (name, skip) in [("out", 0), ("skip1", 1), ("skip3", 3)] {
            let found = values(clip.forward(&ids, skip).unwrap());
            fixture.close(&format!("{case}.{name}"), &found, BLOCK);
        }
        let found = values(clip.forward(&short, 0).unwrap());
        fixture.close(&format!("{case}.short"), &found, BLOCK);
    }
}

#[test]
fn a_token_does_not_see_later_ones() {
    let fixture = fixture();
    let state = only_prefix(&fixture.0, "gelu.state.");
    let clip = ClipText::load("clip", &state, &ClipTextConfig::tiny(), &Device::flex()).unwrap();
    let (a, mut b) = (ids(&fixture), ids(&fixture));
    b.iter_mut().for_each(|row| row[7] = (row[7] + 1) % 38);
    let [a, b] = [a, b].map(|ids| values(clip.forward(&ids, 0).unwrap()));
    for (a, b) in a.chunks(12 * 16).zip(b.chunks(12 * 16)) {
        assert_eq!(a[..7 * 16], b[..7 * 16]);
        assert!(a[7 * 16..].iter().zip(&b[7 * 16..]).all(|(a, b)| a != b));
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut fixture = fixture();
    let (device, config) = (Device::flex(), ClipTextConfig::tiny());
    let state = only_prefix(&fixture.0, "gelu.state.");
    let clip = ClipText::load("clip", &state, &config, &device).unwrap();
    for (ids, skip) in [
        (vec![], 0),
        (vec![vec![]], 0),
        (vec![vec![1; 13]], 0),
        (vec![vec![1, 2], vec![3]], 0),
        (vec![vec![1, 40]], 0),
        (vec![vec![1, 2]], 4),
    ] {
        assert!(clip.forward(&ids, skip).is_err(), "{ids:?}, {skip}");
    }
    let gone = "encoder.layers.2.mlp.fc1.bias";
    let bias = fixture.0.tensors.remove(&format!("gelu.state.{gone}")).unwrap();
    fixture.0.tensors.insert("gelu.state.text_projection.weight".into(), bias);
    let state = only_prefix(&fixture.0, "gelu.state.");
    let error = ClipText::load("clip", &state, &config, &device).unwrap_err().to_string();
    assert!(error.contains(gone) && error.contains("text_projection.weight"), "{error}");
}
