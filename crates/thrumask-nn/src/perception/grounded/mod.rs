//! A small text-grounded segmenter: a picture and one text for each object give one mask and one
//! presence score for each object, all objects of a picture jointly, so that "left" and "right",
//! "first" and "second" can be told apart.
//!
//! ```text
//! pixels ─ cells (4×4, with what lies around) ─ tokens (8×8) ─ blocks ─┐ fusion ─ tokens ─ cells ─ pixel features ┐
//! texts  ─ text encoder ─ one query per object ────────────────────────┘        └ queries ─ mask embeddings ──────┴ masks
//! ```
//!
//! Cells keep the pixels' detail past the tokens, so that masks are as sharp as the picture. A
//! pixel's logit is the inner product of its features with the object's embedding, as in MaskFormer
//! and Segment Anything.

mod cells;
mod config;
mod fusion;
mod loss;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};

pub use config::GroundedConfig;
pub use loss::{GroundedTargets, grounded_loss};

use fusion::{FusionBlock, Turn, whole};

use crate::{
    Error, Result,
    layers::{Attention, EncoderBlock, Init, LayerNorm, LearnedPositions, Linear, Mlp},
    text::{TextEncoder, Vocabulary},
};

/// What the network says of the objects asked for.
#[derive(Debug, Clone)]
pub struct GroundedOutput {
    /// Mask logits `[B, S, H, W]`: above 0 where the object is seen.
    pub masks: Tensor<4>,
    /// Presence logits `[B, S]`: above 0 when the object is in the picture.
    pub presence: Tensor<2>,
    /// Where each fusion block expected the objects, as logits of tokens, `[B, S, H', W']`; a
    /// network that is taught these too learns much faster which text means which thing.
    pub coarse: Vec<Tensor<4>>,
}

/// A text-grounded segmenter.
#[derive(Module, Debug)]
pub struct Grounded {
    text: TextEncoder,
    query: Linear,
    cell: Linear,
    cell_norm: LayerNorm,
    cell_mlp: Mlp,
    token: Linear,
    positions: LearnedPositions,
    image_blocks: Vec<EncoderBlock>,
    fusion_blocks: Vec<FusionBlock>,
    look_norm: LayerNorm,
    look: Attention,
    query_norm: LayerNorm,
    embedding_up: Linear,
    embedding: Linear,
    mask_bias: Param<Tensor<1>>,
    presence: Linear,
    image_norm: LayerNorm,
    split: Linear,
    fine_norms: Vec<LayerNorm>,
    fine_mlps: Vec<Mlp>,
    pixel_norm: LayerNorm,
    pixel: Linear,
    #[module(skip)]
    config: GroundedConfig,
}

/// Perceptrons on the cells after the tokens have come back to them.
const FINE_LAYERS: usize = 2;

/// Objects cover about a fortieth of a picture; so does a mask of a fresh network.
const FIRST_MASK_LOGIT: f32 = -3.5;

impl Grounded {
    /// A network with fresh parameters for a vocabulary of so many words.
    ///
    /// # Errors
    /// [`Error::Config`] when the configuration does not fit together.
    pub fn new(init: &mut Init, config: &GroundedConfig, vocabulary: usize) -> Result<Self> {
        config.check()?;
        let (width, cell, grid) = (config.width, config.cell_width, config.grid());
        let merged = config.merge * config.merge * cell;
        let hidden = config.mlp_ratio * width;
        let gain = 1.0 / (2.0 * (config.image_blocks + config.fusion_blocks) as f32).sqrt();
        let pixels = config.cell * config.cell * config.mask_channels;
        Ok(Self {
            text: TextEncoder::new(init, &config.text, vocabulary),
            query: Linear::new(init, config.text.width, width, 1.0),
            cell: Linear::new(init, config.cell_values(), cell, 2.0),
            cell_norm: LayerNorm::new(init, cell),
            cell_mlp: Mlp::new(init, cell, 2 * cell, 1.0),
            token: Linear::new(init, merged, width, 1.0),
            positions: LearnedPositions::new(init, [1, grid, grid], width),
            image_blocks: (0..config.image_blocks)
                .map(|_| EncoderBlock::new(init, width, config.heads, hidden, gain))
                .collect(),
            fusion_blocks: (0..config.fusion_blocks)
                .map(|_| FusionBlock::new(init, config, gain))
                .collect(),
            look_norm: LayerNorm::new(init, width),
            look: Attention::with_context(init, width, width, config.heads, gain),
            query_norm: LayerNorm::new(init, width),
            embedding_up: Linear::new(init, width, width, 1.0),
            embedding: Linear::new(init, width, config.mask_channels, 1.0),
            mask_bias: init.constant([1], FIRST_MASK_LOGIT),
            presence: Linear::new(init, width, 1, 0.5),
            image_norm: LayerNorm::new(init, width),
            split: Linear::new(init, width, merged, 1.0),
            fine_norms: (0..FINE_LAYERS).map(|_| LayerNorm::new(init, cell)).collect(),
            fine_mlps: (0..FINE_LAYERS).map(|_| Mlp::new(init, cell, 2 * cell, 0.5)).collect(),
            pixel_norm: LayerNorm::new(init, cell),
            pixel: Linear::new(init, cell, pixels, 1.0),
            config: config.clone(),
        })
    }

    /// The configuration the network was built from.
    pub fn config(&self) -> &GroundedConfig {
        &self.config
    }

