//! Where networks run.

use crate::common::{Place, animate};

#[test]
fn a_device_that_is_none_is_named() {
    let place = Place::new();
    let error = place.fails(2, &animate("out.mp4", &["--device", "cuda"]));
    assert!(error.contains("expected cpu, gpu or gpu:NUMBER, got \"cuda\""), "{error}");
    let error = place.fails(2, &["eval", "world", "--device", "tpu"]);
    assert!(error.contains("expected cpu, gpu or gpu:NUMBER, got \"tpu\""), "{error}");
    let error = place.fails(1, &animate("out.mp4", &["--device", "gpu:77"]));
    assert!(error.contains("device: expected"), "{error}");
    assert!(!place.at("out.mp4").exists());
}

#[test]
fn the_processor_is_the_default() {
    let place = Place::new();
    place.animate("a.mp4", &["--frames", "3"]);
    place.animate("b.mp4", &["--frames", "3", "--device", "cpu"]);
    assert!(place.read("a.mp4") == place.read("b.mp4"));
}

/// With a card, or Mesa's software Vulkan; without either it fails.
#[cfg(feature = "gpu")]
mod card {
    use thrumask_core::Clip;

    use super::*;
    use crate::training::{AUTOENCODER, log};

    #[test]
    fn a_card_makes_the_same_video_but_for_rounding() {
        let place = Place::new();
        place.animate("a/", &["--frames", "4"]);
        place.animate("b/", &["--frames", "4", "--device", "gpu"]);
        let [a, b] = ["a/", "b/"].map(|name| Clip::read(place.at(name)).unwrap());
        let mut furthest = 0;
        for (a, b) in a.frames().iter().zip(b.frames()) {
            let differences = a.rgb().iter().zip(b.rgb()).map(|(a, b)| a.abs_diff(*b));
            furthest = furthest.max(differences.max().unwrap());
        }
        assert!(furthest <= 2, "pixels differ by up to {furthest}");
    }

    #[test]
    fn a_training_goes_on_on_either_device() {
        let place = Place::new();
        place.write("train.toml", AUTOENCODER);
        let losses = |run: &str| -> Vec<f64> {
            log(&place, run).iter().filter_map(|entry| entry["loss"].as_f64()).collect()
        };
        // Rates that never fall, so that a shorter run is a longer one's beginning.
        let held = "optimizer.decay_from=1.0";
        let train = |run: &str, steps: &str, device: &str| {
            let steps = format!("run.steps={steps}");
            let sets = ["--set", held, "--set", &steps, "--device", device];
            place.ok(&[&["train", "train.toml", "--out", run, "--quiet"][..], &sets].concat());
        };
        train("cpu", "4", "cpu");
        train("gpu", "4", "gpu");
        train("both", "2", "gpu");
        train("both", "4", "cpu");
        for run in ["gpu", "both"] {
            for (a, b) in losses(run).iter().zip(losses("cpu")) {
                assert!((a - b).abs() < 1e-3 * b, "{run}: {a} against {b}");
            }
            assert_eq!(losses(run).len(), 4);
        }
    }
}
