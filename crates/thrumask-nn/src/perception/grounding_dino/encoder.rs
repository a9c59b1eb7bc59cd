//! The feature enhancer: texts and pictures look at each other, then each at itself.

use burn::{
    module::Module,
    tensor::{Tensor, activation::relu},
};

use super::{
    config::GroundingDinoConfig,
    deformable::{Around, Deformable},
    pyramid::Pyramid,
};
use crate::layers::{Attention, Init, LayerNorm, Linear, Lone};

/// A perceptron with a residual and a norm behind it.
#[derive(Module, Debug)]
pub(super) struct Forward {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl Forward {
    pub fn new(init: &mut Init, width: usize, hidden: usize) -> Self {
        Self {
            up: Linear::new(init, width, hidden, 1.0),
            down: Linear::new(init, hidden, width, 1.0),
            norm: LayerNorm::new(init, width),
        }
    }

    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - returns `[B, N, C]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let h = self.down.forward(relu(self.up.forward(x.clone())));
        self.norm.forward(x + h)
    }
}

/// Attention both ways between picture and text, from one product of queries and keys.
#[derive(Module, Debug)]
struct Fusion {
    image_norm: LayerNorm,
    text_norm: LayerNorm,
    image: Linear,
    text: Linear,
    image_value: Linear,
    text_value: Linear,
    image_output: Linear,
    text_output: Linear,
    /// `[C]`: how much of the text comes to the picture.
    image_scale: Lone<1>,
    /// `[C]`: how much of the picture comes to the text.
    text_scale: Lone<1>,
    #[module(skip)]
    heads: usize,
}

impl Fusion {
    fn new(init: &mut Init, width: usize, inner: usize, heads: usize) -> Self {
        Self {
            image_norm: LayerNorm::new(init, width),
            text_norm: LayerNorm::new(init, width),
            image: Linear::new(init, width, inner, 1.0),
            text: Linear::new(init, width, inner, 1.0),
            image_value: Linear::new(init, width, inner, 1.0),
            text_value: Linear::new(init, width, inner, 1.0),
            image_output: Linear::new(init, inner, width, 1.0),
            text_output: Linear::new(init, inner, width, 1.0),
            image_scale: Lone { value: init.constant([width], 1e-4) },
            text_scale: Lone { value: init.constant([width], 1e-4) },
            heads,
        }
    }

    /// # Shapes
    /// - `image`: `[B, S, C]`; `text`: `[B, L, C]`; both are returned
    fn forward(
        &self,
        image: Tensor<3>,
        text: Tensor<3>,
        lengths: &[usize],
        on: &Pyramid,
    ) -> (Tensor<3>, Tensor<3>) {
        let (image, text) = (self.image_norm.forward(image), self.text_norm.forward(text));
        let (of_image, of_text) =
            (self.image.forward(image.clone()), self.text.forward(text.clone()));
        let image_value = self.image_value.forward(image.clone());
        let text_value = self.text_value.forward(text.clone());
        let to_image = thrumask_kernels::attention(
            of_image.clone(),
            of_text.clone(),
            text_value,
            self.heads,
            Some(lengths),
        ); // [B, S, inner]
        // Which cells lie beyond the picture is the same for all tokens, so they may stand at the end.
        let (keys, values, counts) = match &on.beyond {
            None => (of_image, image_value, None),
            Some(beyond) => {
                let order = beyond.order.clone().expand(of_image.dims());
                let [keys, values] = [of_image, image_value].map(|x| x.gather(1, order.clone()));
                (keys, values, Some(beyond.counts.as_slice()))
            }
        };
        let to_text = thrumask_kernels::attention(of_text, keys, values, self.heads, counts);
        let scaled = |x: Tensor<3>, scale: &Lone<1>| x * scale.value.val().unsqueeze::<3>();
        (
            image + scaled(self.image_output.forward(to_image), &self.image_scale),
            text + scaled(self.text_output.forward(to_text), &self.text_scale),
        )
    }
}

/// The tokens of each phrase look at each other.
#[derive(Module, Debug)]
struct Enhancer {
    attention: Attention,
    attention_norm: LayerNorm,
    mlp: Forward,
}

/// Cells look at a few places around them, on all levels.
#[derive(Module, Debug)]
struct Cells {
    attention: Deformable,
    attention_norm: LayerNorm,
    mlp: Forward,
}

/// What all layers of the encoder look at.
pub(super) struct Surroundings<'a> {
    /// `[B, S, C]`: the places of cells.
    pub cells: Tensor<3>,
    /// `[B, L, C]`: the places of tokens in their phrases.
    pub tokens: Tensor<3>,
    /// `[B, 1, L, L]`: which tokens see each other.
    pub bias: Tensor<4>,
    /// Tokens of each text.
    pub lengths: &'a [usize],
    /// The cells' centres.
    pub centres: Around,
    pub on: &'a Pyramid,
}

/// One layer of the feature enhancer.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    fusion: Fusion,
    enhancer: Enhancer,
    cells: Cells,
}

impl EncoderLayer {
    pub fn new(init: &mut Init, config: &GroundingDinoConfig) -> Self {
        let (width, heads, hidden) = (config.width, config.encoder_heads, config.encoder_hidden);
        let (levels, points) = (config.levels, config.encoder_points);
        Self {
            fusion: Fusion::new(init, width, hidden / 2, heads / 2),
            enhancer: Enhancer {
                attention: Attention::through(init, width, width, heads / 2),
                attention_norm: LayerNorm::new(init, width),
                mlp: Forward::new(init, width, hidden / 2),
            },
            cells: Cells {
                attention: Deformable::new(init, width, levels, heads, points),
                attention_norm: LayerNorm::new(init, width),
                mlp: Forward::new(init, width, hidden),
            },
        }
    }

    /// # Shapes
    /// - `image`: `[B, S, C]`; `text`: `[B, L, C]`; both are returned
    pub fn forward(
        &self,
        (image, text): (Tensor<3>, Tensor<3>),
        around: &Surroundings<'_>,
    ) -> (Tensor<3>, Tensor<3>) {
        let (image, text) = self.fusion.forward(image, text, around.lengths, around.on);
        let placed = text.clone() + around.tokens.clone();
        let bias = std::slice::from_ref(&around.bias);
        let mixed =
            self.enhancer.attention.between_biased(placed.clone(), placed, text.clone(), bias);
        let text = self.enhancer.attention_norm.forward(text + mixed);
        let text = self.enhancer.mlp.forward(text);
        let placed = image.clone() + around.cells.clone();
        let mixed = self.cells.attention.forward(placed, image.clone(), &around.centres, around.on);
        let image = self.cells.attention_norm.forward(image + mixed);
        (self.cells.mlp.forward(image), text)
    }
}
