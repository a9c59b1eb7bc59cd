//! A model's tokens, as its file lists them: texts to ids, and the bytes of each id.
//!
//! Texts are plain: whatever a text spells, it becomes no control token.

mod words;

use std::collections::HashMap;

use candle_core::quantized::gguf_file::Value;
use thrumask_nn::text::merge::{byte_signs, merged};

use super::gguf::Gguf;
use words::Words;

/// Stands for a space in the tokens of SentencePiece.
const SPACE: char = '▁';

/// What kind of token: the numbers of GGUF.
const NORMAL: usize = 1;
const CONTROL: usize = 3;
const DEFINED: usize = 4;
const BYTE: usize = 6;

/// How a text is cut into tokens.
enum Kind {
    /// Words, of which pairs of bytes are merged, as GPT-2 does.
    Pairs {
        words: Words,
        /// Tokens by their bytes, of models that look for the whole word first.
        whole: Option<HashMap<Vec<u8>, u32>>,
    },
    /// The whole text, of which pairs of characters are merged, as SentencePiece does.
    Pieces {
        characters: HashMap<char, u32>,
        /// Whether a space goes before a text.
        prefix: bool,
    },
}

/// The tokens of a model.
pub(super) struct Vocabulary {
    /// What each token writes; `None` for those that write nothing.
    bytes: Vec<Option<Box<[u8]>>>,
    /// Tokens that mark where messages begin and end.
    controls: HashMap<String, u32>,
    /// The token of each single byte; some models have none for bytes that no text has.
    single: [Option<u32>; 256],
    /// Of each pair that is merged: its rank, the smaller the earlier, and what it becomes.
    merges: HashMap<[u32; 2], (u32, u32)>,
    kind: Kind,
    /// What every text begins and ends with, where the model wants that.
    start: Option<u32>,
    end: Option<u32>,
}

impl Vocabulary {
    /// The tokens that a file lists.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Format`] when there are none, or of a kind that is not known, or one of
    /// ASCII's signs has none.
    pub fn of(gguf: &Gguf) -> thrumask_core::Result<Self> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let text = |value: &'_ Value| value.to_string().ok().cloned();
        let names = gguf.list(&key("tokens"), text)?;
        let whole = |value: &Value| match *value {
            Value::I32(n) => usize::try_from(n).ok(),
            _ => value.to_u64().ok().and_then(|n| usize::try_from(n).ok()),
        };
        let mut types = gguf.list(&key("token_type"), whole)?;
        if types.is_empty() {
            types.resize(names.len(), NORMAL);
        }
        if names.is_empty() || names.len() != types.len() || u32::try_from(names.len()).is_err() {
            let got = format!("{} tokens and {} types", names.len(), types.len());
            return Err(
                gguf.broken(format!("expected a list of tokens, each with its type, got {got}"))
            );
        }
        let model = gguf.text(&key("model"))?.unwrap_or("none");
        let pieces = match model {
            "gpt2" => false,
            "llama" => true,
            other => {
                let reason = format!("expected tokens of the kind gpt2 or llama, got {other:?}");
                return Err(gguf.broken(reason));
            }
        };
        let all = || names.iter().map(String::as_str).zip(types.iter().copied()).zip(0u32..);
        let bytes: Vec<_> = match pieces {
            true => all().map(|((name, kind), _)| written_as_piece(name, kind)).collect(),
            false => {
                let signs = byte_signs().into_iter().zip(0..=255).collect();
                all().map(|((name, kind), _)| written_as_pairs(name, kind, &signs)).collect()
            }
        };
        let single = single_bytes(&bytes, &types, pieces);
        if let Some(byte) = (b' '..=b'~').find(|&byte| single[usize::from(byte)].is_none()) {
            let got = char::from(byte);
            let reason = format!("expected a token for each sign of ASCII, got none for {got:?}");
            return Err(gguf.broken(reason));
        }
        let normal: HashMap<&str, u32> = all()
            .filter(|((_, kind), _)| *kind == NORMAL)
            .map(|((name, _), id)| (name, id))
            .collect();
        let (merges, kind) = match pieces {
            true => {
                let scores = gguf.list(&key("scores"), |value| value.to_f32().ok())?;
                let merges = merges_by_score(&normal, &scores);
                let character = |(name, id): (&&str, &u32)| {
                    let mut characters = name.chars();
                    characters.next().filter(|_| characters.next().is_none()).map(|c| (c, *id))
                };
                let characters = normal.iter().filter_map(character).collect();
                let prefix = gguf.flag(&key("add_space_prefix"))?.unwrap_or(true);
                (merges, Kind::Pieces { characters, prefix })
            }
            false => {
                let merges = merges_in_order(gguf, &normal)?;
                let words = gguf.text(&key("pre"))?.unwrap_or("none");
                let words = Words::of(words).map_err(|reason| gguf.broken(reason))?;
                let known = |&id: &u32| Some((bytes[id as usize].as_ref()?.to_vec(), id));
                let whole = words.looks_for_whole_words();
                let whole = whole.then(|| normal.values().filter_map(known).collect());
                (merges, Kind::Pairs { words, whole })
            }
        };
        let controls = all().filter(|((_, kind), _)| [CONTROL, DEFINED].contains(kind));
        let controls = controls.map(|((name, _), id)| (name.to_owned(), id)).collect();
        let count = names.len();
        let special = |name: &str| {
            let id = gguf.number(&key(&format!("{name}_token_id")))?;
            thrumask_core::Result::Ok(id.filter(|&id| id < count).map(|id| id as u32))
        };
        let starts = gguf.flag(&key("add_bos_token"))?.unwrap_or(pieces);
        let start = special("bos")?.filter(|_| starts);
        Ok(Self { end: special("eos")?, bytes, controls, single, merges, kind, start })
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What a token writes; `None` for one that writes nothing, or is none.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.bytes.get(id as usize)?.as_deref()
    }

    /// The control token of a name.
    pub fn control(&self, name: &str) -> Option<u32> {
        self.controls.get(name).copied()
    }

    /// What every text begins with, where the model wants that.
    pub fn start(&self) -> Option<u32> {
        self.start
    }

    /// What ends an answer.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// The tokens of a text. Bytes that have none are left out.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let single = |byte: u8| self.single[usize::from(byte)];
        match &self.kind {
            Kind::Pairs { words, whole } => {
                let word = |word: &str| {
                    if let Some(&id) = whole.as_ref().and_then(|ids| ids.get(word.as_bytes())) {
                        return vec![id];
                    }
                    merged(word.bytes().filter_map(single).collect(), &self.merges)
                };
                words.split(text).into_iter().flat_map(word).collect()
            }
            Kind::Pieces { characters, prefix } => {
                let mut ids = Vec::new();
                let spaced = prefix.then_some(' ').filter(|_| !text.is_empty());
                for c in spaced.into_iter().chain(text.chars()) {
                    match characters.get(&if c == ' ' { SPACE } else { c }) {
                        Some(&id) => ids.push(id),
                        None => ids.extend(c.encode_utf8(&mut [0; 4]).bytes().filter_map(single)),
                    }
                }
                merged(ids, &self.merges)
            }
        }
    }
}

