//! Networks that look at pictures, too small and random to be any good: what finds names, and what cuts objects out
//! of boxes and around points.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use thrumask::segment::{self, Segmentation};
use thrumask_core::{Picture, PromptPlan, control::Point};
use thrumask_nn::{
    perception::sam2::{Sam2, Sam2Config, video::Sam2Video},
    weights::{Checkpoint, TensorSource},
};

use crate::common::{ARTEFACTS, CAPTION, Place, animate};

/// The first object in a box, the second at two points.
const PLACES: [&str; 4] = ["--boxes", "1:39,19,57,35", "--points", "2:14,27;2:30,5,0"];

/// A folder with networks of these parts.
fn init(place: &Place, out: &str, parts: &str, seed: &str) {
    let args = ["models", "init", out, "--size", "tiny", "--parts", parts, "--seed", seed];
    place.ok(&[&args[..], &["--quiet"]].concat());
}

/// A place with a planned run `r` and a random SAM 2 in `sam/sam2` that makes of [`PLACES`] what is wanted.
fn planned(wanted: impl Fn(&Segmentation) -> bool) -> Place {
    let place = Place::new();
    place.ok(&["plan", "in.png", CAPTION, "--run", "r"]);
    for seed in 0..100 {
        init(&place, "sam", "masker", &seed.to_string());
        if wanted(&by_library(&place)) {
            return place;
        }
        fs::remove_dir_all(place.at("sam")).unwrap();
    }
    panic!("no network of a hundred makes that of the places");
}

/// A place with a SAM 2 that sees both objects.
fn seen() -> Place {
    planned(|made| made.masks.labels.ids_present() == [1, 2])
}

fn segmenting<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["segment", "--run", "r"], more].concat()
}

fn record(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap()
}

/// The names of the models of a run.
fn models_of(place: &Place, run: &str) -> Vec<String> {
    record(place, run)["weights"].as_object().unwrap().keys().cloned().collect()
}

/// What the library makes of [`PLACES`].
fn by_library(place: &Place) -> Segmentation {
    let picture = Picture::read(place.at("in.png")).unwrap();
    let plan: PromptPlan = serde_json::from_value(place.plan("r")).unwrap();
    let device = burn::tensor::Device::flex();
    let masker = segment::SamMasks::open(&place.at("sam/sam2"), &device).unwrap();
    let point = |x, y, inside| Point { x, y, inside };
    let points = vec![point(14.0, 27.0, true), point(30.0, 5.0, false)];
    let places = BTreeMap::from([
        (1, segment::Place::Box([39.0, 19.0, 57.0, 35.0])),
        (2, segment::Place::Points(points)),
    ]);
    segment::from_places_by(&masker, &picture, &plan, &places).unwrap()
}

#[test]
fn a_masker_cuts_out_boxes_and_points() {
    let place = seen();
    place.ok(&segmenting(&PLACES));
    let by_color = place.masks("r");
    assert!(!models_of(&place, "r").contains(&"masker".to_owned()));
    let with = segmenting(&[&PLACES[..], &["--masker", "sam/sam2"]].concat());
    let said = place.ok(&with);
    assert!(!said.of("segment").contains("kept"), "{}", said.err);
    let made = by_library(&place);
    assert_eq!(place.masks("r"), made.masks.labels);
    assert_eq!(made.masks.labels.ids_present(), [1, 2]);
    assert_ne!(place.masks("r"), by_color);
    let first = place.read("r/masks.png");
    let config = &record(&place, "r")["config"];
    assert!(config["masker"].as_str().unwrap().ends_with("sam/sam2"), "{config}");

    // The same bytes again, on any number of threads; kept until the network changes.
    for threads in ["1", "3"] {
        place.ok(&[&with[..], &["--fresh", "--threads", threads]].concat());
        assert!(place.read("r/masks.png") == first, "{threads} threads");
    }
    assert!(place.ok(&with).of("segment").contains("kept"));
    let hash = |place: &Place| record(place, "r")["weights"]["masker"].clone();
    let noted = hash(&place);
    let described = place.read("sam/sam2/config.json");
    place.write("sam/sam2/config.json", [&described[..], b"\n"].concat());
    assert!(!place.ok(&with).of("segment").contains("kept"));
    assert_ne!(hash(&place), noted);
    assert!(place.read("r/masks.png") == first);

    // What was given as a mask needs no network.
    place.ok(&segmenting(&["--masks", "r/masks.png", "--fresh"]));
    assert!(place.read("r/masks.png") == first);
}

