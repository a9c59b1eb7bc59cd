//! SAM 2's image part against transformers' `Sam2Model`.

use burn::tensor::{Device, Tensor};
use thrumask_nn::{
    perception::sam2::{
        DecoderInput, DecoderOutput, PointKind, PromptPoint, Sam2, Sam2Config, Sam2Naming,
    },
    weights::{TensorSource, WeightFile, gradients, only_prefix, parameters, public_tensors},
};

use crate::fixture::{Fixture, MODEL, values};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn config(fixture: &Fixture) -> Sam2Config {
    Sam2Config::from_transformers(&fixture.0.metadata["config"]).unwrap()
}

fn load(fixture: &Fixture, config: &Sam2Config) -> Sam2 {
    let state = only_prefix(&fixture.0, "state.");
    Sam2::load("fixture", &state, config, &Device::flex()).unwrap()
}

/// The prompts of a case, as many as objects.
fn prompts(fixture: &Fixture, case: &str) -> Vec<Vec<PromptPoint>> {
    let given = |name: &str| {
        let name = format!("{case}.{name}");
        fixture.0.tensors.get(&name).map(|(shape, values)| (shape[0], values))
    };
    let [points, labels, boxes] = ["points", "labels", "boxes"].map(given);
    let objects = points.or(boxes).map_or(1, |(objects, _)| objects);
    let of = |all: Option<(usize, &Vec<f32>)>, i: usize| {
        all.map_or(Vec::new(), |(n, all)| all[all.len() / n * i..all.len() / n * (i + 1)].to_vec())
    };
    let point = |at: &[f32], kind| PromptPoint { x: at[0], y: at[1], kind };
    let object = |i: usize| {
        let (points, labels, corners) = (of(points, i), of(labels, i), of(boxes, i));
        let kinds = [PointKind::TopLeft, PointKind::BottomRight];
        let corners = corners.chunks(2).zip(kinds).map(|(at, kind)| point(at, kind));
        let kinds = labels.iter().map(|&label| match label {
            0.0 => PointKind::Outside,
            _ => PointKind::Inside,
        });
        corners.chain(points.chunks(2).zip(kinds).map(|(at, kind)| point(at, kind))).collect()
    };
    let mut all: Vec<Vec<PromptPoint>> = (0..objects).map(object).collect();
    if all[0].is_empty() {
        // A mask alone goes with a point that says nothing.
        all[0].push(PromptPoint { x: 0.0, y: 0.0, kind: PointKind::Nothing });
    }
    all
}

/// What the decoder makes of a case.
fn decoded(network: &Sam2, fixture: &Fixture, case: &str, multimask: bool) -> DecoderOutput {
    let device = network.no_memory.value.val().device();
    let pixels = fixture.tensor::<4>("pixels", &device).narrow(0, 0, 1);
    let [finest, finer, features] = network.image_encoder.forward(pixels).levels;
    let width = features.dims()[1];
    let points = prompts(fixture, case);
    let mask = format!("{case}.mask");
    let masks = fixture.0.tensors.contains_key(&mask).then(|| {
        let mask = fixture.tensor::<4>(&mask, &device);
        mask.repeat_dim(0, points.len())
    });
    let input = DecoderInput {
        features: features + network.no_memory.value.val().reshape([1, width, 1, 1]),
        fine: [finest, finer],
        positions: network.prompt_encoder.picture_positions(),
        prompts: network.prompt_encoder.forward(&points, masks).unwrap(),
    };
    network.mask_decoder.forward(input, multimask)
}

#[test]
fn features_of_pictures() {
    let fixture = fixture();
    let config = config(&fixture);
    let network = load(&fixture, &config);
    let found = network.image_encoder.forward(fixture.tensor("pixels", &Device::flex()));
    for (i, level) in found.levels.into_iter().enumerate() {
        let expected = [2, config.width >> [3, 2, 0][i], 16 >> i, 16 >> i];
        assert_eq!(level.dims(), expected);
        fixture.close(&format!("level{i}"), &values(level), MODEL);
    }
    fixture.close("positions", &values(found.positions), 1e-5);
}

#[test]
fn masks_of_points_boxes_and_masks() {
    let fixture = fixture();
    let network = load(&fixture, &config(&fixture));
    for case in ["point", "points", "box", "both", "mask", "all"] {
        for (multimask, count, name) in [(true, 3, "several"), (false, 1, "single")] {
            let found = decoded(&network, &fixture, case, multimask);
            let [objects, masks, ..] = found.masks.dims();
            assert_eq!([masks, found.tokens.dims()[1]], [count; 2]);
            assert_eq!(found.tokens.dims()[0], objects);
            let name = |what: &str| format!("{case}.{name}.{what}");
            fixture.close(&name("masks"), &values(found.masks), MODEL);
            fixture.close(&name("iou"), &values(found.iou), MODEL);
            fixture.close(&name("object"), &values(found.object_score), MODEL);
        }
    }
}

