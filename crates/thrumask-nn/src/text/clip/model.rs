//! The text tower of CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language
//! Supervision", ICML 2021), as transformers' `CLIPTextModel` (5.23).

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};

use super::{Activation, ClipTextConfig, names};
use crate::{
    Error, Result,
    layers::{Attention, Embedding, Init, LayerNorm, Linear, init::in_32_bits},
    weights::{TensorSource, load_public},
};

/// Causal attention, then a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: Attention,
    mlp_norm: LayerNorm,
    up: Linear,
    down: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Block {
    fn new(init: &mut Init, config: &ClipTextConfig) -> Self {
        let (width, gain) = (config.width, 1.0 / (2.0 * config.depth as f32).sqrt());
        Self {
            attention_norm: LayerNorm::new(init, width),
            attention: Attention {
                query: Linear::new(init, width, width, 1.0),
                key: Linear::new(init, width, width, 1.0),
                value: Linear::new(init, width, width, 1.0),
                output: Linear::new(init, width, width, gain),
                query_norm: None,
                key_norm: None,
                heads: config.heads,
            },
            mlp_norm: LayerNorm::new(init, width),
            up: Linear::new(init, width, config.hidden, 1.0),
            down: Linear::new(init, config.hidden, width, gain),
            activation: config.activation,
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, C]`
    /// - `bias`: `[1, 1, L, L]`, the least number where a query (row) may not look
    /// - returns `[B, L, C]`
    fn forward(&self, x: Tensor<3>, bias: &Tensor<4>) -> Tensor<3> {
        let h = self.attention_norm.forward(x.clone());
        let h = self.attention.between_biased(h.clone(), h.clone(), h, std::slice::from_ref(bias));
        let x = x + h;
        let h = self.up.forward(self.mlp_norm.forward(x.clone())); // [B, L, hidden]
        let h = match self.activation {
            // x·sigmoid(a·x) is the SiLU of a·x, divided by a.
            Activation::QuickGelu => thrumask_kernels::silu(h * 1.702) / 1.702,
            Activation::Gelu => thrumask_kernels::gelu(h),
        };
        x + self.down.forward(h)
    }
}

/// Token ids to embeddings.
#[derive(Module, Debug)]
pub struct ClipText {
    tokens: Embedding,
    positions: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    #[module(skip)]
    config: ClipTextConfig,
}

impl ClipText {
    /// An encoder with fresh parameters.
    ///
    /// # Errors
    /// [`Error::Config`] as [`ClipTextConfig::check`] has it.
    pub fn new(init: &mut Init, config: &ClipTextConfig) -> Result<Self> {
        config.check()?;
        let width = config.width;
        Ok(Self {
            tokens: Embedding::new(init, config.vocabulary, width, 0.5),
            positions: Embedding::new(init, config.positions, width, 0.3),
            blocks: (0..config.depth).map(|_| Block::new(init, config)).collect(),
            norm: LayerNorm::new(init, width),
            config: config.clone(),
        })
    }

    /// The public weights: of a `text_encoder` folder, with or without `text_model.`, or from a file with
    /// all networks of Stable Diffusion. The numbered positions that older files hold are passed over.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and no tensor of this network is left
    /// over; [`Error::Config`] as [`ClipTextConfig::check`] has it.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &ClipTextConfig,
        init: impl Into<Init>,
    ) -> Result<Self> {
        let blank = Self::new(&mut init.into(), config)?;
        load_public(what, &names::part(source), blank, names::rename)
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &ClipTextConfig {
        &self.config
    }

    /// The last hidden states after the final norm, which Stable Diffusion 1.x attends to.
    ///
    /// # Shapes
    /// - `ids`: `B` rows of `L` ids, as [`ClipTokenizer::encode_padded`](super::ClipTokenizer::encode_padded)
    ///   makes them
    /// - `skip`: blocks that are left out at the end, 0 for none ("CLIP skip" counts from 1)
    /// - returns `[B, L, C]`
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no row, rows are empty, differ in length or are too long, or an id is
    /// not one of the vocabulary; [`Error::Config`] when more blocks are left out than there are.
    pub fn forward(&self, ids: &[Vec<u32>], skip: usize) -> Result<Tensor<3>> {
        let ClipTextConfig { vocabulary, positions, depth, .. } = self.config;
        let tokens = ids.first().map_or(0, Vec::len);
        if tokens == 0 || tokens > positions {
            return Err(Error::shape("tokens", format!("1 to {positions}"), tokens));
        }
        if let Some(row) = ids.iter().find(|row| row.len() != tokens) {
            return Err(Error::shape("tokens of each text", tokens, row.len()));
        }
        if let Some(id) = ids.iter().flatten().find(|&&id| id as usize >= vocabulary) {
            return Err(Error::shape("token", format!("below {vocabulary}"), id));
        }
        if skip > depth {
            let reason = format!("expected at most {depth} blocks to leave out, got {skip}");
            return Err(Error::config("CLIP skip", reason));
        }
        let x = self.tokens.forward(ids); // [B, L, C]
        let positions = in_32_bits(self.positions.table.val().narrow(0, 0, tokens)); // [L, C]
        let x = x + positions.unsqueeze::<3>();
        let bias = |i: usize| (0..tokens).map(move |j| if j > i { f32::MIN } else { 0.0 });
        let bias: Vec<f32> = (0..tokens).flat_map(bias).collect();
        let bias = Tensor::from_data(TensorData::new(bias, [1, 1, tokens, tokens]), &x.device());
        let blocks = &self.blocks[..depth - skip];
        Ok(self.norm.forward(blocks.iter().fold(x, |x, block| block.forward(x, &bias))))
    }
}
