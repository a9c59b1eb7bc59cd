//! Names that a model never read, by one that it did: of "the heart" it knows nothing, and without a word for who moves it
//! has to guess. Objects are told apart by the order of mention too, so that any name will do.

use std::borrow::Cow;

use thrumask_core::PromptPlan;
use thrumask_nn::text::Vocabulary;

use super::{
    lexicon::LEXICON,
    noun_phrase::ORDINALS,
    plain::in_known_words,
    reader::side_of,
    turn::{bare, bare_words},
};

/// What stands for any object: it has no front and no legs.
const STAND_IN: &str = "star";
/// Nouns that a model may know as something else than an object.
const ELSE: [&str; 6] = ["circle", "top", "turn", "spot", "curtain", "house"];

/// Words before several of a kind.
const SEVERAL: [&str; 7] = ["the", "all", "both", "two", "three", "four", "other"];

/// The motion prompt, with a name that the model knows for each object whose own name it does not.
pub(crate) fn with_known_names<'a>(plan: &'a PromptPlan, vocabulary: &Vocabulary) -> Cow<'a, str> {
    let knows = |word: &str| {
        let said = in_known_words(word, vocabulary);
        !ELSE.contains(&word) && !said.is_empty() && vocabulary.unknown_words(&said).is_empty()
    };
    let mut words: Vec<String> = plan.motion.split_whitespace().map(str::to_owned).collect();
    let mut changed = false;
    for object in &plan.objects {
        let name = bare_words(&object.name);
        let which = |word: &String| side_of(word).is_some() || ORDINALS.contains(&word.as_str());
        let noun = &name[name.iter().position(|word| !which(word)).unwrap_or(name.len())..];
        let Some(last) = noun.last() else { continue };
        let one = LEXICON.noun(last).map_or(last, |noun| &noun.singular);
        if knows(last) || knows(one) {
            continue;
        }
        let several = bare_words(&LEXICON.plural_of(&noun.join(" ")));
        changed |= put(&mut words, noun, |_| true);
        // "the two rings" is several of them, "the bell rings" is not.
        changed |= put(&mut words, &several, |before| SEVERAL.contains(&before));
    }
    if changed { Cow::Owned(words.join(" ")) } else { Cow::Borrowed(&plan.motion) }
}

/// Puts the stand-in wherever the words say `noun` behind a word that `fits`; whether they do.
fn put(words: &mut Vec<String>, noun: &[String], fits: impl Fn(&str) -> bool) -> bool {
    let mut changed = false;
    let mut at = 0;
    while at + noun.len() <= words.len() {
        let place = at..at + noun.len();
        let before = at.checked_sub(1).map_or_else(String::new, |i| bare(&words[i]));
        if words[place.clone()].iter().zip(noun).all(|(word, n)| bare(word) == *n) && fits(&before)
        {
            let last = &words[place.end - 1];
            let marks = last[bare(last).len()..].to_owned();
            words.splice(place, [format!("{STAND_IN}{marks}")]);
            changed = true;
        }
        at += 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{Planner, RulePlanner},
        world,
    };

    fn said(caption: &str) -> String {
        let vocabulary = Vocabulary::new(world::words()).unwrap();
        let plan = RulePlanner.plan(caption).unwrap();
        in_known_words(&with_known_names(&plan, &vocabulary), &vocabulary).into_owned()
    }

    #[test]
    fn unknown_things_have_a_known_name() {
        for (caption, expected) in [
            (
                "A red heart rises while a hot air balloon, which is blue, sinks.",
                "the star moves up while the star moves down .",
            ),
            (
                "The left square spins; the right square follows the horse.",
                "The left star spins; the right star follows the star.",
            ),
            ("The two rings move up.", "The two star move up."),
            ("The horse chases the sedan.", "the star chases the car ."),
            ("The circle jumps while the car circles.", "The star jumps while the car circles."),
            ("Birds fly to the left.", "the bird flies to the left ."),
        ] {
            assert_eq!(said(caption), expected, "{caption}");
        }
    }

    #[test]
    fn known_names_stay() {
        let vocabulary = Vocabulary::new(world::words()).unwrap();
        let config = world::WorldConfig::default();
        for index in 0..100 {
            let plan = world::scene(&config, world::Split::Test, index).unwrap().plan;
            assert!(matches!(with_known_names(&plan, &vocabulary), Cow::Borrowed(_)));
        }
    }
}
