//! Unusual objects, and unusual numbers of them.

use thrumask_core::{LabelMap, Picture, Size};

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

/// A red heart and a blue square, and which is where: 1 and 2.
fn heart_and_square() -> (Picture, LabelMap) {
    let size = Size::new(96, 96);
    let id = |i: usize| {
        let (x, y) = ((i % 96) as f32 + 0.5, (i / 96) as f32 + 0.5);
        let lobe = |cx: f32| (x - cx).hypot(y - 57.5) < 7.5;
        let tip = (57.0..77.0).contains(&y) && (x - 28.7).abs() < 13.5 * (77.0 - y) / 20.0;
        let square = (60.0..80.0).contains(&x) && (20.0..40.0).contains(&y);
        match (lobe(22.5) || lobe(35.0) || tip, square) {
            (true, _) => 1,
            (_, true) => 2,
            _ => 0,
        }
    };
    let labels = LabelMap::new(size, (0..size.area()).map(id).collect()).unwrap();
    let color = |id: &u8| [[200, 225, 200], [220, 30, 40], [40, 80, 220]][usize::from(*id)];
    let picture = Picture::new(size, labels.ids().iter().flat_map(color).collect()).unwrap();
    (picture, labels)
}

#[test]
fn things_that_no_model_read_of_are_found_and_moved() {
    let place = Place::new();
    let (picture, labels) = heart_and_square();
    picture.write_png(place.at("hs.png")).unwrap();
    let caption = "The red heart moves far up while the blue square moves far to the left.";
    let said = place.ok(&["animate", "hs.png", caption, "-o", "out.mp4", "--seed", "1"]).err;
    assert!(said.contains("does not know heart; it looks for a kind of star"), "{said}");
    let found = place.masks("out.run");
    for id in [1, 2] {
        let pairs = || labels.mask_of(id).into_iter().zip(found.mask_of(id));
        let both = pairs().filter(|&(a, b)| a && b).count();
        let either = pairs().filter(|&(a, b)| a || b).count();
        assert!(10 * both > 8 * either, "object {id}: {both} of {either} pixels");
    }
    let made = place.trajectory("out.run");
    let way = |id: u8| {
        let at = |frame: &LabelMap| frame.center_of(id, 1).unwrap();
        let (from, to) = (at(&made.frames()[0]), at(made.frames().last().unwrap()));
        [to[0] - from[0], to[1] - from[1]]
    };
    let ([hx, hy], [sx, sy]) = (way(1), way(2));
    assert!(hy < -10.0 && hx.abs() < -0.5 * hy, "the heart goes {hx}, {hy}");
    assert!(sx < -10.0 && sy.abs() < -0.5 * sx, "the square goes {sx}, {sy}");
}
