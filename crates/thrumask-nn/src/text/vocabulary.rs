//! A word-level vocabulary: lower-cased words and punctuation to ids.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Padding; never attended to.
pub const PADDING: u32 = 0;
/// First token of every text, so that no text is empty.
pub const START: u32 = 2;
/// Number of ids before the first word. Id 1 was that of words that are not in a vocabulary: a vocabulary has all
/// words that a model learned from, so that nothing ever trained its vector.
const RESERVED: u32 = 3;

/// Words and their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary {
    words: Vec<String>,
    ids: HashMap<String, u32>,
}

impl TryFrom<Vec<String>> for Vocabulary {
    type Error = Error;

    fn try_from(words: Vec<String>) -> Result<Self> {
        Self::new(words)
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.words
    }
}

impl Vocabulary {
    /// A vocabulary of `words`, in this order.
    ///
    /// # Errors
    /// [`Error::Config`] when a word is empty or occurs twice.
    pub fn new(words: Vec<String>) -> Result<Self> {
        let mut ids = HashMap::with_capacity(words.len());
        for (i, word) in words.iter().enumerate() {
            if word.is_empty() || ids.insert(word.clone(), i as u32 + RESERVED).is_some() {
                let reason = format!("expected words, each once, got {word:?} at {i}");
                return Err(Error::config("vocabulary", reason));
            }
        }
        Ok(Self { words, ids })
    }

    /// Number of ids, the reserved ones included.
    pub fn len(&self) -> usize {
        self.words.len() + RESERVED as usize
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The ids of a text: [`START`], then the first `limit - 1` words that it has; others are left out.
    pub fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let words = words_of(text);
        let ids = words.iter().filter_map(|w| self.ids.get(w).copied());
        std::iter::once(START).chain(ids).take(limit.max(1)).collect()
    }

    /// The words of a text that have no id.
    pub fn unknown_words(&self, text: &str) -> Vec<String> {
        words_of(text).into_iter().filter(|w| !self.ids.contains_key(w)).collect()
    }
}

/// Lower-cased runs of letters, digits and apostrophes; other visible signs stand alone.
pub fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() || c == '\'' {
            match words.last_mut().filter(|_| open) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
            open = true;
        } else {
            open = false;
            if !c.is_whitespace() && !c.is_control() {
                words.push(c.to_string());
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_signs() {
        assert_eq!(
            words_of("The cat's red, BIG-car."),
            ["the", "cat's", "red", ",", "big", "-", "car", "."]
        );
        assert!(words_of(" \n\t").is_empty());
    }

    #[test]
    fn ids_start_with_start_and_are_cut() {
        let v = Vocabulary::new(vec!["a".into(), "b".into()]).expect("distinct words");
        assert_eq!(v.encode("a x b", 8), [START, 3, 4]);
        assert_eq!(v.encode("a x b", 2), [START, 3]);
        assert_eq!(v.encode("", 2), [START]);
        assert_eq!(v.unknown_words("a x b"), ["x"]);
        assert!(Vocabulary::new(vec!["a".into(), "a".into()]).is_err());
    }
}
