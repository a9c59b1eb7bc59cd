//! The main job with the U-Net, on models too small and young to be any good.

use std::fs;

use crate::common::Place;

/// A stage with the U-Net on 32-pixel, 8-frame scenes and the latents of `autoencoder`.
pub fn config(task: &str, autoencoder: &str) -> String {
    format!(
        r#"
task = "{task}"
[run]
seed = 3
steps = 1
batch = 1
checkpoint_every = 1
validate_every = 1
validation_samples = 1
[world]
size = 32
frames = 8
[stage]
backbone = "unet"
autoencoder = "{autoencoder}"
object_weight = 2.0
drop_image = 0.1
drop_text = 0.1
drop_both = 0.1
time = {{ mean = -1.0, std = 1.0, pure_noise = 0.5 }}
sampling = {{ steps = 1, schedule = {{ kind = "ddim", spacing = "trailing" }}, guidance = {{ image = 1.0, text = 1.0 }} }}
"#
    )
}

#[test]
fn the_main_job_runs_on_either_backbone() {
    let place = Place::new();
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano");
    fs::create_dir(place.at("models")).unwrap();
    for name in ["autoencoder", "segmenter"] {
        let name = format!("{name}.safetensors");
        fs::copy(format!("{nano}/{name}"), place.at("models").join(name)).unwrap();
    }
    for task in ["motion", "video"] {
        place.write("stage.toml", config(task, "models/autoencoder.safetensors"));
        place.ok(&["train", "stage.toml", "--out", task, "--quiet"]);
        let model = place.at("models").join(format!("{task}.safetensors"));
        fs::copy(place.at(task).join("model.safetensors"), model).unwrap();
    }
    let animate = |out: &'static str, more: &[&'static str]| {
        let words = "The red car moves to the right.";
        let args = ["animate", "in.png", words, "--boxes", "1:2,2,12,12", "--models", "models"];
        [&args[..], &["-o", out, "--quiet"], more].concat()
    };
    place.ok(&animate("a.mp4", &["--backbone", "unet"]));
    place.ok(&animate("b.mp4", &["--backbone", "unet", "--threads", "1"]));
    assert!(place.read("a.mp4") == place.read("b.mp4"), "the same seed, the same bytes");
    place.ok(&animate("c.mp4", &["--backbone", "unet", "--steps", "2", "--seed", "5"]));
    assert!(place.read("a.mp4") != place.read("c.mp4"));
    // How a U-Net is sampled came with it; what runs it must fit how it was trained.
    let text = |name: &str| String::from_utf8(place.read(name)).unwrap();
    let folder = fs::read_dir(place.at("")).unwrap().flatten().map(|e| e.path());
    let run = folder.filter(|p| p.join("run.json").exists()).min().unwrap();
    assert!(text(run.join("run.json").to_str().unwrap()).contains("\"ddim\""));
    let error = place.fails(1, &animate("d.mp4", &[]));
    assert!(error.contains("expected the backbone dit, got unet") && error.contains("--backbone"));
    let flow = "video.schedule.kind=uniform";
    let error = place.fails(1, &animate("d.mp4", &["--backbone", "unet", "--set", flow]));
    assert!(error.contains("expected ddim, euler, dpm_solver or lcm"), "{error}");
    assert!(!place.at("d.mp4").exists());
    // Judged as it is sampled, without being told.
    place.ok(&[
        "eval",
        "world",
        "--models",
        "models",
        "--scenes",
        "1",
        "--parts",
        "video",
        "--splits",
        "validation",
        "--objects",
        "single",
        "--out",
        "judged",
        "--quiet",
    ]);
    assert!(text("judged/report.json").contains("\"ddim\""));
}

#[test]
fn the_main_job_runs_on_the_built_in_u_net() {
    let place = Place::new();
    let words = "The red car moves to the right.";
    let animate = |out: &'static str, more: &[&'static str]| {
        let args = ["animate", "in.png", words, "--boxes", "1:2,2,12,12", "--backbone", "unet"];
        [&args[..], &["-o", out, "--quiet"], more].concat()
    };
    place.ok(&animate("a.mp4", &["--run", "a.run"]));
    place.ok(&animate("b.mp4", &["--threads", "1"]));
    assert!(place.read("a.mp4") == place.read("b.mp4"), "the same seed, the same bytes");
    let (unet, dit) = (place.read("a.run/run.json"), animate("c.mp4", &["--run", "c.run"]));
    let dit: Vec<&str> =
        dit.into_iter().filter(|&word| word != "--backbone" && word != "unet").collect();
    place.ok(&dit);
    let models =
        |run: &[u8]| serde_json::from_slice::<serde_json::Value>(run).unwrap()["weights"].clone();
    let (unet, dit) = (models(&unet), models(&place.read("c.run/run.json")));
    for (name, same) in [("motion", false), ("video", false), ("autoencoder", true)] {
        assert!(
            unet[name].is_string() && (unet[name] == dit[name]) == same,
            "{name}: {unet} {dit}"
        );
    }
    let eval = ["eval", "world", "--backbone", "unet", "--scenes", "2", "--parts", "video"];
    let eval = [&eval[..], &["--splits", "validation", "--objects", "multi", "--json", "--quiet"]]
        .concat();
    let report: serde_json::Value = serde_json::from_str(&place.ok(&eval).out).unwrap();
    assert_eq!(report["models"]["video"], unet["video"]);
    assert_eq!(report["config"]["video"]["schedule"]["kind"], "ddim");
    // A tracker finds the objects of the true video again, and sees that a still one does not follow.
    let rows = report["groups"][0]["rows"].as_array().unwrap();
    let tracked = |candidate: &str| {
        let row = rows.iter().find(|row| row["candidate"] == candidate).unwrap();
        row["figures"]["tracked_j"]["mean"].as_f64().unwrap()
    };
    assert!(tracked("truth") > tracked("static_picture"), "{rows:?}");
    // The baseline without a trajectory is judged beside it; the transformer has none.
    assert!(report["models"]["ti2v"].is_string() && tracked("ti2v") >= 0.0);
}
