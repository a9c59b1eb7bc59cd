use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData, activation::sigmoid},
};

use super::{
    GroundingDinoConfig, Pictures, Texts,
    config::GROUPS,
    decoder::{Decoder, Seen},
    deformable::Around,
    encoder::{EncoderLayer, Surroundings},
    positions,
    pyramid::Pyramid,
};
use crate::{
    Error, Result,
    layers::{
        Context, Convolution, Embedding, GroupNorm, Init, KeyMask, LayerNorm, Linear, Lone,
        Perceptron, Pointwise,
    },
    perception::swin::{Features, Swin},
    pixels::host_values,
    text::bert::{Bert, visibility_bias},
};

/// A level of the backbone at the width of encoder and decoder.
#[derive(Module, Debug)]
struct Level {
    map: Pointwise,
    norm: GroupNorm,
}

/// A level of half the size of the one before.
#[derive(Module, Debug)]
struct Half {
    convolution: Convolution,
    norm: GroupNorm,
}

/// Pictures and texts to boxes and what they are called.
#[derive(Module, Debug)]
pub struct GroundingDino {
    backbone: Swin,
    text: Bert,
    text_map: Linear,
    projections: Vec<Level>,
    halves: Vec<Half>,
    /// `[L, C]`: what is added to the places of each level.
    levels: Lone<2>,
    encoder: Vec<EncoderLayer>,
    proposal: Linear,
    proposal_norm: LayerNorm,
    proposal_box: Perceptron,
    /// Where every query starts from.
    queries: Embedding,
    decoder: Decoder,
    /// How each layer moves its boxes, or how all do.
    boxes: Vec<Perceptron>,
    #[module(skip)]
    config: GroundingDinoConfig,
}

/// What the network says of pictures.
#[derive(Debug, Clone)]
pub struct Scored {
    /// `[B, Q, L]`: the logarithm of the odds that a box is of a token; meaningless for padding.
    pub logits: Tensor<3>,
    /// `[B, Q, 4]`: centre (column, row), width and height, as shares of the picture.
    pub boxes: Tensor<3>,
}

