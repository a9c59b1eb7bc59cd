//! How many objects of one noun a caption may mean: rather too many than too few, as what is refused
//! wrongly is lost and what is let through is seen.

use thrumask_core::MAX_OBJECTS;

use super::{
    super::{lexicon::LEXICON, token::Token},
    check::{COUNTING, lemmas},
};

/// Objects that a plural stands for at most, where no number is said.
const MAX_PLURAL: usize = 20;
/// How far before a noun its number may stand, in words.
const REACH: usize = 4;

/// Numbers as they stand before nouns, from 2 on.
pub(super) const NUMBERS: [&str; 19] = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// How many objects the caption may mean by a noun, at least 1.
pub(super) fn most_of(caption: &[Token], noun: &str) -> usize {
    let wanted = lemmas(noun);
    let is_noun = |word: &str| !lemmas(word).is_disjoint(&wanted);
    let mut count = 0;
    for (at, token) in caption.iter().enumerate() {
        let word = token.lower.as_str();
        if is_noun(word) {
            let unknown = LEXICON.noun(word).is_none();
            let singular = match unknown {
                true => wanted.contains(word) && !word.ends_with('s'),
                false => wanted.contains(word) && LEXICON.noun(word).is_some_and(|n| !n.plural),
            };
            let one = if singular { 1 + coordinated(&caption[..at]) } else { MAX_PLURAL };
            count += number_before(&caption[..at]).unwrap_or(one);
            continue;
        }
        // "a red one", "another dives", "a third lands"; in "another dog" the dog is counted.
        let stands_for = |next: &Token| {
            let verb = !LEXICON.verb_forms(&next.lower).is_empty();
            !is_noun(&next.lower) && (verb || LEXICON.noun(&next.lower).is_none())
        };
        if caption.get(at + 1).is_none_or(stands_for) {
            count += match word {
                "ones" | "others" => MAX_PLURAL,
                "one" | "another" | "other" => 1,
                word => usize::from(COUNTING.contains(&word)),
            };
        }
    }
    count.max(1)
}

/// The number that stands before a noun.
fn number_before(words: &[Token]) -> Option<usize> {
    let near = words.iter().rev().take(REACH);
    let ends = ["a", "an", "another", "one", "each", "and", "or", "with", "while"];
    let here = |token: &&Token| token.is_word() && !ends.contains(&&*token.lower);
    near.take_while(here).find_map(|token| match token.lower.as_str() {
        "both" | "couple" | "pair" => Some(2),
        word => match NUMBERS.iter().position(|number| *number == word) {
            Some(i) => Some(i + 2),
            None => word.parse().ok().filter(|n| (2..=MAX_OBJECTS).contains(n)),
        },
    })
}

/// How many more a singular stands for: one in "the red and the blue car".
fn coordinated(words: &[Token]) -> usize {
    let (mut more, mut joined) = (0, false);
    for token in words.iter().rev() {
        match token.lower.as_str() {
            "the" | "a" | "an" => {}
            "and" | "or" => joined = true,
            word if LEXICON.is_adjective(word)
                || LEXICON.is_adverb(word)
                || COUNTING.contains(&word) =>
            {
                more += usize::from(joined);
                joined = false;
            }
            _ => break,
        }
    }
    more
}
