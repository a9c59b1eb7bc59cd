//! Training and evaluation of stages of public classes, in folders as diffusers lays them out.

use std::fs;

use safetensors::SafeTensors;
use serde_json::{Value, json};
use thrumask_core::fsio;

use crate::{
    common::{Place, leftovers},
    training::{MOTION, log},
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

/// What the folder of a stage says of it.
fn described(place: &Place, folder: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("{folder}/config.json"))).unwrap()
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
        assert_eq!(described(&place, &start), described(&place, &end));
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

/// A report on one scene, of the stages in the folder `models` or of others in `more`.
fn judged(place: &Place, more: &[&str]) -> Value {
    let args = ["eval", "world", "--models", "models", "--scenes", "1", "--steps", "1"];
    let parts = ["--parts", "motion,video", "--splits", "test", "--objects", "single"];
    let said = place.ok(&[&args[..], &parts, &["--json", "--quiet"], more].concat());
    serde_json::from_str(&said.out).unwrap()
}

/// A step of training of a stage as a variant of itself.
struct Varied {
    /// Attention and form, as the new folder says.
    said: Value,
    loss: Value,
    /// Parameters and moments of their gradients.
    state: Vec<(String, Vec<u8>)>,
}

/// Trains a step of `task` of the folder, changed as `set` says; all else stays as it is.
fn varied(place: &Place, task: &str, run: &str, set: &[&str]) -> Varied {
    let set: Vec<&str> = set.iter().flat_map(|&set| ["--set", set]).collect();
    train(place, task, run, &[&["--set", "run.steps=1"], &set[..]].concat());
    let [was, mut is] = ["models", run].map(|root| described(place, &format!("{root}/{task}")));
    let names = |root: &str| {
        let all = tensors(&place.read(&format!("{root}/{task}/{WEIGHTS}")));
        all.into_iter().map(|(name, bytes)| (name, bytes.len())).collect::<Vec<_>>()
    };
    assert!(names("models") == names(run), "{run}: as many parameters");
    let layers = is["denoiser"]["object_layers"].clone();
    let form = is.as_object_mut().unwrap().remove("form");
    is["denoiser"]["object_layers"] = was["denoiser"]["object_layers"].clone();
    assert_eq!(is, was, "{run}");
    let state = tensors(&place.read(&format!("{run}/checkpoint.safetensors")));
    let said = json!([layers["self_attention"], layers["cross_attention"], form]);
    Varied { said, loss: log(place, run)[0]["loss"].clone(), state }
}

#[test]
fn ablations_and_the_flow_variant_start_from_the_same_folder() {
    let place = place();
    let [own, cross] = ["stage.self_attention=unmasked", "stage.cross_attention=unmasked"];
    let mut steps = Vec::new();
    for (run, set, expected) in [
        ("both", &[][..], json!(["masked", "masked", null])),
        ("cross-only", &[own][..], json!(["unmasked", "masked", null])),
        ("self-only", &[cross][..], json!(["masked", "unmasked", null])),
        ("unmasked", &[own, cross][..], json!(["unmasked", "unmasked", null])),
    ] {
        let step = varied(&place, "video", run, set);
        assert_eq!(step.said, expected, "{run}");
        // Gates are closed at first, so that all are the same network; how they open is not the same.
        assert!(steps.iter().all(|other: &Varied| other.loss == step.loss), "{run}");
        assert!(steps.iter().all(|other| other.state != step.state), "{run}");
        steps.push(step);
    }
    let flow = &["stage.form=flow"];
    let step = varied(&place, "video", "both-flow", flow);
    assert_eq!(step.said, json!(["masked", "masked", "flow"]));
    assert!(step.state != steps[0].state, "another trajectory");
    assert_eq!(varied(&place, "motion", "flow", flow).said, json!(["absent", "absent", "flow"]));

    // What the folder says is the usual for what goes on from it: text encoder and tokenizer beside the stage.
    for part in ["text_encoder", "tokenizer"] {
        fs::create_dir(place.at("unmasked").join(part)).unwrap();
        for name in fsio::list_names(place.at("models").join(part)).unwrap() {
            let to = place.at("unmasked").join(part).join(&name);
            fs::copy(place.at("models").join(part).join(&name), to).unwrap();
        }
    }
    train(&place, "video", "on", &["--set", "stage.folder=unmasked", "--set", "run.steps=1"]);
    let [before, after] = ["unmasked/video", "on/video"].map(|stage| described(&place, stage));
    assert_eq!(before, after);

    // Each is judged, flow as a pair.
    let told = judged(&place, &["--video", "unmasked/video"]);
    let flow = judged(&place, &["--motion", "flow/motion", "--video", "both-flow/video"]);
    assert_ne!(told["models"]["video"], flow["models"]["video"]);
    // And runs the main job; flow is stage 1's alone there.
    fs::rename(place.at("models/video"), place.at("old-video")).unwrap();
    fs::rename(place.at("unmasked/video"), place.at("models/video")).unwrap();
    fs::rename(place.at("models/motion"), place.at("old-motion")).unwrap();
    fs::rename(place.at("flow/motion"), place.at("models/motion")).unwrap();
    let words = "The red car moves to the right.";
    let args = ["animate", "in.png", words, "-o", "a.mp4", "--backbone", "unet", "--models"];
    let more = ["models", "--boxes", "1:2,2,42,42", "--steps", "1", "--quiet"];
    place.ok(&[&args[..], &more].concat());

    // The weights of layers that are there stay, and others there are none.
    let absent = ["train", "video.toml", "--out", "no", "--set", "stage.self_attention=absent"];
    let error = place.fails(1, &absent);
    assert!(error.contains("self_attention: expected masked or unmasked"), "{error}");
    assert!(!place.at("no").exists());
}

#[test]
fn stages_in_folders_are_judged_on_the_world() {
    let place = place();
    let judge = |more: &[&str]| judged(&place, more);
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
        ("stage.backbone=unet", ["backbone", "config.json"]),
        ("stage.cross_attention=unmasked", ["object layers", "stage 1"]),
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
    place.write("both.toml", MOTION);
    let both = ["train", "both.toml", "--out", "run", "--set", "stage.folder=models"];
    let error = place.fails(1, &both);
    assert!(error.contains("stage.folder") && error.contains("no stage.model"), "{error}");
    let error = place.fails(1, &["train", "motion.toml", "--out", "models", "--quiet"]);
    assert!(error.contains("written over"), "{error}");
    assert!(!place.at("models/checkpoint.safetensors").exists());
    fs::remove_dir_all(place.at("models/tokenizer")).unwrap();
    let error = place.fails(1, &["train", "motion.toml", "--out", "run", "--quiet"]);
    assert!(error.contains("vocab.json"), "{error}");
}