/// What is learned from masks, overlaps and presence reaches every parameter but the places, which are drawn
/// once and kept.
#[test]
fn gradients_reach_every_parameter() {
    let fixture = fixture();
    let state = only_prefix(&fixture.0, "state.");
    let device = Device::flex().autodiff();
    let network = Sam2::load("fixture", &state, &config(&fixture), &device).unwrap();
    // With a mask and without; several masks, and a single one that stands for some of the objects.
    let losses = [("all", true), ("point", true), ("point", false)].map(|(case, multimask)| {
        let found = decoded(&network, &fixture, case, multimask);
        found.masks.square().sum() + found.iou.sum() + found.object_score.sum()
    });
    let [a, b, c] = losses;
    let found = gradients(&network, (a + b + c).backward());
    for (parameter, gradient) in parameters(&network).into_iter().zip(found) {
        let name = parameter.name;
        let reached = gradient.is_some_and(|g| g.iter().any(|&g| g != 0.0 && g.is_finite()));
        assert_eq!(reached, !name.ends_with("places.value"), "{name}");
    }
}

/// Two pictures with a prompt each are two pictures alone.
#[test]
fn pictures_and_objects_do_not_meet() {
    let fixture = fixture();
    let network = load(&fixture, &config(&fixture));
    let pixels = fixture.tensor::<4>("pixels", &Device::flex());
    let points = prompts(&fixture, "points");
    let run = |pixels: Tensor<4>, points: &[Vec<PromptPoint>]| {
        let [finest, finer, features] = network.image_encoder.forward(pixels).levels;
        let input = DecoderInput {
            features,
            fine: [finest, finer],
            positions: network.prompt_encoder.picture_positions(),
            prompts: network.prompt_encoder.forward(points, None).unwrap(),
        };
        values(network.mask_decoder.forward(input, true).masks)
    };
    let both = run(pixels.clone(), &points);
    let half = both.len() / 2;
    for i in 0..2 {
        let alone = run(pixels.clone().narrow(0, i, 1), &points[i..=i]);
        for (a, b) in both[half * i..][..half].iter().zip(&alone) {
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} with another, {b} alone");
        }
    }
    assert_ne!(both[..half], both[half..]);
}

/// The same weights under the names of the original files, the kinds of points apart.
#[test]
fn original_names_hold_the_same_network() {
    let fixture = fixture();
    let config = config(&fixture);
    let mut network = load(&fixture, &config);
    // There, prompts and pictures share their places.
    let mut state = WeightFile::default();
    for (name, tensor) in
        public_tensors(&network, |path| Sam2Naming::Original.rename(path, &config)).tensors
    {
        state.tensors.insert(format!("model.{name}"), tensor);
    }
    let kinds = "model.sam_prompt_encoder.point_embeddings";
    let (shape, all) = state.tensors.remove(&format!("{kinds}.weight")).unwrap();
    for (i, row) in all.chunks(shape[1]).enumerate() {
        state.tensors.insert(format!("{kinds}.{i}.weight"), (vec![1, shape[1]], row.to_vec()));
    }
    state.tensors.insert("model.maskmem_tpos_enc".into(), (vec![1], vec![0.0]));
    let original = Sam2::load("original", &state, &config, &Device::flex()).unwrap();
    let mut renamed = fixture;
    let shared = "state.shared_image_embedding.positional_embedding";
    let own = "state.prompt_encoder.shared_embedding.positional_embedding";
    let (one, other) = (renamed.0.tensors[shared].clone(), renamed.0.tensors[own].clone());
    assert_ne!(one, other);
    // Whichever of the two was written last is in both places.
    let written =
        &state.tensors["model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"];
    assert!(*written == one || *written == other);
    renamed.0.tensors.insert(shared.into(), written.clone());
    renamed.0.tensors.insert(own.into(), written.clone());
    network = load(&renamed, &config);
    let [ours, theirs] =
        [&network, &original].map(|network| values(decoded(network, &renamed, "both", true).masks));
    assert_eq!(ours, theirs);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut fixture = fixture();
    let config = config(&fixture);
    let network = load(&fixture, &config);
    let forward = |points: &[Vec<PromptPoint>], masks| {
        network.prompt_encoder.forward(points, masks).map(drop)
    };
    let point = PromptPoint { x: 1.0, y: 2.0, kind: PointKind::Inside };
    assert!(forward(&[], None).is_err());
    assert!(forward(&[vec![point], vec![]], None).is_err());
    assert!(forward(&[vec![]], None).is_ok());
    let mask = |side| Some(Tensor::<4>::zeros([1, 1, side, side], &Device::flex()));
    assert!(forward(&[vec![point]], mask(16)).is_ok());
    assert!(forward(&[vec![point]], mask(17)).is_err());
    let gone = "mask_decoder.iou_prediction_head.layers.0.bias";
    let bias = fixture.0.tensors.remove(&format!("state.{gone}")).unwrap();
    fixture.0.tensors.insert("state.mask_decoder.more".into(), bias);
    let state = only_prefix(&fixture.0, "state.");
    assert!(state.shapes().contains_key("mask_decoder.more"));
    let error = Sam2::load("sam", &state, &config, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains(gone) && error.contains("1 unused: mask_decoder.more"), "{error}");
}
