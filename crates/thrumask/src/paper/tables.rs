//! From the scores of single videos to figures, intervals and tests.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Method, PaperConfig,
    judging::PARTS,
    records::Record,
    statistics::{Difference, Scores, Study, holm},
};
use crate::eval::{
    Crowd, Measure, Part,
    bootstrap::{Estimate, Tally, interval},
    frechet::Gaussian,
};

/// Draws for intervals of the classifier's distance, which takes long to compute.
const DISTANCE_DRAWS: usize = 100;

/// What is compared.
pub const COLUMNS: [Measure; 13] = [
    Measure::Distance,
    Measure::Alignment,
    Measure::KindSeen,
    Measure::ColorSeen,
    Measure::ActionSeen,
    Measure::Actions,
    Measure::Iou,
    Measure::J,
    Measure::F,
    Measure::Consistency,
    Measure::FirstSsim,
    Measure::Appearance,
    Measure::Displacement,
];

/// The method that the others are compared with.
pub const REFERENCE: Method = Method::Both;

/// With whom methods are compared: all with [`REFERENCE`], and what is masked with what is not.
pub const REFERENCES: [Method; 2] = [REFERENCE, Method::Unmasked];

/// Whether a method is compared with a reference.
fn is_compared(method: Method, reference: Method) -> bool {
    let masked = matches!(method, Method::CrossOnly | Method::SelfOnly | Method::Both);
    method != reference && method.models().is_some() && (reference == REFERENCE || masked)
}

/// The figures of a method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What it was judged at.
    pub part: Part,
    /// Who was judged.
    pub method: Method,
    /// By measure.
    pub figures: BTreeMap<Measure, Estimate>,
    /// The mean of each training seed, by measure; `None` where nothing was counted.
    pub by_seed: BTreeMap<Measure, Vec<Option<f64>>>,
}

/// How a method differs from one of [`REFERENCES`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What both were judged at.
    pub part: Part,
    /// Who is compared.
    pub method: Method,
    /// With whom.
    pub reference: Method,
    /// In what.
    pub measure: Measure,
    /// The method's figure less that of the reference.
    pub difference: Difference,
    /// Its probability, corrected for all that were tested of this part and group with this reference.
    pub corrected: Option<f64>,
}

/// The figures of one group of scenes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Number of objects.
    pub crowd: Crowd,
    /// How many scenes.
    pub scenes: usize,
    /// One for each part and method.
    pub rows: Vec<Row>,
    /// One for each part, reference, method and measure.
    pub comparisons: Vec<Comparison>,
}

impl Group {
    /// The row of a method.
    pub fn row(&self, part: Part, method: Method) -> Option<&Row> {
        self.rows.iter().find(|r| (r.part, r.method) == (part, method))
    }

    /// How a method differs from a reference.
    pub fn comparison(
        &self,
        part: Part,
        [method, reference]: [Method; 2],
        measure: Measure,
    ) -> Option<&Comparison> {
        let wanted = (part, method, reference, measure);
        self.comparisons.iter().find(|c| (c.part, c.method, c.reference, c.measure) == wanted)
    }
}

/// Everything that follows from the records of a group.
pub fn group(config: &PaperConfig, crowd: Crowd, records: &[Record]) -> Group {
    let seeds = config.seeds.len();
    let study = Study::new(config.scenes, seeds, config.resamples, 0);
    let all = Table { config, records };
    let (mut rows, mut comparisons) = (Vec::new(), Vec::new());
    for part in PARTS {
        let methods = Method::ALL.into_iter().filter(|m| all.has(*m, part));
        let scores: Vec<(Method, BTreeMap<Measure, Scores>)> =
            methods.map(|m| (m, all.scores(m, part))).collect();
        let distances = all.distances(part, &study);
        for (method, scores) in &scores {
            let mut row =
                Row { part, method: *method, figures: BTreeMap::new(), by_seed: BTreeMap::new() };
            for (&measure, scores) in scores {
                if let Some(estimate) = study.estimate(scores) {
                    row.figures.insert(measure, estimate);
                    row.by_seed.insert(measure, scores.iter().map(|s| mean(s)).collect());
                }
            }
            if let Some(distance) = distances.get(method) {
                row.figures.insert(Measure::Distance, distance.estimate());
                let by_seed = distance.by_seed.iter().map(|d| Some(*d)).collect();
                row.by_seed.insert(Measure::Distance, by_seed);
            }
            rows.push(row);
        }
        for reference in REFERENCES {
            comparisons.extend(compare(&study, (part, reference), &scores, &distances));
        }
    }
    Group { crowd, scenes: config.scenes, rows, comparisons }
}

