//! The network of the Llama family (Touvron et al., "LLaMA: Open and Efficient Foundation Language
//! Models", 2023), with weights as they are stored: the products are `candle`'s, on quantized weights.
//!
//! Axes: `N` new tokens, `T` all tokens so far, `H` heads, `G` heads of keys and values, `D` width of a
//! head, `W` width.

use candle_core::{Device, Tensor, quantized::QTensor};
use candle_nn::{
    ops::{rms_norm, silu, softmax_last_dim},
    rotary_emb::{rope, rope_i},
};

use super::{super::answer::one_line, gguf::Gguf};
use crate::Result;

/// Bounds that no public model comes near to, so that a broken file asks for no absurd memory.
const MAX_BLOCKS: usize = 1 << 10;
const MAX_WIDTH: usize = 1 << 17;
const MAX_CONTEXT: usize = 1 << 24;

/// Sizes and constants of a network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    pub blocks: usize,
    /// The most tokens of question and answer together.
    pub context: usize,
    width: usize,
    hidden: usize,
    heads: usize,
    groups: usize,
    head_width: usize,
    epsilon: f32,
    base: f32,
    /// What positions are divided by.
    stretch: f32,
    /// Whether a head's numbers turn in pairs of `i` and `i + D / 2`, else of `2 i` and `2 i + 1`.
    halves: bool,
}

impl Shape {
    /// What a file says.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Format`] when it is of another architecture, or makes no sense.
    pub fn of(gguf: &Gguf) -> thrumask_core::Result<Self> {
        let kind = gguf.text("general.architecture")?.unwrap_or("none");
        if !["llama", "qwen2"].contains(&kind) {
            let reason = "expected a model of the architecture llama or qwen2";
            return Err(gguf.broken(format!("{reason}, got {kind:?}")));
        }
        let key = |name: &str| format!("{kind}.{name}");
        if gguf.number(&key("expert_count"))?.is_some_and(|n| n > 1) {
            return Err(gguf.broken("expected a model without experts"));
        }
        let width = gguf.size(&key("embedding_length"), MAX_WIDTH)?;
        let heads = gguf.size(&key("attention.head_count"), width)?;
        let groups = gguf.number(&key("attention.head_count_kv"))?.unwrap_or(heads);
        let head_width = gguf.number(&key("attention.key_length"))?.unwrap_or(width / heads);
        let same = ["attention.value_length", "rope.dimension_count"];
        for name in same {
            if gguf.number(&key(name))?.is_some_and(|n| n != head_width) {
                return Err(gguf.broken(format!("expected {head_width} as {}", key(name))));
            }
        }
        let sound = (1..=heads).contains(&groups) && heads.is_multiple_of(groups);
        if !sound || head_width == 0 || !head_width.is_multiple_of(2) || head_width > width {
            let got = format!("{heads} heads of {head_width}, {groups} of keys");
            return Err(
                gguf.broken(format!("expected heads of even width in whole groups, got {got}"))
            );
        }
        let stretch = match gguf.text(&key("rope.scaling.type"))?.unwrap_or("none") {
            "none" => 1.0,
            "linear" => gguf.float(&key("rope.scaling.factor"))?.unwrap_or(1.0),
            other => {
                let reason = format!("expected none or linear scaling of positions, got {other:?}");
                return Err(gguf.broken(reason));
            }
        };
        let positive = |name: &str, value: Option<f32>| {
            let value = value.filter(|x| x.is_finite() && *x > 0.0);
            value.ok_or_else(|| gguf.broken(format!("expected a number above 0 as {}", key(name))))
        };
        let (epsilon, base) = ("attention.layer_norm_rms_epsilon", "rope.freq_base");
        Ok(Self {
            blocks: gguf.size(&key("block_count"), MAX_BLOCKS)?,
            context: gguf.size(&key("context_length"), MAX_CONTEXT)?,
            width,
            hidden: gguf.size(&key("feed_forward_length"), MAX_WIDTH)?,
            heads,
            groups,
            head_width,
            epsilon: positive(epsilon, gguf.float(&key(epsilon))?)?,
            base: positive(base, Some(gguf.float(&key(base))?.unwrap_or(10_000.0)))?,
            stretch: positive("rope.scaling.factor", Some(stretch))?,
            halves: kind == "qwen2",
        })
    }
}

/// A product with stored weights `[out, in]`, and a bias `[out]` where the model has one.
struct Linear {
    weight: QTensor,
    bias: Option<Tensor>,
}

impl Linear {
    fn read(gguf: &mut Gguf, name: &str, [from, to]: [usize; 2]) -> thrumask_core::Result<Self> {
        let bias = format!("{name}.bias");
        let bias = match gguf.has(&bias) {
            true => Some(gguf.floats(&bias, &[to])?),
            false => None,
        };
        Ok(Self { weight: gguf.tensor(&format!("{name}.weight"), &[to, from])?, bias })
    }

