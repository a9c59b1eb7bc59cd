//! Training and evaluation of stages of public classes, in folders as diffusers lays them out.

use std::fs;

use safetensors::SafeTensors;

use crate::{
    common::{Place, leftovers},
    training::log,
};

/// Stage `task` of the folder `models`.
fn config(task: &str) -> String {
    format!(
        r#"
task = "{task}"
[run]
seed = 3
steps = 2
batch = 1
accumulate = 2
checkpoint_every = 1
validate_every = 2
validation_samples = 1
[optimizer]
rate = 1e-3
matrix_rate = 0.0
warmup = 0
decay_from = 1.0
[world]
size = 64
frames = 8
[stage]
folder = "models"
autoencoder = "models/vae"
object_weight = 1.0
drop_image = 0.0
drop_text = 0.0
drop_both = 0.0
[stage.sampling]
steps = 1
schedule = {{ kind = "ddim", spacing = "trailing" }}
guidance = {{ image = 1.0, text = 1.0 }}
"#
    )
}

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// A place with stages' starts of public networks in miniature, and configurations.
fn place() -> Place {
    let place = Place::new();
    let parts = ["--parts", "unet,vae,text-encoder,tokenizer", "--conditions", "0", "--quiet"];
    place.ok(&[&["models", "init", "public", "--size", "tiny"], &parts[..]].concat());
    let shape = ["--size", "64", "--frames", "8", "--quiet"];
    place.ok(&[&["models", "assemble", "models", "--from", "public", "--ti2v"], &shape[..]].concat());
    for task in ["motion", "video", "ti2v"] {
        place.write(&format!("{task}.toml"), config(task));
    }
    place
}

fn train(place: &Place, task: &str, out: &str, more: &[&str]) -> String {
    let file = format!("{task}.toml");
    place.ok(&[&["train", &file, "--out", out, "--quiet"], more].concat()).out
}

/// Names and bytes of a file of tensors.
fn tensors(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let mut all: Vec<_> =
        file.iter().map(|(name, view)| (name.to_owned(), view.data().to_vec())).collect();
    all.sort();
    all
}

#[test]
fn each_stage_is_trained_and_written_as_the_folder_it_came_from() {
    let place = place();
    for task in ["motion", "video", "ti2v"] {
        let said = train(&place, task, "run", &[]);
        assert!(said.trim().ends_with(&format!("run/{task}")), "{said}");
        let (start, end) = (format!("models/{task}"), format!("run/{task}"));
        let described = |folder: &str| -> serde_json::Value {
            serde_json::from_slice(&place.read(&format!("{folder}/config.json"))).unwrap()
        };
        assert_eq!(described(&start), described(&end));
        let [start, end] = [start, end].map(|f| tensors(&place.read(&format!("{f}/{WEIGHTS}"))));
        let moved = start.iter().zip(&end).filter(|(a, b)| a.1 != b.1).count();
        assert!(start.iter().zip(&end).all(|(a, b)| a.0 == b.0) && start.len() == end.len());
        assert!(10 * moved > 9 * start.len(), "{task}: {moved} of {} moved", start.len());
        // CLIP is no part of it.
        let state = place.read("run/checkpoint.safetensors");
        let names: Vec<String> = tensors(&state).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().any(|name| name.starts_with("ema/denoiser.")));
        assert!(!names.iter().any(|name| name.contains("/text.")), "{names:?}");
        let known = ["config.json", "log.jsonl", "checkpoint.safetensors", task];
        let known = [&known[..], &["sheet-0000002.png"]].concat();
        assert_eq!(leftovers(&place.at("run"), &known), [""; 0]);
        fs::rename(place.at("run"), place.at(&format!("done-{task}"))).unwrap();
    }
    // What was trained takes the place of what it came from, and the main job shows it.
    let animate = |out: &str| {
        let words = "The red car moves to the right.";
        let args = ["animate", "in.png", words, "-o", out, "--backbone", "unet", "--models"];
        let more = ["models", "--boxes", "1:2,2,42,42", "--steps", "2", "--quiet"];
        place.ok(&[&args[..], &more].concat());
        place.read(&out.replace(".mp4", ".run/video.mp4"))
    };
    let before = animate("a.mp4");
    for task in ["motion", "video"] {
        fs::rename(place.at("models").join(task), place.at(&format!("old-{task}"))).unwrap();
        fs::rename(place.at(&format!("done-{task}/{task}")), place.at("models").join(task))
            .unwrap();
    }
    assert!(before != animate("b.mp4"));
}

