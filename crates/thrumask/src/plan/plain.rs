//! Words that a model does not know, in plain ones that it may.
//!
//! A small model knows the words it was trained with and no others. [`in_known_words`] says a prompt
//! in those where a list of synonyms (`lexicon/plain.txt`) has any, and leaves out words of manner
//! and look that it has not. A prompt that a model knows every word of stays as it is, but for phrases
//! that no model of the world has read ("swims behind" for "passes behind": sections with "always").

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use thrumask_nn::text::{Vocabulary, vocabulary::words_of};

use super::{
    inflect::with_s,
    lexicon::{Form, LEXICON, lines},
    noun_phrase::ORDINALS,
    pushed::{active, named, pushed},
};

/// What stands for a phrase.
struct Words {
    plain: Vec<String>,
    /// Also where every word of the phrase is known.
    always: bool,
    /// The section: no "verb" stands behind an article ("the balloon").
    part: &'static str,
}

/// Plain words by the words they stand for.
type Plain = HashMap<Vec<String>, Words>;

fn plain_words() -> &'static (Plain, usize) {
    static WORDS: LazyLock<(Plain, usize)> = LazyLock::new(|| {
        let mut words = Plain::new();
        for (section, line) in lines(include_str!("lexicon/plain.txt")) {
            let Some((from, to)) = line.split_once(" = ") else { continue };
            let (section, always) = match section.split_once(", ") {
                Some((section, _)) => (section, true),
                None => (section, false),
            };
            let mut put = |from: &str, to: &str| {
                words.insert(words_of(from), Words { plain: words_of(to), always, part: section });
            };
            if section != "other" {
                put(&inflected(from, section), &inflected(to, section));
            }
            put(from, to);
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
    let mut said = words_of(text);
    let mut changed = !vocabulary.unknown_words(text).is_empty();
    if changed {
        // Asked again each time: what is said in the place of a word may be as new.
        let is_new = |word: &String| !vocabulary.unknown_words(word).is_empty();
        said = pushed(active(begun(said), is_new), is_new);
        let needed = |phrase: &[String], _: &Words| phrase.iter().any(is_new);
        said = replaced(&said, needed).unwrap_or(said);
        said.iter_mut().filter(|word| is_new(word)).for_each(|word| conjugate(word, vocabulary));
        said = without(said, |word| is_new(word) && may_go(word));
    }
    if let Some(plainer) = replaced(&said, |_, words| words.always) {
        (said, changed) = (plainer, true);
    }
    if changed { Cow::Owned(said.join(" ")) } else { Cow::Borrowed(text) }
}

/// Whether a model knows a noun, or a plain one that stands for it.
pub(super) fn knows_noun(noun: &str, vocabulary: &Vocabulary) -> bool {
    let known = |word: &str| vocabulary.unknown_words(word).is_empty();
    let plain = plain_words().0.get([noun.to_owned()].as_slice());
    known(noun) || plain.is_some_and(|to| to.part == "noun" && to.plain.iter().all(|w| known(w)))
}

/// The words with the longest phrases of the list that are `wanted` said plainly, from left to right; `None` when
/// there is none.
fn replaced(words: &[String], wanted: impl Fn(&[String], &Words) -> bool) -> Option<Vec<String>> {
    let (plain, longest) = plain_words();
    let (mut out, mut at, mut changed) = (Vec::with_capacity(words.len()), 0, false);
    while at < words.len() {
        let lengths = (1..=*longest.min(&(words.len() - at))).rev();
        let found = lengths.map(|n| &words[at..at + n]).find_map(|phrase| {
            let named = at > 0 && matches!(words[at - 1].as_str(), "the" | "a" | "an");
            let fits = |words: &&Words| wanted(phrase, words) && !(words.part == "verb" && named);
            let known = plain.get(phrase).filter(fits)?;
            Some((phrase.len(), &known.plain))
        });
        match found {
            Some((length, known)) => {
                out.extend(known.iter().cloned());
                (at, changed) = (at + length, true);
            }
            None => {
                out.push(words[at].clone());
                at += 1;
            }
        }
    }
    changed.then_some(out)
}

/// What somebody keeps doing, begins to do or goes on doing, as done: "starts to spin" as "spins".
fn begun(words: Vec<String>) -> Vec<String> {
    const PHASES: &str = "keeps starts begins continues proceeds keep start begin continue proceed";
    let mut out = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let phase = PHASES.split(' ').any(|phase| phase == words[at]);
        let link = usize::from(words.get(at + 1).is_some_and(|w| w == "to" || w == "on"));
        let verb = words.get(at + 1 + link).filter(|_| phase).and_then(|verb| {
            let mut forms = LEXICON.verb_forms(verb).iter();
            let done = |form| matches!((link, form), (_, Form::Ing) | (1, Form::Base));
            forms.find(|v| done(v.form)).map(|v| with_s(&v.lemma))
        });
        match verb {
            Some(verb) => {
                out.push(verb);
                at += 2 + link;
            }
            None => {
                out.push(words[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// Another form of a verb as its third person, or of a noun as its singular, where the model knows that alone: "spin" of
/// several, "birds".
fn conjugate(word: &mut String, vocabulary: &Vocabulary) {
    let forms = LEXICON.verb_forms(word).iter().map(|v| with_s(&v.lemma));
    let one = LEXICON.noun(word).map(|noun| noun.singular.clone());
    let known = |word: &String| vocabulary.unknown_words(word).is_empty();
    if let Some(other) = forms.chain(one).find(known) {
        *word = other;
    }
}

/// The words without those that `go`; with a preposition goes what it leads to ("leaps over the dog").
fn without(words: Vec<String>, go: impl Fn(&String) -> bool) -> Vec<String> {
    let mut out = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        if !go(&words[at]) {
            out.push(words[at].clone());
            at += 1;
            continue;
        }
        let leads = LEXICON.preposition(&[&words[at]]).is_some();
        at += 1 + named(&words[at + 1..]).filter(|_| leads).unwrap_or(0);
    }
    out
}

/// Whether a sentence stands without the word: it says how, what something looks like, or which of several.
fn may_go(word: &str) -> bool {
    LEXICON.is_adverb(word)
        || ORDINALS.contains(&word)
        || LEXICON.is("degree", word)
        || LEXICON.is("look", word)
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
            ("Two automobiles glide upward.", "two car move upwards ."),
            // Known words that no model has read together.
            ("The fish swims behind the truck.", "the fish passes behind the truck ."),
            ("The kitten spins in a clockwise direction.", "the kitten spins clockwise ."),
            ("The car descends slightly.", "the car moves down a bit ."),
            ("The robot doesn't budge.", "the robot does not move ."),
            // What joins clauses, verbs of several, which of several.
            (
                "The cat stays, but the first dog jumps as the star falls.",
                "the cat stays , and the dog jumps while the star falls .",
            ),
            ("The ball and the star spin.", "the ball and the star spins ."),
            ("The car that drives left pirouettes.", "the car which drives left spins ."),
            ("The robot coasts left at high speed.", "the robot rolls left quickly ."),
            (
                "The cat rams into the ball and sends the ball far to the right.",
                "the cat crashes into the ball and the ball is pushed far to the right .",
            ),
            ("The star begins to spin.", "the star spins ."),
            ("The star begins to rise.", "the star moves up ."),
            ("The car starts to glide left.", "the car moves left ."),
            (
                "The cat jumps and the ball is hit by the car.",
                "the cat jumps and the car hits the ball .",
            ),
            ("The dog is chased by the cat at high speed.", "the cat chases the dog quickly ."),
            ("The car drives along the road from left to right.", "the car drives to the right ."),
            ("The cat and the dog keep on jumping.", "the cat and the dog jumps ."),
            ("The plane climbs higher and higher.", "the plane moves up ."),
            ("The two birds fly up.", "the two bird flies up ."),
            ("The cat leaps over the old dog and spins.", "the cat leaps and spins ."),
            (
                "The balloon floats up as the car balloons.",
                "the balloon floats up while the car grows .",
            ),
            ("The rocket flies a long way up.", "the rocket flies up a long way ."),
            ("The car drives from left to right.", "the car drives to the right ."),
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
            let text = to.plain.join(" ");
            // Plurals are not in the world's captions, nor are verbs of several things.
            let is_known = |w: &str| vocabulary.unknown_words(w).is_empty();
            let base = |w: &str| is_known(&with_s(w));
            let stem = |w: &str| {
                ["s", "es"].iter().any(|s| w.strip_suffix(s).is_some_and(is_known))
                    || w.strip_suffix("ies").is_some_and(|w| is_known(&format!("{w}y")))
            };
            for word in vocabulary.unknown_words(&text) {
                assert!(base(&word) || stem(&word), "{from:?} -> {text}: {word}");
            }
        }
    }
}
