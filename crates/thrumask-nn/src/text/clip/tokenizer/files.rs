//! The files in which CLIP's tokens are published.

use std::{collections::HashMap, io::Read};

use serde::Deserialize;

use super::{ClipTokenizer, END, START, WORD_END, byte_tokens};
use crate::{Error, Result};

/// Merges of OpenAI's file that its vocabulary takes: 49,152 tokens without 512 of bytes and 2 others.
const OPENAI_MERGES: usize = 49152 - 256 - 2;
/// The largest text that OpenAI's file may hold.
const MAX_TEXT: u64 = 64 << 20;

fn refuse(what: &str, reason: impl Into<String>) -> Error {
    Error::config(what, reason)
}

impl ClipTokenizer {
    /// From the `vocab.json` and `merges.txt` of a `tokenizer` folder.
    ///
    /// # Errors
    /// [`Error::Config`] when the files are none of these, or do not fit each other.
    pub fn from_vocabulary_and_merges(vocabulary: &str, merges: &str) -> Result<Self> {
        let vocabulary = serde_json::from_str(vocabulary);
        let vocabulary: HashMap<String, u32> =
            vocabulary.map_err(|e| refuse("vocab.json", e.to_string()))?;
        Self::new(&vocabulary, &pairs("merges.txt", merges, usize::MAX)?)
    }

    /// From a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Config`] when the file is no such file, or not one of byte pairs with CLIP's ends of words.
    pub fn from_tokenizer_json(json: &str) -> Result<Self> {
        let what = "tokenizer.json";
        let file: TokenizerFile =
            serde_json::from_str(json).map_err(|e| refuse(what, e.to_string()))?;
        let TokenizerModel { kind, end_of_word_suffix, mut vocab, merges } = file.model;
        if kind.as_deref().is_some_and(|kind| kind != "BPE") {
            return Err(refuse(what, format!("expected a model BPE, got {kind:?}")));
        }
        if end_of_word_suffix.as_deref() != Some(WORD_END) {
            let reason =
                format!("expected words to end with {WORD_END}, got {end_of_word_suffix:?}");
            return Err(refuse(what, reason));
        }
        vocab.extend(file.added_tokens.into_iter().map(|token| (token.content, token.id)));
        let merges = merges.into_iter().map(|merge| match merge {
            Merge::Pair(pair) => Ok(pair),
            Merge::Line(line) => pair(what, &line),
        });
        Self::new(&vocab, &merges.collect::<Result<Vec<_>>>()?)
    }

    /// From OpenAI's `bpe_simple_vocab_16e6.txt`, compressed as it is published or not.
    ///
    /// # Errors
    /// [`Error::Config`] when the bytes are no such file.
    pub fn from_openai(bytes: &[u8]) -> Result<Self> {
        let what = "byte pairs";
        let mut text = String::new();
        // Two bytes begin every gzip file.
        let read = match bytes.starts_with(&[0x1f, 0x8b]) {
            true => flate2::read::GzDecoder::new(bytes).take(MAX_TEXT).read_to_string(&mut text),
            false => bytes.take(MAX_TEXT).read_to_string(&mut text),
        };
        read.map_err(|e| refuse(what, e.to_string()))?;
        let merges = pairs(what, &text, OPENAI_MERGES)?;
        // Ids follow from the order: bytes, merges, special tokens.
        let merged = merges.iter().map(|pair| pair.concat());
        let special = [START, END].map(String::from);
        let tokens = byte_tokens().into_iter().chain(merged).chain(special);
        Self::new(&tokens.zip(0..).collect(), &merges)
    }
}

/// The pairs in lines, after a line with a version.
fn pairs(what: &str, text: &str, limit: usize) -> Result<Vec<[String; 2]>> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let text = if first.contains("#version") { rest } else { text };
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.take(limit).map(|line| pair(what, line)).collect()
}

fn pair(what: &str, line: &str) -> Result<[String; 2]> {
    let parts: Vec<String> = line.split_whitespace().map(String::from).collect();
    parts.try_into().map_err(|_| refuse(what, format!("expected two tokens, got {line:?}")))
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: TokenizerModel,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct TokenizerModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    end_of_word_suffix: Option<String>,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair([String; 2]),
    Line(String),
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}
