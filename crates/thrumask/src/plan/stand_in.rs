//! Names that a model never read, by one that it did: of "the heart" it knows nothing, and without a word for who moves it
//! has to guess. Stage 1 tells objects apart by the order of mention too, so that any name will do; the segmenter finds a
//! horse by what it learned of dogs.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use thrumask_core::{ObjectPrompt, PromptPlan};
use thrumask_nn::text::Vocabulary;

use super::{
    lexicon::{LEXICON, NounClass, lines},
    noun_phrase::ORDINALS,
    plain::{in_known_words, knows_noun},
    reader::side_of,
    turn::{bare, bare_words, is_mark},
};

/// Nouns that a model may know as something else than an object.
const ELSE: [&str; 7] = ["circle", "top", "turn", "spot", "curtain", "house", "orange"];
/// What stands for a thing that is like nothing else.
const LAST: &str = "star";
/// Words before several of a kind.
const SEVERAL: [&str; 7] = ["the", "all", "both", "two", "three", "four", "other"];

/// What of the world a thing looks like most.
fn likeness(noun: &str) -> &'static str {
    static LIKE: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
        let sections = lines(include_str!("lexicon/likeness.txt"));
        let words = sections.flat_map(|(like, line)| line.split(' ').map(move |w| (w, like)));
        words.map(|(word, like)| (word.replace('_', " "), like)).collect()
    });
    let class = || LEXICON.noun(noun).map(|noun| noun.class);
    LIKE.get(noun).copied().unwrap_or_else(|| match class() {
        Some(NounClass::Animal) => "dog",
        Some(NounClass::Person) => "robot",
        _ => LAST,
    })
}

/// An object's noun that a model does not know.
struct Unknown {
    /// Its words.
    noun: Vec<String>,
    /// The same in the plural.
    several: Vec<String>,
    /// What stands for it.
    like: &'static str,
}

impl Unknown {
    /// The noun of a name, if it is one.
    fn of(name: &str, vocabulary: &Vocabulary) -> Option<Self> {
        let knows = |word: &str| !ELSE.contains(&word) && knows_noun(word, vocabulary);
        let name = bare_words(name);
        let which = |word: &String| side_of(word).is_some() || ORDINALS.contains(&word.as_str());
        let noun = &name[name.iter().position(|word| !which(word))?..];
        let last = noun.last()?;
        let one = LEXICON.noun(last).map_or(last, |noun| &noun.singular);
        if knows(last) || knows(one) {
            return None;
        }
        let whole = noun.join(" ");
        let several = bare_words(&LEXICON.plural_of(&whole));
        // "fire engines" as "fire engine", then as "engine".
        let single = [&noun[..noun.len() - 1], std::slice::from_ref(one)].concat().join(" ");
        let likes = [whole.as_str(), single.as_str(), one.as_str()].map(likeness);
        let like = likes.into_iter().find(|like| *like != LAST).unwrap_or(LAST);
        Some(Self { noun: noun.to_vec(), several, like })
    }

    /// Puts the stand-in wherever the words say it; whether they do.
    fn put(&self, words: &mut Vec<String>) -> bool {
        let alone = replace(words, &self.noun, self.like, |_| true);
        // "the two rings" is several of them, "the bell rings" is not.
        replace(words, &self.several, self.like, |before| SEVERAL.contains(&before)) || alone
    }

    /// The text with the stand-in.
    fn said(&self, text: &str) -> String {
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        self.put(&mut words);
        words.join(" ")
    }
}

/// The motion prompt, with a name that the model knows for each object whose own name it does not.
pub(crate) fn with_known_names<'a>(plan: &'a PromptPlan, vocabulary: &Vocabulary) -> Cow<'a, str> {
    let mut words: Vec<String> = plan.motion.split_whitespace().map(str::to_owned).collect();
    let mut changed = false;
    for object in &plan.objects {
        if let Some(unknown) = Unknown::of(&object.name, vocabulary) {
            changed |= unknown.put(&mut words);
        }
    }
    if changed { Cow::Owned(words.join(" ")) } else { Cow::Borrowed(&plan.motion) }
}

