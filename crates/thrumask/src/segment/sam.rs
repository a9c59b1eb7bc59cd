//! SAM 2 as what makes masks of boxes.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Error, Picture, Size, fsio};
use thrumask_nn::{
    perception::sam2::{Prompt, Sam2, Sam2Config},
    weights::Checkpoint,
};

use super::{BoxMask, MaskFromBox};
use crate::{Result, model::folders::CONFIG};

/// The longest description of a network, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

/// Finds the object that a box is around with a public network.
#[derive(Debug)]
pub struct SamMasks(pub Sam2);

impl SamMasks {
    /// The network of a folder, in transformers' layout.
    ///
    /// # Errors
    /// When its `config.json` or weights cannot be read, or do not fit each other.
    pub fn open(folder: &Path, device: &Device) -> Result<Self> {
        let config = fsio::read_text_limited(folder.join(CONFIG), MAX_CONFIG)?;
        let config = Sam2Config::from_transformers(&config)?;
        let what = folder.display().to_string();
        Ok(Self(Sam2::load(&what, &Checkpoint::open(folder)?, &config, device)?))
    }
}

impl MaskFromBox for SamMasks {
    fn name(&self) -> &str {
        "sam 2"
    }

    fn masks(&self, picture: &Picture, boxes: &[[f32; 4]]) -> Result<Vec<BoxMask>> {
        let image = self.0.look(picture)?;
        let side = self.0.config.mask_size();
        let mask = |bounds: &[f32; 4]| {
            let prompt = Prompt { bounds: Some(*bounds), ..Default::default() };
            let best = image.masks(&prompt, false)?.into_iter().next();
            let best =
                best.ok_or_else(|| Error::invalid("mask of a box", "expected one, got none"))?;
            let score = best.iou.clamp(0.0, 1.0) * best.object;
            Ok(BoxMask { size: Size::new(side, side), logits: best.logits, score })
        };
        boxes.iter().map(mask).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use thrumask_core::{ObjectPrompt, PromptPlan};
    use thrumask_nn::layers::Init;

    use super::*;
    use crate::segment::{BoxMasker, NetworkMasker};

    #[test]
    fn a_network_that_has_learned_nothing_gives_masks_of_the_pictures_size() {
        let network = Sam2::new(&mut Init::new(3, &Device::flex()), &Sam2Config::test()).unwrap();
        let masks = SamMasks(network);
        let level = |i: usize| ((i * 7919) % 251) as u8;
        let size = Size::new(60, 33);
        let picture = Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap();
        let made =
            masks.masks(&picture, &[[5.0, 4.0, 30.0, 20.0], [0.0, 0.0, 60.0, 33.0]]).unwrap();
        assert_eq!(made.len(), 2);
        assert!(made.iter().all(|mask| mask.logits.len() == mask.size.area()));
        assert_ne!(made[0].logits, made[1].logits, "the box counts");
        assert!(masks.masks(&picture, &[[f32::NAN; 4]]).is_err());
        let object = |name: &str| ObjectPrompt { name: name.into(), prompt: "It moves.".into() };
        let plan = PromptPlan {
            caption: "Two.".into(),
            motion: "They move.".into(),
            objects: vec![object("cat"), object("dog")],
        };
        let boxes = BTreeMap::from([(2, [5.0, 4.0, 30.0, 20.0])]);
        let found = NetworkMasker(masks).mask(&picture, &plan, &boxes).unwrap();
        assert_eq!((found.masks.labels.size(), found.masks.objects), (size, 2));
        assert_eq!(found.masks.labels.area_of(1), 0);
        assert!(
            NetworkMasker(SamMasks(
                Sam2::new(&mut Init::new(3, &Device::flex()), &Sam2Config::test()).unwrap()
            ))
            .mask(&picture, &plan, &BTreeMap::from([(3, [0.0, 0.0, 9.0, 9.0])]))
            .is_err()
        );
    }
}
