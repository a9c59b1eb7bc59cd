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

#[cfg(test)]
mod tests {
    use thrumask_core::{ObjectPrompt, PromptPlan, Size};
    use thrumask_nn::weights::FloatType;

    use crate::{
        hub::{Component, Fresh},
        model::FullSize,
        models::{Models, SEGMENTER},
        progress::Silent,
    };

    use super::*;

    #[test]
    fn a_folder_with_a_detector_is_a_segmenter() {
        let folder = tempfile::tempdir().unwrap();
        let fresh = Fresh { size: FullSize::Tiny, seed: 3, float: FloatType::F32, conditions: 0 };
        fresh.write(folder.path(), &[Component::Detector], &mut Silent).unwrap();
        let models = Models::in_folder(folder.path());
        let segmenter = models.segmenter().unwrap();
        assert_eq!(segmenter.name(), "grounding dino + colour");
        let object = |name: &str| ObjectPrompt { name: name.into(), prompt: "It moves.".into() };
        let plan = PromptPlan {
            caption: "A cat and a dog.".into(),
            motion: "They move.".into(),
            objects: vec![object("cat"), object("dog")],
        };
        let level = |i: usize| ((i * 7919) % 251) as u8;
        let picture = Picture::new(Size::new(50, 40), (0..6000).map(level).collect()).unwrap();
        let found = segmenter.segment(&picture, &plan).unwrap();
        assert_eq!((found.masks.objects, found.masks.labels.size()), (2, picture.size()));
        // All that it is made of counts.
        let hash = models.hash(SEGMENTER).unwrap();
        let pieces = folder.path().join("grounding_dino/vocab.txt");
        let text = std::fs::read_to_string(&pieces).unwrap();
        std::fs::write(&pieces, text.replace("[unused5]", "more")).unwrap();
        assert_ne!(models.hash(SEGMENTER).unwrap(), hash);
        assert!(models.memory(SEGMENTER).unwrap() > 100_000);
        std::fs::remove_file(&pieces).unwrap();
        let error = models.segmenter().err().unwrap().to_string();
        assert!(error.contains("vocab.txt"), "{error}");
    }
}
