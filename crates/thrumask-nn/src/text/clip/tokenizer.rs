//! CLIP's tokens: lower-cased words as merged pairs of bytes (Sennrich et al., "Neural Machine Translation
//! of Rare Words with Subword Units", ACL 2016), as transformers' `CLIPTokenizer` (5.23).

mod files;

use std::collections::HashMap;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use crate::{
    Error, Result,
    text::merge::{byte_signs, merged},
};

/// Ends every word.
const WORD_END: &str = "</w>";
/// The first token of a text.
const START: &str = "<|startoftext|>";
/// The last token of a text.
const END: &str = "<|endoftext|>";
/// What becomes a word: English contractions, runs of letters, single digits, runs of other signs.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";

/// Texts to the ids that a [`ClipText`](super::ClipText) reads.
#[derive(Debug, Clone)]
pub struct ClipTokenizer {
    /// Of each byte, its id within a word and at the end of one.
    bytes: Vec<[u32; 2]>,
    /// Of each pair of ids that become one: when, the smaller the earlier, and the id.
    merges: HashMap<[u32; 2], (u32, u32)>,
    start: u32,
    end: u32,
    padding: u32,
    words: Regex,
}

impl ClipTokenizer {
    /// A tokenizer of tokens with their ids, and of the pairs that are merged, the first ones first.
    ///
    /// # Errors
    /// [`Error::Config`] when a token that can come up has no id.
    pub fn new(vocabulary: &HashMap<String, u32>, merges: &[[String; 2]]) -> Result<Self> {
        let id = |token: &str| {
            let missing = || Error::config("CLIP vocabulary", format!("no token {token:?}"));
            vocabulary.get(token).copied().ok_or_else(missing)
        };
        let byte = |sign: char| Ok([id(&sign.to_string())?, id(&format!("{sign}{WORD_END}"))?]);
        let pair = |(rank, [left, right]): (usize, &[String; 2])| {
            let merged = id(&format!("{left}{right}"))?;
            Ok(([id(left)?, id(right)?], (rank as u32, merged)))
        };
        let words = Regex::new(WORDS).map_err(|e| Error::config("words", e.to_string()))?;
        Ok(Self {
            bytes: byte_signs().into_iter().map(byte).collect::<Result<_>>()?,
            merges: merges.iter().enumerate().map(pair).collect::<Result<_>>()?,
            start: id(START)?,
            end: id(END)?,
            padding: id(END)?,
            words,
        })
    }

    /// A tokenizer that merges nothing: each byte is a token, with the id that public vocabularies give it.
    /// For networks that have learned nothing, so that they run without a download.
    ///
    /// # Errors
    /// None for ids beyond those of bytes, which are below 512.
    pub fn of_bytes(start: u32, end: u32) -> Result<Self> {
        Self::new(&byte_vocabulary(start, end), &[])
    }

    /// With another id after the end of short texts: Stable Diffusion 1.x pads with the end token, 2.x
    /// with 0.
    pub fn with_padding(self, padding: u32) -> Self {
        Self { padding, ..self }
    }

    /// The first id of every text.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The last id of every text.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// The ids of a text, without start and end.
    ///
    /// Where the text spells a start or end token, it gets that token, as in the reference.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut rest = text;
        loop {
            let special = [(START, self.start), (END, self.end)];
            let found =
                special.into_iter().filter_map(|(s, id)| Some((rest.find(s)?, s.len(), id)));
            let Some((at, length, id)) = found.min() else { break };
            self.push_words(&rest[..at], &mut ids);
            ids.push(id);
            rest = &rest[at + length..];
        }
        self.push_words(rest, &mut ids);
        ids
    }

    /// The ids of a text between start and end; of a text with more than `limit` ids, the first ones and
    /// the end. `limit` is taken as at least 2.
    pub fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let ids = self.ids(text).into_iter().take(limit.max(2) - 2);
        std::iter::once(self.start).chain(ids).chain([self.end]).collect()
    }

    /// As [`Self::encode`], padded to exactly `length` ids, at least 2.
    pub fn encode_padded(&self, text: &str, length: usize) -> Vec<u32> {
        let mut ids = self.encode(text, length);
        ids.resize(length.max(2), self.padding);
        ids
    }

    /// Appends the ids of a text that spells no special token.
    fn push_words(&self, text: &str, ids: &mut Vec<u32>) {
        let text: String = text.nfc().flat_map(char::to_lowercase).collect();
        for word in self.words.find_iter(&text) {
            let (last, first) = match word.as_str().as_bytes().split_last() {
                Some(parts) => parts,
                None => continue,
            };
            let inside = first.iter().map(|&b| self.bytes[usize::from(b)][0]);
            let symbols = inside.chain([self.bytes[usize::from(*last)][1]]).collect();
            ids.extend(merged(symbols, &self.merges));
        }
    }
}

/// The tokens of bytes with the ids of public vocabularies, and the two special ones.
pub fn byte_vocabulary(start: u32, end: u32) -> HashMap<String, u32> {
    let special = [(START.to_owned(), start), (END.to_owned(), end)];
    byte_tokens().into_iter().zip(0..).chain(special).collect()
}

/// Bytes within a word, those that can be seen first, then the same at ends of words.
fn byte_tokens() -> Vec<String> {
    let all = byte_signs();
    let seen = |(byte, sign): &(usize, &char)| *byte == **sign as usize;
    let inside = all.iter().enumerate().filter(seen);
    let inside = inside.chain(all.iter().enumerate().filter(|sign| !seen(sign)));
    let inside: Vec<String> = inside.map(|(_, sign)| sign.to_string()).collect();
    let ends: Vec<String> = inside.iter().map(|sign| format!("{sign}{WORD_END}")).collect();
    inside.into_iter().chain(ends).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_id_is_named() {
        let error = ClipTokenizer::new(&HashMap::new(), &[]).unwrap_err().to_string();
        assert!(error.contains("Ā"), "{error}");
    }
}
