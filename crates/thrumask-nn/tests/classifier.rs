//! The classifier of videos: what its answers depend on, gradients, its loss, and what it refuses.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_nn::{
    diffusion::noise::Noise,
    layers::Init,
    perception::classifier::{
        ClassifierConfig, ClassifierTargets, Seen, VideoClassifier, classifier_loss,
    },
    pixels::host_values,
    weights::{gradients, parameters},
};

/// Tokens along frames, rows and columns of [`config`], and places of a stretch of time.
const GRID: [usize; 3] = [2, 2, 3];
const PLACES: usize = 6;

fn config() -> ClassifierConfig {
    ClassifierConfig {
        video: [4, 8, 12],
        patch: [2, 4, 4],
        width: 12,
        heads: 2,
        depth: 2,
        classes: vec![3, 5],
    }
}

fn network(device: &Device) -> VideoClassifier {
    VideoClassifier::new(&mut Init::new(7, device), &config()).unwrap()
}

fn pixels(batch: usize, device: &Device) -> Tensor<5> {
    Noise::new(1, "pixels").normal_tensor([batch, 3, 4, 8, 12], device)
}

/// Each object lies in one place, which differs between batch rows, stretches of time and objects.
fn cover(batch: usize, objects: usize, device: &Device) -> Tensor<4> {
    let rows = batch * GRID[0] * objects;
    let at = |row: usize, place: usize| f32::from(u8::from(row * 5 % PLACES == place));
    let values: Vec<f32> =
        (0..rows).flat_map(|row| (0..PLACES).map(move |place| at(row, place))).collect();
    let shape = [batch, GRID[0], objects, PLACES];
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn all(seen: Seen) -> [Vec<f32>; 3] {
    let objects = seen.objects.into_iter().flat_map(host_values).collect();
    [host_values(seen.slots), objects, seen.clip.into_iter().flat_map(host_values).collect()]
}

#[test]
fn a_clip_depends_on_neither_its_neighbours_nor_on_places_for_more_objects() {
    let device = Device::flex();
    let network = network(&device);
    let (pixels, cover) = (pixels(3, &device), cover(3, 2, &device));
    let together = network.forward(pixels.clone(), cover.clone()).unwrap();
    for b in 0..3 {
        let own = cover.clone().narrow(0, b, 1);
        let none = Tensor::zeros([1, GRID[0], 1, PLACES], &device);
        let more = Tensor::cat(vec![own, none], 2);
        let seen = network.forward(pixels.clone().narrow(0, b, 1), more).unwrap();
        let slots = together.slots.clone().narrow(0, b, 1);
        assert_eq!(host_values(seen.slots), host_values(slots));
        for (found, expected) in seen.objects.iter().zip(&together.objects) {
            let found = host_values(found.clone().narrow(1, 0, 2));
            assert_eq!(found, host_values(expected.clone().narrow(0, b, 1)));
        }
        for (found, expected) in seen.clip.iter().zip(&together.clip) {
            assert_eq!(host_values(found.clone()), host_values(expected.clone().narrow(0, b, 1)));
        }
    }
}

#[test]
fn where_objects_are_changes_their_own_answers_alone() {
    let device = Device::flex();
    let network = network(&device);
    let (pixels, cover) = (pixels(1, &device), cover(1, 2, &device));
    let [slots, objects, clip] = all(network.forward(pixels.clone(), cover.clone()).unwrap());
    // The second object elsewhere.
    let first = cover.clone().narrow(2, 0, 1);
    let second = cover.narrow(2, 1, 1).flip([3]);
    let seen = network.forward(pixels, Tensor::cat(vec![first, second], 2)).unwrap();
    let [other_slots, other_objects, other_clip] = all(seen);
    assert_eq!((slots, clip), (other_slots, other_clip));
    let mut at = 0;
    for k in config().classes {
        assert_eq!(objects[at..at + k], other_objects[at..at + k]);
        assert_ne!(objects[at + k..at + 2 * k], other_objects[at + k..at + 2 * k]);
        at += 2 * k;
    }
}

#[test]
fn every_parameter_is_learnt() {
    let device = Device::flex().autodiff();
    let network = network(&device);
    let seen = network.forward(pixels(2, &device), cover(2, 2, &device)).unwrap();
    let one = |shape: [usize; 3]| {
        let values = (0..shape.iter().product()).map(|i| f32::from(u8::from(i % shape[2] == 1)));
        Tensor::<3>::from_data(TensorData::new(values.collect::<Vec<_>>(), shape), &device)
    };
    let objects: Vec<Tensor<3>> = config().classes.iter().map(|&k| one([2, 2, k])).collect();
    let clip = objects.iter().map(|t| t.clone().narrow(1, 0, 1).squeeze_dim(1)).collect();
    let loss = classifier_loss(&seen, &ClassifierTargets { objects, clip });
    let found = gradients(&network, loss.backward());
    for (parameter, gradient) in parameters(&network).iter().zip(found) {
        let gradient = gradient.unwrap_or_else(|| panic!("no gradient of {}", parameter.name));
        assert!(gradient.iter().all(|g| g.is_finite()), "{}", parameter.name);
        assert!(gradient.iter().any(|&g| g != 0.0), "{}", parameter.name);
    }
}

/// One question of three classes, two places for objects of which one is empty.
#[test]
fn the_loss_is_the_mean_over_objects_plus_twice_that_over_what_occurs() {
    let device = Device::flex();
    let tensor = |values: &[f32]| Tensor::<1>::from_data(values, &device);
    let objects = tensor(&[1.0, 2.0, 3.0, 9.0, -9.0, 0.0]).reshape([1, 2, 3]);
    let clip = tensor(&[0.5, -1.0, 200.0]).reshape([1, 3]);
    let slots = Tensor::zeros([1, 1, 1], &device);
    let seen = Seen { slots, objects: vec![objects], clip: vec![clip] };
    let targets = ClassifierTargets {
        objects: vec![tensor(&[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).reshape([1, 2, 3])],
        clip: vec![tensor(&[1.0, 0.0, 1.0]).reshape([1, 3])],
    };
    let loss = host_values(classifier_loss(&seen, &targets))[0];
    let object = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln() - 2.0;
    let clip = ((1.0 + (-0.5f64).exp()).ln() + (1.0 + (-1f64).exp()).ln()) / 3.0;
    assert!((f64::from(loss) - (object + 2.0 * clip)).abs() < 1e-5, "{loss}");
}

#[test]
fn what_does_not_fit_is_an_error() {
    let device = Device::flex();
    let network = network(&device);
    let refused = |pixels: Tensor<5>, cover: Tensor<4>| {
        network.forward(pixels, cover).map(|_| ()).unwrap_err().to_string()
    };
    let short = pixels(1, &device).narrow(2, 0, 2);
    assert!(refused(short, cover(1, 2, &device)).contains("pixels"));
    assert!(refused(pixels(2, &device), cover(1, 2, &device)).contains("cover"));
    let fewer = cover(1, 2, &device).narrow(3, 0, PLACES - 1);
    assert!(refused(pixels(1, &device), fewer).contains("cover"));

    let init = &mut Init::new(0, &device);
    let mut built = |change: &dyn Fn(&mut ClassifierConfig)| {
        let mut config = config();
        change(&mut config);
        VideoClassifier::new(init, &config).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(built(&|_| ()), Ok(()));
    assert!(built(&|c| c.patch = [3, 4, 4]).unwrap_err().contains("patch"));
    assert!(built(&|c| c.patch = [0, 4, 4]).unwrap_err().contains("patch"));
    assert!(built(&|c| c.heads = 5).unwrap_err().contains("heads"));
    assert!(built(&|c| c.classes = vec![]).unwrap_err().contains("classes"));
    assert!(built(&|c| c.classes = vec![3, 0]).unwrap_err().contains("classes"));
    let unknown = r#"{"video":[4,8,12],"patch":[2,4,4],"width":12,"heads":2,"depth":2,"classes":[3],"more":1}"#;
    assert!(serde_json::from_str::<ClassifierConfig>(unknown).is_err());
}
