use std::{cell::Cell, path::Path};

use thrumask_core::MaskSet;

use super::{
    super::{Outcome, Report, train_configured},
    *,
};
use crate::tracker::Tracker;

/// A small network on small scenes.
fn config(steps: u64) -> TrainConfig {
    let text = format!(
        r#"
task = "tracker"
run = {{ seed = 1, steps = {steps}, batch = 3, checkpoint_every = 4, validate_every = {steps}, validation_samples = 2 }}
optimizer = {{ warmup = 2, ema = 0.5 }}
world = {{ size = 64, frames = 8 }}
[tracker]
frames = 3
boxes = 0.3
points = 0.3
hasty = 0.5
backward = 0.5
"#
    );
    let mut config = TrainConfig::from_toml("tracker.toml", &text, &[]).unwrap();
    config.tracker.as_mut().unwrap().model = Some(Sam2Config::test());
    config
}

fn run(config: &TrainConfig, folder: &Path, until: u64) -> (Outcome, Vec<f32>, f64) {
    let (done, mut losses, mut j) = (Cell::new(0), Vec::new(), 0.0);
    let mut hear = |report| match report {
        Report::Step { step, loss, .. } => {
            done.set(step);
            losses.push(loss);
        }
        Report::Validation { scores, .. } => j = scores["j"],
        Report::Notice(words) => panic!("{words}"),
    };
    let device = Device::flex().autodiff();
    let stop = || done.get() >= until;
    let outcome =
        train_configured(config, Path::new(""), folder, &device, &stop, &mut hear).unwrap();
    (outcome, losses, j)
}

#[test]
fn it_learns_and_goes_on_to_the_same_bytes() {
    let base = tempfile::tempdir().unwrap();
    let (whole, cut) = (base.path().join("whole"), base.path().join("cut"));
    let config = config(12);
    let (outcome, losses, j) = run(&config, &whole, u64::MAX);
    assert_eq!(outcome, Outcome::Finished);
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    assert!(mean(&losses[8..]) < 0.9 * mean(&losses[..4]), "{losses:?}");
    assert_eq!(run(&config, &cut, 5).0, Outcome::Interrupted);
    let (outcome, rest, same) = run(&config, &cut, u64::MAX);
    assert_eq!((outcome, same, &rest[..]), (Outcome::Finished, j, &losses[5..]));
    for name in ["model.safetensors", "checkpoint.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
        assert!(read(&whole) == read(&cut), "{name}");
    }
    let bytes = std::fs::read(cut.join("model.safetensors")).unwrap();
    let tracker = SamTracker::read("trained", &bytes, &Device::flex()).unwrap();
    let sample = world::sample(&config.world, Split::Test, 1).unwrap();
    let first = MaskSet::new(sample.masks.frames()[0].clone(), 3).unwrap();
    let found = tracker.track(sample.clip.frames(), &first, 8.0).unwrap();
    assert_eq!((found.frames().len(), found.objects()), (8, 3));
    assert_eq!(found.frames()[0], sample.masks.frames()[0]);
}

#[test]
fn boxes_lie_around_the_mask_and_points_on_it() {
    let task = TrackerTask::new(&config(1), &Device::flex()).unwrap();
    let inside = |x: usize, y: usize| (20..40).contains(&x) && (10..20).contains(&y);
    let mask: Vec<bool> = (0..64 * 64).map(|i| inside(i % 64, i / 64)).collect();
    for index in 0..20 {
        let mut draw = Draw::new(3, "test", index);
        let point = task.points(&mask, Given::Point, &mut draw);
        assert!(inside(point[0].x as usize, point[0].y as usize) && point.len() == 1);
        let corners = task.points(&mask, Given::Box, &mut draw);
        let near =
            |p: &PromptPoint, x: f32, y: f32| (p.x - x).abs() <= 2.0 && (p.y - y).abs() <= 1.0;
        assert!(near(&corners[0], 20.0, 10.0) && near(&corners[1], 40.0, 20.0), "{corners:?}");
    }
    let nothing = task.points(&vec![false; 64 * 64], Given::Box, &mut Draw::new(3, "test", 0));
    assert!(nothing.len() == 2 && nothing.iter().all(|p| p.kind == PointKind::Nothing));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |change: &dyn Fn(&mut TrainConfig)| {
        let mut config = config(1);
        change(&mut config);
        TrackerTask::new(&config, &Device::flex()).err().map(|e| e.to_string())
    };
    assert_eq!(refused(&|_| ()), None);
    assert!(refused(&|c| c.world.size = 96).unwrap().contains("world.size"));
    assert!(refused(&|c| c.tracker = None).unwrap().contains("[tracker]"));
    assert!(refused(&|c| c.tracker.as_mut().unwrap().frames = 9).unwrap().contains("frames"));
}
