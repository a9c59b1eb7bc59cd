//! Same seed, same bytes.

use crate::common::Place;

#[test]
fn one_and_two_threads_and_two_runs_give_the_same_bytes() {
    let place = Place::new();
    let run = |name: &str, threads: &str| {
        let output = format!("{name}.mp4");
        place.animate(&output, &["--set", "motion.steps=2", "--seed", "7", "--threads", threads]);
    };
    run("one", "1");
    run("two", "2");
    run("again", "2");
    place.assert_same("one.run", "two.run");
    place.assert_same("two.run", "again.run");
    assert!(place.read("one.mp4") == place.read("two.mp4"));
}

#[test]
fn another_seed_gives_other_bytes() {
    let place = Place::new();
    place.animate("one.mp4", &["--seed", "1"]);
    place.animate("two.mp4", &["--seed", "2"]);
    assert!(place.read("one.run/trajectory.json") != place.read("two.run/trajectory.json"));
    assert!(place.read("one.mp4") != place.read("two.mp4"));
}