#[test]
fn where_a_masker_sees_nothing_it_says_so() {
    let place =
        planned(|made| made.notes.iter().any(|note| note.contains("no object at its points")));
    let made = by_library(&place);
    let missing: Vec<&str> =
        made.notes.iter().filter(|n| n.contains("sees no object")).map(String::as_str).collect();
    let with = segmenting(&[&PLACES[..], &["--masker", "sam/sam2"]].concat());
    let said = place.ok(&with);
    for note in &missing {
        assert!(said.err.contains(note), "{note} in {}", said.err);
    }
    assert_eq!(place.masks("r"), made.masks.labels);
    assert!(!place.masks("r").ids_present().contains(&2));
    let error = place.fails(1, &[&with[..], &["--fresh", "--set", "missing=stop"]].concat());
    assert!(error.contains("sees no object at its points"), "{error}");
}

#[test]
fn wrong_maskers_and_places_are_refused() {
    let place = seen();
    let masker = ["--masker", "sam/sam2"];
    for (places, words) in [
        (["--boxes", "1:70,2,80,9"], ["box of object 1", "64x48"]),
        (["--boxes", "3:1,2,9,9"], ["object id", "1 to 2"]),
        (["--points", "2:14,48"], ["points of object 2", "64x48"]),
    ] {
        let error = place.fails(1, &animate("places.mp4", &[&places[..], &masker].concat()));
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    init(&place, "others", "vae", "0");
    fs::create_dir(place.at("empty")).unwrap();
    place.write("sam/text.pt", "no weights");
    let described = String::from_utf8(place.read("sam/sam2/config.json")).unwrap();
    let edit = |from: &str, to: &str| {
        assert!(described.contains(from), "{from} in {described}");
        place.write("sam/sam2/config.json", described.replace(from, to));
    };
    let refuse = |path: &str, words: &[&str]| {
        let job = [&animate("out.mp4", &PLACES)[..], &["--masker", path]].concat();
        let error = place.fails(1, &job);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
        assert!(!place.at("out.run").exists(), "nothing is begun");
        assert_eq!(place.fails(1, &[&job[..], &["--dry-run"]].concat()), error);
    };
    refuse("sam/sam3", &["sam3"]);
    refuse("sam/text.pt", &["text.pt"]);
    refuse("empty", &["empty", "expected a file of weights"]);
    refuse("others/vae", &["vae", "0 applied", "missing"]);
    // A file alone is of a public size.
    refuse("sam/sam2/model.safetensors", &["tiny, small, base+ or large"]);
    edit("\"sam2_video\"", "\"sam\"");
    refuse("sam/sam2", &["sam2", "model_type", "\"sam\""]);
    edit("\"mlp_dim\": 48", "\"mlp_dim\": 40");
    refuse("sam/sam2", &["sam2", "mlp.proj_in"]);
    place.write("sam/sam2/config.json", &described);
    let whole = place.read("sam/sam2/model.safetensors");
    place.write("sam/sam2/model.safetensors", &whole[..whole.len() / 2]);
    refuse("sam/sam2", &["model.safetensors"]);
}

#[test]
fn a_folder_of_what_sees_leaves_the_rest_to_the_built_in_models() {
    let place = Place::new();
    place.animate("plain.mp4", &[]);
    let weights = |run: &str, name: &str| record(&place, run)["weights"][name].clone();
    for (folder, parts, own, named) in [
        ("both", "detector,masker", ["segmenter", "masker"].as_slice(), 5),
        ("detector", "detector", &["segmenter"], 4),
        ("masker", "masker", &["masker"], 5),
    ] {
        init(&place, folder, parts, "0");
        let (output, run) = (format!("{folder}.mp4"), format!("{folder}.run"));
        let dry = ["--models", folder, "--dry-run", "--json"];
        let told: Value = serde_json::from_str(&place.animate(&output, &dry).out).unwrap();
        assert_eq!(told["stages"].as_array().unwrap().len(), 5, "{told}");
        // One object is given, the other one is looked for.
        place.animate(&output, &["--models", folder, "--boxes", "1:39,19,57,35"]);
        for artefact in ARTEFACTS {
            assert!(place.at(&run).join(artefact).is_file(), "{artefact}");
        }
        let names = models_of(&place, &run);
        assert_eq!(names.len(), named, "{names:?}");
        let listed = place.ok(&["models", "list", "--models", folder, "--json"]).out;
        let listed: Value = serde_json::from_str(&listed).unwrap();
        let listed = listed["models"].as_array().unwrap();
        assert_eq!(listed.len(), named);
        for model in listed {
            let name = model["name"].as_str().unwrap();
            assert_eq!(model["sha256"], weights(&run, name), "{name}");
            assert_eq!(model["path"].is_null(), !own.contains(&name), "{model}");
            let same = weights(&run, name) == weights("plain.run", name);
            assert_eq!(same, !own.contains(&name), "{name}");
        }
        let text = place.ok(&["models", "list", "--models", folder]).out;
        let built_in = text.lines().filter(|line| line.ends_with("built in")).count();
        assert_eq!((text.lines().count(), built_in), (named, named - own.len()), "{text}");
    }
    // The folder's masker is used without a further option, as if it were named.
    place.ok(&["plan", "in.png", CAPTION, "--run", "r"]);
    place.ok(&segmenting(&[&PLACES[..], &["--models", "masker"]].concat()));
    let masks = place.read("r/masks.png");
    fs::rename(place.at("masker"), place.at("sam")).unwrap();
    assert_eq!(place.masks("r"), by_library(&place).masks.labels);
    place.ok(&["plan", "in.png", CAPTION, "--run", "r", "--fresh"]);
    place.ok(&segmenting(
        &[&PLACES[..], &["--masker", "sam/sam2", "--models", "detector"]].concat(),
    ));
    assert!(place.read("r/masks.png") == masks);
}

#[test]
fn a_folder_with_some_of_the_stages_must_have_all() {
    let place = Place::new();
    init(&place, "seeing", "detector,masker", "0");
    let refuse = |more: &[&str], words: &[&str]| {
        let job = [&animate("out.mp4", &["--models", "seeing"])[..], more].concat();
        let error = place.fails(1, &job);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
        assert!(!place.at("out.run").exists(), "nothing is begun");
        error
    };
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano");
    let copy = |name: &str| {
        let name = format!("{name}.safetensors");
        fs::copy(format!("{nano}/{name}"), place.at("seeing").join(name)).unwrap();
    };
    let list = ["models", "list", "--models", "seeing"];
    copy("motion");
    refuse(&[], &["video.safetensors", "got none"]);
    assert!(place.fails(1, &list).contains("autoencoder.safetensors"));
    copy("video");
    refuse(&[], &["autoencoder.safetensors", "got none"]);
    copy("autoencoder");
    place.animate("whole.mp4", &["--models", "seeing"]);
    for name in ["motion", "video", "autoencoder"] {
        fs::remove_file(place.at("seeing").join(format!("{name}.safetensors"))).unwrap();
    }
    init(&place, "seeing", "text-encoder", "0");
    refuse(&[], &["motion.safetensors", "got none"]);
    fs::remove_dir_all(place.at("seeing/text_encoder")).unwrap();
    // What sees is looked at before anything is begun, a link to nothing too.
    let away = |name: &str, words: &[&str]| {
        let (there, away) = (place.at("seeing").join(name), place.at("away"));
        fs::rename(&there, &away).unwrap();
        refuse(&[], words);
        fs::rename(&away, &there).unwrap();
    };
    away("grounding_dino/vocab.txt", &["grounding_dino", "vocab.txt"]);
    away("grounding_dino/model.safetensors", &["grounding_dino", "expected a file of weights"]);
    away("sam2/model.safetensors", &["sam2", "expected a file of weights"]);
    #[cfg(unix)]
    for name in ["sam2", "grounding_dino"] {
        let there = place.at("seeing").join(name);
        fs::rename(&there, place.at("away")).unwrap();
        std::os::unix::fs::symlink(place.at("nowhere"), &there).unwrap();
        refuse(&[], &[name]);
        fs::remove_file(&there).unwrap();
        fs::rename(place.at("away"), &there).unwrap();
    }
    place.animate("out.mp4", &["--models", "seeing"]);
    fs::create_dir(place.at("empty")).unwrap();
    let error = place.fails(1, &animate("e.mp4", &["--models", "empty"]));
    assert!(error.contains("motion.safetensors") && error.contains("got none"), "{error}");
}

#[test]
fn a_random_masker_is_of_the_public_class() {
    let place = Place::new();
    init(&place, "a", "masker", "0");
    init(&place, "same", "masker,masker", "0");
    init(&place, "other", "masker", "1");
    let weights = |of: &str| place.read(&format!("{of}/sam2/model.safetensors"));
    assert!(weights("a") == weights("same") && weights("a") != weights("other"));
    let config = String::from_utf8(place.read("a/sam2/config.json")).unwrap();
    let config = Sam2Config::from_transformers(&config).unwrap();
    assert_eq!(config, Sam2Config::test());
    let open = Checkpoint::open(place.at("a/sam2")).unwrap();
    let device = burn::tensor::Device::flex();
    Sam2Video::load("a", &open, &config, &device).unwrap();
    Sam2::load("a", &open, &config, &device).unwrap();
    // Points and pictures have the same waves, as in public files.
    let waves = ["prompt_encoder.shared_embedding", "shared_image_embedding"]
        .map(|of| open.values(&format!("{of}.positional_embedding")).unwrap());
    assert!(waves[0] == waves[1] && waves[0].iter().any(|&v| v != 0.0));
    let error = place.fails(1, &["models", "init", "a", "--parts", "masker"]);
    assert!(error.contains("expected no such file"), "{error}");
}
