//! How often the classifier is right about true videos with their true masks. Nothing that it says of
//! other videos can be trusted further than that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Classifier;
use crate::{
    Result,
    eval::{
        Measure,
        bootstrap::{Estimate, Resamples, Tally},
        measure::Scores,
    },
    page::Page,
    progress::Progress,
    world::{self, ObjectTruth, Split, WorldConfig, held_out},
};

/// What is measured, in the order of the columns.
const MEASURES: [Measure; 5] = [
    Measure::KindSeen,
    Measure::ColorSeen,
    Measure::ActionSeen,
    Measure::Alignment,
    Measure::Consistency,
];
/// Resamples of the bootstrap.
const RESAMPLES: usize = 2000;
/// Scenes that are made and looked at together; it changes no result.
const CHUNK: u64 = 8;

/// How often the classifier is right about the true videos of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// Which videos.
    pub split: Split,
    /// Whether only objects count whose pair of kind or colour and action is in no training video.
    pub novel_pairs_only: bool,
    /// How many objects.
    pub objects: usize,
    /// The figures with their intervals.
    pub figures: BTreeMap<Measure, Estimate>,
}

/// Shows the first `scenes` true videos of a split to the classifier. In the compositional split the
/// objects with pairs that are in no training video are counted once more by themselves.
///
/// `world` says what the scenes are like; their size and length are those of the classifier.
///
/// # Errors
/// When `world` is out of range, or `progress` stops the work.
pub fn ceiling(
    classifier: &Classifier,
    world: &WorldConfig,
    split: Split,
    scenes: usize,
    progress: &mut dyn Progress,
) -> Result<Vec<Ceiling>> {
    let [frames, size, _] = classifier.video();
    let world = WorldConfig { frames, size, ..world.clone() };
    let is_novel = |o: &ObjectTruth| held_out(o.kind, o.color, o.action);
    let (mut all, mut novel) = (Vec::new(), Vec::new());
    let total = scenes as u64;
    for start in (0..total).step_by(CHUNK as usize) {
        progress.step(split.word(), start as usize, scenes)?;
        let samples = world::samples(&world, split, start..(start + CHUNK).min(total))?;
        let clips: Vec<_> = samples.iter().map(|s| (&s.clip, &s.masks)).collect();
        for (look, sample) in classifier.look(&clips)?.iter().zip(&samples) {
            let mut scores = Scores::default();
            scores.look(look, sample);
            all.push(scores);
            let mut scores = Scores::default();
            scores.seen(look, sample, is_novel);
            novel.push(scores);
        }
    }
    progress.step(split.word(), scenes, scenes)?;
    let resamples = Resamples::new(scenes, RESAMPLES, 0);
    let row = |novel_pairs_only: bool, scores: &[Scores]| {
        let tallies = |measure: &Measure| -> Vec<Tally> {
            scores.iter().map(|s| s.figures.get(measure).copied().unwrap_or_default()).collect()
        };
        let figures = MEASURES.iter().filter_map(|m| Some((*m, resamples.estimate(&tallies(m))?)));
        let objects = tallies(&Measure::KindSeen).iter().map(|t| t.count).sum::<f64>() as usize;
        Ceiling { split, novel_pairs_only, objects, figures: figures.collect() }
    };
    let mut rows = vec![row(false, &all)];
    if split == Split::Compositional {
        rows.push(row(true, &novel));
    }
    Ok(rows)
}

/// The ceilings as a table in Markdown: shares with their 95 % intervals, consistency as a cosine.
pub fn ceiling_table(rows: &[Ceiling]) -> String {
    let head = ["true videos", "objects"].into_iter().chain(MEASURES.map(Measure::word));
    let row = |row: &Ceiling| {
        let novel = if row.novel_pairs_only { ", novel pairs only" } else { "" };
        let name = format!("{}{novel}", row.split.word());
        let cell = |m: Measure| row.figures.get(&m).map_or(String::new(), |e| figure(m, e));
        [name, row.objects.to_string()].into_iter().chain(MEASURES.map(cell)).collect()
    };
    let mut page = Page::default();
    page.table(head.map(str::to_owned).collect(), rows.iter().map(row).collect());
    page.to_markdown()
}

fn figure(measure: Measure, e: &Estimate) -> String {
    match measure {
        Measure::Consistency => format!("{:.3} [{:.3}, {:.3}]", e.mean, e.low, e.high),
        _ => {
            let [mean, low, high] = [e.mean, e.low, e.high].map(|v| 100.0 * v);
            format!("{mean:.1} % [{low:.1}, {high:.1}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        eval::classifier::{Look, answers, tests::classifier},
        progress::Silent,
        world::sample,
    };

    #[test]
    fn novel_pairs_are_counted_by_themselves_and_all_objects_are_counted() {
        let (classifier, world) = (classifier(), WorldConfig::default());
        let rows = |split| ceiling(&classifier, &world, split, 5, &mut Silent).unwrap();
        let truth = |split: Split| -> Vec<ObjectTruth> {
            (0..5).flat_map(|i| sample(&world, split, i).unwrap().objects).collect()
        };
        let test = rows(Split::Test);
        assert_eq!((test.len(), test[0].objects), (1, truth(Split::Test).len()));
        let both = rows(Split::Compositional);
        let objects = truth(Split::Compositional);
        let novel = objects.iter().filter(|o| held_out(o.kind, o.color, o.action)).count();
        assert_eq!([both[0].objects, both[1].objects], [objects.len(), novel]);
        assert!(both[1].novel_pairs_only && novel >= 5 && novel < objects.len());
        assert!(!both[1].figures.contains_key(&Measure::Consistency));
        let figure = |measure| both[0].figures[&measure].mean;
        let parts = MEASURES[..3].iter().map(|&m| figure(m)).sum::<f64>() / 3.0;
        assert!((figure(Measure::Alignment) - parts).abs() < 1e-5);

        let text = ceiling_table(&[test, both].concat());
        let columns = |line: &str| line.matches('|').count();
        assert_eq!(text.lines().map(columns).collect::<Vec<_>>(), [8; 5], "{text}");
        assert!(text.contains("| compositional, novel pairs only |"), "{text}");
    }

    #[test]
    fn only_right_answers_count_and_of_what_is_not_found_there_is_none() {
        let truth = sample(&WorldConfig::default(), Split::Test, 3).unwrap();
        let right: Vec<_> = truth.objects.iter().map(|o| Some(answers(o))).collect();
        let alignment = |objects: Vec<_>| {
            let mut scores = Scores::default();
            scores.look(&Look { slots: vec![vec![1.0]], objects }, &truth);
            let mean = |measure| scores.mean(measure).unwrap();
            [Measure::ActionSeen, Measure::Alignment].map(mean)
        };
        let count = truth.objects.len() as f64;
        assert_eq!(alignment(right.clone()), [1.0, 1.0]);
        assert_eq!(alignment(vec![None; right.len()]), [0.0, 0.0]);
        let mut one_wrong = right;
        if let Some(Some(answer)) = one_wrong.first_mut() {
            answer[2] = (answer[2] + 1) % 2;
        }
        let [action, all] = alignment(one_wrong);
        assert!((action - (1.0 - 1.0 / count)).abs() < 1e-9, "{action}");
        assert!((all - (1.0 - 1.0 / (3.0 * count))).abs() < 1e-9, "{all}");
    }
}
