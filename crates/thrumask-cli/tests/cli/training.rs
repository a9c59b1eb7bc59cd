//! Training, evaluation and the world through the program.

use std::{fs, process::Stdio, time::Duration};

use crate::common::{KILLS, Place, leftovers};

/// A tiny stage 1 on 16-pixel, 8-frame scenes.
pub const MOTION: &str = r#"
task = "motion"
[run]
seed = 3
steps = 8
batch = 2
checkpoint_every = 3
validate_every = 4
validation_samples = 2
[world]
size = 16
frames = 8
[stage]
autoencoder = "ae/model.safetensors"
object_weight = 2.0
drop_image = 0.1
drop_text = 0.1
drop_both = 0.1
time = { mean = -1.0, std = 1.0, pure_noise = 0.1 }
sampling = { steps = 2, schedule = { kind = "uniform" }, guidance = { image = 1.0, text = 1.0 } }
[stage.model]
kind = "motion"
video = { size = 16, frames = 8 }
text = { width = 16, depth = 1, heads = 2, max_tokens = 64 }
prediction = "sample"
visibility = "box"
[stage.model.denoiser]
latent_channels = 4
condition_channels = 8
latent_size = [8, 4, 4]
patch = [2, 2, 2]
width = 24
depth = 1
heads = 2
mlp_ratio = 2
text_width = 16
object_layers = { blocks = 0, self_attention = "absent", cross_attention = "absent", gate_start = 0.0 }
first_frame = "residual"
first_frame_channel = 4
"#;

/// A tiny autoencoder for the same scenes.
pub const AUTOENCODER: &str = r#"
task = "autoencoder"
[run]
seed = 3
steps = 6
batch = 2
checkpoint_every = 2
validate_every = 3
validation_samples = 1
[world]
size = 16
frames = 8
[autoencoder]
latent_noise = 0.1
[autoencoder.model]
frames = 1
patch = 4
latent_channels = 4
encoder_width = 16
decoder_width = 8
decoder_blocks = 1
"#;

/// A folder with both configurations and a trained autoencoder.
fn place() -> Place {
    let place = Place::new();
    place.write("ae.toml", AUTOENCODER);
    place.write("motion.toml", MOTION);
    place.ok(&["train", "ae.toml", "--out", "ae", "--quiet"]);
    place
}

/// The log without what depends on the clock.
pub fn log(place: &Place, run: &str) -> Vec<serde_json::Value> {
    let text = String::from_utf8(place.read(&format!("{run}/log.jsonl"))).unwrap();
    let lines = text.lines().map(|line| {
        let mut entry: serde_json::Value = serde_json::from_str(line).unwrap();
        entry.as_object_mut().unwrap().remove("seconds");
        entry
    });
    lines.collect()
}

fn assert_same_training(place: &Place, a: &str, b: &str) {
    for name in ["model.safetensors", "checkpoint.safetensors", "sheet-0000008.png"] {
        let same = place.read(&format!("{a}/{name}")) == place.read(&format!("{b}/{name}"));
        assert!(same, "{name} of {a} and {b}");
    }
    assert_eq!(log(place, a), log(place, b));
}

#[test]
fn a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes() {
    let place = place();
    let began = std::time::Instant::now();
    place.ok(&["train", "motion.toml", "--out", "whole", "--quiet", "--threads", "2"]);
    let whole = began.elapsed();
    assert_eq!(log(&place, "whole").iter().filter(|e| e["loss"].is_number()).count(), 8);
    for kill in 0..KILLS {
        let _ = fs::remove_dir_all(place.at("cut"));
        let args = ["train", "motion.toml", "--out", "cut", "--quiet", "--threads", "1"];
        let mut child = place.command(&args).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(f64::from(kill * 7 % 20) / 20.0 + 0.05));
        child.kill().unwrap();
        child.wait().unwrap();
        place.ok(&args);
        assert_same_training(&place, "whole", "cut");
        let names = ["config.json", "log.jsonl", "model.safetensors", "checkpoint.safetensors"];
        let known = [&names[..], &["sheet-0000004.png", "sheet-0000008.png"]].concat();
        assert_eq!(leftovers(&place.at("cut"), &known), [""; 0]);
    }
}

#[test]
fn a_run_can_be_made_longer_but_not_another() {
    let place = place();
    // Rates that never fall, so that the shorter run is the longer one's beginning.
    let train = |run: &str, steps: &str, more: &[&str]| {
        let set = format!("run.steps={steps}");
        let args = ["train", "motion.toml", "--out", run, "--quiet", "--set", &set];
        let held = ["--set", "optimizer.decay_from=1.0"];
        [&args[..], &held, more].concat().iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()
    };
    let run = |args: &[String]| {
        place.ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    };
    run(&train("whole", "8", &[]));
    run(&train("longer", "4", &[]));
    run(&train("longer", "8", &[]));
    assert_same_training(&place, "whole", "longer");
    let refused =
        |args: &[String]| place.fails(1, &args.iter().map(String::as_str).collect::<Vec<_>>());
    let error = refused(&train("longer", "9", &["--set", "run.batch=3"]));
    assert!(error.contains("configuration of") && error.contains("checkpoint"), "{error}");
    let error = refused(&train("longer", "7", &[]));
    assert!(error.contains("run.steps: expected at least 8, the steps taken, got 7"), "{error}");
}