    /// Masks and presence of the objects that `texts` name, one list of texts for each picture;
    /// the lists may differ in length, and what is said past the end of one means nothing.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, H, W]` in [-1, 1]
    /// - `texts`: `B` lists of up to `S` texts
    /// - returns masks `[B, S, H, W]` and presence `[B, S]`, `S` at least 1
    ///
    /// # Errors
    /// [`Error::Shape`] for pictures of another size, or another number of lists than pictures.
    pub fn forward(
        &self,
        vocabulary: &Vocabulary,
        pixels: Tensor<4>,
        texts: &[Vec<String>],
    ) -> Result<GroundedOutput> {
        let (batch, size, width) = (texts.len(), self.config.size, self.config.width);
        if pixels.dims() != [batch, 3, size, size] {
            return Err(Error::shape("pictures", [batch, 3, size, size], pixels.dims()));
        }
        let objects = texts.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let counts: Vec<usize> = texts.iter().map(Vec::len).collect();
        let queries = self.queries(vocabulary, texts, objects); // [B, S, C]

        let seen = self.cell.forward(cells::windows(&self.config, pixels)); // [B, cells, c]
        let cells = seen.clone() + self.cell_mlp.forward(self.cell_norm.forward(seen));
        let grid = self.config.grid();
        let merged = self.config.merge * self.config.merge * self.config.cell_width;
        let tokens = self.token.forward(cells.clone().reshape([batch, grid * grid, merged]));
        let mut image = tokens + self.positions.forward().expand([batch, grid * grid, width]);
        let rope = self.config.rotary.table([1, grid, grid]);
        for block in &self.image_blocks {
            image = block.forward(image, Some(&rope), None);
        }
        let asked = asked(&counts, objects, &image.device()); // [B, S, 1]
        let mut turn = Turn { image, queries, matches: Vec::new() };
        for block in &self.fusion_blocks {
            turn = block.forward(turn, &counts, &asked, &rope);
        }
        let Turn { image, queries, matches } = turn;
        let seen = whole(image.clone());
        let queries = queries.clone() + self.look.to(self.look_norm.forward(queries), &seen);
        let queries = self.query_norm.forward(queries);
        let presence = self.presence.forward(queries.clone()).reshape([batch, objects]); // [B, S]

        let features = self.features(cells, image); // [B, pixels, K]
        let hidden = thrumask_kernels::gelu_tanh(self.embedding_up.forward(queries));
        let embeddings = self.embedding.forward(hidden); // [B, S, K]
        let scale = (self.config.mask_channels as f32).sqrt();
        let masks = embeddings.matmul(features.swap_dims(1, 2)) / scale; // [B, S, pixels]
        let masks = masks + self.mask_bias.val().reshape([1, 1, 1]);
        let coarse = matches.into_iter().map(|m| m.reshape([batch, objects, grid, grid]));
        let masks = cells::pictures(&self.config, masks);
        Ok(GroundedOutput { masks, presence, coarse: coarse.collect() })
    }

    /// One query for each object: its text at the start token.
    ///
    /// # Shapes
    /// - returns `[B, S, C]`
    fn queries(&self, vocabulary: &Vocabulary, texts: &[Vec<String>], objects: usize) -> Tensor<3> {
        let padded: Vec<&str> = texts
            .iter()
            .flat_map(|t| (0..objects).map(|i| t.get(i).map_or("", String::as_str)))
            .collect();
        let words = self.text.encode(vocabulary, &padded).tokens; // [B·S, L, D]
        let [rows, _, width] = words.dims();
        let starts = words.slice([0..rows, 0..1, 0..width]);
        self.query.forward(starts.reshape([texts.len(), objects, width])) // [B, S, C]
    }

    /// What every pixel is, in the order of cells: tokens go back to their cells, cells to pixels.
    ///
    /// # Shapes
    /// - `cells`: `[B, cells, c]`
    /// - `image`: `[B, N, C]`
    /// - returns `[B, pixels, K]`
    fn features(&self, cells: Tensor<3>, image: Tensor<3>) -> Tensor<3> {
        let [batch, count, channels] = cells.dims();
        let split = self.split.forward(self.image_norm.forward(image)); // [B, N, merge²·c]
        let mut fine = cells + split.reshape([batch, count, channels]); // [B, cells, c]
        for (norm, mlp) in self.fine_norms.iter().zip(&self.fine_mlps) {
            fine = fine.clone() + mlp.forward(norm.forward(fine));
        }
        let pixels = self.pixel.forward(self.pixel_norm.forward(fine)); // [B, cells, cell²·K]
        let channels = self.config.mask_channels;
        pixels.reshape([batch, count * self.config.cell * self.config.cell, channels])
    }
}

/// 1 for each object, 0 for padding.
///
/// # Shapes
/// - returns `[B, S, 1]`
fn asked(counts: &[usize], objects: usize, device: &Device) -> Tensor<3> {
    let is_object = |&n: &usize| (0..objects).map(move |i| if i < n { 1.0 } else { 0.0 });
    let values: Vec<f32> = counts.iter().flat_map(is_object).collect();
    Tensor::from_data(TensorData::new(values, [counts.len(), objects, 1]), device)
}

/// Equally sized square pictures as a tensor in [-1, 1].
///
/// # Shapes
/// - returns `[B, 3, H, W]`
///
/// # Errors
/// [`Error::Shape`] without a picture, or when sizes differ.
pub fn pixels_from_pictures(
    pictures: &[thrumask_core::Picture],
    device: &Device,
) -> Result<Tensor<4>> {
    let videos: Vec<&[thrumask_core::Picture]> =
        pictures.iter().map(std::slice::from_ref).collect();
    let pixels = crate::pixels::pixels_from_frames(&videos, device)?; // [B, 3, 1, H, W]
    let [batch, channels, _, height, width] = pixels.dims();
    Ok(pixels.reshape([batch, channels, height, width]))
}

#[cfg(test)]
mod tests;
