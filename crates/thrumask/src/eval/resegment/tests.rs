//! The score on true videos, the ceiling of every other, and on videos as a network would draw them.

use thrumask_core::{Clip, Picture};

use super::*;
use crate::eval::metrics::region;
use crate::world::{self, Split, WorldConfig, judge};

/// Mean J over objects and share of actions judged right over `count` test scenes, of the videos
/// that `change` makes of the true ones.
fn scores(count: u64, change: impl Fn(&Clip) -> Clip) -> (f32, f32) {
    let config = WorldConfig::default();
    let (mut j, mut n, mut right, mut objects) = (0.0, 0usize, 0usize, 0usize);
    for index in 0..count {
        let scene = world::scene(&config, Split::Test, index).unwrap();
        let truth = scene.sample(config.size).unwrap();
        let background = scene.backdrop.picture(config.size).unwrap();
        let first = &truth.clip.frames()[0];
        let of = scene.objects.len();
        let finder = Resegmenter::new(&background, first, &truth.masks.frames()[0], of).unwrap();
        let found = finder.masks(&change(&truth.clip)).unwrap();
        let judged = judge::judge_all(&found);
        for (i, object) in truth.objects.iter().enumerate() {
            let pairs = found.frames().iter().zip(truth.masks.frames()).skip(1);
            let regions: Vec<f32> = pairs.filter_map(|(a, b)| region(a, b, i as u8 + 1)).collect();
            let mean = regions.iter().sum::<f32>() / regions.len() as f32;
            let is_right = judge::is_right(judged[i].as_ref(), object);
            (j, n) = (j + mean, n + 1);
            right += usize::from(is_right);
            objects += 1;
        }
    }
    (j / n as f32, right as f32 / objects as f32)
}

/// Each pixel the mean of its 3 × 3 neighbours, rounded to steps of 6 levels.
fn blurred(clip: &Clip) -> Clip {
    let frames = clip.frames().iter().map(|p| {
        let size = p.size();
        let mut out = Picture::filled(size, [0; 3]);
        for (x, y) in (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y))) {
            let mut sum = [0u32; 3];
            for k in 0..9 {
                let nx = (x + k % 3).saturating_sub(1).min(size.width - 1);
                let ny = (y + k / 3).saturating_sub(1).min(size.height - 1);
                (0..3).for_each(|c| sum[c] += u32::from(p.pixel(nx, ny)[c]));
            }
            out.set_pixel(x, y, sum.map(|v| (v / 9 / 6 * 6) as u8));
        }
        out
    });
    Clip::new(frames.collect(), clip.fps()).unwrap()
}

#[test]
fn true_videos_are_segmented_almost_exactly() {
    let (j, right) = scores(40, Clip::clone);
    assert!(j >= 0.93 && right >= 0.97, "J {j}, actions {right}");
}

#[test]
fn blurred_videos_are_segmented_nearly_as_well() {
    let (j, right) = scores(24, blurred);
    assert!(j >= 0.84 && right >= 0.95, "J {j}, actions {right}");
}

#[test]
fn a_still_video_gives_the_first_masks_again() {
    let config = WorldConfig::default();
    let scene = world::scene(&config, Split::Test, 3).unwrap();
    let truth = scene.sample(config.size).unwrap();
    let first = truth.clip.frames()[0].clone();
    let background = scene.backdrop.picture(config.size).unwrap();
    let masks = &truth.masks.frames()[0];
    let finder = Resegmenter::new(&background, &first, masks, scene.objects.len()).unwrap();
    let still = Clip::new(vec![first; 4], 8.0).unwrap();
    let found = finder.masks(&still).unwrap();
    for id in 1..=scene.objects.len() as u8 {
        let j = region(&found.frames()[3], masks, id).unwrap();
        assert!(j > 0.9, "object {id}: {j}");
    }
}

#[test]
fn an_empty_video_holds_almost_nothing() {
    let config = WorldConfig::default();
    let (mut seen, mut all) = (0usize, 0usize);
    for index in 0..12 {
        let scene = world::scene(&config, Split::Test, index).unwrap();
        let truth = scene.sample(config.size).unwrap();
        let background = scene.backdrop.picture(config.size).unwrap();
        let (first, masks) = (&truth.clip.frames()[0], &truth.masks.frames()[0]);
        let finder = Resegmenter::new(&background, first, masks, scene.objects.len()).unwrap();
        let frames = vec![first.clone(), background.clone(), background.clone()];
        let found = finder.masks(&Clip::new(frames, 8.0).unwrap()).unwrap();
        for id in 1..=scene.objects.len() as u8 {
            seen += found.frames()[2].area_of(id);
            all += masks.area_of(id);
        }
    }
    let share = seen as f32 / all as f32;
    assert!(share < 0.05, "{share}");
}
