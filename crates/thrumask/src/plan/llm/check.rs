//! Judging answers against the caption: every object is named in it, none is invented or named twice,
//! there are no more than it speaks of, and nothing is longer than it can be.

use std::collections::{HashMap, HashSet};

use thrumask_core::{MAX_OBJECTS, ObjectPrompt};

use super::super::{
    Planner, RulePlanner,
    lexicon::{LEXICON, NounClass, guess_verb},
    token::{Token, tokenize},
};
use super::count::{NUMBERS, most_of};

/// The longest name, in words and in characters.
const MAX_NAME_WORDS: usize = 6;
const MAX_NAME_CHARS: usize = 60;
/// How much longer than the caption a prompt may be, in characters: "the small red car" for "it".
const MORE_CHARS: usize = 80;

/// Words that tell objects apart without being the caption's.
pub(super) const COUNTING: [&str; 21] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "last",
];
/// Words that say nothing by themselves.
const SMALL: [&str; 64] = [
    "the",
    "a",
    "an",
    "and",
    "or",
    "but",
    "while",
    "whereas",
    "as",
    "then",
    "when",
    "until",
    "before",
    "after",
    "is",
    "are",
    "be",
    "do",
    "does",
    "not",
    "it",
    "its",
    "his",
    "her",
    "their",
    "they",
    "them",
    "he",
    "she",
    "him",
    "who",
    "which",
    "that",
    "this",
    "these",
    "those",
    "each",
    "other",
    "both",
    "all",
    "one",
    "another",
    "itself",
    "themselves",
    "of",
    "on",
    "in",
    "at",
    "to",
    "from",
    "with",
    "for",
    "by",
    "into",
    "onto",
    "out",
    "up",
    "down",
    "off",
    "over",
    "there",
    "so",
    "being",
    "so",
];
/// Verbs as plain as any: "the ball rolls" may become "the ball moves".
const PLAIN: [&str; 5] = ["move", "go", "stay", "remain", "stand"];

/// Something that is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// In words for the model, and for a person.
    pub text: String,
    /// Whether the answer cannot be used at all.
    pub hard: bool,
}

/// A caption and what it speaks of.
pub(super) struct Caption<'a> {
    text: &'a str,
    lower: String,
    tokens: Vec<Token>,
    /// Where each word of the caption is first, by all forms that it may stand for.
    first: HashMap<String, usize>,
}

/// All dictionary forms that a word in lower case may stand for.
pub(super) fn lemmas(word: &str) -> HashSet<String> {
    let mut found = HashSet::from([word.to_owned()]);
    found.extend(LEXICON.noun(word).map(|noun| noun.singular.clone()));
    found.extend(LEXICON.verb_forms(word).iter().map(|verb| verb.lemma.clone()));
    if LEXICON.verb_forms(word).is_empty() {
        found.extend(guess_verb(word).map(|verb| verb.lemma));
    }
    if LEXICON.noun(word).is_none() {
        for (ending, other) in [("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")] {
            let stem = word.strip_suffix(ending).filter(|stem| stem.chars().count() > 1);
            found.extend(stem.map(|stem| format!("{stem}{other}")));
        }
    }
    found
}

/// The words of a text, in lower case.
fn words_of(text: &str) -> Vec<String> {
    let words = tokenize(text).into_iter().filter(|t| t.is_word() && t.lower != "'s");
    words.map(|t| t.lower).collect()
}

/// Whether a word is a noun for something that moves by itself or is moved.
fn is_mover(word: &str) -> bool {
    let mover = |class| matches!(class, NounClass::Person | NounClass::Animal | NounClass::Thing);
    LEXICON.verb_forms(word).is_empty()
        && !LEXICON.is_adjective(word)
        && !LEXICON.is_adverb(word)
        && LEXICON.noun(word).is_some_and(|noun| mover(noun.class))
}

impl<'a> Caption<'a> {
    pub fn new(text: &'a str) -> Self {
        let tokens = tokenize(text);
        let mut first = HashMap::new();
        for (at, token) in tokens.iter().enumerate() {
            for lemma in lemmas(&token.lower) {
                first.entry(lemma).or_insert(at);
            }
        }
        Self { text, lower: text.to_lowercase(), tokens, first }
    }

    /// Where a word is first said, in any form.
    fn place(&self, word: &str) -> Option<usize> {
        lemmas(word).iter().filter_map(|lemma| self.first.get(lemma)).min().copied()
    }

    /// Whether the caption says a word. Languages that do not part words are searched as they are.
    fn says(&self, word: &str) -> bool {
        let unparted = word.chars().any(|c| c as u32 >= 0x0e00);
        self.place(word).is_some() || (unparted && self.lower.contains(word))
    }

