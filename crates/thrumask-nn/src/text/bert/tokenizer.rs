//! Word pieces (Schuster and Nakajima, 2012; Wu et al., 2016) of lower-cased words, as transformers'
//! `BertTokenizer` (5.23).

use std::collections::HashMap;

use regex::Regex;
use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

use crate::{Error, Result};

/// Begins a piece that goes on a word.
const WITHIN: &str = "##";
/// Tokens that texts may spell, in the order of [`Special`].
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
/// Longer words are unknown.
const LONGEST_WORD: usize = 100;

/// The ids of special tokens.
#[derive(Debug, Clone, Copy)]
struct Special {
    padding: u32,
    unknown: u32,
    start: u32,
    end: u32,
    mask: u32,
}

/// Signs that are treated by their kind.
#[derive(Debug, Clone)]
struct Signs {
    accent: Regex,
    other: Regex,
    punctuation: Regex,
}

/// Texts to the ids that a [`Bert`](super::Bert) reads, and back.
#[derive(Debug, Clone)]
pub struct WordPieces {
    ids: HashMap<String, u32>,
    pieces: HashMap<u32, String>,
    special: Special,
    /// The full stop and the question mark, which end a phrase.
    stops: [u32; 2],
    lower_case: bool,
    signs: Signs,
}

impl WordPieces {
    /// A tokenizer of pieces with their ids.
    ///
    /// # Errors
    /// [`Error::Config`] when a token that can come up has no id, or an id is there twice.
    pub fn new(ids: HashMap<String, u32>, lower_case: bool) -> Result<Self> {
        let refuse = |reason: String| Error::config("BERT vocabulary", reason);
        let id = |token: &str| {
            let missing = || refuse(format!("no token {token:?}"));
            ids.get(token).copied().ok_or_else(missing)
        };
        let [padding, unknown, start, end, mask] = SPECIAL;
        let special = Special {
            padding: id(padding)?,
            unknown: id(unknown)?,
            start: id(start)?,
            end: id(end)?,
            mask: id(mask)?,
        };
        let stops = [id(".")?, id("?")?];
        let mut pieces = HashMap::new();
        for (piece, &id) in &ids {
            if let Some(other) = pieces.insert(id, piece.clone()) {
                return Err(refuse(format!("id {id} is that of {other:?} and of {piece:?}")));
            }
        }
        let class = |text: &str| Regex::new(text).map_err(|e| refuse(e.to_string()));
        let signs = Signs {
            accent: class(r"^\p{Mn}$")?,
            other: class(r"^\p{C}$")?,
            punctuation: class(r"^[\p{P}!-/:-@\[-`{-~]$")?,
        };
        Ok(Self { ids, pieces, special, stops, lower_case, signs })
    }

