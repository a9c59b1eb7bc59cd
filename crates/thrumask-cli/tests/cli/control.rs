//! The control file.

use crate::common::{Place, animate};

/// Both blocks of the scene by their boxes, the red one on a path.
const CONTROL: &str = r#"{"version": 1, "objects": [
    {"id": 1, "name": "toy car", "prompt": "The toy car moves up.", "box": [40, 20, 56, 34],
     "path": [[48, 27], [48, 17]]},
    {"id": 2, "point": [14, 27]}]}"#;

#[test]
fn a_control_file_names_places_and_moves_objects() {
    let place = Place::new();
    place.write("control.json", CONTROL);
    let said = place.animate("out.mp4", &["--control", "control.json"]);
    let plan = place.plan("out.run");
    assert_eq!(plan["objects"][0]["name"], "toy car");
    assert_eq!(plan["objects"][0]["prompt"], "The toy car moves up.");
    assert_ne!(plan["objects"][1]["name"], "toy car");
    assert!(!said.err.contains("not found"), "{}", said.err);
    let masks = place.masks("out.run");
    assert!(masks.id_at(48, 27) == 1 && masks.id_at(14, 27) == 2);
    let trajectory = place.trajectory("out.run");
    assert_eq!(trajectory.names()[0].as_deref(), Some("toy car"));
    // Ten of 48 rows up are twenty of 96; five frames on, five elevenths of them.
    let middle = |t: usize| trajectory.frames()[t].box_of(1).unwrap().center();
    for t in 0..12 {
        let expected = middle(0).1 - 20.0 * t as f32 / 11.0;
        let got = middle(t);
        assert!((got.1 - expected).abs() < 1.6, "frame {t}: {got:?}, expected {expected}");
        assert!((got.0 - middle(0).0).abs() < 1.6, "frame {t}: {got:?}");
    }
    // The run remembers the control file.
    assert!(place.ok(&["motion", "--run", "out.run"]).of("motion").contains("kept"));
    // Another path is another motion, and only that.
    place.write("control.json", CONTROL.replace("48, 17", "38, 27"));
    let said = place.animate("out.mp4", &["--control", "control.json"]);
    assert!(!said.of("motion").contains("kept"));
    let trajectory = place.trajectory("out.run");
    let middle = |t: usize| trajectory.frames()[t].box_of(1).unwrap().center();
    assert!((middle(0).0 - middle(11).0 - 20.0).abs() < 2.0);
}

#[test]
fn boxes_points_and_masks_are_taken() {
    let place = Place::new();
    place.animate("out.mp4", &["--boxes", "1:39,19,57,35", "--points", "2:14,27;2:30,5,0"]);
    let masks = place.masks("out.run");
    assert!(masks.id_at(48, 27) == 1 && masks.id_at(14, 27) == 2 && masks.id_at(30, 5) == 0);
    crate::common::scene_masks().write_png(place.at("m.png")).unwrap();
    place.animate("out.mp4", &["--masks", "m.png"]);
    assert_eq!(place.masks("out.run"), crate::common::scene_masks());
}

#[test]
fn wrong_control_files_are_refused() {
    let place = Place::new();
    for (text, words) in [
        ("{", "control.json"),
        (r#"{"version": 2, "objects": [{"id": 1}]}"#, "expected version 1, got 2"),
        (
            r#"{"version": 1, "objects": [{"id": 7, "name": "x"}]}"#,
            "object 7: the plan has 2 objects",
        ),
        (r#"{"version": 1, "objects": [{"id": 1, "size": 3}]}"#, "object 1, field size"),
        (r#"{"version": 1, "objects": [{"id": 1, "box": [0, 0, 99, 9]}]}"#, "64x48"),
        (r#"{"version": 1, "objects": [{"id": 1, "mask": "none.png"}]}"#, "none.png"),
        (r#"{"version": 1, "objects": [{"id": 1, "path": [[1, 2]]}]}"#, "2 to"),
    ] {
        place.write("control.json", text);
        let e = place.fails(1, &animate("out.mp4", &["--control", "control.json", "--fresh"]));
        assert!(e.contains(words), "{text}: {e}");
    }
}
