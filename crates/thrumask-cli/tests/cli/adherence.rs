//! How well videos follow trajectories, by a tracker, through the program.

use serde_json::Value;

use crate::common::Place;

#[test]
fn a_run_and_a_video_with_its_trajectory_are_measured_alike() {
    let place = Place::new();
    let words = "The red car moves to the right.";
    let animate = ["animate", "in.png", words, "--boxes", "1:2,2,12,12", "-o", "a.mp4", "--quiet"];
    place.ok(&[&animate[..], &["--run", "a.run"]].concat());
    let measured = |args: &[&str]| -> Value {
        let said = place.ok(&[&["eval", "adherence", "--json", "--quiet"], args].concat());
        serde_json::from_str(&said.out).unwrap()
    };
    let of_run = measured(&["a.run", "--found", "found.json"]);
    let video = &of_run["videos"][0];
    let objects = video["objects"].as_array().unwrap();
    assert_eq!((objects.len(), objects[0]["id"].as_u64()), (1, Some(1)));
    for value in [&video["j"], &video["f"], &objects[0]["j"]] {
        assert!((0.0..=1.0).contains(&value.as_f64().unwrap()), "{video}");
    }
    let alone =
        measured(&["a.run/video.mp4", "--trajectory", "a.run/trajectory.json", "--threads", "1"]);
    assert_eq!(alone["videos"][0]["objects"], video["objects"]);
    assert_eq!(alone["tracker"], of_run["tracker"]);
    // In a true video something is found, and found again, so that it follows itself.
    place.ok(&["world", "--out", "w", "--count", "1", "--objects", "1", "--quiet"]);
    let truth = "w/test-000000.mp4";
    measured(&[truth, "--trajectory", "w/test-000000.trajectory.json", "--found", "found.json"]);
    let itself = measured(&[truth, "--trajectory", "found.json"]);
    assert_eq!(itself["videos"][0]["j"].as_f64(), Some(1.0));
    let table = place.ok(&["eval", "adherence", "a.run", "a.run", "--quiet"]).out;
    assert_eq!(table.lines().count(), 6, "{table}");
}

#[test]
fn what_does_not_fit_together_is_named() {
    let place = Place::new();
    let error = place.fails(1, &["eval", "adherence", "in.png"]);
    assert!(error.contains("expected a run directory"), "{error}");
    let words = "The red car moves to the right.";
    let animate = ["animate", "in.png", words, "--boxes", "1:2,2,12,12", "-o", "a.mp4", "--quiet"];
    place.ok(&[&animate[..], &["--run", "a.run"]].concat());
    let trajectory = ["--trajectory", "a.run/trajectory.json"];
    let error =
        place.fails(1, &[&["eval", "adherence", "a.mp4", "a.mp4"], &trajectory[..]].concat());
    assert!(error.contains("expected one, got 2"), "{error}");
    place.write("tracker.safetensors", "nothing");
    let tracker = ["eval", "adherence", "a.run", "--tracker", "tracker.safetensors"];
    assert!(place.fails(1, &tracker).contains("tracker.safetensors"));
    let error = place.fails(1, &[&["eval", "adherence", "in.png"], &trajectory[..]].concat());
    assert!(error.contains("frames of the trajectory"), "{error}");
}
