//! What comes out, and what is said.

use thrumask_core::{Clip, RunRecord, Size};

use crate::common::{ARTEFACTS, Place, animate};

#[test]
fn every_format_and_artefact() {
    let place = Place::new();
    let said = place.animate("out.mp4", &[]);
    assert_eq!(said.out, "out.mp4\n");
    for name in ARTEFACTS {
        assert!(place.at("out.run").join(name).is_file(), "{name}");
    }
    assert!(place.read("out.mp4") == place.read("out.run/video.mp4"));
    let text = String::from_utf8_lossy(&place.read("out.mp4")).into_owned();
    assert!(text.contains("The red car on the right"), "the settings are in the file");
    let record = RunRecord::read(place.at("out.run/run.json")).unwrap();
    let names: Vec<&str> = record.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["input", "plan", "segment", "motion", "video", "output"]);
    assert_eq!(record.weights.len(), 4);
    for stage in &record.stages {
        assert!(stage.seconds > 0.0, "{}", stage.name);
        let measured = stage.peak_rss_bytes.is_some_and(|b| b > 1_000_000);
        assert!(measured || !cfg!(target_os = "linux"), "{}: memory", stage.name);
    }
    assert_eq!(record.config["motion"]["steps"], 1);
    // The same run in other forms: nothing but the form is new.
    let read = |name: &str| Clip::read(place.at(name)).unwrap();
    let mp4 = read("out.mp4");
    assert_eq!((mp4.frames().len(), mp4.size(), mp4.fps()), (12, Size::new(128, 96), 8.0));
    for name in ["out.webp", "out.gif", "frames/"] {
        let said = place.animate(name, &["--run", "out.run"]);
        assert!(said.of("video").contains("kept"), "{}", said.err);
        assert_eq!((read(name).frames().len(), read(name).size()), (12, mp4.size()), "{name}");
        assert!(place.animate(name, &["--run", "out.run"]).of("output").contains("kept"));
    }
    assert_eq!(read("out.webp").frames(), read("frames/").frames(), "both are lossless");
}

#[test]
fn size_rate_and_length() {
    let place = Place::new();
    place.animate("out.webp", &["--size", "200", "--fps", "5", "--frames", "4"]);
    let clip = Clip::read(place.at("out.webp")).unwrap();
    assert_eq!((clip.frames().len(), clip.size(), clip.fps()), (4, Size::new(200, 150), 5.0));
    let trajectory = place.trajectory("out.run");
    assert_eq!((trajectory.frames().len(), trajectory.size()), (4, clip.size()));
    let e = place.fails(1, &animate("long.mp4", &["--frames", "13"]));
    assert!(e.contains("frames: expected 1 to 12, as many as the models make, got 13"), "{e}");
}

#[test]
fn pictures_of_any_shape() {
    let place = Place::new();
    for (size, expected) in [
        (Size::new(1, 1), Size::new(96, 96)),
        (Size::new(900, 3), Size::new(2048, 6)),
        (Size::new(35, 71), Size::new(96, 194)),
    ] {
        thrumask_core::Picture::filled(size, [90, 120, 30]).write_png(place.at("in.png")).unwrap();
        place.animate("out.mp4", &["--fresh"]);
        assert_eq!(Clip::read(place.at("out.mp4")).unwrap().size(), expected);
        assert_eq!(place.masks("out.run").size(), size);
    }
}

#[test]
fn results_as_json() {
    let place = Place::new();
    let said = place.animate("out.mp4", &["--json", "--quiet"]);
    assert_eq!(said.err, "");
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&report["run"], &report["output"]), (&"out.run".into(), &"out.mp4".into()));
    let stages = report["stages"].as_array().unwrap();
    assert!(stages.iter().all(|s| s["origin"] == "made" && s["seconds"].is_number()));
    assert_eq!(stages.len(), 6);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let place = Place::new();
    let dry = |more: &[&str]| place.ok(&animate("out.mp4", &[&["--dry-run"], more].concat())).out;
    let text = dry(&[]);
    for words in ["motion", "1 steps", "MB", "12 frames of 128x96", "out.run"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("total    about ") && last.ends_with(" MB at most"), "{text}");
    let asked = dry(&["--planner", "llm", "--llm-model", "tiny"]);
    for words in ["by a language model; a time that is not known", "s, and what is not known; "] {
        assert!(asked.contains(words) && !text.contains(words), "{words}: {asked}");
    }
    let told: serde_json::Value = serde_json::from_str(&dry(&["--json"])).unwrap();
    let stages = told["stages"].as_array().unwrap();
    let known = stages.iter().filter_map(|s| s["estimate"]["seconds"].as_f64());
    let (known, all) = (known.sum::<f64>(), told["estimate"]["seconds"].as_f64().unwrap());
    assert!((known - all).abs() < 1e-9 && all > 0.0, "{told}");
    assert!(!place.at("out.run").exists() && !place.at("out.mp4").exists());
    place.animate("out.mp4", &[]);
    let before = place.read("out.run/run.json");
    let stages = |more: &[&str]| -> Vec<String> {
        let json: serde_json::Value = serde_json::from_str(&dry(more)).unwrap();
        let stages = json["stages"].as_array().unwrap().clone();
        stages.iter().map(|s| s["origin"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(stages(&["--json"]), ["kept"; 5]);
    assert_eq!(stages(&["--json", "--seed", "9"]), ["kept", "kept", "kept", "made", "made"]);
    place.write("out.run/plan.json", place.plan("out.run").to_string());
    assert_eq!(stages(&["--json"]), ["kept", "by_hand", "made", "made", "made"]);
    assert!(place.read("out.run/run.json") == before);
}

#[test]
fn help_version_and_schema() {
    let place = Place::new();
    let version = place.ok(&["--version"]).out;
    assert!(version.starts_with("thrumask ") && version.contains("motion sha256:"), "{version}");
    assert!(place.ok(&["animate", "--help"]).out.contains("Examples:"));
    let schema: serde_json::Value = serde_json::from_str(&place.ok(&["schema"]).out).unwrap();
    assert!(schema["properties"]["objects"].is_object());
    for usage in [&["animate"][..], &["fly"], &["animate", "in.png", "A dog runs."]] {
        place.fails(2, usage);
    }
    for wrong in ["1:1,2,3", "0:1,2,3,4"] {
        place.fails(2, &animate("out.mp4", &["--boxes", wrong]));
    }
}