    /// # Shapes
    /// `[N, in]` → `[N, out]`
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let y = x.apply_op1_no_bwd(&self.weight)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// One block: attention and a gated network of two layers.
struct Block {
    attention_norm: Tensor,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    feed_norm: Tensor,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn read(gguf: &mut Gguf, shape: &Shape, number: usize) -> thrumask_core::Result<Self> {
        let name = |part: &str| format!("blk.{number}.{part}");
        let (width, hidden) = (shape.width, shape.hidden);
        let (all, own) = (shape.heads * shape.head_width, shape.groups * shape.head_width);
        Ok(Self {
            attention_norm: gguf.floats(&name("attn_norm.weight"), &[width])?,
            query: Linear::read(gguf, &name("attn_q"), [width, all])?,
            key: Linear::read(gguf, &name("attn_k"), [width, own])?,
            value: Linear::read(gguf, &name("attn_v"), [width, own])?,
            output: Linear::read(gguf, &name("attn_output"), [all, width])?,
            feed_norm: gguf.floats(&name("ffn_norm.weight"), &[width])?,
            gate: Linear::read(gguf, &name("ffn_gate"), [width, hidden])?,
            up: Linear::read(gguf, &name("ffn_up"), [width, hidden])?,
            down: Linear::read(gguf, &name("ffn_down"), [hidden, width])?,
        })
    }
}

/// Keys and values of the tokens so far.
#[derive(Default)]
pub(super) struct Memory {
    /// The tokens, in order.
    pub tokens: Vec<u32>,
    /// Of each block, keys and values, `[1, G, room, D]`.
    blocks: Vec<[Tensor; 2]>,
}

impl Memory {
    /// Makes room for this many tokens. More room is made anew, and what was there is forgotten.
    fn reserve(&mut self, shape: &Shape, room: usize) -> candle_core::Result<()> {
        let room = room.next_multiple_of(1024);
        let has = self.blocks.first().map_or(0, |[keys, _]| keys.dims()[2]);
        if has >= room {
            return Ok(());
        }
        self.tokens.clear();
        self.blocks.clear();
        let size = (1, shape.groups, room, shape.head_width);
        let empty = || Tensor::zeros(size, candle_core::DType::F32, &Device::Cpu);
        for _ in 0..shape.blocks {
            self.blocks.push([empty()?, empty()?]);
        }
        Ok(())
    }
}

/// A network that has been read.
pub(super) struct Network {
    name: String,
    shape: Shape,
    embedding: QTensor,
    blocks: Vec<Block>,
    norm: Tensor,
    /// `None` where the embedding is used.
    output: Option<QTensor>,
    /// How far a head's pairs turn from one token to the next, in radians, `D / 2` numbers.
    turns: Vec<f32>,
}

impl Network {
    /// Reads the weights, of a vocabulary of so many tokens; `tick` hears how many blocks are read.
    ///
    /// # Errors
    /// As [`Gguf::tensor`]; whatever `tick` returns.
    pub fn read(
        mut gguf: Gguf,
        name: &str,
        shape: Shape,
        vocabulary: usize,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let table = [vocabulary, shape.width];
        tick(0)?;
        let embedding = gguf.tensor("token_embd.weight", &table)?;
        let mut blocks = Vec::new();
        for number in 0..shape.blocks {
            blocks.push(Block::read(&mut gguf, &shape, number)?);
            tick(number + 1)?;
        }
        let output = match gguf.has("output.weight") {
            true => Some(gguf.tensor("output.weight", &table)?),
            false => None,
        };
        let half = shape.head_width / 2;
        // How Llama 3.1 and later stretch positions, given as a tensor.
        let factors = match gguf.has("rope_freqs.weight") {
            true => gguf.floats("rope_freqs.weight", &[half])?.to_vec1::<f32>(),
            false => Ok(vec![1.0; half]),
        };
        let factors = factors.map_err(|e| gguf.broken(e.to_string()))?;
        let turn = |(i, factor): (usize, &f32)| {
            let power = (2 * i) as f64 / shape.head_width as f64;
            (f64::from(shape.base).powf(-power) / f64::from(factor * shape.stretch)) as f32
        };
        Ok(Self {
            norm: gguf.floats("output_norm.weight", &[shape.width])?,
            turns: factors.iter().enumerate().map(turn).collect(),
            name: name.to_owned(),
            embedding,
            blocks,
            output,
            shape,
        })
    }

    /// Makes room in a memory for this many tokens.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Format`] when the library fails.
    pub fn reserve(&self, memory: &mut Memory, room: usize) -> Result<()> {
        memory.reserve(&self.shape, room).map_err(|e| self.failed(&e))
    }

