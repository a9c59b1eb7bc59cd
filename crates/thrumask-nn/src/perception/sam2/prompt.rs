//! Points, boxes and masks as tokens.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData},
};
use thrumask_kernels::{ConvolutionOptions, conv2d, gelu};

use super::{EPSILON, Sam2Config};
use crate::{
    Error, Result,
    layers::{Embedding, Init, LayerNorm, Lone, Pointwise},
};

/// What a point says of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PointKind {
    /// It is not there.
    Outside,
    /// It is there.
    Inside,
    /// Its box begins there.
    TopLeft,
    /// Its box ends there.
    BottomRight,
    /// Nothing: takes the place of a point, wherever it is.
    Nothing,
}

/// A point and what it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptPoint {
    /// Column in pixels of the network's square, 0 at the middle of the first.
    pub x: f32,
    /// Row in pixels of the network's square, 0 at the middle of the first.
    pub y: f32,
    /// What it says.
    pub kind: PointKind,
}

/// What prompts say, as the decoder reads it.
#[derive(Debug, Clone)]
pub struct PromptTokens {
    /// The points of each object, `[B, P + 1, C]`.
    pub sparse: Tensor<3>,
    /// What is known of the mask at each place, `[B or 1, C, S/16, S/16]`.
    pub dense: Tensor<4>,
}

/// Random frequencies that places become sines and cosines of (Tancik et al., "Fourier Features Let
/// Networks Learn High Frequency Functions in Low Dimensional Domains", 2020). They are not trained.
#[derive(Module, Debug)]
struct Frequencies {
    /// `[2, C/2]`: of columns, of rows.
    places: Lone<2>,
}

impl Frequencies {
    fn new(init: &mut Init, width: usize) -> Self {
        Self { places: Lone::new(init, [2, width / 2], 1.0) }
    }

    /// # Shapes
    /// - `places`: columns and rows as shares of the picture, from 0 to 1, `[N, 2]`
    /// - returns `[N, C]`
    fn forward(&self, places: Tensor<2>) -> Tensor<2> {
        let turns = (places * 2.0 - 1.0).matmul(self.places.value.val().detach()); // [N, C/2]
        let angles = turns * std::f32::consts::TAU;
        Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1) // [N, C]
    }
}

/// A convolution of 2×2 pixels in steps of 2.
#[derive(Module, Debug)]
struct Halving {
    /// `[outputs, inputs, 2, 2]`.
    weight: Param<Tensor<4>>,
    /// `[outputs]`.
    bias: Param<Tensor<1>>,
}

impl Halving {
    fn new(init: &mut Init, inputs: usize, outputs: usize) -> Self {
        let weight = init.normal([outputs, inputs, 2, 2], 0.5 / (inputs as f32).sqrt());
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H/2, W/2]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvolutionOptions { stride: 2, ..Default::default() };
        conv2d(x, self.weight.val(), self.bias.val(), options)
    }
}

/// Logits of a mask to features of the size of the picture's.
#[derive(Module, Debug)]
struct MaskEmbedding {
    first: Halving,
    first_norm: LayerNorm,
    second: Halving,
    second_norm: LayerNorm,
    output: Pointwise,
}

impl MaskEmbedding {
    fn new(init: &mut Init, channels: usize, width: usize) -> Self {
        Self {
            first: Halving::new(init, 1, channels / 4),
            first_norm: LayerNorm::with_epsilon(init, channels / 4, EPSILON),
            second: Halving::new(init, channels / 4, channels),
            second_norm: LayerNorm::with_epsilon(init, channels, EPSILON),
            output: Pointwise::new(init, channels, width, 1.0),
        }
    }

    /// # Shapes
    /// - `masks`: `[B, 1, 4·h, 4·w]`
    /// - returns `[B, C, h, w]`
    fn forward(&self, masks: Tensor<4>) -> Tensor<4> {
        let step = |x: Tensor<4>, halve: &Halving, norm: &LayerNorm| {
            gelu(norm.forward(halve.forward(x).permute([0, 2, 3, 1]))) // [B, H, W, outputs]
        };
        let x = step(masks, &self.first, &self.first_norm);
        let x = step(x.permute([0, 3, 1, 2]), &self.second, &self.second_norm);
        let [batch, rows, columns, channels] = x.dims();
        let x = self.output.forward(x.reshape([batch, rows * columns, channels])); // [B, h·w, C]
        let width = x.dims()[2];
        x.reshape([batch, rows, columns, width]).permute([0, 3, 1, 2]) // [B, C, h, w]
    }
}

/// Points, boxes and masks to tokens.
#[derive(Module, Debug)]
pub struct PromptEncoder {
    /// Of the places of points.
    points: Frequencies,
    /// Of the places of the picture's features.
    picture: Frequencies,
    /// Of the four kinds of points that say something.
    kinds: Embedding,
    /// In the place of a point.
    nothing: Embedding,
    /// In the place of a mask.
    no_mask: Embedding,
    mask: MaskEmbedding,
    /// Rows and columns of the pictures.
    #[module(skip)]
    image_size: usize,
    /// Rows and columns of the features.
    #[module(skip)]
    places: usize,
}

