//! Masks on a picture of any size.

use burn::tensor::{Tensor, TensorData};
use thrumask_core::{Picture, Size};

use super::{
    DecoderInput, DecoderOutput, ImageFeatures, PointKind, PromptPoint, Sam2, normalised,
    pixels::stretched,
};
use crate::{Error, Result, pixels::host_values};

/// What is known of an object. Coordinates are pixels of the picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// Points on it (`true`) and beside it: column, row.
    pub points: Vec<([f32; 2], bool)>,
    /// A box around it: left, top, right, bottom.
    pub bounds: Option<[f32; 4]>,
    /// Logits of its mask as an earlier look had them ([`Candidate::logits`]).
    pub logits: Option<Vec<f32>>,
}

/// A mask that a prompt may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Whether each pixel of the picture is the object's, row-major.
    pub mask: Vec<bool>,
    /// The network's logits, row-major in a square of [`super::Sam2Config::mask_size`].
    pub logits: Vec<f32>,
    /// The overlap with the true mask that is expected, 0 to 1.
    pub iou: f32,
    /// How likely it is that the object is there at all, 0 to 1.
    pub object: f32,
}

/// A picture that was looked at, to ask for any number of objects.
#[derive(Debug)]
pub struct Sam2Image<'a> {
    network: &'a Sam2,
    features: ImageFeatures,
    positions: Tensor<4>,
    size: Size,
}

impl Sam2 {
    /// Looks at a picture.
    ///
    /// # Errors
    /// When the picture cannot be resized.
    pub fn look(&self, picture: &Picture) -> Result<Sam2Image<'_>> {
        let positions = self.prompt_encoder.picture_positions();
        let side = self.config.image_size;
        let pixels = normalised(std::slice::from_ref(picture), side, &positions.device())?;
        let mut features = self.image_encoder.forward(pixels);
        let [_, width, ..] = features.levels[2].dims();
        // Nothing is remembered.
        let nothing = self.no_memory.value.val().reshape([1, width, 1, 1]);
        features.levels[2] = features.levels[2].clone() + nothing;
        Ok(Sam2Image { network: self, features, positions, size: picture.size() })
    }
}

impl Sam2Image<'_> {
    /// The masks that a prompt may mean: several with `multimask`, which a single point asks for, else
    /// one; the most likely first.
    ///
    /// # Errors
    /// [`Error::Shape`] when the logits are of another size, or a coordinate is not a number.
    pub fn masks(&self, prompt: &Prompt, multimask: bool) -> Result<Vec<Candidate>> {
        let side = self.network.config.mask_size();
        let logits = prompt.logits.as_ref().map(|logits| match logits.len() == side * side {
            true => {
                let data = TensorData::new(logits.clone(), [1, 1, side, side]);
                Ok(Tensor::<4>::from_data(data, &self.positions.device()))
            }
            false => Err(Error::shape("logits of a prompt", side * side, logits.len())),
        });
        let points = vec![self.points(prompt)?];
        let prompts = self.network.prompt_encoder.forward(&points, logits.transpose()?)?;
        let [finest, finer, features] = self.features.levels.clone();
        let positions = self.positions.clone();
        let input = DecoderInput { features, fine: [finest, finer], positions, prompts };
        let DecoderOutput { masks, iou, object_score, .. } =
            self.network.mask_decoder.forward(input, multimask);
        let object = host_values(object_score)[0];
        let object = 1.0 / (1.0 + (-object).exp());
        let (masks, iou) = (host_values(masks), host_values(iou));
        let candidate = |(logits, &iou): (&[f32], &f32)| {
            let mask = stretched(logits, [side, side], self.size);
            let mask = mask.into_iter().map(|logit| logit > 0.0).collect();
            Candidate { mask, logits: logits.to_vec(), iou, object }
        };
        let mut found: Vec<Candidate> =
            masks.chunks_exact(side * side).zip(&iou).map(candidate).collect();
        found.sort_by(|a, b| b.iou.total_cmp(&a.iou));
        Ok(found)
    }

    /// The points of a prompt in the network's square.
    fn points(&self, prompt: &Prompt) -> Result<Vec<PromptPoint>> {
        let side = self.network.config.image_size as f32;
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let at = |[x, y]: [f32; 2], kind| {
            if !x.is_finite() || !y.is_finite() {
                return Err(Error::shape("coordinates of a prompt", "numbers", [x, y]));
            }
            Ok(PromptPoint { x: x / width * side, y: y / height * side, kind })
        };
        let corners = prompt.bounds.iter().flat_map(|&[x0, y0, x1, y1]| {
            [([x0, y0], PointKind::TopLeft), ([x1, y1], PointKind::BottomRight)]
        });
        let points = prompt.points.iter().map(|&(place, inside)| match inside {
            true => (place, PointKind::Inside),
            false => (place, PointKind::Outside),
        });
        corners.chain(points).map(|(place, kind)| at(place, kind)).collect()
    }
}
