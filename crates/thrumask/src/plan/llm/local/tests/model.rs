//! Tiny models with weights that mean nothing, as GGUF files.

use std::{collections::BTreeMap, fs, path::Path};

use thrumask_nn::text::merge::byte_signs;

pub const VOCABULARY: usize = 264;
const WIDTH: usize = 64;
const HIDDEN: usize = 96;
const HEADS: usize = 4;
const GROUPS: usize = 2;
pub const BLOCKS: usize = 2;

/// What a model's file says of one thing.
#[derive(Debug, Clone)]
pub enum Entry {
    Number(u32),
    Float(f32),
    Flag(bool),
    Text(String),
    Texts(Vec<String>),
    Numbers(Vec<i32>),
    Floats(Vec<f32>),
}

impl Entry {
    /// As a file has it: the number of its kind, and its bytes.
    fn written(&self) -> Vec<u8> {
        let list = |kind: u32, count: usize, bytes: Vec<u8>| {
            let head =
                [&9u32.to_le_bytes()[..], &kind.to_le_bytes(), &(count as u64).to_le_bytes()];
            [head.concat(), bytes].concat()
        };
        let one = |kind: u32, bytes: &[u8]| [&kind.to_le_bytes()[..], bytes].concat();
        match self {
            Self::Number(n) => one(4, &n.to_le_bytes()),
            Self::Float(x) => one(6, &x.to_le_bytes()),
            Self::Flag(yes) => one(7, &[u8::from(*yes)]),
            Self::Text(text) => one(8, &string(text)),
            Self::Texts(texts) => {
                list(8, texts.len(), texts.iter().flat_map(|text| string(text)).collect())
            }
            Self::Numbers(n) => list(5, n.len(), n.iter().flat_map(|n| n.to_le_bytes()).collect()),
            Self::Floats(x) => list(6, x.len(), x.iter().flat_map(|x| x.to_le_bytes()).collect()),
        }
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A model before it is written.
#[derive(Debug, Clone)]
pub struct Model {
    pub entries: BTreeMap<String, Entry>,
    /// Name and shape of each tensor, the longest step first.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Numbers that are not [`weights`].
    pub given: BTreeMap<String, Vec<f32>>,
    /// Whether matrices are stored in 8 bits (Q8_0).
    pub quantized: bool,
    /// Stands before the names that weights are made of, so that there are many models.
    pub salt: String,
}

/// The numbers of a tensor, as `weight` of export.py has them.
pub fn weights(name: &str, count: usize) -> Vec<f32> {
    let step = |seed: u32, byte: u8| (seed ^ u32::from(byte)).wrapping_mul(16_777_619);
    let seed = name.bytes().fold(2_166_136_261, step);
    let around = if name.contains("norm") { 1.0 } else { 0.0 };
    let number = |i: u32| {
        let mut x = seed ^ i.wrapping_mul(0x9e37_79b9);
        x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
        x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
        ((x ^ (x >> 16)) >> 8) as f32 / (1 << 25) as f32 - 0.25 + around
    };
    (0..count as u32).map(number).collect()
}

impl Model {
    /// A model of the architecture `kind`, with the bytes, five merged pairs and three control tokens as
    /// its vocabulary, and ChatML as its template.
    pub fn new(kind: &str) -> Self {
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), vec![VOCABULARY, WIDTH]),
            ("output_norm.weight".to_owned(), vec![WIDTH]),
            ("output.weight".to_owned(), vec![VOCABULARY, WIDTH]),
        ];
        let own = WIDTH / HEADS * GROUPS;
        for n in 0..BLOCKS {
            for (name, shape) in [
                ("attn_norm.weight", vec![WIDTH]),
                ("attn_q.weight", vec![WIDTH, WIDTH]),
                ("attn_k.weight", vec![own, WIDTH]),
                ("attn_v.weight", vec![own, WIDTH]),
                ("attn_output.weight", vec![WIDTH, WIDTH]),
                ("ffn_norm.weight", vec![WIDTH]),
                ("ffn_gate.weight", vec![HIDDEN, WIDTH]),
                ("ffn_up.weight", vec![HIDDEN, WIDTH]),
                ("ffn_down.weight", vec![WIDTH, HIDDEN]),
            ] {
                tensors.push((format!("blk.{n}.{name}"), shape));
            }
            if kind == "qwen2" {
                for (name, width) in [("attn_q", WIDTH), ("attn_k", own), ("attn_v", own)] {
                    tensors.push((format!("blk.{n}.{name}.bias"), vec![width]));
                }
            }
        }
        let mut entries = BTreeMap::from([
            ("general.architecture".to_owned(), Entry::Text(kind.to_owned())),
            (
                "tokenizer.chat_template".to_owned(),
                Entry::Text("{{'<|im_start|>' + message['role']}}".to_owned()),
            ),
        ]);
        for (name, n) in [
            ("block_count", BLOCKS),
            ("context_length", 8192),
            ("embedding_length", WIDTH),
            ("feed_forward_length", HIDDEN),
            ("attention.head_count", HEADS),
            ("attention.head_count_kv", GROUPS),
        ] {
            entries.insert(format!("{kind}.{name}"), Entry::Number(n as u32));
        }
        let epsilon = format!("{kind}.attention.layer_norm_rms_epsilon");
        entries.insert(epsilon, Entry::Float(1e-5));
        let mut model = Self {
            entries,
            tensors,
            given: BTreeMap::new(),
            quantized: false,
            salt: String::new(),
        };
        model.with_pairs();
        model
    }

    /// The vocabulary of merged bytes.
    fn with_pairs(&mut self) {
        let mut tokens: Vec<String> = byte_signs().into_iter().map(String::from).collect();
        let pairs = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("d", "o"), ("do", "g")];
        tokens.extend(pairs.map(|(a, b)| format!("{a}{b}")));
        tokens.extend(["<|im_start|>", "<|im_end|>", "<|endoftext|>"].map(str::to_owned));
        let merges = pairs.map(|(a, b)| format!("{a} {b}"));
        let types = (0..tokens.len()).map(|id| if id < tokens.len() - 3 { 1 } else { 3 }).collect();
        for (name, entry) in [
            ("model", Entry::Text("gpt2".to_owned())),
            ("pre", Entry::Text("gpt-2".to_owned())),
            ("eos_token_id", Entry::Number(263)),
            ("merges", Entry::Texts(merges.into())),
            ("token_type", Entry::Numbers(types)),
            ("tokens", Entry::Texts(tokens)),
        ] {
            self.set(&format!("tokenizer.ggml.{name}"), entry);
        }
    }

    pub fn set(&mut self, key: &str, entry: Entry) {
        self.entries.insert(key.to_owned(), entry);
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) {
        let (mut head, mut data) = (b"GGUF".to_vec(), Vec::new());
        head.extend(3u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend((self.entries.len() as u64).to_le_bytes());
        for (key, entry) in &self.entries {
            head.extend(string(key));
            head.extend(entry.written());
        }
        for (name, shape) in &self.tensors {
            let count = shape.iter().product();
            let numbers = self.given.get(name).cloned();
            let numbers =
                numbers.unwrap_or_else(|| weights(&format!("{}{name}", self.salt), count));
            let quantized = self.quantized && shape.len() == 2;
            head.extend(string(name));
            head.extend((shape.len() as u32).to_le_bytes());
            shape.iter().rev().for_each(|&n| head.extend((n as u64).to_le_bytes()));
            head.extend(if quantized { 8u32 } else { 0 }.to_le_bytes());
            head.extend((data.len() as u64).to_le_bytes());
            match quantized {
                true => numbers.chunks(32).for_each(|block| data.extend(in_8_bits(block))),
                false => data.extend(numbers.iter().flat_map(|x| x.to_le_bytes())),
            }
            data.resize(data.len().next_multiple_of(32), 0);
        }
        head.resize(head.len().next_multiple_of(32), 0);
        fs::write(path, [head, data].concat()).unwrap();
    }
}

/// A block of 32 numbers in 8 bits: what they are multiplied by in 16 bits, and the numbers.
fn in_8_bits(block: &[f32]) -> Vec<u8> {
    let most = block.iter().fold(0f32, |most, x| most.max(x.abs()));
    // A power of two, which 16 bits hold as it is: its exponent alone.
    let exponent = (most / 127.0).log2().ceil() as i32;
    let step = 2f32.powi(exponent);
    let bits = ((exponent + 15) as u16) << 10;
    let number = |x: &f32| ((x / step).round() as i8) as u8;
    bits.to_le_bytes().into_iter().chain(block.iter().map(number)).collect()
}
