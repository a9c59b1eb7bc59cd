//! The decoder's transformer, in which tokens look at the picture and the picture at the tokens.

use burn::{module::Module, tensor::Tensor};

use super::super::Sam2Config;
use crate::layers::{Attention, Init, LayerNorm, Perceptron};

/// Blocks of the transformer.
const DEPTH: usize = 2;

/// Tokens to themselves, to the picture, through a perceptron; the picture to the tokens.
#[derive(Module, Debug)]
struct Block {
    among: Attention,
    among_norm: LayerNorm,
    to_picture: Attention,
    to_picture_norm: LayerNorm,
    mlp: Perceptron,
    mlp_norm: LayerNorm,
    to_tokens: Attention,
    to_tokens_norm: LayerNorm,
}

impl Block {
    fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, decoder) = (config.width, &config.mask_decoder);
        let (heads, inner) = (decoder.heads, width / decoder.downsample_rate);
        Self {
            among: Attention::through(init, width, width, heads),
            among_norm: LayerNorm::new(init, width),
            to_picture: Attention::through(init, width, inner, heads),
            to_picture_norm: LayerNorm::new(init, width),
            mlp: Perceptron::new(init, [width, decoder.hidden, width], 2),
            mlp_norm: LayerNorm::new(init, width),
            to_tokens: Attention::through(init, width, inner, heads),
            to_tokens_norm: LayerNorm::new(init, width),
        }
    }

    /// # Shapes
    /// - `tokens`, `places`: `[B, P, C]`; what the tokens say and where they are, the same at the first block
    /// - `picture`, `positions`: `[B, h·w, C]`
    /// - returns tokens and picture
    fn forward(
        &self,
        tokens: Tensor<3>,
        picture: Tensor<3>,
        places: &Tensor<3>,
        positions: &Tensor<3>,
        first: bool,
    ) -> (Tensor<3>, Tensor<3>) {
        let tokens = match first {
            true => self.among.between(tokens.clone(), tokens.clone(), tokens),
            false => {
                let placed = tokens.clone() + places.clone();
                tokens.clone() + self.among.between(placed.clone(), placed, tokens)
            }
        };
        let tokens = self.among_norm.forward(tokens);
        let placed = picture.clone() + positions.clone();
        let seen = tokens.clone() + places.clone();
        let tokens = tokens + self.to_picture.between(seen, placed.clone(), picture.clone());
        let tokens = self.to_picture_norm.forward(tokens);
        let tokens = tokens.clone() + self.mlp.forward(tokens);
        let tokens = self.mlp_norm.forward(tokens);
        let seen = tokens.clone() + places.clone();
        let picture = picture + self.to_tokens.between(placed, seen, tokens.clone());
        (tokens, self.to_tokens_norm.forward(picture))
    }
}

/// The blocks, and a last look at the picture.
#[derive(Module, Debug)]
pub struct TwoWay {
    blocks: Vec<Block>,
    last: Attention,
    last_norm: LayerNorm,
}

impl TwoWay {
    pub fn new(init: &mut Init, config: &Sam2Config) -> Self {
        let (width, decoder) = (config.width, &config.mask_decoder);
        Self {
            blocks: (0..DEPTH).map(|_| Block::new(init, config)).collect(),
            last: Attention::through(init, width, width / decoder.downsample_rate, decoder.heads),
            last_norm: LayerNorm::new(init, width),
        }
    }

    /// # Shapes
    /// - `tokens`: `[B, P, C]`
    /// - `picture`, `positions`: `[B, h·w, C]`
    /// - returns both, having seen each other
    pub fn forward(
        &self,
        tokens: Tensor<3>,
        picture: Tensor<3>,
        positions: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let places = tokens.clone();
        let blocks = self.blocks.iter().enumerate();
        let (tokens, picture) = blocks.fold((tokens, picture), |(tokens, picture), (i, block)| {
            block.forward(tokens, picture, &places, &positions, i == 0)
        });
        let (seen, placed) = (tokens.clone() + places, picture.clone() + positions);
        let tokens = tokens + self.last.between(seen, placed, picture.clone());
        (self.last_norm.forward(tokens), picture)
    }
}
