//! A person changes an artefact and goes on.

use thrumask_core::{LabelMap, Trajectory};

use crate::common::{Place, SIZE, animate, scene_masks};

#[test]
fn an_edited_plan_is_used_and_what_follows_is_done_again() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    let mut plan = place.plan("out.run");
    plan["motion"] = "The right car rests, while the left car spins.".into();
    place.write("out.run/plan.json", plan.to_string());
    let said = place.animate("out.mp4", &[]);
    assert!(said.of("plan").contains("by hand") && !said.of("motion").contains("kept"));
    assert_eq!(place.plan("out.run"), plan);
    // Once more: still used, and nothing to do.
    let said = place.animate("out.mp4", &[]);
    assert!(said.of("plan").contains("by hand") && said.of("video").contains("kept"));
    // Another caption is another wish: neither it nor the edit is dropped in silence.
    let other = ["animate", "in.png", "A dog runs.", "-o", "out.mp4", "--steps", "1"];
    let e = place.fails(1, &other);
    assert!(e.contains("plan.json") && e.contains("--fresh"), "{e}");
    assert_eq!(place.plan("out.run"), plan);
    place.ok(&[&other[..], &["--fresh"]].concat());
    assert_eq!(place.plan("out.run")["caption"], "A dog runs.");
}

#[test]
fn repainted_masks_are_used() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    // What a person paints is not what the segmenter found, however good that was.
    let mut painted = scene_masks();
    painted.ids_mut()[..6].fill(1);
    assert_ne!(place.masks("out.run"), painted);
    painted.write_png(place.at("out.run/masks.png")).unwrap();
    let said = place.animate("out.mp4", &[]);
    assert!(said.of("segment").contains("by hand"), "{}", said.err);
    assert_eq!(place.masks("out.run"), painted);
    let first = place.trajectory("out.run").frames()[0].clone();
    assert_eq!(first.ids_present(), [1, 2]);
    // A single stage does not overwrite them unless it is told to.
    let e = place.fails(1, &["segment", "--run", "out.run"]);
    assert!(e.contains("masks.png") && e.contains("--fresh"), "{e}");
    assert_eq!(place.masks("out.run"), painted);
    place.ok(&["segment", "--run", "out.run", "--boxes", "1:2,2,30,30;2:30,30,60,40", "--fresh"]);
    assert_ne!(place.masks("out.run"), painted);
    // Masks of another size or with unknown ids are refused by name.
    LabelMap::empty(thrumask_core::Size::new(3, 3))
        .write_png(place.at("out.run/masks.png"))
        .unwrap();
    let e = place.fails(1, &animate("out.mp4", &[]));
    assert!(e.contains("masks.png") && e.contains("--fresh"), "{e}");
    let e = place.fails(1, &["motion", "--run", "out.run"]);
    assert!(e.contains("masks.png: expected 64x48, got 3x3"), "{e}");
    LabelMap::new(SIZE, vec![3; SIZE.area()])
        .unwrap()
        .write_png(place.at("out.run/masks.png"))
        .unwrap();
    let e = place.fails(1, &["motion", "--run", "out.run"]);
    assert!(e.contains("masks.png") && e.contains("1 to 2"), "{e}");
}

/// Object 1 as a block that moves to the right.
fn moving(frames: usize) -> Trajectory {
    let frame = |t: usize| {
        let inside = |i: usize| {
            (20 + 4 * t..50 + 4 * t).contains(&(i % 128)) && (40..70).contains(&(i / 128))
        };
        let ids = (0..128 * 96).map(|i| u8::from(inside(i))).collect();
        LabelMap::new(thrumask_core::Size::new(128, 96), ids).unwrap()
    };
    Trajectory::new((0..frames).map(frame).collect(), 2, 8.0).unwrap()
}

#[test]
fn a_replaced_trajectory_is_used_in_every_form() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    let before = place.read("out.mp4");
    moving(12).write_json(place.at("out.run/trajectory.json")).unwrap();
    let said = place.animate("out.mp4", &[]);
    assert!(said.of("motion").contains("by hand") && !said.of("video").contains("kept"));
    assert_eq!(place.trajectory("out.run"), moving(12));
    let by_json = place.read("out.mp4");
    assert!(by_json != before);
    // The video to look at follows the JSON, and then the other way round.
    let seen = Trajectory::read(place.at("out.run/trajectory.mp4"), 2).unwrap();
    assert_eq!(seen.frames()[6].box_of(1), moving(12).frames()[6].box_of(1));
    moving(6).write_video(place.at("out.run/trajectory.mp4"), None).unwrap();
    let said = place.ok(&["video", "--run", "out.run", "-o", "short.mp4"]);
    assert!(!said.of("video").contains("kept"));
    assert_eq!(place.trajectory("out.run").frames().len(), 6);
    let clip = thrumask_core::Clip::read(place.at("short.mp4")).unwrap();
    assert_eq!(clip.frames().len(), 6);
    // Both at once are one too many.
    moving(3).write_json(place.at("out.run/trajectory.json")).unwrap();
    moving(4).write_video(place.at("out.run/trajectory.mp4"), None).unwrap();
    let e = place.fails(1, &["video", "--run", "out.run"]);
    assert!(e.contains("both were changed by hand"), "{e}");
}

#[test]
fn a_trajectory_is_taken_from_a_folder_of_pictures() {
    let place = Place::new();
    let folder = place.at("sequence");
    std::fs::create_dir(&folder).unwrap();
    for (t, frame) in moving(5).frames().iter().enumerate() {
        frame.write_png(folder.join(format!("{t}.png"))).unwrap();
    }
    let with =
        |more: &[&str]| place.animate("out.mp4", &[&["--trajectory", "sequence"], more].concat());
    with(&[]);
    assert_eq!(place.trajectory("out.run").frames(), moving(5).frames());
    assert!(with(&[]).of("motion").contains("kept"));
    // Another file in the folder is another trajectory.
    moving(6).frames()[5].write_png(folder.join("5.png")).unwrap();
    assert!(!with(&[]).of("motion").contains("kept"));
    moving(13).write_json(place.at("long.json")).unwrap();
    let e = place.fails(1, &animate("out.mp4", &["--trajectory", "long.json"]));
    assert!(e.contains("long.json: expected at most 12 frames") && e.contains("got 13"), "{e}");
}
