//! SAM 2 as what cuts objects out of boxes and around points.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Picture, PixelBox, Size};
use thrumask_nn::perception::sam2::{Prompt, Sam2, Sam2Image};

use super::{
    ScoreGrid,
    masker::{Cut, Masker, Sought, Within},
};
use crate::{Result, model::folders};

/// Less likely objects count as not there: the network's own threshold, a logit of 0.
const LEAST_OBJECT: f32 = 0.5;

/// Cuts objects out with a public network.
#[derive(Debug)]
pub struct SamMasks(pub Sam2);

impl SamMasks {
    /// The network of a folder in transformers' layout, or of an original file (`sam2.1_hiera_tiny.pt`).
    ///
    /// # Errors
    /// As [`folders::open_sam2`] and [`Sam2::load`].
    pub fn open(path: &Path, device: &Device) -> Result<Self> {
        let (weights, config) = folders::open_sam2(path)?;
        Ok(Self(Sam2::load(&path.display().to_string(), &weights, &config, device)?))
    }

    /// The mask that the network thinks best.
    fn best(&self, image: &Sam2Image<'_>, size: Size, sought: &Sought) -> Result<Cut> {
        let prompt = match sought.within() {
            Within::Box(bounds) => Prompt { bounds: Some(*bounds), ..Default::default() },
            Within::Points(points) => {
                let points = points.iter().map(|p| ([p.x, p.y], p.inside)).collect();
                Prompt { points, ..Default::default() }
            }
        };
        // A single point may mean a thing or a part of it; the rest is clear.
        let several = prompt.bounds.is_none() && prompt.points.len() == 1;
        let Some(best) = image.masks(&prompt, several)?.into_iter().next() else {
            return Ok(Cut::nothing());
        };
        if best.object < LEAST_OBJECT {
            let place = if prompt.bounds.is_some() { "in its box" } else { "at its points" };
            let note = format!("{}: {} sees no object {place}", sought.what(), self.name());
            return Ok(Cut { note: Some(note), ..Cut::nothing() });
        }
        let whole = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
        let side = self.0.config.mask_size();
        let grid = ScoreGrid::over(whole, Size::new(side, side), best.logits);
        Ok(Cut { grid, score: best.iou.clamp(0.0, 1.0) * best.object, note: None })
    }
}

impl Masker for SamMasks {
    fn name(&self) -> &str {
        "sam 2"
    }

    fn cut(&self, picture: &Picture, sought: &[Sought]) -> Result<Vec<Cut>> {
        let image = self.0.look(picture)?;
        sought.iter().map(|one| self.best(&image, picture.size(), one)).collect()
    }
}

#[cfg(test)]
mod tests;