impl GroundingDino {
    /// A network with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] as [`GroundingDinoConfig::check`] has it.
    pub fn new(init: &mut Init, config: &GroundingDinoConfig) -> Result<Self> {
        config.check()?;
        let GroundingDinoConfig { ref backbone, ref text, width, .. } = *config;
        let norm = |init: &Init| GroupNorm::new(init, width, GROUPS, crate::layers::norm::EPSILON);
        let level = |init: &mut Init, &stage: &usize| Level {
            map: Pointwise::new(init, backbone.channels(stage), width, 1.0),
            norm: norm(init),
        };
        let last = backbone.out.last().map_or(width, |&stage| backbone.channels(stage));
        let half = |init: &mut Init, i: usize| Half {
            convolution: Convolution::new(init, if i == 0 { last } else { width }, width, 1.0),
            norm: norm(init),
        };
        let box_head = |init: &mut Init| Perceptron::new(init, [width, width, 4], 3);
        let heads = if config.shared_boxes { 1 } else { config.decoder_layers };
        Ok(Self {
            backbone: Swin::new(init, backbone)?,
            text: Bert::new(init, text)?,
            text_map: Linear::new(init, text.width, width, 1.0),
            projections: backbone.out.iter().map(|stage| level(init, stage)).collect(),
            halves: (0..config.levels - backbone.out.len()).map(|i| half(init, i)).collect(),
            levels: Lone::new(init, [config.levels, width], 1.0),
            encoder: (0..config.encoder_layers).map(|_| EncoderLayer::new(init, config)).collect(),
            proposal: Linear::new(init, width, width, 1.0),
            proposal_norm: LayerNorm::new(init, width),
            proposal_box: box_head(init),
            queries: Embedding::new(init, config.queries, width, 1.0),
            decoder: Decoder::new(init, config),
            boxes: (0..heads).map(|_| box_head(init)).collect(),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &GroundingDinoConfig {
        &self.config
    }

    /// What texts are before any picture was seen: each phrase on its own.
    ///
    /// # Shapes
    /// - returns `[B, L, C]`
    ///
    /// # Errors
    /// As [`Bert::forward`]; [`Error::Shape`] for longer texts than the network reads.
    pub fn read(&self, texts: &Texts) -> Result<Tensor<3>> {
        let (tokens, most) = (texts.tokens(), self.config.max_tokens);
        if tokens > most {
            return Err(Error::shape("tokens of a text", format!("at most {most}"), tokens));
        }
        let bias = visibility_bias(&texts.visible, tokens, &self.levels.value.val().device());
        Ok(self.text_map.forward(self.text.forward(&texts.ids, &texts.positions, &bias)?))
    }

    /// Boxes, and how well each token fits each of them.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not as many pictures as texts, pictures have too few cells for the
    /// boxes that are looked for, or a text does not fit.
    pub fn forward(&self, pictures: &Pictures, texts: &Texts) -> Result<Scored> {
        let (rows, width) = (texts.rows(), self.config.width);
        let [batch, _, height, columns] = pictures.pixels.dims();
        if [batch, pictures.sizes.len()] != [rows; 2] {
            return Err(Error::shape("pictures", rows, pictures.sizes.len()));
        }
        let beyond = |&[h, w]: &[usize; 2]| h == 0 || w == 0 || h > height || w > columns;
        if let Some(size) = pictures.sizes.iter().find(|size| beyond(size)) {
            return Err(Error::shape("picture", format!("1 to {:?}", [height, columns]), size));
        }
        let text = self.read(texts)?; // [B, L, C]
        let device = text.device();
        let features = self.features(pictures)?;
        let on = Pyramid::new(&features, pictures, &device);
        let cells: Vec<Tensor<3>> = features.into_iter().map(|f| f.tokens).collect();
        let cells = Tensor::cat(cells, 1); // [B, S, C]
        let ratios = on.ratios(); // [B, L, 2]
        let levels = self.config.levels;
        let centres =
            on.centres().reshape([rows, on.cells(), 1, 2]) * ratios.reshape([rows, 1, levels, 2]);
        let waves = positions::of_tokens(&texts.positions, width);
        let waves = TensorData::new(waves, [rows, texts.tokens(), width]);
        let around = Surroundings {
            cells: on.waves(&self.config) + self.of_levels(&on),
            tokens: Tensor::from_data(waves, &device),
            bias: visibility_bias(&texts.visible, texts.tokens(), &device),
            lengths: &texts.lengths,
            centres: Around::Points(centres),
            on: &on,
        };
        let start = (cells, text);
        let (cells, text) =
            self.encoder.iter().fold(start, |state, layer| layer.forward(state, &around));
        let boxes = self.select(&cells, &text, &texts.lengths, &on)?; // [B, Q, 4]
        let all: Vec<u32> = (0..self.config.queries as u32).collect();
        let queries = self.queries.forward(&vec![all; rows]); // [B, Q, C]
        let seen = Seen {
            cells,
            text: Context::new(text.clone(), KeyMask::Lengths(texts.lengths.clone())),
            on: &on,
        };
        let (queries, boxes) = self.decoder.forward(queries, boxes, &seen, &self.boxes);
        Ok(Scored { logits: queries.matmul(text.swap_dims(1, 2)), boxes })
    }

    /// The picture's features on all levels.
    fn features(&self, pictures: &Pictures) -> Result<Vec<Features>> {
        let given = self.backbone.forward(pictures.pixels.clone())?;
        let mut last = given.last().map(Features::image);
        let mut found: Vec<Features> = Vec::new();
        for (level, features) in self.projections.iter().zip(given) {
            let Features { tokens, size } = features;
            let x = level.norm.forward(level.map.forward(tokens).swap_dims(1, 2)); // [B, C, N]
            found.push(Features { tokens: x.swap_dims(1, 2), size });
        }
        for half in &self.halves {
            let Some(image) = last.take() else { break };
            let image = half.norm.forward(half.convolution.forward_halved(image));
            found.push(Features::of_image(image.clone()));
            last = Some(image);
        }
        Ok(found)
    }

    /// What is added to the place of each cell for its level.
    ///
    /// # Shapes
    /// - returns `[1, S, C]`
    fn of_levels(&self, on: &Pyramid) -> Tensor<3> {
        let level = |(l, [h, w]): (usize, &[usize; 2])| std::iter::repeat_n(l as i32, h * w);
        let index: Vec<i32> = on.levels.iter().enumerate().flat_map(level).collect();
        let table = crate::layers::init::in_32_bits(self.levels.value.val());
        let index = TensorData::new(index, [on.cells()]);
        let index = Tensor::<1, Int>::from_data(index, &table.device());
        table.select(0, index).unsqueeze()
    }

    /// The boxes of the cells that fit a token best.
    ///
    /// # Shapes
    /// - `cells`: `[B, S, C]`; `text`: `[B, L, C]`
    /// - returns `[B, Q, 4]`, as shares of the picture
    fn select(
        &self,
        cells: &Tensor<3>,
        text: &Tensor<3>,
        lengths: &[usize],
        on: &Pyramid,
    ) -> Result<Tensor<3>> {
        let ([rows, count, width], queries) = (cells.dims(), self.config.queries);
        if count < queries {
            return Err(Error::shape("cells of a picture", format!("at least {queries}"), count));
        }
        let (boxes, none) = on.proposals();
        let cells = cells.clone().mask_fill(none.expand([rows, count, width]), 0.0);
        let cells = self.proposal_norm.forward(self.proposal.forward(cells)); // [B, S, C]
        let scores = host_values(cells.clone().matmul(text.clone().swap_dims(1, 2))); // [B, S, L]
        let tokens = text.dims()[1];
        let mut chosen: Vec<i32> = Vec::with_capacity(rows * queries);
        for (row, &length) in scores.chunks_exact(count * tokens).zip(lengths) {
            let best = |of: &[f32]| of[..length].iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let best: Vec<f32> = row.chunks_exact(tokens).map(best).collect();
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by(|&a, &b| best[b].total_cmp(&best[a]));
            chosen.extend(order[..queries].iter().map(|&i| i as i32));
        }
        let chosen = TensorData::new(chosen, [rows, queries, 1]);
        let chosen = Tensor::<3, Int>::from_data(chosen, &cells.device());
        let cells = cells.gather(1, chosen.clone().expand([rows, queries, width]));
        let boxes = boxes.gather(1, chosen.expand([rows, queries, 4]));
        Ok(sigmoid(self.proposal_box.forward(cells) + boxes))
    }
}
