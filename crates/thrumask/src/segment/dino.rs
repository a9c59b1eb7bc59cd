//! Grounding DINO as a detector of names.

use thrumask_core::Picture;
use thrumask_nn::perception::grounding_dino::{Found, GroundedDetector, Thresholds, suppressed};

use super::{Detection, Detector};
use crate::Result;

/// Weaker boxes are not even told of.
const FLOOR: f32 = 0.05;

/// Finds objects by their names with a public network.
#[derive(Debug)]
pub struct DinoDetector(pub GroundedDetector);

impl Detector for DinoDetector {
    fn name(&self) -> &str {
        "grounding dino"
    }

    fn detect(&self, picture: &Picture, names: &[&str]) -> Result<Vec<Vec<Detection>>> {
        let thresholds = Thresholds { box_score: FLOOR, ..Thresholds::PAPER };
        let found = self.0.detect(picture, names, thresholds)?;
        let of = |name: usize| {
            let one = |f: &Found| {
                let fit = f.phrases[name];
                Some(Detection { bounds: f.bounds, score: fit.best, fit: fit.mean })
            };
            let fits = found.iter().filter_map(one).filter(|d| d.score > FLOOR).collect();
            suppressed(fits, |d: &Detection| d.fit, |d| d.bounds, thresholds.overlap)
        };
        Ok((0..names.len()).map(of).collect())
    }
}
