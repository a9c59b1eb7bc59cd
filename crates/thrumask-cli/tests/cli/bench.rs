//! Whole comparisons through the program, on models too small to learn anything.

use std::{fs, path::Path, process::Stdio, time::Duration};

use thrumask_core::fsio;

use crate::common::{Place, Said};

/// What all trainings share.
const RUN: &str = r#"
[run]
seed = 1
steps = 2
batch = 2
checkpoint_every = 2
validate_every = 2
validation_samples = 1
[world]
size = 24
frames = 12
"#;

/// What both stages share.
const STAGE: &str = r#"
[stage]
autoencoder = "ae/model.safetensors"
object_weight = 2.0
drop_image = 0.1
drop_text = 0.1
drop_both = 0.1
time = { mean = -1.0, std = 1.0, pure_noise = 0.1 }
sampling = { steps = 1, schedule = { kind = "uniform" }, guidance = { image = 1.0, text = 1.0 } }
"#;

const AUTOENCODER: &str = r#"
[autoencoder]
latent_noise = 0.1
model = { frames = 1, patch = 4, latent_channels = 4, encoder_width = 16, decoder_width = 8, decoder_blocks = 1 }
"#;

const PAPER: &str = r#"
seeds = [1, 2]
scenes = 3
batch = 2
resamples = 100
shown = 2
motion = { config = "motion.toml" }
video = { config = "video.toml" }
classifier = { config = "classifier.toml", set = ["run.steps=3"] }
flow_autoencoder = { config = "ae.toml" }
"#;

const MODELS: [&str; 8] =
    ["masks", "both", "ti2v", "unmasked", "cross-only", "self-only", "flow", "both-flow"];

/// A folder with all configurations and a trained autoencoder.
fn place() -> Place {
    let place = Place::new();
    let config = |task: &str, rest: &str| format!("task = \"{task}\"\n{RUN}{rest}");
    place.write("ae.toml", config("autoencoder", AUTOENCODER));
    place.write("motion.toml", config("motion", STAGE));
    place.write("video.toml", config("video", STAGE));
    let classifier = "[classifier]\nsoftened = 0.5\ninexact = 0.5\n";
    place.write("classifier.toml", config("classifier", classifier));
    place.write("paper.toml", PAPER);
    place.ok(&["train", "ae.toml", "--out", "ae", "--quiet"]);
    place
}

const BENCH: [&str; 6] = ["bench", "paper", "--config", "paper.toml", "--quiet", "--out"];

fn bench(place: &Place, out: &str, more: &[&str]) -> Said {
    place.ok(&[&BENCH[..], &[out], more].concat())
}

#[test]
fn a_comparison_trains_measures_and_reports_and_goes_on_after_kills() {
    let place = place();
    let said = bench(&place, "whole", &[]);
    assert!(said.out.contains("## Beside the paper"), "{}", said.out);
    for seed in 1..=2 {
        for model in MODELS {
            assert!(place.at(&format!("whole/seed-{seed}/{model}/model.safetensors")).exists());
        }
    }
    let report: serde_json::Value =
        serde_json::from_slice(&place.read("whole/report.json")).unwrap();
    let groups = report["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    for group in groups {
        let rows = group["rows"].as_array().unwrap();
        let count = |part: &str| rows.iter().filter(|r| r["part"] == part).count();
        assert_eq!((count("chained"), count("video")), (8, 8));
        let of = |method: &str, measure: &str| {
            let row = rows.iter().find(|r| r["method"] == method && r["part"] == "chained");
            row.unwrap()["figures"][measure]["mean"].as_f64()
        };
        assert!(of("both", "distance").unwrap() > 0.0);
        // Nothing moves but the edges of the masks that are found in so small pictures.
        let (moved, still) = (of("truth", "displacement"), of("static", "displacement"));
        assert!(still < moved, "{still:?} {moved:?}");
        let comparisons = group["comparisons"].as_array().unwrap();
        assert!(comparisons.iter().all(|c| c["method"] != c["reference"]));
        for reference in ["both", "unmasked"] {
            let compared = |method: &str| {
                comparisons
                    .iter()
                    .any(|c| (&c["method"], &c["reference"]) == (&method.into(), &reference.into()))
            };
            assert!(compared("cross_only") && compared("self_only"), "{reference}");
            assert_eq!(compared("ti2v"), reference == "both");
        }
        assert!(comparisons.iter().any(|c| c["method"] == "flow" && c["measure"] == "distance"));
    }
    for name in ["report.md", "report.html", "sheet-single.png", "sheet-multi.png"] {
        assert!(place.at(&format!("whole/{name}")).exists(), "{name}");
    }

    // A training by itself gives the same model, and kills on the way the same scores.
    bench(&place, "cut", &["--only", "both,flow-autoencoder", "--threads", "1"]);
    assert!(!place.at("cut/report.json").exists());
    for job in ["seed-1/both", "seed-2/both", "flow-autoencoder"] {
        let model = |out: &str| place.read(&format!("{out}/{job}/model.safetensors"));
        assert!(model("whole") == model("cut"), "{job}");
    }
    assert!(!place.at("cut/seed-1/ti2v").exists());
    copy(&place.at("whole"), &place.at("cut"));
    let args = [&BENCH[..], &["cut", "--threads", "1"]].concat();
    for moment in [300, 900, 1500] {
        let mut child = place.command(&args).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // The same with the classifier named, in place of one trained here.
    fs::remove_dir_all(place.at("cut/classifier")).unwrap();
    bench(&place, "cut", &["--set", "classifier_model=whole/classifier/model.safetensors"]);
    assert!(!place.at("cut/classifier").exists());
    for name in ["scores-single.jsonl", "scores-multi.jsonl", "report.md", "sheet-multi.png"] {
        let same = place.read(&format!("whole/{name}")) == place.read(&format!("cut/{name}"));
        assert!(same, "{name}");
    }

    // Scores of other models are not mixed with new ones.
    fs::copy(
        place.at("cut/seed-2/both/model.safetensors"),
        place.at("cut/seed-1/both/model.safetensors"),
    )
    .unwrap();
    let error = place.fails(1, &[&BENCH[..], &["cut"]].concat());
    assert!(error.contains("scores-single.jsonl"), "{error}");
}

/// Copies the trainings of a comparison, and nothing else of it.
fn copy(from: &Path, to: &Path) {
    for name in fsio::list_names(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&from, &to);
        } else if !name.starts_with("report") && !name.starts_with("scores") {
            fs::copy(from, to).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_compared_is_named() {
    let place = Place::new();
    place.write("paper.toml", PAPER);
    let fails = |more: &[&str]| place.fails(1, &[&BENCH[..], &["out"], more].concat());
    assert!(fails(&["--only", "bothh"]).contains("cross-only"));
    assert!(fails(&["--seeds", "3"]).contains("[1, 2]"));
    assert!(fails(&["--set", "scenes=1"]).contains("scenes"));
    assert!(fails(&[]).contains("classifier.toml"));
    assert!(!place.at("out/report.json").exists());
}