impl PromptEncoder {
    /// An encoder that has learned nothing.
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let width = config.width;
        let mut network = Self {
            points: Frequencies::new(init, width),
            picture: Frequencies::new(init, width),
            kinds: Embedding::new(init, 4, width, 0.5),
            nothing: Embedding::new(init, 1, width, 0.5),
            no_mask: Embedding::new(init, 1, width, 0.1),
            mask: MaskEmbedding::new(init, config.prompt_encoder.mask_channels, width),
            image_size: config.image_size,
            places: config.feature_sizes()[2],
        };
        // One space of places, in which points and features meet.
        network.picture = network.points.clone();
        network
    }

    /// Where the features of a picture lie, in the terms of the prompts.
    ///
    /// # Shapes
    /// - returns `[1, C, S/16, S/16]`
    pub fn picture_positions(&self) -> Tensor<4> {
        let side = self.places;
        let share = |i: usize| (i as f32 + 0.5) / side as f32;
        let places = (0..side).flat_map(|row| (0..side).flat_map(move |c| [share(c), share(row)]));
        let places = TensorData::new(places.collect::<Vec<f32>>(), [side * side, 2]);
        let device = self.nothing.table.val().device();
        let positions = self.picture.forward(Tensor::from_data(places, &device)); // [h·w, C]
        let width = positions.dims()[1];
        positions.swap_dims(0, 1).reshape([1, width, side, side]) // [1, C, h, w]
    }

    /// Tokens of the prompts of several objects; a token that says nothing comes last.
    ///
    /// # Shapes
    /// - `points`: `B` rows of equally many points, none perhaps; a box is two of them
    /// - `masks`: logits of masks that are known roughly, `[B, 1, S/4, S/4]`
    ///
    /// # Errors
    /// [`Error::Shape`] without an object, when objects have differently many points, and when the masks
    /// are of another size or number.
    pub fn forward(
        &self,
        points: &[Vec<PromptPoint>],
        masks: Option<Tensor<4>>,
    ) -> Result<PromptTokens> {
        let (batch, count) = (points.len(), points.first().map_or(0, Vec::len));
        if batch == 0 {
            return Err(Error::shape("prompts", "at least one object", 0));
        }
        if let Some(other) = points.iter().find(|row| row.len() != count) {
            return Err(Error::shape("points of each object", count, other.len()));
        }
        let sparse = self.sparse(points, count);
        let dense = match masks {
            Some(masks) => {
                let expected = [batch, 1, 4 * self.places, 4 * self.places];
                if masks.dims() != expected {
                    return Err(Error::shape("masks as prompts", expected, masks.dims()));
                }
                self.mask.forward(masks)
            }
            None => {
                let absent = self.no_mask.table.val(); // [1, C]
                let width = absent.dims()[1];
                absent.reshape([1, width, 1, 1]).expand([1, width, self.places, self.places])
            }
        };
        Ok(PromptTokens { sparse, dense })
    }

    /// # Shapes
    /// - returns `[B, P + 1, C]`
    fn sparse(&self, points: &[Vec<PromptPoint>], count: usize) -> Tensor<3> {
        let nothing = PromptPoint { x: 0.0, y: 0.0, kind: PointKind::Nothing };
        let (batch, tokens) = (points.len(), count + 1);
        let all: Vec<PromptPoint> =
            points.iter().flat_map(|row| row.iter().copied().chain([nothing])).collect();
        let device = self.nothing.table.val().device();
        let share = |pixel: f32| (pixel + 0.5) / self.image_size as f32;
        let places = all.iter().flat_map(|p| [share(p.x), share(p.y)]).collect::<Vec<f32>>();
        let places = Tensor::from_data(TensorData::new(places, [all.len(), 2]), &device);
        // The last row of the table is what is said of a point that says nothing.
        let kinds = all.iter().map(|p| p.kind as i32).collect::<Vec<_>>();
        let kinds = Tensor::<1, Int>::from_data(TensorData::new(kinds, [all.len()]), &device);
        let table = Tensor::cat(vec![self.kinds.table.val(), self.nothing.table.val()], 0);
        let says = all.iter().map(|p| f32::from(u8::from(p.kind != PointKind::Nothing)));
        let says = TensorData::new(says.collect::<Vec<_>>(), [all.len(), 1]);
        let says = Tensor::<2>::from_data(says, &device); // [B·(P + 1), 1]
        let x = self.points.forward(places) * says + table.select(0, kinds);
        let width = x.dims()[1];
        x.reshape([batch, tokens, width]) // [B, P + 1, C]
    }
}