#[test]
fn batches_that_are_passed_over_are_those_at_the_beginning() {
    let place = place();
    let losses = |run: &str, more: &[&str]| {
        let args = ["train", "motion.toml", "--out", run, "--quiet"];
        let still = ["--set", "optimizer.rate=0", "--set", "optimizer.matrix_rate=0"];
        place.ok(&[&args[..], &still, more].concat());
        let losses = log(&place, run).into_iter().filter_map(|entry| entry["loss"].as_f64());
        losses.collect::<Vec<_>>()
    };
    let all = losses("all", &[]);
    let later = losses("later", &["--set", "run.skip=3", "--set", "run.steps=5"]);
    assert_eq!(later, all[3..]);
    assert!(all[0] != all[3]);
}

#[cfg(unix)]
#[test]
fn a_signal_to_stop_writes_a_checkpoint_first() {
    let place = place();
    let args = ["train", "ae.toml", "--out", "long", "--quiet", "--set", "run.steps=100000"];
    let mut child = place.command(&args).stdout(Stdio::null()).spawn().unwrap();
    while !place.at("long/checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    let killed = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let last = log(&place, "long").iter().filter_map(|e| e["step"].as_u64()).max();
    let bytes = place.read("long/checkpoint.safetensors");
    let header = String::from_utf8_lossy(&bytes[8..4096.min(bytes.len())]).into_owned();
    let step = format!("\"step\":\"{}\"", last.unwrap());
    assert!(header.contains(&step), "{step} in {header}");
}

#[test]
fn what_was_trained_can_be_measured() {
    let place = place();
    place.ok(&["train", "motion.toml", "--out", "motion", "--quiet"]);
    fs::create_dir(place.at("models")).unwrap();
    for (run, name) in [("ae", "autoencoder"), ("motion", "motion")] {
        let trained = place.at(&format!("{run}/model.safetensors"));
        fs::copy(trained, place.at(&format!("models/{name}.safetensors"))).unwrap();
    }
    let args = ["eval", "world", "--models", "models", "--parts", "motion", "--scenes", "4"];
    let said = place.ok(&[&args[..], &["--splits", "test", "--json", "--quiet"]].concat());
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let rows = report["groups"][0]["rows"].as_array().unwrap();
    let row = |who: &str| rows.iter().find(|r| r["candidate"] == who).unwrap()["figures"].clone();
    assert!(row("model")["actions"]["mean"].is_number(), "{report}");
    let another = row("another_draw")["iou"]["mean"].as_f64().unwrap();
    let still = row("static_picture")["iou"]["mean"].as_f64().unwrap();
    assert!(still < another && another < 1.0, "{report}");

    let set = ["--set", "motion.guidance.text=2", "--splits", "validation", "--json", "--quiet"];
    let said = place.ok(&[&args[..], &set].concat());
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["config"]["motion"]["guidance"]["text"], 2.0, "{report}");
    assert_eq!(report["groups"][0]["split"], "validation", "{report}");
    let wrong = place.fails(1, &[&args[..], &["--set", "motion.gidance.text=2"]].concat());
    assert!(wrong.contains("--set") && wrong.contains("gidance"), "{wrong}");
}

#[test]
fn bad_training_configurations_are_refused() {
    let place = place();
    let refused = |text: &str, more: &[&str]| {
        place.write("bad.toml", text);
        place.fails(1, &[&["train", "bad.toml", "--out", "bad", "--quiet"], more].concat())
    };
    let unknown = refused(&MOTION.replace("seed = 3", "sead = 3"), &[]);
    assert!(unknown.contains("sead"), "{unknown}");
    let zero = refused(MOTION, &["--set", "run.steps=0"]);
    assert!(zero.contains("run.steps") && zero.contains("at least 1"), "{zero}");
    let patch = refused(&MOTION.replace("patch = [2, 2, 2]", "patch = [3, 2, 2]"), &[]);
    assert!(patch.contains("patch"), "{patch}");
    let both = refused(MOTION, &["--set", "stage.form=flow"]);
    assert!(both.contains("stage.model") && both.contains("got both"), "{both}");
    let none = refused(&MOTION.replace("ae/model", "no/model"), &[]);
    assert!(none.contains("no/model.safetensors"), "{none}");
    assert!(!place.at("bad").join("model.safetensors").exists());
    place.ok(&["train", "ae.toml", "--out", "other", "--quiet"]);
    let other =
        place.fails(1, &["train", "ae.toml", "--out", "other", "--quiet", "--set", "run.seed=4"]);
    assert!(other.contains("configuration"), "{other}");
}

#[test]
fn samples_of_the_world_are_written_and_are_always_the_same() {
    let place = Place::new();
    for out in ["a", "b"] {
        place.ok(&["world", "--out", out, "--count", "2", "--size", "48", "--flow", "--quiet"]);
    }
    for name in ["test-000001.mp4", "test-000001.masks.mp4", "test-000001.flow.mp4", "sheet.png"] {
        assert!(place.read(&format!("a/{name}")) == place.read(&format!("b/{name}")), "{name}");
    }
    let plan: serde_json::Value =
        serde_json::from_slice(&place.read("a/test-000000.plan.json")).unwrap();
    assert!(!plan["objects"].as_array().unwrap().is_empty());
    place.fails(1, &["world", "--out", "c", "--size", "3"]);
    assert!(!place.at("c").exists());
}