    /// What is wrong with objects.
    pub fn judge_objects(&self, objects: &[ObjectPrompt]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut hard = |text: String| problems.push(Problem { text, hard: true });
        if objects.len() > MAX_OBJECTS {
            let got = objects.len();
            hard(format!("expected at most {MAX_OBJECTS} objects, got {got}"));
            return problems;
        }
        let mut names = HashSet::new();
        let mut of_noun: HashMap<String, usize> = HashMap::new();
        for ObjectPrompt { name, prompt } in objects {
            let shown = format!("{:?}", super::one_line(name));
            let words = words_of(name);
            let Some(noun) = words.last().cloned() else {
                hard(format!("the name {shown} has no words"));
                continue;
            };
            if !names.insert(words.join(" ")) {
                hard(format!("the name {shown} occurs twice"));
            }
            if words.len() > MAX_NAME_WORDS || name.chars().count() > MAX_NAME_CHARS {
                hard(format!("the name {shown} is longer than {MAX_NAME_WORDS} words"));
            }
            let middle = ["middle", "center", "centre"];
            let (kind, told_apart) = words.split_at(words.len() - 1);
            let strange = told_apart.iter().chain(kind).find(|word| {
                let said = self.says(word)
                    || SMALL.contains(&word.as_str())
                    || (middle.contains(&word.as_str()) && middle.iter().any(|m| self.says(m)));
                !said && (**word == noun || !COUNTING.contains(&word.as_str()))
            });
            match strange {
                Some(word) => {
                    hard(format!("the caption does not say {word:?} (in the name {shown})"))
                }
                None if LEXICON.noun(&noun).is_some_and(|n| n.class == NounClass::Camera) => {
                    hard(format!("{shown} is no object of the picture"));
                }
                None => *of_noun.entry(noun.clone()).or_default() += 1,
            }
            let told: HashSet<String> = words_of(prompt).iter().flat_map(|w| lemmas(w)).collect();
            if lemmas(&noun).is_disjoint(&told) && !prompt.to_lowercase().contains(&noun) {
                hard(format!("the prompt of {shown} does not speak of it"));
            }
            if let Some(reason) = self.strange_text(prompt) {
                hard(format!("the prompt of {shown} {reason}"));
            }
        }
        let mut nouns: Vec<_> = of_noun.into_iter().collect();
        nouns.sort();
        for (noun, got) in nouns {
            let most = most_of(&self.tokens, &noun);
            if got > most {
                hard(format!("the caption speaks of {most} × {noun:?}, not of {got}"));
            }
        }
        if objects.is_empty()
            && let Ok(plan) = RulePlanner.plan(self.text)
            && let Some(object) = plan.objects.first()
        {
            let text = format!("there is no object, although something may move: {}", object.name);
            problems.push(Problem { text, hard: false });
        }
        problems
    }

    /// What is wrong with a motion prompt.
    pub fn judge_motion(&self, motion: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(reason) = self.strange_text(motion) {
            problems.push(Problem { text: format!("the motion prompt {reason}"), hard: true });
        }
        let colour = |word: &&String| LEXICON.is("colour", word) && LEXICON.noun(word).is_none();
        if let Some(word) = words_of(motion).iter().find(colour) {
            let text = format!("the motion prompt names a colour: {word}");
            problems.push(Problem { text, hard: false });
        }
        problems
    }

    /// Why a sentence cannot come from this caption.
    fn strange_text(&self, text: &str) -> Option<String> {
        let (most, got) = (self.text.chars().count() * 3 / 2 + MORE_CHARS, text.chars().count());
        if got > most {
            return Some(format!("is too long: expected at most {most} characters, got {got}"));
        }
        let words = words_of(text);
        if words.is_empty() {
            return Some("has no words".to_owned());
        }
        let counted = |word: &str| COUNTING.contains(&word) || NUMBERS.contains(&word);
        let known = |word: &&String| {
            let plain = lemmas(word).iter().any(|l| PLAIN.contains(&l.as_str()));
            SMALL.contains(&word.as_str()) || counted(word) || plain
        };
        let content: Vec<&String> = words.iter().filter(|w| !known(w)).collect();
        let strange: Vec<&&String> = content.iter().filter(|w| !self.says(w)).collect();
        if let Some(word) = strange.iter().find(|word| is_mover(word)) {
            return Some(format!("speaks of {word:?}, which the caption does not"));
        }
        if 3 * strange.len() > content.len() {
            let list: Vec<&str> = strange.iter().take(5).map(|w| w.as_str()).collect();
            return Some(format!("says what the caption does not: {}", list.join(", ")));
        }
        None
    }

    /// The objects in the order in which the caption mentions them; the second of one noun, in the
    /// order in which they came, is mentioned where the noun is for the second time, if it is.
    pub fn in_order(&self, objects: Vec<ObjectPrompt>) -> Vec<ObjectPrompt> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut placed: Vec<(usize, ObjectPrompt)> = Vec::new();
        for object in objects {
            let noun = words_of(&object.name).pop().unwrap_or_default();
            let forms = lemmas(&noun);
            let here = |token: &Token| !lemmas(&token.lower).is_disjoint(&forms);
            let all: Vec<usize> =
                (0..self.tokens.len()).filter(|&at| here(&self.tokens[at])).collect();
            let before = seen.entry(noun.clone()).or_default();
            let place = all.get(*before).or(all.last()).copied();
            *before += 1;
            // In languages that do not part words, by characters.
            let found = || self.lower.find(&noun).map(|at| self.lower[..at].chars().count());
            placed.push((place.or_else(found).unwrap_or(usize::MAX), object));
        }
        placed.sort_by_key(|(place, _)| *place);
        placed.into_iter().map(|(_, object)| object).collect()
    }
}
