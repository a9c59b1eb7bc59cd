//! The cursor over a caption's words: looking ahead, telling verbs, sides and prepositions.

use super::lexicon::{Form, LEXICON, VerbForm, guess_verb};
use super::token::Token;

/// A cursor over the tokens; `noun_phrase`, `verb_phrase` and `clause` add its reading methods.
pub(super) struct Reader<'a> {
    pub tokens: &'a [Token],
    pub at: usize,
    /// Nesting of the phrase being read, bounded so that no caption exhausts the stack.
    pub depth: usize,
    /// Reading a relative clause or participle of a subject: a verb after its object is the main one.
    pub in_subject: bool,
}

/// Phrases nested deeper than this are read as flat words.
pub(super) const MAX_DEPTH: usize = 12;

/// Words for places in the picture, and the side they mean.
pub(super) const SIDES: [(&str, &str); 24] = [
    ("left", "left"),
    ("right", "right"),
    ("leftmost", "left"),
    ("rightmost", "right"),
    ("left-hand", "left"),
    ("right-hand", "right"),
    ("middle", "middle"),
    ("center", "middle"),
    ("centre", "middle"),
    ("central", "middle"),
    ("top", "top"),
    ("upper", "top"),
    ("uppermost", "top"),
    ("topmost", "top"),
    ("bottom", "bottom"),
    ("lower", "bottom"),
    ("lowest", "bottom"),
    ("front", "front"),
    ("foreground", "front"),
    ("frontmost", "front"),
    ("back", "back"),
    ("rear", "back"),
    ("background", "back"),
    ("far", "far"),
];

/// The side that `word` names.
pub(crate) fn side_of(word: &str) -> Option<&'static str> {
    SIDES.iter().find(|(name, side)| *name == word && *side != "far").map(|(_, side)| *side)
}

/// Words that never stand inside a noun.
pub(super) fn is_function_word(word: &str) -> bool {
    const WORDS: [&str; 73] = [
        "and", "or", "but", "while", "whereas", "as", "when", "then", "until", "because", "so",
        "if", "that", "which", "who", "whose", "where", "is", "are", "was", "were", "be", "been",
        "being", "am", "has", "have", "had", "do", "does", "did", "will", "would", "can", "could",
        "may", "might", "must", "should", "not", "it", "he", "she", "they", "them", "him", "there",
        "the", "a", "an", "its", "his", "their", "both", "each", "another", "of", "to", "doesn't",
        "don't", "didn't", "isn't", "aren't", "can't", "though", "one", "never", "won't", "wasn't",
        "neither", "nor", "too", "likewise",
    ];
    WORDS.contains(&word)
}

pub(super) const BE: [&str; 8] = ["is", "are", "was", "were", "be", "been", "being", "am"];

pub(super) const MODALS: [&str; 9] =
    ["will", "would", "can", "could", "may", "might", "must", "should", "shall"];

/// A negated helper with its forms for one and for many.
pub(super) const NEGATED: [(&str, &str, &str); 9] = [
    ("doesn't", "doesn't", "don't"),
    ("don't", "doesn't", "don't"),
    ("didn't", "doesn't", "don't"),
    ("isn't", "doesn't", "don't"),
    ("aren't", "doesn't", "don't"),
    ("wasn't", "doesn't", "don't"),
    ("can't", "can't", "can't"),
    ("cannot", "can't", "can't"),
    ("won't", "doesn't", "don't"),
];