/// How methods differ from a reference, and how probable that is were they alike, corrected for all of them.
fn compare(
    study: &Study,
    (part, reference): (Part, Method),
    scores: &[(Method, BTreeMap<Measure, Scores>)],
    distances: &BTreeMap<Method, Distance>,
) -> Vec<Comparison> {
    let Some((_, theirs)) = scores.iter().find(|(m, _)| *m == reference) else {
        return Vec::new();
    };
    let mut found: Vec<(Method, Measure, Difference)> = Vec::new();
    for (method, scores) in scores.iter().filter(|(m, _)| is_compared(*m, reference)) {
        for (&measure, scores) in scores {
            let other = theirs.get(&measure);
            if let Some(d) = other.and_then(|other| study.difference(scores, other)) {
                found.push((*method, measure, d));
            }
        }
        if let (Some(a), Some(b)) = (distances.get(method), distances.get(&reference)) {
            found.push((*method, Measure::Distance, a.difference(b)));
        }
    }
    let tested: Vec<f64> = found.iter().filter_map(|(_, _, d)| d.p).collect();
    let mut corrected = holm(&tested).into_iter();
    let all = found.into_iter().map(|(method, measure, difference)| {
        let corrected = difference.p.and_then(|_| corrected.next());
        Comparison { part, method, reference, measure, difference, corrected }
    });
    all.collect()
}

fn mean(tallies: &[Tally]) -> Option<f64> {
    let (sum, count) = tallies.iter().fold((0.0, 0.0), |(s, c), t| (s + t.sum, c + t.count));
    (count > 0.0).then(|| sum / count)
}

/// The records, looked up.
struct Table<'a> {
    config: &'a PaperConfig,
    records: &'a [Record],
}