/// What a token of SentencePiece writes.
fn written_as_piece(name: &str, kind: usize) -> Option<Box<[u8]>> {
    let bytes = match kind {
        NORMAL | DEFINED => name.replace(SPACE, " ").into_bytes(),
        BYTE => {
            let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
            vec![u8::from_str_radix(digits, 16).ok()?]
        }
        _ => return None,
    };
    (!bytes.is_empty()).then(|| bytes.into())
}

/// What a token of merged bytes writes.
fn written_as_pairs(name: &str, kind: usize, signs: &HashMap<char, u8>) -> Option<Box<[u8]>> {
    let bytes: Vec<u8> = match kind {
        NORMAL => name.chars().map(|c| signs.get(&c).copied()).collect::<Option<_>>()?,
        DEFINED => name.as_bytes().to_vec(),
        _ => return None,
    };
    (!bytes.is_empty()).then(|| bytes.into())
}

/// The token of each byte.
fn single_bytes(bytes: &[Option<Box<[u8]>>], types: &[usize], pieces: bool) -> [Option<u32>; 256] {
    let wanted = if pieces { BYTE } else { NORMAL };
    let mut found = [None; 256];
    for ((bytes, &kind), id) in bytes.iter().zip(types).zip(0u32..) {
        if let (Some([byte]), true) = (bytes.as_deref(), kind == wanted) {
            found[usize::from(*byte)].get_or_insert(id);
        }
    }
    found
}

/// The pairs that SentencePiece merges: all that make a token, those of the highest score first.
fn merges_by_score(normal: &HashMap<&str, u32>, scores: &[f32]) -> HashMap<[u32; 2], (u32, u32)> {
    let score = |id: u32| scores.get(id as usize).copied().unwrap_or_default();
    let mut order: Vec<f32> = normal.values().map(|&id| score(id)).collect();
    order.sort_unstable_by(|a, b| b.total_cmp(a));
    order.dedup();
    let rank = |id: u32| order.partition_point(|&s| s > score(id)) as u32;
    let mut merges = HashMap::new();
    for (name, &id) in normal {
        for (at, _) in name.char_indices().skip(1) {
            let (left, right) = name.split_at(at);
            if let (Some(&left), Some(&right)) = (normal.get(left), normal.get(right)) {
                merges.insert([left, right], (rank(id), id));
            }
        }
    }
    merges
}

/// The pairs that a file lists, in its order.
fn merges_in_order(
    gguf: &Gguf,
    normal: &HashMap<&str, u32>,
) -> thrumask_core::Result<HashMap<[u32; 2], (u32, u32)>> {
    let pair = |value: &Value| {
        let text = value.to_string().ok()?;
        let (left, right) = text.split_once(' ')?;
        let id = |name: &str| normal.get(name).copied();
        Some(id(left).zip(id(right)).zip(id(&format!("{left}{right}"))))
    };
    let pairs = gguf.list("tokenizer.ggml.merges", pair)?;
    let mut merges = HashMap::new();
    for (rank, pair) in pairs.into_iter().enumerate() {
        // A pair of control tokens is no text.
        if let Some(((left, right), id)) = pair {
            merges.entry([left, right]).or_insert((rank as u32, id));
        }
    }
    Ok(merges)
}
