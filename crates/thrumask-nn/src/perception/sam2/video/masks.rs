//! What was found on a frame, outside of the network.

use thrumask_core::{LabelMap, Size};

use super::super::pixels::stretched;

/// One object on a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectMask {
    /// Its id.
    pub object: u8,
    /// Logits, above 0 where it is, row-major in a square of
    /// [`Sam2Config::mask_size`](super::super::Sam2Config::mask_size). Those of several objects may overlap.
    pub logits: Vec<f32>,
    /// Logit of whether it is there; below 0 it is hidden or out of the picture.
    pub score: f32,
}

/// All objects on a frame, in ascending order of their ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FrameMasks {
    /// Number of the frame.
    pub frame: usize,
    /// The objects.
    pub objects: Vec<ObjectMask>,
}

impl ObjectMask {
    /// The logits at another size.
    pub fn logits_at(&self, size: Size) -> Vec<f32> {
        let side = self.logits.len().isqrt();
        stretched(&self.logits, [side, side], size)
    }

    /// Whether each pixel is the object's, whatever other objects ask for it.
    pub fn mask_at(&self, size: Size) -> Vec<bool> {
        self.logits_at(size).into_iter().map(|logit| logit > 0.0).collect()
    }
}

impl FrameMasks {
    /// Who each pixel belongs to: the object of the highest logit above 0, the one of the lower id where two
    /// are equal.
    pub fn labels(&self, size: Size) -> LabelMap {
        let mut labels = LabelMap::empty(size);
        let mut highest = vec![0f32; size.area()];
        for object in &self.objects {
            let logits = object.logits_at(size);
            let pixels = labels.ids_mut().iter_mut().zip(&mut highest).zip(&logits);
            for ((id, highest), &logit) in pixels {
                if logit > *highest {
                    (*id, *highest) = (object.object, logit);
                }
            }
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_logit_has_the_pixel() {
        let object =
            |object, logits: [f32; 4]| ObjectMask { object, logits: logits.into(), score: 1.0 };
        let (first, second) = (object(2, [1.0, -1.0, 3.0, 2.0]), object(5, [2.0, -2.0, -1.0, 2.0]));
        let size = Size::new(2, 2);
        assert_eq!(first.mask_at(size), [true, false, true, true]);
        let masks = FrameMasks { frame: 0, objects: vec![first, second] };
        assert_eq!(masks.labels(size).ids(), [5, 0, 2, 2]);
        assert_eq!(FrameMasks::default().labels(size).ids(), [0; 4]);
    }
}
