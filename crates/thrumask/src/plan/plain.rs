//! Words that a model does not know, in plain ones that it may.
//!
//! A small model knows the words it was trained with and no others. [`in_known_words`] says a prompt
//! in those where a list of synonyms (`lexicon/plain.txt`) has any, and leaves out words of manner
//! and look that it has not; a prompt that a model knows every word of stays as it is.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use thrumask_nn::text::{Vocabulary, vocabulary::words_of};

use super::{
    inflect::with_s,
    lexicon::{LEXICON, lines},
};

/// Plain words by the words they stand for.
type Plain = HashMap<Vec<String>, Vec<String>>;

fn plain_words() -> &'static (Plain, usize) {
    static WORDS: LazyLock<(Plain, usize)> = LazyLock::new(|| {
        let mut words = Plain::new();
        for (section, line) in lines(include_str!("lexicon/plain.txt")) {
            let Some((from, to)) = line.split_once(" = ") else { continue };
            if section != "other" {
                words
                    .insert(words_of(&inflected(from, section)), words_of(&inflected(to, section)));
            }
            words.insert(words_of(from), words_of(to));
        }
        let longest = words.keys().map(Vec::len).max().unwrap_or(0);
        (words, longest)
    });
    &WORDS
}

/// A verb in the third person, a noun in the plural: the first word of the one, the last of the other.
fn inflected(phrase: &str, section: &str) -> String {
    let at = if section == "verb" { phrase.find(' ') } else { None };
    let (head, rest) = phrase.split_at(at.unwrap_or(phrase.len()));
    match head {
        "be" => format!("is{rest}"),
        head => format!("{}{rest}", with_s(head)),
    }
}

/// The text in words of the vocabulary, as far as the list goes.
pub(crate) fn in_known_words<'a>(text: &'a str, vocabulary: &Vocabulary) -> Cow<'a, str> {
    let unknown = vocabulary.unknown_words(text);
    if unknown.is_empty() {
        return Cow::Borrowed(text);
    }
    let (plain, longest) = plain_words();
    let words = words_of(text);
    let mut out: Vec<&str> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let lengths = (1..=*longest.min(&(words.len() - at))).rev();
        let phrase = lengths.map(|n| &words[at..at + n]).find_map(|phrase| {
            let needed = phrase.iter().any(|word| unknown.contains(word));
            Some((phrase.len(), plain.get(phrase).filter(|_| needed)?))
        });
        match phrase {
            Some((length, known)) => {
                out.extend(known.iter().map(String::as_str));
                at += length;
            }
            None => {
                if !(unknown.contains(&words[at]) && may_go(&words[at])) {
                    out.push(&words[at]);
                }
                at += 1;
            }
        }
    }
    Cow::Owned(out.join(" "))
}

/// Whether a sentence stands without the word: it says how, or what something looks like.
fn may_go(word: &str) -> bool {
    LEXICON.is_adverb(word) || LEXICON.is("degree", word) || LEXICON.is("look", word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world;

    fn known(text: &str) -> String {
        let vocabulary = Vocabulary::new(world::words()).unwrap();
        in_known_words(text, &vocabulary).into_owned()
    }

    #[test]
    fn unknown_words_become_plain_ones() {
        for (text, plain) in [
            ("The automobile scoots off to the left.", "the car dashes away to the left ."),
            ("The crimson pup stays put.", "the red dog stays still ."),
            ("The bird ascends steadily.", "the bird moves up steadily ."),
            ("The cat disappears behind the coach.", "the cat passes behind the bus ."),
            ("Two automobiles glide upward.", "two cars move upwards ."),
            ("The robot doesn't budge.", "the robot does not move ."),
            // Nothing is known of a zebra; how gracefully it runs may be left out.
            ("The zebra gracefully runs.", "the zebra runs ."),
        ] {
            assert_eq!(known(text), plain);
        }
    }

    #[test]
    fn what_a_model_knows_stays() {
        let config = world::WorldConfig::default();
        for index in 0..200 {
            let plan = world::scene(&config, world::Split::Test, index).unwrap().plan;
            assert_eq!(known(&plan.motion), plan.motion);
            assert_eq!(known(&plan.caption), plan.caption);
        }
    }

    /// Every plain word is one of the world's, so that the list leads somewhere.
    #[test]
    fn plain_words_are_known() {
        let vocabulary = Vocabulary::new(world::words()).unwrap();
        let (plain, _) = plain_words();
        assert!(plain.len() > 200);
        for (from, to) in plain {
            let text = to.join(" ");
            // Plurals are not in the world's captions, nor are verbs of several things.
            let is_known = |w: &str| vocabulary.unknown_words(w).is_empty();
            let base = |w: &str| is_known(&with_s(w));
            let stem = |w: &str| {
                ["s", "es"].iter().any(|s| w.strip_suffix(s).is_some_and(is_known))
                    || w.strip_suffix("ies").is_some_and(|w| is_known(&format!("{w}y")))
            };
            for word in vocabulary.unknown_words(&text) {
                assert!(base(&word) || stem(&word), "{from:?} -> {to:?}: {word}");
            }
        }
    }
}
