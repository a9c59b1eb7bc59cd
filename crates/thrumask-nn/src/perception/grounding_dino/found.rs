//! From what the network says to boxes: thresholds, the tokens of each box, and overlaps.

use std::ops::Range;

use burn::tensor::Tensor;

use super::{Scored, Texts};
use crate::pixels::host_values;

/// From which probability on something counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Of the best token of a box, for the box.
    pub box_score: f32,
    /// Of a token, to be part of what a box is called.
    pub text: f32,
    /// Share of two boxes' union that they have in common, from which on the weaker one goes.
    pub overlap: f32,
}

impl Thresholds {
    /// The paper's (its code's, with boxes from 0.25 and tokens from 0.3 on).
    pub const PAPER: Self = Self { box_score: 0.25, text: 0.3, overlap: 0.8 };
    /// The demonstration of the original implementation.
    pub const PUBLIC: Self = Self { box_score: 0.35, text: 0.25, overlap: 0.8 };
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::PAPER
    }
}

/// How well a phrase fits a box.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Fit {
    /// Probability of its best token.
    pub best: f32,
    /// Mean probability of its tokens.
    pub mean: f32,
}

/// A box and what it is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Left, top, right, bottom, as shares of the picture.
    pub bounds: [f32; 4],
    /// Probability of the best token.
    pub score: f32,
    /// The tokens it is called by, as places in the text.
    pub tokens: Vec<usize>,
    /// How well each phrase fits.
    pub phrases: Vec<Fit>,
}

impl Scored {
    /// The boxes of each picture whose best token is probable enough, in the order of the network's queries.
    /// The first token of a text is never part of a name, and neither is the last one that the network can read
    /// (`limit`), as in the reference.
    pub fn found(&self, texts: &Texts, thresholds: Thresholds, limit: usize) -> Vec<Vec<Found>> {
        let [_, queries, tokens] = self.logits.dims();
        let [logits, boxes] =
            [&self.logits, &self.boxes].map(|x: &Tensor<3>| host_values(x.clone()));
        let rows = logits.chunks_exact(queries * tokens).zip(boxes.chunks_exact(queries * 4));
        let row = |(i, (logits, boxes)): (usize, (&[f32], &[f32]))| {
            let one = |(logits, bounds): (&[f32], &[f32])| {
                let logits = &logits[..texts.lengths[i]];
                found(logits, bounds, &texts.phrases[i], thresholds, limit)
            };
            logits.chunks_exact(tokens).zip(boxes.chunks_exact(4)).filter_map(one).collect()
        };
        rows.enumerate().map(row).collect()
    }
}

fn found(
    logits: &[f32],
    bounds: &[f32],
    phrases: &[Range<usize>],
    thresholds: Thresholds,
    limit: usize,
) -> Option<Found> {
    let odds: Vec<f32> = logits.iter().map(|&x| 1.0 / (1.0 + (-x).exp())).collect();
    let score = odds.iter().copied().fold(0.0, f32::max);
    if score <= thresholds.box_score {
        return None;
    }
    let named = |&i: &usize| i > 0 && i + 1 < limit && odds[i] > thresholds.text;
    let fit = |phrase: &Range<usize>| {
        let own = &odds[phrase.clone()];
        Fit {
            best: own.iter().copied().fold(0.0, f32::max),
            mean: own.iter().sum::<f32>() / own.len() as f32,
        }
    };
    let (x, y, w, h) = (bounds[0], bounds[1], bounds[2] / 2.0, bounds[3] / 2.0);
    Some(Found {
        bounds: [x - w, y - h, x + w, y + h],
        score,
        tokens: (0..odds.len()).filter(named).collect(),
        phrases: phrases.iter().map(fit).collect(),
    })
}

/// The share of the union of two boxes (left, top, right, bottom) that they have in common.
pub fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |b: [f32; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let both = [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])];
    let both = area(both);
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// The boxes that no better one overlaps by more than `overlap`, the best first (non-maximum suppression).
pub fn suppressed<T>(
    mut boxes: Vec<T>,
    score: impl Fn(&T) -> f32,
    bounds: impl Fn(&T) -> [f32; 4],
    overlap: f32,
) -> Vec<T> {
    boxes.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let mut kept: Vec<T> = Vec::new();
    for next in boxes {
        let apart = |other: &T| intersection_over_union(bounds(other), bounds(&next)) <= overlap;
        if kept.iter().all(apart) {
            kept.push(next);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlaps() {
        let unit = [0.0, 0.0, 1.0, 1.0];
        assert_eq!(intersection_over_union(unit, unit), 1.0);
        assert!((intersection_over_union(unit, [0.5, 0.0, 1.5, 1.0]) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(intersection_over_union(unit, [1.0, 0.0, 2.0, 1.0]), 0.0);
        assert_eq!(intersection_over_union([0.3; 4], [0.3; 4]), 0.0);
        assert_eq!(intersection_over_union(unit, [2.0, 2.0, 1.0, 1.0]), 0.0);
    }

    #[test]
    fn a_box_is_called_by_its_tokens() {
        let thresholds = Thresholds { box_score: 0.5, text: 0.4, overlap: 0.8 };
        let logit = |p: f32| (p / (1.0 - p)).ln();
        let logits = [0.9, 0.6, 0.2, 0.45, 0.7].map(logit);
        let made = found(&logits, &[0.5, 0.5, 0.2, 0.4], &[1..3, 3..4], thresholds, 5).unwrap();
        assert_eq!(made.tokens, [1, 3], "neither the first token nor the last that can be read");
        assert!((made.score - 0.9).abs() < 1e-5 && (made.phrases[0].mean - 0.4).abs() < 1e-5);
        assert!((made.phrases[0].best - 0.6).abs() < 1e-5);
        assert!((made.bounds[1] - 0.3).abs() < 1e-6 && (made.bounds[2] - 0.6).abs() < 1e-6);
        assert!(found(&[logit(0.4)], &[0.5; 4], &[], thresholds, 256).is_none());
        assert!(found(&[f32::NAN], &[0.5; 4], &[], thresholds, 256).is_none());
    }

    proptest! {
        #[test]
        fn what_is_kept_is_apart_and_what_goes_lies_under_a_better_one(
            boxes in prop::collection::vec((0u8..6, 0u8..6, 1u8..5, 1u8..5, 0u8..40), 0..20),
            overlap in 0.1f32..0.9,
        ) {
            let boxes: Vec<([f32; 4], f32)> = boxes.into_iter().map(|(x, y, w, h, score)| {
                let [x, y, w, h] = [x, y, w, h].map(f32::from);
                ([x, y, x + w, y + h], f32::from(score))
            }).collect();
            let kept = suppressed(boxes.clone(), |b| b.1, |b| b.0, overlap);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[..i] {
                    prop_assert!(b.1 >= a.1 && intersection_over_union(a.0, b.0) <= overlap);
                }
            }
            for a in boxes.iter().filter(|a| !kept.contains(a)) {
                let over = |b: &([f32; 4], f32)| {
                    b.1 >= a.1 && intersection_over_union(a.0, b.0) > overlap
                };
                prop_assert!(kept.iter().any(over));
            }
        }
    }
}
