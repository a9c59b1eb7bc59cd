use burn::tensor::{Device, TensorData};
use thrumask_core::{Picture, Size};

use super::*;
use crate::{
    pixels::host_values,
    text::TextEncoderConfig,
    weights::{gradients, parameters},
};

fn tiny() -> GroundedConfig {
    GroundedConfig {
        size: 32,
        cell_width: 8,
        width: 24,
        heads: 2,
        match_width: 8,
        mask_channels: 4,
        text: TextEncoderConfig { width: 16, depth: 1, heads: 2, max_tokens: 12 },
        rotary: crate::layers::Rotary { pairs: [0, 3, 3], fastest: 1.6, slowest: 0.1 },
        ..GroundedConfig::nano()
    }
}

fn words() -> Vocabulary {
    let words = ["red", "blue", "car", "ball", "left", "right", "."];
    Vocabulary::new(words.map(String::from).to_vec()).expect("distinct words")
}

fn picture(size: usize, seed: usize) -> Picture {
    let level = |i: usize| ((i * 7919 + seed * 104_729) % 251) as u8;
    Picture::new(Size::new(size, size), (0..size * size * 3).map(level).collect()).expect("fits")
}

fn texts(names: &[&[&str]]) -> Vec<Vec<String>> {
    names.iter().map(|list| list.iter().map(|t| (*t).to_owned()).collect()).collect()
}

fn network(config: &GroundedConfig, device: &Device) -> Grounded {
    Grounded::new(&mut Init::new(7, device), config, words().len()).expect("a valid configuration")
}

#[test]
fn the_nano_size_is_as_said() {
    let network = network(&GroundedConfig::nano(), &Device::flex());
    let count: usize = parameters(&network).iter().map(|p| p.values.len()).sum();
    assert!((700_000..860_000).contains(&count), "{count} parameters");
    let pixels = pixels_from_pictures(&[picture(96, 1)], &Device::flex()).expect("one picture");
    let output = network.forward(&words(), pixels, &texts(&[&["red car.", "left ball."]]));
    let output = output.expect("a picture of the right size");
    assert_eq!(output.masks.dims(), [1, 2, 96, 96]);
    assert_eq!(output.presence.dims(), [1, 2]);
}

#[test]
fn no_objects_and_many_objects() {
    let device = Device::flex();
    let network = network(&tiny(), &device);
    let pixels = pixels_from_pictures(&[picture(32, 1), picture(32, 2)], &device).expect("two");
    let many = vec!["red car."; 40];
    let output = network.forward(&words(), pixels, &texts(&[&[], &many])).expect("it runs");
    assert_eq!(output.masks.dims(), [2, 40, 32, 32]);
    assert!(host_values(output.masks).iter().all(|v| v.is_finite()));
    let pixels = pixels_from_pictures(&[picture(32, 1)], &device).expect("one");
    let output = network.forward(&words(), pixels, &texts(&[&[]])).expect("it runs");
    assert_eq!(output.masks.dims(), [1, 1, 32, 32]);
}

#[test]
fn neighbours_in_the_batch_and_padding_change_nothing() {
    let device = Device::flex();
    let network = network(&tiny(), &device);
    let run = |pictures: &[Picture], names: &[&[&str]]| {
        let pixels = pixels_from_pictures(pictures, &device).expect("pictures");
        let output = network.forward(&words(), pixels, &texts(names)).expect("it runs");
        host_values(output.masks.slice([0..1, 0..1]))
    };
    let alone = run(&[picture(32, 1)], &[&["red car."]]);
    let beside = run(
        &[picture(32, 1), picture(32, 2)],
        &[&["red car."], &["blue ball. red car.", "left car", "right car"]],
    );
    let furthest = alone.iter().zip(&beside).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest < 1e-4, "masks differ by {furthest}");
    let other = run(&[picture(32, 1)], &[&["blue ball."]]);
    assert!(alone.iter().zip(&other).any(|(a, b)| (a - b).abs() > 1e-3), "texts change masks");
}

