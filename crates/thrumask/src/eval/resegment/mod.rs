//! Finds the objects of a generated video again, without looking at the trajectory it was made for.
//!
//! What is known is what a person would know who watches the video: the first picture with the masks
//! of its objects, and the empty background of the scene. Each object is followed from frame to
//! frame as a cut-out of the first frame that may move, turn and change its size (`track`); then
//! each pixel goes to the object or the background that it looks most like, near where the cut-out
//! lies (`label`), so that what a network draws in another shape is seen in that shape.
//!
//! Its score on true videos is the ceiling of every score it gives; see `docs/evaluation.md`.

mod label;
mod template;
mod track;

use thrumask_core::{Clip, Error, LabelMap, Picture, Result, Size, Trajectory};

use template::Template;

/// Finds the objects of one scene in videos that begin with its first frame.
#[derive(Debug, Clone)]
pub struct Resegmenter {
    /// The empty background: for each pixel the colours that may be there.
    background: Background,
    first: LabelMap,
    /// One for each object; `None` for an object that is not in the first frame.
    templates: Vec<Option<Template>>,
}

impl Resegmenter {
    /// Learns the looks of `objects` objects from the first frame and its masks.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when sizes differ.
    pub fn new(
        background: &Picture,
        first: &Picture,
        masks: &LabelMap,
        objects: usize,
    ) -> Result<Self> {
        for (what, size) in [("first frame", first.size()), ("first masks", masks.size())] {
            if size != background.size() {
                return Err(Error::mismatch(what, background.size(), size));
            }
        }
        let template = |id: usize| Template::new(background, first, masks, id as u8);
        let templates = (1..=objects).map(template).collect();
        Ok(Self { background: Background::new(background), first: masks.clone(), templates })
    }

    /// The objects' masks in `clip`. Frame 0 is the known first frame, so its masks are the known
    /// ones.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the clip's size is not the first frame's.
    pub fn masks(&self, clip: &Clip) -> Result<Trajectory> {
        if clip.size() != self.first.size() {
            return Err(Error::mismatch("size of the clip", self.first.size(), clip.size()));
        }
        let mut tracks: Vec<track::Track> =
            self.templates.iter().map(|t| track::Track::new(t.as_ref())).collect();
        let mut frames = vec![self.first.clone()];
        for picture in &clip.frames()[1..] {
            let evidence = Evidence::new(&self.background, picture);
            let likeness: Vec<Vec<f32>> =
                self.templates.iter().map(|t| evidence.likeness(t.as_ref())).collect();
            track::follow(&mut tracks, &self.templates, &evidence, &likeness);
            frames.push(label::label(&tracks, &self.templates, &evidence, &likeness));
        }
        Trajectory::new(frames, self.templates.len(), clip.fps())
    }
}

/// The colours the empty background may show at a pixel, in levels: those of the 3 × 3 pixels around
/// it and their mean, since a network blurs and shifts fine detail.
#[derive(Debug, Clone)]
struct Background {
    colors: Vec<[[f32; 3]; 10]>,
}

impl Background {
    fn new(picture: &Picture) -> Self {
        let Size { width, height } = picture.size();
        let around = |x: usize, y: usize| {
            let mut colors = [[0f32; 3]; 10];
            for k in 0..9 {
                let nx = (x + k % 3).saturating_sub(1).min(width - 1);
                let ny = (y + k / 3).saturating_sub(1).min(height - 1);
                colors[k] = picture.pixel(nx, ny).map(f32::from);
                (0..3).for_each(|c| colors[9][c] += colors[k][c] / 9.0);
            }
            colors
        };
        let colors = (0..width * height).map(|i| around(i % width, i / width)).collect();
        Self { colors }
    }
}

/// One frame, and how unlike the background each of its pixels is.
struct Evidence {
    size: Size,
    colors: Vec<[f32; 3]>,
    /// The background's own colour there.
    behind: Vec<[f32; 3]>,
    /// Squared distance to the background in units of [`SIGMA`], at most [`MOST`].
    background: Vec<f32>,
}

/// Spread of a generated colour about the true one, in levels.
const SIGMA: f32 = 24.0;
/// Squared distances in units of [`SIGMA`] beyond which a colour is just "another one".
const MOST: f32 = 20.0;

impl Evidence {
    fn new(background: &Background, picture: &Picture) -> Self {
        let colors: Vec<[f32; 3]> =
            picture.rgb().chunks_exact(3).map(|c| [c[0], c[1], c[2]].map(f32::from)).collect();
        let unlike = |(color, known): (&[f32; 3], &[[f32; 3]; 10])| {
            known.iter().map(|k| unlike(*color, *k)).fold(MOST, f32::min)
        };
        let behind = background.colors.iter().map(|known| known[4]).collect();
        let background = colors.iter().zip(&background.colors).map(unlike).collect();
        Self { size: picture.size(), colors, behind, background }
    }

    /// How unlike an object's colours each pixel is.
    fn likeness(&self, template: Option<&Template>) -> Vec<f32> {
        template.map_or(Vec::new(), |t| self.colors.iter().map(|c| t.unlike(*c)).collect())
    }
}

/// Squared distance of two colours in units of [`SIGMA`].
fn unlike(a: [f32; 3], b: [f32; 3]) -> f32 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]) / (SIGMA * SIGMA)
}

#[cfg(test)]
mod tests;