/// An object in words that a model knows, and what stands for its noun if that is not among them.
pub(crate) fn known_object(
    object: &ObjectPrompt,
    vocabulary: &Vocabulary,
) -> (ObjectPrompt, Option<&'static str>) {
    let unknown = Unknown::of(&object.name, vocabulary);
    let say = |text: &str| {
        let text = unknown.as_ref().map_or_else(|| text.to_owned(), |unknown| unknown.said(text));
        in_known_words(&text, vocabulary).into_owned()
    };
    let known = ObjectPrompt { name: say(&object.name), prompt: say(&object.prompt) };
    (known, unknown.map(|unknown| unknown.like))
}

/// Puts a word wherever the words say `noun` behind a word that `fits`; whether they do.
fn replace(
    words: &mut Vec<String>,
    noun: &[String],
    by: &str,
    fits: impl Fn(&str) -> bool,
) -> bool {
    let mut changed = false;
    let mut at = 0;
    while at + noun.len() <= words.len() {
        let place = at..at + noun.len();
        let before = at.checked_sub(1).map_or_else(String::new, |i| bare(&words[i]));
        if words[place.clone()].iter().zip(noun).all(|(word, n)| bare(word) == *n) && fits(&before)
        {
            let last = &words[place.end - 1];
            let marks = last[last.trim_end_matches(is_mark).len()..].to_owned();
            words.splice(place, [format!("{by}{marks}")]);
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

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(world::words()).unwrap()
    }

    fn said(caption: &str) -> String {
        let plan = RulePlanner.plan(caption).unwrap();
        in_known_words(&with_known_names(&plan, &vocabulary()), &vocabulary()).into_owned()
    }

    #[test]
    fn unknown_things_have_a_known_name() {
        for (caption, expected) in [
            (
                "A red heart rises while a hot air balloon, which is blue, sinks.",
                "the star moves up while the ball moves down .",
            ),
            (
                "The left square spins; the right square follows the horse.",
                "The left star spins; the right star follows the dog.",
            ),
            ("The two rings move up.", "The two star move up."),
            ("The horse chases the sedan.", "the dog chases the car ."),
            ("The circle jumps while the car circles.", "The ball jumps while the car circles."),
            ("Birds fly to the left.", "the bird flies to the left ."),
        ] {
            assert_eq!(said(caption), expected, "{caption}");
        }
    }

    #[test]
    fn known_names_stay() {
        let config = world::WorldConfig::default();
        for index in 0..100 {
            let plan = world::scene(&config, world::Split::Test, index).unwrap().plan;
            assert!(matches!(with_known_names(&plan, &vocabulary()), Cow::Borrowed(_)));
            for object in &plan.objects {
                assert_eq!(known_object(object, &vocabulary()), (object.clone(), None));
            }
        }
    }

    #[test]
    fn what_is_looked_for_is_like_what_is_named() {
        let object = |name: &str, prompt: &str| {
            let object = ObjectPrompt { name: name.into(), prompt: prompt.into() };
            let (known, like) = known_object(&object, &vocabulary());
            (known.name, known.prompt, like)
        };
        let words = |a: &str, b: &str, like| (a.to_owned(), b.to_owned(), like);
        assert_eq!(
            object("left horse", "The white horse jumps."),
            words("left dog", "The white dog jumps.", Some("dog"))
        );
        assert_eq!(
            object("eagle", "The crimson eagle dives."),
            words("bird", "the red bird plunges .", Some("bird"))
        );
        assert_eq!(object("sedan", "The sedan."), words("car", "the car .", None));
        // Names that are verbs too, compounds of several, and letters that small ones are longer than.
        for (name, like) in [
            ("leaves", "star"),
            ("wheel", "ball"),
            ("cross", "star"),
            ("fly", "butterfly"),
            ("orange", "ball"),
            ("fire engines", "truck"),
            ("İ", "star"),
        ] {
            let (known, _, found) = object(name, &format!("The {name}, jumps."));
            assert_eq!((known.as_str(), found), (like, Some(like)), "{name}");
        }
    }

    /// What things are like is something that the world has.
    #[test]
    fn likenesses_are_known() {
        for (like, _) in lines(include_str!("lexicon/likeness.txt")) {
            assert!(world::Kind::ALL.iter().any(|kind| kind.word() == like), "{like}");
        }
    }
}
