//! Unusual numbers of objects.

use thrumask_core::LabelMap;

use crate::common::{Place, SIZE};

#[test]
fn a_caption_without_objects_makes_a_video() {
    let place = Place::new();
    place.ok(&["plan", "in.png", "It is warm.", "--run", "out.run", "--steps", "1"]);
    let mut plan = place.plan("out.run");
    plan["objects"] = serde_json::json!([]);
    place.write("out.run/plan.json", plan.to_string());
    for stage in ["segment", "motion", "video"] {
        place.ok(&[stage, "--run", "out.run"]);
    }
    assert!(place.masks("out.run").ids_present().is_empty());
    assert!(place.trajectory("out.run").frames().iter().all(|f| f.ids_present().is_empty()));
}

#[test]
fn twenty_objects_given_by_masks_make_a_video() {
    let place = Place::new();
    // Five by four blocks of ten by ten pixels.
    let id = |i: usize| {
        let (x, y) = (i % 64, i / 64);
        let inside = x % 12 < 10 && x < 60 && y % 12 < 10;
        if inside { (y / 12 * 5 + x / 12 + 1) as u8 } else { 0 }
    };
    let masks = LabelMap::new(SIZE, (0..SIZE.area()).map(id).collect()).unwrap();
    assert_eq!(masks.ids_present().len(), 20);
    masks.write_png(place.at("m.png")).unwrap();
    let object = |id: usize| serde_json::json!({"id": id, "name": format!("ball {id}"), "prompt": "A ball rolls."});
    let control = serde_json::json!({
        "version": 1,
        "motion": "The balls roll.",
        "objects": (1..=20).map(object).collect::<Vec<_>>(),
    });
    place.write("control.json", control.to_string());
    place.animate("out.mp4", &["--control", "control.json", "--masks", "m.png"]);
    assert_eq!(place.masks("out.run"), masks);
    let first = place.trajectory("out.run").frames()[0].clone();
    assert_eq!(first.ids_present(), masks.ids_present());
    let e = place.fails(1, &crate::common::animate("two.mp4", &["--masks", "m.png"]));
    assert!(e.contains("1 to 2, as in the plan"), "{e}");
}
