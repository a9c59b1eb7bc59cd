//! The nano segmenter: one small network, from picture and texts to masks.

use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::sigmoid},
};
use thrumask_core::{MaskSet, ObjectPrompt, Picture, PixelBox, PromptPlan, Size};
use thrumask_nn::{
    layers::Init,
    perception::grounded::{Grounded, GroundedConfig, pixels_from_pictures},
    pixels::host_values,
    text::Vocabulary,
};

use super::{
    Segmentation, Segmenter,
    canvas::{ScoreGrid, paint, without_specks},
    check_objects, label_of,
};
use crate::{Result, plan::known_object};

/// An object below this probability counts as not in the picture.
const LEAST_PRESENCE: f32 = 0.3;
/// Pieces below this share of an object's largest one are left out.
const LEAST_PIECE: f32 = 0.1;
/// Scores are limited before they are interpolated: a very sure cell would push the edge outwards.
const LIMIT: f32 = 6.0;

/// What the network reads of an object: its name, and what its prompt adds ("left car. The red car
/// moves away.").
pub fn query_text(object: &ObjectPrompt) -> String {
    format!("{}. {}", object.name.trim(), object.prompt.trim())
}

/// A trained text-grounded segmenter with its words.
#[derive(Debug, Clone)]
pub struct SegmenterModel {
    /// Its sizes.
    pub config: GroundedConfig,
    /// The words it knows.
    pub vocabulary: Vocabulary,
    /// What it learned.
    pub network: Grounded,
}

/// What the network says of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct RawMasks {
    /// Mask logits of each object at the network's size, row-major.
    pub logits: Vec<Vec<f32>>,
    /// Probability that each object is in the picture.
    pub presence: Vec<f32>,
}

impl SegmenterModel {
    /// A model with fresh parameters.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Config`] when the configuration does not fit together.
    pub fn fresh(init: &mut Init, config: GroundedConfig, vocabulary: Vocabulary) -> Result<Self> {
        let network = Grounded::new(init, &config, vocabulary.len())?;
        Ok(Self { config, vocabulary, network })
    }

    /// What the network says of pictures of its size, all of one size.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Shape`] for pictures of another size.
    pub fn look(&self, pictures: &[Picture], texts: &[Vec<String>]) -> Result<Vec<RawMasks>> {
        let device = self.network.devices().into_iter().next().unwrap_or_else(Device::flex);
        let pixels: Tensor<4> = pixels_from_pictures(pictures, &device)?;
        let output = self.network.forward(&self.vocabulary, pixels, texts)?;
        let [_, objects, height, width] = output.masks.dims();
        let logits = host_values(output.masks);
        let presence = host_values(sigmoid(output.presence));
        let rows = texts.iter().enumerate().map(|(b, texts)| RawMasks {
            logits: logits[b * objects * height * width..]
                .chunks_exact(height * width)
                .take(texts.len())
                .map(<[f32]>::to_vec)
                .collect(),
            presence: presence[b * objects..b * objects + texts.len()].to_vec(),
        });
        Ok(rows.collect())
    }
}

/// Finds objects by their names with one small network trained on the world: its kinds, colours,
/// sizes and sides. Of anything else it makes a guess; unknown words give a note.
#[derive(Debug, Clone)]
pub struct NanoSegmenter {
    model: SegmenterModel,
}

impl NanoSegmenter {
    /// A segmenter with a trained model.
    pub fn new(model: SegmenterModel) -> Self {
        Self { model }
    }

    /// The model.
    pub fn model(&self) -> &SegmenterModel {
        &self.model
    }

    /// Segments several pictures at once; the same as one by one, faster.
    ///
    /// # Errors
    /// As [`Segmenter::segment`].
    pub fn segment_all(&self, scenes: &[(&Picture, &PromptPlan)]) -> Result<Vec<Segmentation>> {
        for (_, plan) in scenes {
            check_objects(plan)?;
        }
        let side = self.model.config.size;
        let small = scenes.iter().map(|(picture, _)| picture.resize(Size::new(side, side)));
        let small = small.collect::<thrumask_core::Result<Vec<_>>>()?;
        let known = |object| query_text(&known_object(object, &self.model.vocabulary).0);
        let texts: Vec<Vec<String>> =
            scenes.iter().map(|(_, plan)| plan.objects.iter().map(known).collect()).collect();
        if texts.iter().all(Vec::is_empty) {
            let none = RawMasks { logits: Vec::new(), presence: Vec::new() };
            return scenes.iter().map(|&(p, plan)| self.settle(p.size(), plan, &none)).collect();
        }
        let raw = self.model.look(&small, &texts)?;
        let settled = scenes.iter().zip(&raw);
        settled.map(|(&(p, plan), raw)| self.settle(p.size(), plan, raw)).collect()
    }

    /// Disjoint masks at the picture's size, with notes.
    fn settle(&self, size: Size, plan: &PromptPlan, raw: &RawMasks) -> Result<Segmentation> {
        let grids = score_grids(raw, self.model.config.size, size);
        let mut notes = Vec::new();
        for (i, object) in plan.objects.iter().enumerate() {
            let words = &self.model.vocabulary;
            let (known, like) = known_object(object, words);
            let unknown = words.unknown_words(&known.name).join(", ");
            let label = label_of(plan, i);
            if let Some(like) = like {
                let name = &object.name;
                notes.push(format!(
                    "{label}: the segmenter does not know {name}; it looks for a kind of {like}"
                ));
            } else if !unknown.is_empty() {
                notes.push(format!("{label}: the segmenter does not know {unknown}; it guesses"));
            }
        }
        let masks = MaskSet::new(paint(size, &grids)?, plan.objects.len())?;
        Ok(Segmentation::new(plan, masks, raw.presence.clone(), notes)?)
    }
}

/// Logits as grids over a picture of `size`, without specks; nothing for absent objects.
pub(crate) fn score_grids(raw: &RawMasks, side: usize, size: Size) -> Vec<ScoreGrid> {
    let cells = Size::new(side, side);
    let area = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
    // A pixel belongs to the object of the highest logit; specks are judged after that.
    let mut winner = vec![usize::MAX; side * side];
    for (p, winner) in winner.iter_mut().enumerate() {
        let mut best = 0.0;
        for (i, logits) in raw.logits.iter().enumerate() {
            if logits[p] > best && raw.presence[i] >= LEAST_PRESENCE {
                (best, *winner) = (logits[p], i);
            }
        }
    }
    let grid = |i: usize| {
        if raw.presence[i] < LEAST_PRESENCE {
            return ScoreGrid::nothing();
        }
        let scores = raw.logits[i].iter().map(|s| s.clamp(-LIMIT, LIMIT)).collect();
        let mut grid = ScoreGrid::over(area, cells, scores);
        let won: Vec<bool> = winner.iter().map(|&w| w == i).collect();
        let kept = without_specks(&won, cells, LEAST_PIECE);
        let keep: Vec<bool> = (0..side * side).map(|p| kept[p] || !won[p]).collect();
        grid.restrict(&keep);
        grid
    };
    (0..raw.logits.len()).map(grid).collect()
}

impl Segmenter for NanoSegmenter {
    fn name(&self) -> &str {
        "nano"
    }

    fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation> {
        let mut all = self.segment_all(&[(picture, plan)])?;
        Ok(all.remove(0))
    }
}
