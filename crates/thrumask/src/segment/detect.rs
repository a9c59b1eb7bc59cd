//! Names → boxes → masks, as the paper does it with Grounding DINO and SAM 2: two parts behind the
//! one interface of a segmenter.

use std::collections::BTreeMap;

use thrumask_core::{MaskSet, Picture, PromptPlan};

use super::{
    Masker, Place, Segmentation, Segmenter, check_objects, from_places_by, label_of,
    resolve::{Asked, Choice, choose},
};
use crate::Result;

/// Where a detector sees an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Left, top, right, bottom, in pixels of the picture.
    pub bounds: [f32; 4],
    /// How sure it is that there is something of this name, 0 to 1.
    pub score: f32,
    /// How well the whole name fits, 0 to 1: what tells a red car from a black one.
    pub fit: f32,
}

/// Finds objects by their names, as boxes.
pub trait Detector {
    /// The detector's name, as written into a run's record.
    fn name(&self) -> &str;

    /// Boxes for each of several names ("red car"), the best fit first; weak ones too, so that it can be told
    /// how weak they are.
    ///
    /// # Errors
    /// When the picture cannot be worked on, or a name not be read.
    fn detect(&self, picture: &Picture, names: &[&str]) -> Result<Vec<Vec<Detection>>>;
}

/// A detector, then a masker.
#[derive(Debug, Clone)]
pub struct DetectThenMask<D, M> {
    detector: D,
    masker: M,
    name: String,
    threshold: f32,
}

impl<D: Detector, M: Masker> DetectThenMask<D, M> {
    /// Boxes that score below `threshold` (the paper's detector: 0.25) count as not found.
    pub fn new(detector: D, masker: M, threshold: f32) -> Self {
        let name = format!("{} + {}", detector.name(), masker.name());
        Self { detector, masker, name, threshold }
    }

    /// What a person should know of how an object was chosen.
    fn told(
        &self,
        what: &str,
        asked: &Asked,
        seen: &[Detection],
        choice: Choice,
    ) -> Option<String> {
        let scores = |of: &mut dyn Iterator<Item = f32>| {
            of.take(4).map(|score| format!("{score:.2}")).collect::<Vec<_>>().join(", ")
        };
        let name = &asked.query;
        match choice {
            Choice::Box(_) => None,
            Choice::OneOf(_, fits) => {
                let fits = scores(&mut fits.into_iter());
                Some(format!(
                    "{what}: several boxes fit \"{name}\" ({fits}) and nothing tells which; the best was taken"
                ))
            }
            Choice::Taken => {
                Some(format!("{what}: there are fewer boxes that fit \"{name}\" than objects"))
            }
            Choice::None if seen.is_empty() => Some(format!("{what}: no box fits \"{name}\"")),
            Choice::None => {
                let best = scores(&mut seen.iter().map(|d| d.score));
                let least = self.threshold;
                Some(format!(
                    "{what}: the best boxes for \"{name}\" score {best}, less than {least}"
                ))
            }
        }
    }
}

impl<D: Detector, M: Masker> Segmenter for DetectThenMask<D, M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation> {
        check_objects(plan)?;
        let asked: Vec<Asked> = plan.objects.iter().map(Asked::of).collect();
        let mut names: Vec<&str> = asked.iter().map(|a| a.query.as_str()).collect();
        // A name without words is asked of nobody.
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        names.dedup();
        let seen: BTreeMap<&str, Vec<Detection>> = match names.is_empty() {
            true => BTreeMap::new(),
            false => {
                let seen = self.detector.detect(picture, &names)?;
                names.iter().copied().zip(seen).collect()
            }
        };
        let of = |a: &Asked| seen.get(a.query.as_str()).map_or(&[][..], Vec::as_slice);
        let sure = |d: &&Detection| d.score >= self.threshold;
        let candidates: Vec<Vec<Detection>> =
            asked.iter().map(|a| of(a).iter().filter(sure).copied().collect()).collect();
        let (mut places, mut sureness, mut own) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        for (i, choice) in choose(picture, &asked, &candidates).into_iter().enumerate() {
            if let Choice::Box(d) | Choice::OneOf(d, _) = &choice {
                places.insert(i as u8 + 1, Place::Box(d.bounds));
                sureness.insert(i, d.score);
            }
            own.extend(self.told(&label_of(plan, i), &asked[i], of(&asked[i]), choice));
        }
        let Segmentation { masks, scores, notes } =
            from_places_by(&self.masker, picture, plan, &places)?;
        let score = |(i, s): (usize, f32)| s * sureness.get(&i).copied().unwrap_or(0.0);
        let scores = scores.into_iter().enumerate().map(score).collect();
        let masks = MaskSet::new(masks.labels, plan.objects.len())?;
        own.extend(notes);
        Ok(Segmentation { masks, scores, notes: own })
    }
}