impl Table<'_> {
    /// What is judged of a method in a part: without a first stage there is one video for both.
    fn part_of(method: Method, part: Part) -> Part {
        match method.models() {
            Some((Some(_), _)) => part,
            _ => Part::Chained,
        }
    }

    fn has(&self, method: Method, part: Part) -> bool {
        let part = Self::part_of(method, part);
        self.records.iter().any(|r| (r.method, r.part) == (method, part))
    }

    /// The records of a method, by seed and scene.
    fn of(&self, method: Method, part: Part) -> Vec<Vec<Option<&Record>>> {
        let part = Self::part_of(method, part);
        let seeds = match method.models() {
            Some(_) => self.config.seeds.clone(),
            None => vec![0],
        };
        let mut found = vec![vec![None; self.config.scenes]; seeds.len()];
        for record in self.records.iter().filter(|r| (r.method, r.part) == (method, part)) {
            let seed = seeds.iter().position(|s| *s == record.seed);
            if let Some(place) = seed.and_then(|s| found[s].get_mut(record.scene as usize)) {
                *place = Some(record);
            }
        }
        found
    }

    fn scores(&self, method: Method, part: Part) -> BTreeMap<Measure, Scores> {
        let records = self.of(method, part);
        let of = |measure: Measure| {
            let tally = |r: &Option<&Record>| r.and_then(|r| r.figures.get(&measure).copied());
            let row = |row: &Vec<Option<&Record>>| {
                row.iter().map(|r| tally(r).unwrap_or_default()).collect::<Vec<_>>()
            };
            records.iter().map(row).collect::<Scores>()
        };
        let shown = COLUMNS.iter().filter(|m| **m != Measure::Distance);
        let all = shown.map(|&measure| (measure, of(measure)));
        all.filter(|(_, s)| s.iter().flatten().any(|t| t.count > 0.0)).collect()
    }

    /// The classifier's distance of each method's videos from the true ones of the same scenes.
    fn distances(&self, part: Part, study: &Study) -> BTreeMap<Method, Distance> {
        let truth = self.of(Method::Truth, part);
        let all: Vec<u32> = (0..self.config.scenes as u32).collect();
        let seeds: Vec<u32> = (0..self.config.seeds.len() as u32).collect();
        let made: Vec<(Method, Vec<Vec<Option<&Record>>>)> = Method::ALL
            .into_iter()
            .filter(|m| *m != Method::Truth && self.has(*m, part))
            .map(|m| (m, self.of(m, part)))
            .collect();
        // Of each method the distance of each drawn seed; nothing where records are missing.
        let measured = |seeds: &[u32], scenes: &[u32]| -> Option<Vec<Vec<f64>>> {
            let truth = fit(truth.first()?, scenes)?.rooted();
            let of = |rows: &Vec<Vec<Option<&Record>>>| {
                let seeds = seeds.iter().map(|&s| s as usize).filter(|&s| s < rows.len());
                let one = |seed: usize| truth.distance(&fit(&rows[seed], scenes)?).ok();
                let all: Option<Vec<f64>> = match rows.len() {
                    1 => one(0).map(|d| vec![d]),
                    _ => seeds.map(one).collect(),
                };
                all
            };
            made.iter().map(|(_, rows)| of(rows)).collect()
        };
        let Some(whole) = measured(&seeds, &all) else { return BTreeMap::new() };
        let draws: Vec<(&[u32], &[u32])> = study.draws().take(DISTANCE_DRAWS).collect();
        let drawn: Vec<Vec<Vec<f64>>> =
            draws.par_iter().filter_map(|(seeds, scenes)| measured(seeds, scenes)).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let of = |(i, (method, rows)): (usize, &(Method, Vec<_>))| {
            let distance = Distance {
                by_seed: whole[i].clone(),
                drawn: drawn.iter().map(|all| mean(&all[i])).collect(),
                count: self.config.scenes * rows.len(),
            };
            (*method, distance)
        };
        made.iter().enumerate().map(of).collect()
    }
}

/// The distribution of the features of drawn scenes; `None` when there are none.
fn fit(row: &[Option<&Record>], scenes: &[u32]) -> Option<Gaussian> {
    let drawn = scenes.iter().filter_map(|&s| row.get(s as usize).copied()?);
    let features: Vec<&[f32]> = drawn.map(|r| r.features.as_slice()).collect();
    Gaussian::fit(&features).ok()
}

/// A distance between sets of videos: its value for each seed, and for each draw.
struct Distance {
    by_seed: Vec<f64>,
    drawn: Vec<f64>,
    count: usize,
}

impl Distance {
    fn mean(&self) -> f64 {
        self.by_seed.iter().sum::<f64>() / self.by_seed.len().max(1) as f64
    }

    /// Scenes drawn twice make every drawn set less varied, and so every drawn distance too long by
    /// about the same; the interval is moved back by as much.
    fn estimate(&self) -> Estimate {
        moved(self.mean(), self.drawn.clone(), self.count)
    }

    fn difference(&self, other: &Self) -> Difference {
        let whole = self.mean() - other.mean();
        let drawn: Vec<f64> = self.drawn.iter().zip(&other.drawn).map(|(a, b)| a - b).collect();
        let seeds = self.by_seed.len().min(other.by_seed.len());
        let pairs = self.by_seed.iter().zip(&other.by_seed);
        let agree = pairs.filter(|(a, b)| (*a - *b) * whole > 0.0).count();
        let count = self.count;
        Difference { by: moved(whole, drawn, count), p: None, seeds_agree: (agree, seeds) }
    }
}

/// The interval of drawn values about `whole` instead of about their own mean.
fn moved(whole: f64, drawn: Vec<f64>, count: usize) -> Estimate {
    let bias = drawn.iter().sum::<f64>() / drawn.len().max(1) as f64 - whole;
    interval(whole, drawn.into_iter().map(|d| d - bias).collect(), count)
}
