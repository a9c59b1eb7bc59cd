//! What can be said of methods that were trained with several seeds and judged on the same scenes.
//!
//! - [`Study::estimate`]: a mean with its 95 % interval, from a bootstrap that draws both scenes and
//!   training seeds again, with replacement (objects of a scene, and videos of a model, share their
//!   fate).
//! - [`Study::difference`]: two methods on the same scenes and seeds, drawn together, so that what
//!   makes a scene hard for both cancels out; with it the probability of so large a difference were the
//!   two alike, from 10,000 random exchanges of the two within scenes (a paired permutation test).
//! - [`holm`]: these probabilities, corrected for how many comparisons were made (Holm, 1979).

use serde::{Deserialize, Serialize};
use thrumask_nn::diffusion::noise::Noise;

use crate::eval::bootstrap::{Estimate, Resamples, Tally, interval};

/// Exchanges drawn by the permutation test.
const EXCHANGES: usize = 10_000;

/// One measure of one method: a tally for each training seed and scene.
pub type Scores = Vec<Vec<Tally>>;

/// How two methods differ in a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Mean of the first less mean of the second, with its interval.
    pub by: Estimate,
    /// How probable so large a difference is, were the two alike; `None` where it was not tested.
    pub p: Option<f64>,
    /// Seeds of which the difference has the sign of the whole, of how many.
    pub seeds_agree: (usize, usize),
}

impl Difference {
    /// Whether the interval leaves no doubt of the sign.
    pub fn is_clear(&self) -> bool {
        self.by.low > 0.0 || self.by.high < 0.0
    }
}

/// The draws that all methods share.
#[derive(Debug, Clone)]
pub struct Study {
    scenes: Resamples,
    seeds: Resamples,
    /// For each exchange, whether it is made in each scene.
    exchanges: Vec<bool>,
}

impl Study {
    /// `count` draws of `scenes` scenes and `seeds` training seeds.
    pub fn new(scenes: usize, seeds: usize, count: usize, seed: u64) -> Self {
        let noise = Noise::new(seed, "exchanges");
        let exchanged = |i: usize| noise.uniform(i as u64) < 0.5;
        Self {
            scenes: Resamples::named(scenes, count, seed, "scenes"),
            seeds: Resamples::named(seeds, count, seed, "training seeds"),
            exchanges: (0..EXCHANGES * scenes).map(exchanged).collect(),
        }
    }

    /// Pairs of drawn seeds and drawn scenes. What was trained with one seed alone, or not at all, is
    /// drawn by scenes only.
    pub fn draws(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.seeds.draws().zip(self.scenes.draws())
    }

    /// The mean over all seeds and scenes; `None` when nothing was counted.
    pub fn estimate(&self, scores: &Scores) -> Option<Estimate> {
        let all: Vec<u32> = (0..scores.len() as u32).collect();
        let scenes: Vec<u32> = (0..scores.first()?.len() as u32).collect();
        let whole = mean(scores, &all, &scenes)?;
        let count = scores.iter().flatten().map(|t| t.count).sum::<f64>() as usize;
        let means = self.draws().filter_map(|(seeds, scenes)| mean(scores, seeds, scenes));
        Some(interval(whole, means.collect(), count))
    }

    /// How far the first is above the second; `None` when no scene has figures of both.
    pub fn difference(&self, a: &Scores, b: &Scores) -> Option<Difference> {
        let [a, b] = both_counted(a, b);
        let seeds: Vec<u32> = (0..a.len().max(b.len()) as u32).collect();
        let scenes: Vec<u32> = (0..a.first()?.len() as u32).collect();
        let by = |seeds: &[u32], scenes: &[u32]| {
            Some(mean(&a, seeds, scenes)? - mean(&b, seeds, scenes)?)
        };
        let whole = by(&seeds, &scenes)?;
        let means = self.draws().filter_map(|(seeds, scenes)| by(seeds, scenes)).collect();
        let count = a.iter().flatten().map(|t| t.count).sum::<f64>() as usize;
        let alike = |s: &u32| by(&[*s], &scenes).is_some_and(|d| d * whole > 0.0);
        let agree = seeds.iter().filter(|s| alike(s)).count();
        Some(Difference {
            by: interval(whole, means, count),
            p: Some(self.exchange(&a, &b, &seeds)),
            seeds_agree: (agree, seeds.len()),
        })
    }

    /// The permutation test: within each scene, all that the two methods did may be exchanged.
    fn exchange(&self, a: &Scores, b: &Scores, seeds: &[u32]) -> f64 {
        let scenes = a.first().map_or(0, Vec::len);
        let sums: Vec<[Tally; 2]> = (0..scenes as u32)
            .map(|scene| [a, b].map(|scores| total(scores, seeds, &[scene])))
            .collect();
        let size = |exchanged: &[bool]| {
            let mut sides = [Tally::default(); 2];
            for (pair, &exchanged) in sums.iter().zip(exchanged) {
                for (side, tally) in pair.iter().enumerate() {
                    let to = &mut sides[if exchanged { 1 - side } else { side }];
                    to.sum += tally.sum;
                    to.count += tally.count;
                }
            }
            let [a, b] = sides.map(|t| t.sum / t.count.max(f64::MIN_POSITIVE));
            (a - b).abs()
        };
        let found = size(&vec![false; scenes]) * (1.0 - 1e-9);
        let exchanges = self.exchanges.chunks_exact(scenes.max(1));
        let as_large = exchanges.filter(|exchanged| size(exchanged) >= found).count();
        (as_large + 1) as f64 / (EXCHANGES + 1) as f64
    }
}