    /// From a `vocab.txt`: a piece a line, the first with id 0.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_vocabulary(text: &str, lower_case: bool) -> Result<Self> {
        let lines = text.lines().zip(0..).filter(|(line, _)| !line.is_empty());
        Self::new(lines.map(|(line, id)| (line.to_owned(), id)).collect(), lower_case)
    }

    /// From a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or not one of word pieces; as [`Self::new`].
    pub fn from_tokenizer_json(json: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("tokenizer.json", reason);
        let file: TokenizerFile = serde_json::from_str(json).map_err(|e| refuse(e.to_string()))?;
        let Pieces { kind, continuing_subword_prefix, mut vocab } = file.model;
        let (kind, prefix) = (kind.as_deref(), continuing_subword_prefix.as_deref());
        if kind.is_some_and(|kind| kind != "WordPiece") || prefix.is_some_and(|p| p != WITHIN) {
            let reason =
                format!("expected a model WordPiece with {WITHIN}, got {kind:?} with {prefix:?}");
            return Err(refuse(reason));
        }
        vocab.extend(file.added_tokens.into_iter().map(|token| (token.content, token.id)));
        Self::new(vocab, file.normalizer.and_then(|n| n.lowercase).unwrap_or(true))
    }

    /// Pieces of single letters and digits for networks that have learned nothing, so that they run without a
    /// download; special tokens and stops have the ids of the public vocabulary.
    ///
    /// # Errors
    /// None: every token has an id.
    pub fn of_letters() -> Result<Self> {
        let mut ids: HashMap<String, u32> = SPECIAL
            .iter()
            .zip([0, 100, 101, 102, 103])
            .map(|(t, id)| ((*t).to_owned(), id))
            .collect();
        ids.extend([(".".to_owned(), 1012), ("?".to_owned(), 1029)]);
        let letters = ('a'..='z').chain('0'..='9');
        for (i, letter) in letters.enumerate() {
            ids.insert(letter.to_string(), 200 + i as u32);
            ids.insert(format!("{WITHIN}{letter}"), 300 + i as u32);
        }
        Self::new(ids, true)
    }

    /// The largest id and one.
    pub fn size(&self) -> usize {
        self.pieces.keys().max().map_or(0, |&id| id as usize + 1)
    }

    /// The pieces by their ids, as [`Self::from_vocabulary`] reads them; ids that no piece has get a name.
    pub fn to_vocabulary(&self) -> String {
        let name = |id: u32| match self.pieces.get(&id) {
            Some(piece) => format!("{piece}\n"),
            None => format!("[unused{id}]\n"),
        };
        (0..self.size() as u32).map(name).collect()
    }

    /// The ids that end phrases: start and end of a text, the full stop and the question mark.
    pub fn delimiters(&self) -> [u32; 4] {
        let [stop, question] = self.stops;
        [self.special.start, self.special.end, stop, question]
    }

    /// The id after the end of short texts.
    pub fn padding(&self) -> u32 {
        self.special.padding
    }

    /// The ids of a text between start and end.
    ///
    /// Where the text spells a special token, it gets that token, as in the reference.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.special.start];
        let mut rest = text;
        let Special { padding, unknown, start, end, mask } = self.special;
        loop {
            let all = SPECIAL.into_iter().zip([padding, unknown, start, end, mask]);
            let found = all.filter_map(|(s, id)| Some((rest.find(s)?, s.len(), id))).min();
            let Some((at, length, id)) = found else { break };
            self.push_words(&rest[..at], &mut ids);
            ids.push(id);
            rest = &rest[at + length..];
        }
        self.push_words(rest, &mut ids);
        ids.push(end);
        ids
    }

    /// Appends the ids of a text that spells no special token.
    fn push_words(&self, text: &str, ids: &mut Vec<u32>) {
        let text = self.tidy(text);
        for word in text.split_whitespace() {
            let mut from = 0;
            for (at, sign) in word.char_indices() {
                if self.is(&self.signs.punctuation, sign) {
                    self.push_word(&word[from..at], ids);
                    from = at + sign.len_utf8();
                    self.push_word(&word[at..from], ids);
                }
            }
            self.push_word(&word[from..], ids);
        }
    }

    fn is(&self, class: &Regex, sign: char) -> bool {
        class.is_match(sign.encode_utf8(&mut [0; 4]))
    }

    /// Without control signs, Chinese signs apart, and in lower case without accents where asked for.
    fn tidy(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for sign in text.chars() {
            match sign {
                '\t' | '\n' | '\r' => clean.push(' '),
                '\0' | '\u{fffd}' => {}
                _ if self.is(&self.signs.other, sign) => {}
                _ if sign.is_whitespace() => clean.push(' '),
                _ if is_chinese(sign) => clean.extend([' ', sign, ' ']),
                _ => clean.push(sign),
            }
        }
        match self.lower_case {
            false => clean,
            true => {
                let plain = clean.nfd().filter(|&sign| !self.is(&self.signs.accent, sign));
                plain.flat_map(char::to_lowercase).collect()
            }
        }
    }

    /// Appends the pieces of a word, each the longest that the vocabulary has.
    fn push_word(&self, word: &str, ids: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        let known = ids.len();
        let mut rest = word;
        let long = word.chars().count() > LONGEST_WORD;
        while !rest.is_empty() && !long {
            let prefix = if rest.len() == word.len() { "" } else { WITHIN };
            let ends = rest.char_indices().map(|(at, sign)| at + sign.len_utf8());
            let longest = ends
                .rev()
                .find_map(|end| Some((end, *self.ids.get(&format!("{prefix}{}", &rest[..end]))?)));
            let Some((end, id)) = longest else { break };
            ids.push(id);
            rest = &rest[end..];
        }
        if long || !rest.is_empty() {
            ids.truncate(known);
            ids.push(self.special.unknown);
        }
    }

    /// The text of ids: pieces of a word joined, and no space before signs that end a part of a sentence, as
    /// transformers writes it.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut text = String::new();
        for (i, id) in ids.iter().enumerate() {
            let piece = self.pieces.get(id).map_or("", String::as_str);
            match piece.strip_prefix(WITHIN) {
                Some(rest) if i > 0 => text.push_str(rest),
                _ => {
                    if i > 0 && ![".", "?", "!", ","].contains(&piece) {
                        text.push(' ');
                    }
                    text.push_str(piece);
                }
            }
        }
        text
    }
}

/// Whether a sign is written without spaces around it, in the blocks of Chinese signs.
fn is_chinese(sign: char) -> bool {
    matches!(u32::from(sign), 0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x20000..=0x2a6df | 0x2a700..=0x2b73f
        | 0x2b740..=0x2b81f | 0x2b920..=0x2ceaf | 0xf900..=0xfaff | 0x2f800..=0x2fa1f)
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: Pieces,
    normalizer: Option<Normalizer>,
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
}

#[derive(Deserialize)]
struct Normalizer {
    lowercase: Option<bool>,
}

#[derive(Deserialize)]
struct Pieces {
    #[serde(rename = "type")]
    kind: Option<String>,
    continuing_subword_prefix: Option<String>,
    vocab: HashMap<String, u32>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_pieces_and_come_back() {
        let pieces = WordPieces::of_letters().unwrap();
        let ids = pieces.encode("Red CAR.");
        assert_eq!(ids, [101, 217, 304, 303, 202, 300, 317, 1012, 102]);
        assert_eq!(pieces.decode(&ids[1..8]), "red car.");
        assert_eq!(pieces.encode("ŏ € [SEP]"), [101, 214, 100, 102, 102]);
        let again = WordPieces::from_vocabulary(&pieces.to_vocabulary(), true).unwrap();
        assert_eq!(again.encode("the 2nd car?"), pieces.encode("the 2nd car?"));
        assert_eq!((pieces.size(), again.size()), (1030, 1030));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = WordPieces::from_vocabulary("[PAD]\n[UNK]\n", true).unwrap_err().to_string();
        assert!(error.contains("[CLS]"), "{error}");
        let twice = HashMap::from([("a".to_owned(), 5), ("b".to_owned(), 5)]);
        assert!(WordPieces::new(twice, true).is_err());
    }
}
