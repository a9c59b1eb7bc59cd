//! The built-in tracker: it learned from no scene that it is asked about here, and from no real video.

// Helpers of tests may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use thrumask::{
    eval::adherence::adherence,
    models::Models,
    tracker::Tracker,
    world::{Split, WorldConfig, sample},
};
use thrumask_core::{Clip, LabelMap, MaskSet, Trajectory};

/// Scenes that are asked about.
const SCENES: u64 = 24;
/// Scenes whose first frame is asked about too, as if nothing moved.
const STILL: u64 = 6;

#[test]
fn objects_of_held_out_scenes_are_followed() {
    let tracker = Models::embedded().tracker().unwrap();
    let world = WorldConfig { objects: 2..=4, ..WorldConfig::default() };
    let (mut found, mut still) = (Vec::new(), Vec::new());
    for index in 0..SCENES {
        let truth = sample(&world, Split::Test, index).unwrap();
        let (measured, _) = adherence(&truth.clip, &truth.masks, &tracker).unwrap();
        found.extend(measured.objects.iter().filter_map(|object| object.j));
        if index >= STILL {
            continue;
        }
        // What a tracker would score that stays where the objects were.
        let first = truth.clip.frames()[0].clone();
        let rests = Clip::new(vec![first; truth.clip.frames().len()], 8.0).unwrap();
        let (measured, _) = adherence(&rests, &truth.masks, &tracker).unwrap();
        still.extend(measured.objects.iter().filter_map(|object| object.j));
    }
    let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    let (found, still) = (mean(&found), mean(&still));
    assert!(found >= 0.8, "J {found}, of resting pictures {still}");
    assert!(still < 0.6, "J {found}, of resting pictures {still}");
}

#[test]
fn real_clips_are_followed_from_a_part_of_their_first_frame() {
    let Some(folder) = std::env::var_os("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    let tracker = Models::embedded().tracker().unwrap();
    let mut clips = 0;
    for entry in std::fs::read_dir(Path::new(&folder).join("clips")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "mp4") {
            continue;
        }
        let clip = Clip::read(&path).unwrap();
        let frames = &clip.frames()[..12];
        let size = clip.size();
        let inside = |at: usize, of: usize| (of * 2 / 5..of * 3 / 5).contains(&at);
        let ids = (0..size.area()).map(|i| {
            u8::from(inside(i % size.width, size.width) && inside(i / size.width, size.height))
        });
        let first = MaskSet::new(LabelMap::new(size, ids.collect()).unwrap(), 1).unwrap();
        let found: Trajectory = tracker.track(frames, &first, clip.fps()).unwrap();
        assert_eq!((found.frames().len(), found.size()), (12, size));
        assert_eq!(found.frames()[0], first.labels);
        let again = tracker.track(frames, &first, clip.fps()).unwrap();
        assert!(found.frames() == again.frames(), "{}: the same every time", path.display());
        clips += 1;
    }
    assert!(clips > 0, "expected clips in {}", folder.display());
}
