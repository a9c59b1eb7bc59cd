//! Single stages, and what is kept.

use crate::common::{CAPTION, Place, animate};

#[test]
fn stages_one_by_one_equal_the_whole() {
    let place = Place::new();
    place.animate("out.mp4", &["--seed", "5", "--run", "whole"]);
    // What is set at the beginning holds for the stages that follow.
    place.ok(&["plan", "in.png", CAPTION, "--run", "single", "--seed", "5", "--steps", "1"]);
    assert_eq!(place.ok(&["segment", "--run", "single"]).out, "single/masks.png\n");
    place.ok(&["motion", "--run", "single"]);
    place.ok(&["video", "--run", "single", "-o", "single.mp4"]);
    place.assert_same("whole", "single");
    assert!(place.read("out.mp4") == place.read("single.mp4"));
    // And the whole line has nothing left to do there.
    let said = place.animate("out.mp4", &["--seed", "5", "--run", "single"]);
    for stage in ["input", "plan", "segment", "motion", "video"] {
        assert!(said.of(stage).contains("kept"), "{}", said.err);
    }
}

#[test]
fn what_is_finished_is_kept_until_what_it_depends_on_changes() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    let said = place.animate("out.mp4", &[]);
    for stage in ["input", "plan", "segment", "motion", "video", "output"] {
        assert!(said.of(stage).contains("kept"), "{}", said.err);
    }
    let said = place.animate("out.mp4", &["--set", "video.steps=2"]);
    assert!(said.of("motion").contains("kept") && !said.of("video").contains("kept"));
    let said = place.animate("out.mp4", &["--set", "video.steps=2", "--seed", "1"]);
    assert!(said.of("segment").contains("kept") && !said.of("motion").contains("kept"));
    std::fs::remove_file(place.at("out.run/masks.png")).unwrap();
    let said = place.animate("out.mp4", &["--set", "video.steps=2", "--seed", "1"]);
    assert!(!said.of("segment").contains("kept") && said.of("motion").contains("kept"));
    let said = place.animate("out.mp4", &["--set", "video.steps=2", "--seed", "1", "--fresh"]);
    assert!(!said.err.contains("kept"), "{}", said.err);
}

#[test]
fn outlines_are_carried_or_as_they_are_painted() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    let outlines = || {
        let record = thrumask_core::RunRecord::read(place.at("out.run/run.json")).unwrap();
        record.config["outlines"].as_str().unwrap().to_owned()
    };
    assert_eq!(outlines(), "carried");
    let carried = place.trajectory("out.run");
    let said = place.animate("out.mp4", &["--set", "outlines=painted"]);
    assert!(said.of("segment").contains("kept") && !said.of("motion").contains("kept"));
    assert_eq!(outlines(), "painted");
    let painted = place.trajectory("out.run");
    assert_eq!(carried.frames()[0], painted.frames()[0]);
    assert_ne!(carried.frames()[1..], painted.frames()[1..]);
    let e = place.fails(1, &animate("out.mp4", &["--set", "outlines=stiff"]));
    assert!(e.contains("outlines") && e.contains("stiff") && e.contains("carried"), "{e}");
}

#[test]
fn what_the_words_leave_open_is_drawn_by_the_seed() {
    let place = Place::new();
    let with = |seed: &str, more: &[&str]| {
        let caption = "The red car on the right jumps.";
        // The segmenter knows no blocks.
        let base = ["animate", "in.png", caption, "-o", "out.mp4", "--boxes", "1:40,20,56,34"];
        let said = place.ok(&[&base[..], &["--steps", "1", "--seed", seed], more].concat());
        (said.err, place.trajectory("out.run"))
    };
    let (mut high, mut low) = (Vec::new(), Vec::new());
    for seed in 0..6 {
        let (said, made) = with(&seed.to_string(), &[]);
        match (said.contains("jumps high"), said.contains("jumps a little")) {
            (true, false) => high.push(made),
            (false, true) => low.push(made),
            _ => panic!("{said}"),
        }
    }
    assert!(!high.is_empty() && !low.is_empty(), "{} and {}", high.len(), low.len());
    assert!(high[0].frames()[1..] != low[0].frames()[1..], "what was drawn is done");
    let (said, _) = with("0", &["--set", "open_words=left"]);
    assert!(!said.contains("was drawn"), "{said}");
}

#[test]
fn the_first_masks_say_which_way_another_object_is() {
    let place = Place::new();
    let said = |boxes: &str| {
        let caption = "The red car and the blue car drive towards each other.";
        let base = ["animate", "in.png", caption, "-o", "out.mp4", "--boxes", boxes];
        place.ok(&[&base[..], &["--steps", "1", "--fresh"]].concat()).err
    };
    let (left, right) = ("4,20,20,34", "40,20,56,34");
    // The first car is the red one, wherever it is; stage 1 is told of their sides.
    for (first, second, order) in
        [(left, right, ["left", "right"]), (right, left, ["right", "left"])]
    {
        let said = said(&format!("1:{first};2:{second}"));
        let drives = |side: &str| {
            let way = if side == "left" { "right" } else { "left" };
            said.find(&format!("{side} car drives to the {way}"))
                .unwrap_or_else(|| panic!("{said}"))
        };
        assert!(drives(order[0]) < drives(order[1]), "{said}");
    }
}

#[test]
fn settings_come_from_a_file_and_the_command_line_wins() {
    let place = Place::new();
    place.write("a.toml", "seed = 4\nfps = 6\n[motion]\nsteps = 1\n[video]\nsteps = 1\n");
    let base = ["animate", "in.png", CAPTION, "-o", "out.mp4", "--config", "a.toml"];
    place.ok(&[&base[..], &["--fps", "5", "--set", "motion.schedule.kind=uniform"]].concat());
    let record = thrumask_core::RunRecord::read(place.at("out.run/run.json")).unwrap();
    assert_eq!((record.seed, &record.config["fps"]), (4, &5.0.into()));
    assert_eq!(record.config["motion"]["schedule"]["kind"], "uniform");
    for (text, words) in [
        ("sede = 4\n", "a.toml: sede: unknown field"),
        ("[motion]\nstepz = 4\n", "a.toml: motion.stepz: unknown field"),
        ("seed = \n", "a.toml"),
        ("seed = \"x\"\n", "a.toml: seed"),
    ] {
        place.write("a.toml", text);
        let e = place.fails(1, &base);
        assert!(e.contains(words), "{e}");
    }
    let e = place.fails(1, &animate("out.mp4", &["--set", "video.step=1"]));
    assert!(e.contains("video.step: unknown field"), "{e}");
}