#[test]
fn it_goes_on_to_the_same_bytes_and_without_a_rate_stays_where_it_was() {
    let place = place();
    train(&place, "video", "whole", &[]);
    train(&place, "video", "cut", &["--set", "run.steps=1"]);
    train(&place, "video", "cut", &["--threads", "1"]);
    for name in ["checkpoint.safetensors", &format!("video/{WEIGHTS}")] {
        let [a, b] = ["whole", "cut"].map(|run| place.read(&format!("{run}/{name}")));
        assert!(a == b, "{name}");
    }
    train(&place, "video", "still", &["--set", "optimizer.rate=0"]);
    let [a, b] = ["models", "still"].map(|f| tensors(&place.read(&format!("{f}/video/{WEIGHTS}"))));
    assert!(a == b, "no rate, no change");
}

#[test]
fn two_batches_of_one_sample_are_one_batch_of_two() {
    let place = place();
    train(&place, "motion", "parts", &[]);
    let whole = ["--set", "run.batch=2", "--set", "run.accumulate=1"];
    train(&place, "motion", "whole", &whole);
    let [parts, whole] = ["parts", "whole"].map(|run| log(&place, run));
    for (a, b) in parts.iter().zip(&whole).filter(|(a, _)| a["loss"].is_number()) {
        for what in ["loss", "norm"] {
            let [a, b] = [a, b].map(|entry| entry[what].as_f64().unwrap());
            assert!((a - b).abs() < 1e-4 * b.abs(), "{what}: {a} against {b}");
        }
    }
}

#[test]
fn stages_in_folders_are_judged_on_the_world() {
    let place = place();
    let judge = |more: &[&str]| {
        let args = ["eval", "world", "--models", "models", "--scenes", "1", "--steps", "1"];
        let parts = ["--parts", "motion,video", "--splits", "test", "--objects", "single"];
        let said = place.ok(&[&args[..], &parts, &["--json", "--quiet"], more].concat());
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()
    };
    let told = judge(&[]);
    assert_eq!(told["config"]["world"]["size"], 64, "{told}");
    let names: Vec<&String> = told["models"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["autoencoder", "motion", "ti2v", "video"]);
    let rows = told["groups"][0]["rows"].as_array().unwrap();
    for part in ["motion", "video"] {
        let of_model =
            |row: &&serde_json::Value| row["part"] == part && row["candidate"] == "model";
        assert_eq!(rows.iter().filter(of_model).count(), 1, "{part}");
    }
    // One stage from elsewhere, which reads with the folder's text encoder.
    train(&place, "motion", "run", &[]);
    let other = judge(&["--motion", "run/motion"]);
    assert_ne!(told["models"]["motion"], other["models"]["motion"]);
    assert_eq!(told["models"]["video"], other["models"]["video"]);
    let fails = |more: &[&str]| {
        let args = ["eval", "world", "--models", "models", "--scenes", "1", "--quiet"];
        place.fails(1, &[&args[..], more].concat())
    };
    let error = fails(&["--motion", "models/video"]);
    assert!(error.contains("stage of models/video") && error.contains("motion"), "{error}");
    let error = fails(&["--segmenter", "models/vae"]);
    assert!(error.contains("segmenter: expected a model file"), "{error}");
    place.write("models/motion.safetensors", "a file too");
    assert!(fails(&[]).contains("got both"));
}

#[test]
fn what_does_not_fit_is_named_before_anything_is_begun() {
    let place = place();
    for (set, words) in [
        ("world.size=48", ["8 frames of 48×48", "8 frames of 64×64"]),
        ("stage.backbone=unet", ["stage.folder", "config.json"]),
        ("run.start=models/motion", ["run.start", "stage.folder"]),
        ("run.accumulate=0", ["run.accumulate", "at least 1"]),
        ("stage.folder=nowhere", ["nowhere", "config.json"]),
        ("stage.autoencoder=models/motion", ["models/motion", "encoder.conv_in.weight"]),
    ] {
        let error =
            place.fails(1, &["train", "motion.toml", "--out", "run", "--quiet", "--set", set]);
        assert!(words.iter().all(|word| error.contains(word)), "{set}: {error}");
        assert!(!place.at("run").exists(), "{set}");
    }
    let error = place.fails(1, &["train", "motion.toml", "--out", "models", "--quiet"]);
    assert!(error.contains("written over"), "{error}");
    assert!(!place.at("models/checkpoint.safetensors").exists());
    fs::remove_dir_all(place.at("models/tokenizer")).unwrap();
    let error = place.fails(1, &["train", "motion.toml", "--out", "run", "--quiet"]);
    assert!(error.contains("vocab.json"), "{error}");
}
