//! Scores of what is known.

use super::*;
use crate::{
    eval::cases::static_picture,
    world::{Split, WorldConfig, sample},
};

fn figure(scores: &Scores, measure: Measure) -> f64 {
    let t = scores.figures[&measure];
    t.sum / t.count
}

fn samples(count: u64) -> impl Iterator<Item = Sample> {
    (0..count).map(|i| sample(&WorldConfig::default(), Split::Test, i).unwrap())
}

#[test]
fn the_truth_scores_perfectly() {
    let mut scores = Scores::default();
    for truth in samples(12) {
        scores.masks(&truth.masks, &truth);
        scores.adherence(&truth.masks, &truth.masks, FoundBy::Looks);
        scores.palette(&truth.masks.to_clip().unwrap(), truth.objects.len());
        scores.segmentation(&truth.masks.frames()[0], &truth);
        scores.pictures(&truth.clip, &truth.masks, &truth);
        scores.first_frame(&truth.clip.frames()[0], &truth.clip.frames()[0]);
    }
    use Measure::*;
    for measure in [Actions, Iou, Half, Steady, Valid, J, F, RightObject] {
        assert_eq!(figure(&scores, measure), 1.0, "{measure:?}");
    }
    assert_eq!(figure(&scores, Psnr), f64::from(crate::eval::metrics::MAX_PSNR));
    assert!(figure(&scores, Pieces) < 1.15, "{}", figure(&scores, Pieces));
    assert!(figure(&scores, Appearance) > 0.8, "{}", figure(&scores, Appearance));
    assert!(scores.actions.values().all(|t| t.sum == t.count));
}

#[test]
fn the_static_picture_rests() {
    let mut scores = Scores::default();
    for truth in samples(24) {
        let (clip, masks) = static_picture(&truth).unwrap();
        scores.masks(&masks, &truth);
        scores.pictures(&clip, &masks, &truth);
    }
    // Right are the objects that truly rest, and no other.
    for (action, tally) in &scores.actions {
        let right = if *action == Action::Rest { tally.count } else { 0.0 };
        assert_eq!(tally.sum, right, "{action:?}");
    }
    assert!((figure(&scores, Measure::Appearance) - 1.0).abs() < 1e-5);
    assert!(figure(&scores, Measure::Iou) < 0.7);
}

#[test]
fn where_words_say_all_is_measured_apart() {
    let mut scores = Scores::default();
    let mut objects = [0, 0];
    for truth in samples(24) {
        // Perfect where words say all, nothing elsewhere.
        let said: Vec<bool> = truth.objects.iter().map(|object| !object.open).collect();
        let frame = |frame: &LabelMap| {
            let keep = |&v: &u8| if v > 0 && said[usize::from(v) - 1] { v } else { 0 };
            LabelMap::new(frame.size(), frame.ids().iter().map(keep).collect()).unwrap()
        };
        let frames = truth.masks.frames().iter().map(frame).collect();
        let masks = Trajectory::new(frames, said.len(), truth.masks.fps()).unwrap();
        scores.masks(&masks, &truth);
        objects = [objects[0] + said.len(), objects[1] + said.iter().filter(|v| **v).count()];
    }
    let [all, said] = objects.map(|n| n as f64);
    assert!(said < all);
    use Measure::*;
    assert_eq!([figure(&scores, SaidIou), figure(&scores, SaidHalf)], [1.0, 1.0]);
    assert_eq!(scores.figures[&SaidIou].count, said);
    assert!((figure(&scores, Iou) - said / all).abs() < 1e-6);
}

#[test]
fn nothing_scores_nothing() {
    for truth in samples(4) {
        let empty = LabelMap::empty(truth.masks.size());
        let frames = vec![empty.clone(); truth.masks.frames().len()];
        let none = Trajectory::new(frames, truth.objects.len(), 8.0).unwrap();
        let mut scores = Scores::default();
        scores.masks(&none, &truth);
        scores.adherence(&none, &truth.masks, FoundBy::Looks);
        scores.segmentation(&empty, &truth);
        scores.pictures(&truth.clip, &none, &truth);
        use Measure::*;
        for measure in [Actions, Iou, Half, J, F, RightObject, Appearance] {
            assert_eq!(figure(&scores, measure), 0.0, "{measure:?}");
        }
        assert!(figure(&scores, Steady) < 0.5);
        assert!(!scores.figures.contains_key(&Pieces));
    }
}

#[test]
fn exchanged_objects_are_the_wrong_objects() {
    let two = samples(40).find(|t| t.objects.len() == 2).unwrap();
    let masks = &two.masks.frames()[0];
    let ids = masks.ids().iter().map(|&v| [0, 2, 1][usize::from(v)]).collect();
    let exchanged = LabelMap::new(masks.size(), ids).unwrap();
    let mut scores = Scores::default();
    scores.segmentation(&exchanged, &two);
    assert_eq!(figure(&scores, Measure::RightObject), 0.0);
    assert_eq!(figure(&scores, Measure::Iou), 0.0);
}