#[test]
fn cells_go_back_to_where_they_came_from() {
    let config = tiny();
    let device = Device::flex();
    let values: Vec<f32> = (0..32 * 32).map(|i| i as f32).collect();
    let plane = Tensor::<4>::from_data(TensorData::new(values.clone(), [1, 1, 32, 32]), &device);
    let pixels = plane.expand([1, 3, 32, 32]);
    // The middle one of the nine cells that a cell sees, of its first colour, is the cell itself.
    let values_of_cell = 3 * config.cell * config.cell;
    let own = 4 * values_of_cell..4 * values_of_cell + config.cell * config.cell;
    let seen = cells::windows(&config, pixels).slice([0..1, 0..64, own]); // [1, cells, 16]
    let back = cells::pictures(&config, seen.reshape([1, 1, 32 * 32]));
    assert_eq!(host_values(back), values);
}

#[test]
fn every_parameter_learns_and_the_loss_falls_with_better_masks() {
    let device = Device::flex().autodiff();
    let network = network(&tiny(), &device);
    let pixels = pixels_from_pictures(&[picture(32, 1), picture(32, 2)], &device).expect("two");
    let names = texts(&[&["red car.", "blue ball."], &["left car."]]);
    let output = network.forward(&words(), pixels, &names).expect("it runs");
    let truth: Vec<f32> =
        (0..4 * 32 * 32).map(|i| f32::from(u8::from(i < 2048 && i % 32 < 9))).collect();
    let two_by_two =
        |v: [f32; 4]| Tensor::<2>::from_data(TensorData::new(v.to_vec(), [2, 2]), &device);
    let targets = GroundedTargets {
        masks: Tensor::from_data(TensorData::new(truth, [2, 2, 32, 32]), &device),
        present: two_by_two([1.0, 1.0, 0.0, 0.0]),
        asked: two_by_two([1.0, 1.0, 1.0, 0.0]),
    };
    let loss = grounded_loss(&output, &targets);
    let perfect = GroundedOutput {
        masks: (targets.masks.clone() - 0.5) * 40.0,
        presence: (targets.present.clone() - 0.5) * 40.0,
        coarse: Vec::new(),
    };
    let least = host_values(grounded_loss(&perfect, &targets))[0];
    assert!(host_values(loss.clone())[0] > 0.5 && least < 0.01, "least loss {least}");
    // Where blocks expect the objects counts as well: the objects lie in the first column of tokens.
    let expected_in = |column: usize| {
        let logit = |i: usize| if i < 32 && i % 4 == column { 20.0f32 } else { -20.0 };
        let logits: Vec<f32> = (0..2 * 2 * 4 * 4).map(logit).collect();
        let coarse = vec![Tensor::from_data(TensorData::new(logits, [2, 2, 4, 4]), &device)];
        host_values(grounded_loss(&GroundedOutput { coarse, ..perfect.clone() }, &targets))[0]
    };
    let (right, wrong) = (expected_in(0), expected_in(3));
    assert!(least < right && right + 1.0 < wrong, "{least}, {right}, {wrong}");
    let found = gradients(&network, loss.backward());
    for (parameter, gradient) in parameters(&network).iter().zip(found) {
        let gradient = gradient.unwrap_or_else(|| panic!("{} gets none", parameter.name));
        assert!(gradient.iter().any(|v| *v != 0.0), "{} gets only zeros", parameter.name);
    }
}

#[test]
fn wrong_sizes_are_refused() {
    let device = Device::flex();
    let config = GroundedConfig { size: 34, ..tiny() };
    assert!(Grounded::new(&mut Init::new(0, &device), &config, 9).is_err());
    let network = network(&tiny(), &device);
    let pixels = pixels_from_pictures(&[picture(96, 1)], &device).expect("one");
    assert!(network.forward(&words(), pixels, &texts(&[&["red car."]])).is_err());
}
