//! The scenes that a model did worst, to look at what goes wrong.

use std::collections::BTreeMap;

use super::{
    measure::Measure,
    report::{Candidate, Part, SceneScores},
    sheets::Exhibit,
};

/// Scenes on each sheet; no more are kept.
pub const KEPT: usize = 16;

/// What is looked at: each part with its main measures.
const LOOKED_AT: [(Part, Measure); 10] = [
    (Part::Segmenter, Measure::Iou),
    (Part::Motion, Measure::Actions),
    (Part::Motion, Measure::Iou),
    (Part::Words, Measure::Followed),
    (Part::Words, Measure::Actions),
    (Part::Video, Measure::J),
    (Part::Video, Measure::Lpips),
    (Part::Video, Measure::Psnr),
    (Part::Chained, Measure::Actions),
    (Part::Chained, Measure::J),
];

/// The worst scenes of a group so far, for each part and measure, the worst first.
#[derive(Debug, Default)]
pub struct Worst {
    kept: BTreeMap<(Part, Measure), Vec<(f64, Exhibit)>>,
}

impl Worst {
    /// Takes a scene in where it is among the worst; of equal ones the earlier stays.
    pub fn add(&mut self, (_, scores): &SceneScores, exhibit: &Exhibit) {
        for (part, measure) in LOOKED_AT {
            let candidate = match (part, measure) {
                (Part::Words, Measure::Followed) => Candidate::OppositeWords,
                // Failures of the others are not to be looked at.
                (Part::Words, _) => Candidate::StudiedParaphrase,
                _ => Candidate::Model,
            };
            let found = scores.get(&(part, candidate)).and_then(|s| s.mean(measure));
            let Some(value) = found else { continue };
            // From bad to good.
            let rank = if measure == Measure::Lpips { -value } else { value };
            let list = self.kept.entry((part, measure)).or_default();
            let at = list.partition_point(|(other, _)| *other <= rank);
            if at < KEPT {
                let mut exhibit = exhibit.of_part(part);
                exhibit.caption = format!("{}: {value:.2}  {}", measure.word(), exhibit.caption);
                list.insert(at, (rank, exhibit));
                list.truncate(KEPT);
            }
        }
    }

    /// The name of each sheet, such as "motion-iou", and what is on it.
    pub fn sheets(self) -> impl Iterator<Item = (String, Vec<Exhibit>)> {
        self.kept.into_iter().map(|((part, measure), list)| {
            let name = format!("{}-{}", part.word(), slug(measure));
            (name, list.into_iter().map(|(_, exhibit)| exhibit).collect())
        })
    }
}

/// The measure's word in names of files.
fn slug(measure: Measure) -> String {
    match measure {
        Measure::Psnr => "db".into(),
        Measure::Followed => "opposite".into(),
        other => other.word().to_lowercase().replace(' ', "-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::measure::Scores;

    #[test]
    fn the_worst_are_kept_in_order_and_no_more() {
        let mut worst = Worst::default();
        for i in 0..40u16 {
            // 0, 7, 14, … in a scrambled order.
            let value = f32::from(i * 7 % 40);
            let mut scores = Scores::default();
            scores.add(Measure::J, value);
            scores.add(Measure::Lpips, value);
            let table = BTreeMap::from([((Part::Video, Candidate::Model), scores)]);
            let exhibit = Exhibit { caption: format!("{value}"), strips: vec![] };
            worst.add(&(1, table), &exhibit);
        }
        let sheets: BTreeMap<String, Vec<Exhibit>> = worst.sheets().collect();
        assert_eq!(sheets.keys().collect::<Vec<_>>(), ["video-j", "video-lpips"]);
        let values = |name: &str| -> Vec<String> {
            let last = |e: &Exhibit| e.caption.rsplit(' ').next().unwrap_or_default().to_owned();
            sheets[name].iter().map(last).collect()
        };
        assert_eq!(values("video-j"), (0..16).map(|v| v.to_string()).collect::<Vec<_>>());
        let high: Vec<String> = (24..40).rev().map(|v| v.to_string()).collect();
        assert_eq!(values("video-lpips"), high);
    }
}
