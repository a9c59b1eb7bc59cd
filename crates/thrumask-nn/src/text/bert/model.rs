//! BERT (Devlin et al., NAACL 2019) as transformers' `BertModel` (5.23) without its pooler; which tokens see
//! each other and where they stand is given from outside.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};

use super::BertConfig;
use crate::{
    Error, Result,
    layers::{Attention, Embedding, Init, LayerNorm, Linear},
};

/// Attention, then a perceptron, each with a residual and a norm behind it.
#[derive(Module, Debug)]
struct Block {
    attention: Attention,
    attention_norm: LayerNorm,
    up: Linear,
    down: Linear,
    norm: LayerNorm,
}

impl Block {
    fn new(init: &mut Init, config: &BertConfig) -> Self {
        let BertConfig { width, heads, hidden, epsilon, .. } = *config;
        Self {
            attention: Attention::through(init, width, width, heads),
            attention_norm: LayerNorm::with_epsilon(init, width, epsilon),
            up: Linear::new(init, width, hidden, 1.0),
            down: Linear::new(init, hidden, width, 1.0),
            norm: LayerNorm::with_epsilon(init, width, epsilon),
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, C]`
    /// - `bias`: `[B, 1, L, L]`, the least number where a query (row) may not look
    /// - returns `[B, L, C]`
    fn forward(&self, x: Tensor<3>, bias: &Tensor<4>) -> Tensor<3> {
        let bias = std::slice::from_ref(bias);
        let mixed = self.attention.between_biased(x.clone(), x.clone(), x.clone(), bias);
        let x = self.attention_norm.forward(x + mixed);
        let h = self.down.forward(thrumask_kernels::gelu(self.up.forward(x.clone())));
        self.norm.forward(x + h)
    }
}

/// Token ids to embeddings.
#[derive(Module, Debug)]
pub struct Bert {
    words: Embedding,
    positions: Embedding,
    kinds: Embedding,
    norm: LayerNorm,
    blocks: Vec<Block>,
    #[module(skip)]
    config: BertConfig,
}

impl Bert {
    /// An encoder with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] as [`BertConfig::check`] has it.
    pub fn new(init: &mut Init, config: &BertConfig) -> Result<Self> {
        config.check()?;
        let BertConfig { vocabulary, positions, kinds, width, depth, epsilon, .. } = *config;
        Ok(Self {
            words: Embedding::new(init, vocabulary, width, 0.02),
            positions: Embedding::new(init, positions, width, 0.02),
            kinds: Embedding::new(init, kinds, width, 0.02),
            norm: LayerNorm::with_epsilon(init, width, epsilon),
            blocks: (0..depth).map(|_| Block::new(init, config)).collect(),
            config: config.clone(),
        })
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The last hidden states.
    ///
    /// # Shapes
    /// - `ids`, `positions`: `B` rows of `L` numbers
    /// - `bias`: `[B, 1, L, L]`, 0 where a token (row) sees another and the least number where not
    /// - returns `[B, L, C]`
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no row, rows are empty or differ in length, or a number is not one of the
    /// vocabulary or of the positions.
    pub fn forward(
        &self,
        ids: &[Vec<u32>],
        positions: &[Vec<u32>],
        bias: &Tensor<4>,
    ) -> Result<Tensor<3>> {
        let tokens = ids.first().map_or(0, Vec::len);
        if tokens == 0 {
            return Err(Error::shape("tokens", "at least one", tokens));
        }
        for (what, rows, most) in
            [("token", ids, self.config.vocabulary), ("position", positions, self.config.positions)]
        {
            if rows.len() != ids.len() || rows.iter().any(|row| row.len() != tokens) {
                let got: Vec<usize> = rows.iter().map(Vec::len).collect();
                return Err(Error::shape(format!("{what}s"), [ids.len(), tokens], got));
            }
            if let Some(number) = rows.iter().flatten().find(|&&n| n as usize >= most) {
                return Err(Error::shape(what, format!("below {most}"), number));
            }
        }
        let kind = self.kinds.forward(&[vec![0]]); // [1, 1, C]
        let x = self.words.forward(ids) + kind + self.positions.forward(positions); // [B, L, C]
        let x = self.norm.forward(x);
        Ok(self.blocks.iter().fold(x, |x, block| block.forward(x, bias)))
    }
}

/// What [`Bert::forward`] adds to scores.
///
/// # Shapes
/// - `visible`: `rows × tokens × tokens` of whether a token (second) sees another (third)
/// - returns `[rows, 1, tokens, tokens]`
pub(crate) fn visibility_bias(
    visible: &[bool],
    tokens: usize,
    device: &burn::tensor::Device,
) -> Tensor<4> {
    let rows = visible.len() / (tokens * tokens).max(1);
    let values: Vec<f32> = visible.iter().map(|&seen| if seen { 0.0 } else { f32::MIN }).collect();
    Tensor::from_data(TensorData::new(values, [rows, 1, tokens, tokens]), device)
}
