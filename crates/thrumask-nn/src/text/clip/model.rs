//! The text tower of CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language
//! Supervision", ICML 2021), as transformers' `CLIPTextModel` (5.23).

use burn::{
    module::Module,
    tensor::{Bool, Int, Tensor, TensorData},
};

use super::{Activation, ClipTextConfig, names};
use crate::{
    Error, Result,
    layers::{Embedding, Init, LayerNorm, Linear, init::in_32_bits},
    weights::{TensorSource, load_public},
};

/// Attention of each token to itself and to those before it.
#[derive(Module, Debug)]
struct CausalAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    #[module(skip)]
    heads: usize,
}

impl CausalAttention {
    fn new(init: &mut Init, width: usize, heads: usize, gain: f32) -> Self {
        Self {
            query: Linear::new(init, width, width, 1.0),
            key: Linear::new(init, width, width, 1.0),
            value: Linear::new(init, width, width, 1.0),
            output: Linear::new(init, width, width, gain),
            heads,
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, C]`
    /// - `hidden`: `[1, 1, L, L]`, `true` where a query (row) may not look
    /// - returns `[B, L, C]`
    fn forward(&self, x: Tensor<3>, hidden: &Tensor<4, Bool>) -> Tensor<3> {
        let [batch, tokens, width] = x.dims();
        let (heads, size) = (self.heads, width / self.heads);
        let split = |x: Tensor<3>| x.reshape([batch, tokens, heads, size]).swap_dims(1, 2); // [B, h, L, D]
        let query = split(self.query.forward(x.clone()) / (size as f32).sqrt());
        let (key, value) = (split(self.key.forward(x.clone())), split(self.value.forward(x)));
        let scores = query.matmul(key.swap_dims(2, 3)); // [B, h, L, L]
        let hidden = hidden.clone().expand([batch, heads, tokens, tokens]);
        let weights = thrumask_kernels::softmax_last(scores.mask_fill(hidden, f32::MIN));
        let mixed = weights.matmul(value).swap_dims(1, 2); // [B, L, h, D]
        self.output.forward(mixed.reshape([batch, tokens, width]))
    }
}

/// Causal attention, then a perceptron, each after a norm and with a residual.
#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: CausalAttention,
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
            attention: CausalAttention::new(init, width, config.heads, gain),
            mlp_norm: LayerNorm::new(init, width),
            up: Linear::new(init, width, config.hidden, 1.0),
            down: Linear::new(init, config.hidden, width, gain),
            activation: config.activation,
        }
    }

    /// # Shapes
    /// - `x`: `[B, L, C]`
    /// - `hidden`: `[1, 1, L, L]`
    /// - returns `[B, L, C]`
    fn forward(&self, x: Tensor<3>, hidden: &Tensor<4, Bool>) -> Tensor<3> {
        let h = self.attention_norm.forward(x.clone());
        let x = x + self.attention.forward(h, hidden);
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
        let ClipTextConfig { vocabulary, positions, width, depth, .. } = self.config;
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
        let table = self.tokens.table.val();
        let device = table.device();
        let flat: Vec<i32> = ids.iter().flatten().map(|&id| id as i32).collect();
        let count = flat.len();
        let flat = Tensor::<1, Int>::from_data(TensorData::new(flat, [count]), &device);
        let x = in_32_bits(table.select(0, flat)).reshape([ids.len(), tokens, width]); // [B, L, C]
        let positions = in_32_bits(self.positions.table.val().narrow(0, 0, tokens)); // [L, C]
        let x = x + positions.unsqueeze::<3>();
        let later = |i: usize| (0..tokens).map(move |j| j > i);
        let hidden: Vec<bool> = (0..tokens).flat_map(later).collect();
        let hidden = TensorData::new(hidden, [1, 1, tokens, tokens]);
        let hidden = Tensor::<4, Bool>::from_data(hidden, &device);
        let blocks = &self.blocks[..depth - skip];
        Ok(self.norm.forward(blocks.iter().fold(x, |x, block| block.forward(x, &hidden))))
    }
}