/// Probabilities corrected for how many there are, in their order (Holm's step-down method).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![1.0; p.len()];
    let mut least = 0f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max((p[i] * (p.len() - rank) as f64).min(1.0));
        corrected[i] = least;
    }
    corrected
}

/// Sum over drawn seeds and scenes. Seeds beyond those there are start over: what no model makes has
/// one row for all.
fn total(scores: &Scores, seeds: &[u32], scenes: &[u32]) -> Tally {
    let mut all = Tally::default();
    for &seed in seeds {
        let Some(row) = scores.get(seed as usize % scores.len().max(1)) else { continue };
        for tally in scenes.iter().filter_map(|&scene| row.get(scene as usize)) {
            all.sum += tally.sum;
            all.count += tally.count;
        }
    }
    all
}

fn mean(scores: &Scores, seeds: &[u32], scenes: &[u32]) -> Option<f64> {
    let all = total(scores, seeds, scenes);
    (all.count > 0.0).then(|| all.sum / all.count)
}

/// The two without the scenes in which one of them has no figure at all.
fn both_counted(a: &Scores, b: &Scores) -> [Scores; 2] {
    let has = |scores: &Scores, scene: usize| {
        scores.iter().any(|row| row.get(scene).is_some_and(|t| t.count > 0.0))
    };
    let scenes = a.first().map_or(0, Vec::len);
    let kept: Vec<bool> = (0..scenes).map(|scene| has(a, scene) && has(b, scene)).collect();
    [a, b].map(|scores| {
        let row = |row: &Vec<Tally>| {
            let tallies = row.iter().zip(&kept);
            tallies.map(|(t, kept)| if *kept { *t } else { Tally::default() }).collect()
        };
        scores.iter().map(row).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three seeds of `scenes` scenes: a scene's hardness, a seed's luck, noise, and what is added.
    fn scores(scenes: usize, plus: f64, name: &str) -> Scores {
        let (hard, noise) = (Noise::new(1, "hardness"), Noise::new(2, name));
        let value = |seed: usize, scene: usize| {
            let luck = [0.02, -0.03, 0.01][seed];
            let own = noise.uniform((seed * scenes + scene) as u64);
            plus + luck + f64::from(hard.uniform(scene as u64)) + 0.2 * f64::from(own)
        };
        let row =
            |seed| (0..scenes).map(|scene| Tally { sum: value(seed, scene), count: 1.0 }).collect();
        (0..3).map(row).collect()
    }

    #[test]
    fn pairs_show_what_single_intervals_hide() {
        let (a, b) = (scores(60, 0.05, "a"), scores(60, 0.0, "b"));
        let study = Study::new(60, 3, 1000, 0);
        let [ea, eb] = [&a, &b].map(|s| study.estimate(s).unwrap());
        assert!(eb.high > ea.low, "alone they overlap");
        let d = study.difference(&a, &b).unwrap();
        assert!(d.is_clear() && (d.by.mean - 0.05).abs() < 0.02 && d.p.unwrap() < 0.001, "{d:?}");
        assert_eq!(d.seeds_agree, (3, 3));
        let back = study.difference(&b, &a).unwrap();
        assert!((back.by.mean + d.by.mean).abs() < 1e-9 && back.p == d.p);
    }

    /// Of many pairs of equal methods the test calls about one in twenty different, not many more.
    #[test]
    fn equal_methods_are_seldom_called_different() {
        let rounds = 120;
        let study = Study::new(30, 3, 100, 0);
        let called = (0..rounds)
            .filter(|round| {
                let of = |side: &str| scores(30, 0.0, &format!("{side}{round}"));
                study.difference(&of("a"), &of("b")).unwrap().p.unwrap() < 0.05
            })
            .count();
        assert!((1..=14).contains(&called), "{called} of {rounds}");
    }

    #[test]
    fn the_truth_has_one_row_for_all_seeds() {
        let (a, truth) = (scores(20, 0.0, "a"), vec![vec![Tally { sum: 1.0, count: 1.0 }; 20]]);
        let study = Study::new(20, 3, 200, 0);
        let whole = study.estimate(&a).unwrap().mean;
        let d = study.difference(&truth, &a).unwrap();
        assert!((d.by.mean - (1.0 - whole)).abs() < 1e-5);
        let e = study.estimate(&truth).unwrap();
        assert_eq!((e.mean, e.low, e.high), (1.0, 1.0, 1.0));
    }

    #[test]
    fn scenes_without_a_figure_of_both_count_for_neither() {
        let one = |v: [Option<f64>; 3]| -> Scores {
            let tally =
                |v: Option<f64>| v.map_or(Tally::default(), |sum| Tally { sum, count: 1.0 });
            vec![v.into_iter().map(tally).collect()]
        };
        let (a, b) = (one([Some(1.0), Some(5.0), None]), one([Some(0.0), None, Some(7.0)]));
        let d = Study::new(3, 1, 100, 0).difference(&a, &b).unwrap();
        assert_eq!(d.by.mean, 1.0);
        let empty = one([None, None, None]);
        assert!(Study::new(3, 1, 100, 0).difference(&a, &empty).is_none());
        assert!(Study::new(3, 1, 100, 0).estimate(&empty).is_none());
    }

    #[test]
    fn holm_corrects_as_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
