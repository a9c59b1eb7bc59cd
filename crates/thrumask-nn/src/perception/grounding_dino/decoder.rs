//! The decoder: boxes look at each other, at the text and at the picture, and move a little, layer by layer.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData, activation::sigmoid},
};

use super::{
    config::GroundingDinoConfig,
    deformable::{Around, Deformable},
    encoder::Forward,
    positions,
    pyramid::Pyramid,
};
use crate::{
    layers::{Attention, Context, Init, LayerNorm, Perceptron},
    pixels::host_values,
};

/// What lies this near to 0 or 1 is moved there before the logarithm of its odds.
const EDGE: f32 = 1e-5;

/// The logarithm of the odds of shares.
pub(super) fn logit(share: Tensor<3>) -> Tensor<3> {
    let share = share.clamp(EDGE, 1.0 - EDGE);
    (share.clone() / (-share + 1.0)).log()
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    attention_norm: LayerNorm,
    text: Attention,
    text_norm: LayerNorm,
    cells: Deformable,
    cells_norm: LayerNorm,
    mlp: Forward,
}

impl Layer {
    fn new(init: &mut Init, config: &GroundingDinoConfig) -> Self {
        let GroundingDinoConfig { width, levels, decoder_heads, decoder_points, .. } = *config;
        Self {
            attention: Attention::through(init, width, width, decoder_heads),
            attention_norm: LayerNorm::new(init, width),
            text: Attention::through(init, width, width, decoder_heads),
            text_norm: LayerNorm::new(init, width),
            cells: Deformable::new(init, width, levels, decoder_heads, decoder_points),
            cells_norm: LayerNorm::new(init, width),
            mlp: Forward::new(init, width, config.decoder_hidden),
        }
    }

    /// # Shapes
    /// - `x`, `places`: `[B, Q, C]`
    /// - returns `[B, Q, C]`
    fn forward(
        &self,
        x: Tensor<3>,
        places: Tensor<3>,
        around: &Around,
        seen: &Seen<'_>,
    ) -> Tensor<3> {
        let placed = x.clone() + places.clone();
        let mixed = self.attention.between(placed.clone(), placed, x.clone());
        let x = self.attention_norm.forward(x + mixed);
        let mixed = self.text.to(x.clone() + places.clone(), &seen.text);
        let x = self.text_norm.forward(x + mixed);
        let mixed = self.cells.forward(x.clone() + places, seen.cells.clone(), around, seen.on);
        self.mlp.forward(self.cells_norm.forward(x + mixed))
    }
}

/// What the decoder looks at.
pub(super) struct Seen<'a> {
    /// `[B, S, C]`.
    pub cells: Tensor<3>,
    /// Tokens `[B, L, C]`, and how many there are.
    pub text: Context,
    pub on: &'a Pyramid,
}

/// Layers of the decoder, and what tells places to them.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    layers: Vec<Layer>,
    norm: LayerNorm,
    /// Waves of a box to what is added to its query.
    places: Perceptron,
}

impl Decoder {
    pub fn new(init: &mut Init, config: &GroundingDinoConfig) -> Self {
        let width = config.width;
        Self {
            layers: (0..config.decoder_layers).map(|_| Layer::new(init, config)).collect(),
            norm: LayerNorm::new(init, width),
            places: Perceptron::new(init, [2 * width, width, width], 2),
        }
    }

    /// The last hidden states and boxes. `moves` gives the steps of the boxes of each layer, or of all.
    ///
    /// # Shapes
    /// - `x`: `[B, Q, C]`
    /// - `boxes`: `[B, Q, 4]`: centre, width and height, as shares of the picture
    /// - returns `[B, Q, C]` and `[B, Q, 4]`
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        mut boxes: Tensor<3>,
        seen: &Seen<'_>,
        moves: &[Perceptron],
    ) -> (Tensor<3>, Tensor<3>) {
        let [batch, queries, width] = x.dims();
        let ratios = seen.on.ratios(); // [B, L, 2]
        let levels = ratios.dims()[1];
        let ratios = Tensor::cat(vec![ratios.clone(), ratios], 2).unsqueeze_dim::<4>(1); // [B, 1, L, 4]
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let of_levels = boxes.clone().reshape([batch, queries, 1, 4]) * ratios.clone(); // [B, Q, L, 4]
            let first = of_levels.clone().narrow(2, 0, 1);
            let waves = positions::of_boxes(&host_values(first), width / 2);
            let waves = TensorData::new(waves, [batch, queries, 2 * width]);
            let places = self.places.forward(Tensor::from_data(waves, &x.device()));
            debug_assert_eq!(of_levels.dims(), [batch, queries, levels, 4]);
            x = layer.forward(x, places, &Around::Boxes(of_levels), seen);
            let step = &moves[i.min(moves.len() - 1)];
            let ending = if i == last { self.norm.forward(x.clone()) } else { x.clone() };
            boxes = sigmoid(step.forward(ending) + logit(boxes));
        }
        (self.norm.forward(x), boxes)
    }
}