impl<'a> Reader<'a> {
    /// The word or mark `ahead` of the cursor in lower case, "" past the end.
    pub fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.at + ahead).map_or("", |token| token.lower.as_str())
    }

    /// Whether the words at the cursor are `words`.
    pub fn sees(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| self.peek(i) == *word)
    }

    /// Steps over `words` if they stand at the cursor.
    pub fn take(&mut self, words: &[&str]) -> bool {
        let seen = self.sees(words);
        if seen {
            self.at += words.len();
        }
        seen
    }

    /// Steps over the first of `words` that stands at the cursor, and returns it.
    pub fn take_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let word = *words.iter().find(|word| self.peek(0) == **word)?;
        self.at += 1;
        Some(word)
    }

    /// Whether a word, not a mark or the end, is `ahead` of the cursor.
    pub fn word_ahead(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(Token::is_word)
    }

    pub fn window(&self, ahead: usize) -> Vec<&'a str> {
        (ahead..ahead + 4).map(|i| self.peek(i)).take_while(|word| !word.is_empty()).collect()
    }

    /// The preposition at the cursor and its length in tokens.
    pub fn preposition(&self) -> Option<(String, usize)> {
        LEXICON.preposition(&self.window(0))
    }

    /// The length of a fixed expression for a way to move ("back and forth") at the cursor.
    pub fn idiom(&self) -> Option<usize> {
        let length = LEXICON.idiom(&self.window(0))?;
        let next = self.peek(length);
        // "hops a little" against "chases a little dog".
        let thing = self.sees(&["a", "little"])
            && side_of(next).is_none()
            && !LEXICON.is_adverb(next)
            && LEXICON.preposition(&[next]).is_none()
            && self.starts_noun_word(next);
        (!thing).then_some(length)
    }

    /// Whether `word` can continue a noun phrase after a determiner.
    pub fn starts_noun_word(&self, word: &str) -> bool {
        let verbal = LEXICON
            .verb_forms(word)
            .iter()
            .any(|verb| matches!(verb.form, Form::ThirdPerson | Form::Past | Form::Base));
        LEXICON.is_adjective(word)
            || side_of(word).is_some()
            || LEXICON.noun(word).is_some()
            || (!verbal
                && !is_function_word(word)
                && !LEXICON.is_adverb(word)
                && !word.is_empty()
                && word.chars().all(|c| c.is_alphanumeric() || c == '-'))
    }

    /// "on the left", "at the back", "in front", "to the left" (after a subject only), with an
    /// optional "side" and "of the picture".
    pub fn side_phrase(&mut self, subject: bool) -> Option<&'static str> {
        let start = self.at;
        let found = self.side_phrase_inner(subject);
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn side_phrase_inner(&mut self, subject: bool) -> Option<&'static str> {
        if subject && matches!(self.peek(0), "behind" | "ahead") && self.predicate_starts(1, false)
        {
            return self.take_any(&["behind", "ahead"]).map(|word| match word {
                "behind" => "back",
                _ => "front",
            });
        }
        let preposition = self.take_any(&["on", "at", "in", "to"])?;
        if preposition == "in" && self.peek(0) == "front" && self.peek(1) != "of" {
            self.at += 1;
            return Some("front");
        }
        if preposition == "to" && !subject {
            return None;
        }
        let article = self.take(&["the"]);
        let far = self.take(&["far"]);
        let side = side_of(self.peek(0))?;
        if !article && !far && !matches!(self.peek(0), "top" | "bottom") {
            return None;
        }
        self.at += 1;
        self.take(&["hand"]);
        self.take(&["side"]);
        let frame =
            ["picture", "image", "frame", "screen", "scene", "video", "photo", "view", "shot"];
        if self.peek(0) == "of" {
            let article = usize::from(self.peek(1) == "the");
            if !frame.contains(&self.peek(1 + article)) {
                return None;
            }
            self.at += 2 + article;
        } else if LEXICON.noun(self.peek(0)).is_some()
            && LEXICON.verb_forms(self.peek(0)).is_empty()
        {
            // "on the left bank" is a place, not a side of the picture.
            return None;
        }
        Some(side)
    }

    /// The reading of the word `ahead` as a verb. A finite form is preferred over the participles.
    pub fn verb_at(&self, ahead: usize) -> Option<VerbForm> {
        let word = self.peek(ahead);
        let known = LEXICON.verb_forms(word);
        // "turns left" against "left the garage".
        if word == "left"
            && !matches!(self.peek(ahead + 1), "the" | "a" | "an" | "its" | "his" | "her")
        {
            return None;
        }
        if let Some(first) = known.first() {
            return Some(first.clone());
        }
        let other = LEXICON.noun(word).is_some()
            || LEXICON.is_adjective(word)
            || LEXICON.is_adverb(word)
            || LEXICON.preposition(&[word]).is_some()
            || is_function_word(word);
        if other { None } else { guess_verb(word) }
    }

    /// Whether a predicate starts `ahead` words on: adverbs, then a verb or helper. `participle`
    /// also admits "-ing" forms and "followed by".
    pub fn predicate_starts(&self, mut ahead: usize, participle: bool) -> bool {
        let adverb =
            |i: usize| LEXICON.is_adverb(self.peek(i)) || LEXICON.is("degree", self.peek(i));
        while adverb(ahead)
            && (adverb(ahead + 1) || self.helper_at(ahead + 1) || self.verb_at(ahead + 1).is_some())
        {
            ahead += 1;
        }
        if self.helper_at(ahead) {
            return true;
        }
        let Some(verb) = self.verb_at(ahead) else { return false };
        let next = self.peek(ahead + 1);
        match verb.form {
            Form::Ing => {
                participle
                    && LEXICON.noun(next).is_none_or(|_| {
                        LEXICON.traits(&verb.lemma).uses
                            || LEXICON.traits(&verb.lemma).acts
                            || LEXICON.traits(&verb.lemma).state
                    })
            }
            Form::Participle => participle && next == "by",
            _ => true,
        }
    }

    pub fn helper_at(&self, ahead: usize) -> bool {
        let word = self.peek(ahead);
        BE.contains(&word)
            || MODALS.contains(&word)
            || NEGATED.iter().any(|(name, ..)| *name == word)
            || (word == "never" && self.verb_at(ahead + 1).is_some())
            || matches!(word, "has" | "have" | "had" | "do" | "does" | "did")
    }

    /// Whether a noun phrase and then a predicate stand at the cursor: a clause of its own.
    pub fn noun_then_verb(&mut self) -> bool {
        let start = self.at;
        let verbal_first = !LEXICON.verb_forms(self.peek(0)).is_empty();
        let found = self.noun(true).is_some_and(|noun| {
            let plain = verbal_first && noun.determiner.is_none();
            let finite = self.predicate_starts(0, false);
            finite && !plain
        });
        self.at = start;
        found
    }
}