    /// Reads `tokens` after those in `memory`, which has room for them, and gives how likely each token is
    /// to follow. `tick` is called between blocks.
    ///
    /// # Shapes
    /// `N` tokens, at least one → `[vocabulary]`, not normalized
    ///
    /// # Errors
    /// [`thrumask_core::Error::Format`] when a token is none or the library fails; whatever `tick`
    /// returns, after which the memory holds the tokens that it held.
    pub fn forward(
        &self,
        tokens: &[u32],
        memory: &mut Memory,
        tick: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Vec<f32>> {
        let failed = |e: candle_core::Error| self.failed(&e);
        let start = memory.tokens.len();
        let turned = self.turned(start, tokens.len()).map_err(failed)?;
        let mask = hidden_from(start, tokens.len()).map_err(failed)?;
        let ids = Tensor::new(tokens, &Device::Cpu).map_err(failed)?;
        let mut x = self.embedding.embedding(&ids).map_err(failed)?;
        for (block, kept) in self.blocks.iter().zip(&memory.blocks) {
            tick()?;
            x = self.block(block, &x, kept, start, &turned, mask.as_ref()).map_err(failed)?;
        }
        memory.tokens.extend_from_slice(tokens);
        self.likely(&x).map_err(failed)
    }

    /// # Shapes
    /// `[N, W]`, `kept` `[1, G, room, D]`, `turned` `[N, D / 2]`, `mask` `[N, T]` → `[N, W]`
    fn block(
        &self,
        block: &Block,
        x: &Tensor,
        kept: &[Tensor; 2],
        start: usize,
        turned: &[Tensor; 2],
        mask: Option<&Tensor>,
    ) -> candle_core::Result<Tensor> {
        let Shape { heads, groups, head_width, epsilon, .. } = self.shape;
        let count = x.dim(0)?;
        let total = start + count;
        let y = rms_norm(x, &block.attention_norm, epsilon)?;
        let split = |y: Tensor, heads: usize| {
            y.reshape((1, count, heads, head_width))?.transpose(1, 2)?.contiguous()
        };
        let turn = |y: Tensor| match self.shape.halves {
            true => rope(&y, &turned[0], &turned[1]),
            false => rope_i(&y, &turned[0], &turned[1]),
        };
        let query = turn(split(block.query.forward(&y)?, heads)?)?;
        let key = turn(split(block.key.forward(&y)?, groups)?)?;
        let value = split(block.value.forward(&y)?, groups)?;
        kept[0].slice_set(&key, 2, start)?;
        kept[1].slice_set(&value, 2, start)?;
        let keys = kept[0].narrow(2, 0, total)?.squeeze(0)?; // [G, T, D]
        let values = kept[1].narrow(2, 0, total)?.squeeze(0)?; // [G, T, D]
        // The heads that share keys stand one after the other.
        let query = query.reshape((groups, heads / groups * count, head_width))?;
        let scores = query.matmul(&keys.transpose(1, 2)?)?; // [G, H / G · N, T]
        let scores = (scores / f64::from(head_width as u32).sqrt())?;
        let scores = match mask {
            Some(mask) => scores.reshape((heads, count, total))?.broadcast_add(mask)?,
            None => scores,
        };
        let shares = softmax_last_dim(&scores)?.reshape((groups, heads / groups * count, total))?;
        let seen = shares.matmul(&values)?.reshape((heads, count, head_width))?;
        let seen = seen.transpose(0, 1)?.reshape((count, heads * head_width))?;
        let x = (x + block.output.forward(&seen)?)?;
        let y = rms_norm(&x, &block.feed_norm, epsilon)?;
        let y = (silu(&block.gate.forward(&y)?)? * block.up.forward(&y)?)?;
        x + block.down.forward(&y)?
    }

    /// How likely each token is after the last row.
    ///
    /// # Shapes
    /// `[N, W]` → `[vocabulary]`
    fn likely(&self, x: &Tensor) -> candle_core::Result<Vec<f32>> {
        let last = x.narrow(0, x.dim(0)? - 1, 1)?;
        let last = rms_norm(&last, &self.norm, self.shape.epsilon)?;
        let output = self.output.as_ref().unwrap_or(&self.embedding);
        last.apply_op1_no_bwd(output)?.squeeze(0)?.to_vec1()
    }

    /// Cosine and sine of the turns of `count` tokens from `start` on, each `[N, D / 2]`.
    fn turned(&self, start: usize, count: usize) -> candle_core::Result<[Tensor; 2]> {
        let angle = |at: usize| self.turns.iter().map(move |turn| at as f32 * turn);
        let angles: Vec<f32> = (start..start + count).flat_map(angle).collect();
        let angles = Tensor::from_vec(angles, (count, self.turns.len()), &Device::Cpu)?;
        Ok([angles.cos()?, angles.sin()?])
    }

    fn failed(&self, e: &candle_core::Error) -> crate::Error {
        thrumask_core::Error::format(&self.name, one_line(&e.to_string())).into()
    }
}

/// What hides the later ones of `count` tokens from each of them: 0 or −∞, `[N, T]`; `None` for one token.
fn hidden_from(start: usize, count: usize) -> candle_core::Result<Option<Tensor>> {
    if count == 1 {
        return Ok(None);
    }
    let total = start + count;
    let row =
        |i: usize| (0..total).map(move |j| if j > start + i { f32::NEG_INFINITY } else { 0.0 });
    let mask: Vec<f32> = (0..count).flat_map(row).collect();
    Tensor::from_vec(mask, (count, total), &Device::Cpu).map(Some)
}
