//! Reading noun phrases: determiner, number, adjectives, compound noun, side, phrases after it.

use super::lexicon::{Form, LEXICON, NounClass};
use super::reader::{MAX_DEPTH, Reader, side_of};
use super::tree::{Count, Modifier, Noun, Phrase, Pronoun};

/// More things than this are one object in the plural: nobody counts them in a picture.
const MAX_COUNTED: usize = 20;

const NUMBERS: [&str; 19] = [
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
/// Words that say which one of several.
pub(crate) const ORDINALS: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];
const ONE_DETERMINERS: [&str; 16] = [
    "the", "a", "an", "this", "his", "her", "its", "their", "my", "your", "our", "another", "one",
    "every", "each", "no",
];
const MANY_DETERMINERS: [&str; 7] = ["these", "those", "some", "several", "many", "few", "all"];

impl<'a> Reader<'a> {
    /// Reads a noun phrase; leaves the cursor alone when there is none. `subject`: the phrase may
    /// take place phrases, relative clauses and participles after it.
    pub fn noun(&mut self, subject: bool) -> Option<Noun> {
        let start = self.at;
        self.depth += 1;
        let noun = if self.depth > MAX_DEPTH { None } else { self.noun_inner(subject) };
        self.depth -= 1;
        if noun.is_none() {
            self.at = start;
        }
        noun
    }

    fn noun_inner(&mut self, subject: bool) -> Option<Noun> {
        if let Some(noun) = self.pronoun() {
            return Some(self.after_noun(noun, subject));
        }
        let mut noun = blank();
        self.determiners(&mut noun);
        self.modifiers(&mut noun);
        if noun.determiner.is_some() && self.peek(0) == "one" {
            self.at += 1;
            noun.pronoun = Some(if noun.other { Pronoun::Other } else { Pronoun::One });
            noun.text = "one".into();
            return Some(self.after_noun(noun, subject));
        }
        if !self.head(&mut noun) {
            return self.headless(noun).map(|noun| self.after_noun(noun, subject));
        }
        if self.take(&["'s"]) {
            let mut owned = self.noun(subject)?;
            owned.owner = Some(Box::new(noun));
            return Some(owned);
        }
        Some(self.after_noun(noun, subject))
    }

    /// "it", "she", "each other", "both of them", "the others".
    fn pronoun(&mut self) -> Option<Noun> {
        let nominal = |word: &str| self.starts_noun_word(word);
        let next = self.peek(1);
        // "one waves": a plural noun cannot follow, so it is a verb.
        let verbal = |word: &str| {
            let plural = LEXICON.noun(word).is_some_and(|noun| noun.plural);
            plural && LEXICON.verb_forms(word).iter().any(|verb| verb.form == Form::ThirdPerson)
        };
        let (pronoun, length) = match self.peek(0) {
            "it" | "itself" => (Pronoun::It, 1),
            "he" | "him" | "himself" => (Pronoun::He, 1),
            "she" | "herself" => (Pronoun::She, 1),
            "her" if !nominal(next) || !self.word_ahead(1) => (Pronoun::She, 1),
            "they" | "them" | "themselves" => (Pronoun::They, 1),
            "each" if next == "other" => (Pronoun::EachOther, 2),
            "one" if next == "another" => (Pronoun::EachOther, 2),
            "both" if self.sees(&["both", "of", "them"]) => (Pronoun::Both, 3),
            "all" if self.sees(&["all", "of", "them"]) => (Pronoun::They, 3),
            "both" if !nominal(next) && next != "the" && next != "of" => (Pronoun::Both, 1),
            "another" if (!nominal(next) || verbal(next)) && next != "one" => (Pronoun::Other, 1),
            "others" => (Pronoun::Other, 1),
            "one" if self.sees(&["one", "of", "them"]) => (Pronoun::One, 3),
            "one" if !nominal(next) || verbal(next) => (Pronoun::One, 1),
            "the" if next == "others" => (Pronoun::Other, 2),
            _ => return None,
        };
        let mut noun = blank();
        noun.pronoun = Some(pronoun);
        noun.text = self.peek(0).to_string();
        if matches!(pronoun, Pronoun::They | Pronoun::Both)
            || noun.text == "others"
            || next == "others"
        {
            noun.count = Count::Many;
        }
        self.at += length;
        Some(noun)
    }

    fn determiners(&mut self, noun: &mut Noun) {
        if self.take(&["both", "of", "the"]) || self.take(&["both", "the"]) || self.take(&["both"])
        {
            noun.determiner = Some("both".into());
            noun.count = Count::Exactly(2);
            return;
        }
        for (quantity, number, n) in [
            (&["a", "pair", "of"][..], "two", 2),
            (&["a", "couple", "of"], "two", 2),
            (&["a", "dozen"], "twelve", 12),
        ] {
            if self.take(quantity) {
                noun.number = Some(number.into());
                noun.count = Count::Exactly(n);
                return;
            }
        }
        for many in [
            &["a", "lot", "of"][..],
            &["lots", "of"],
            &["a", "few"],
            &["a", "hundred"],
            &["a", "thousand"],
            &["hundreds", "of"],
            &["thousands", "of"],
            &["dozens", "of"],
            &["a", "number", "of"],
            &["all", "of", "the"],
            &["all", "the"],
        ] {
            if self.take(many) {
                noun.determiner = Some("the".into());
                noun.count = Count::Many;
                return;
            }
        }
        self.take(&["one", "of"]);
        let word = self.peek(0);
        if ONE_DETERMINERS.contains(&word) {
            noun.determiner = Some(word.to_string());
            noun.other = word == "another";
            self.at += 1;
        } else if (word == "that" && self.starts_noun_word(self.peek(1)))
            || MANY_DETERMINERS.contains(&word)
        {
            noun.determiner = Some("the".into());
            if word != "that" {
                noun.count = Count::Many;
            }
            self.at += 1;
        }
        if self.peek(0) == "other" {
            noun.other = true;
            self.at += 1;
        }
        let word = self.peek(0);
        let number = NUMBERS.iter().position(|number| *number == word).map(|i| i + 2);
        if let Some(n) = number.or_else(|| word.parse().ok()).filter(|_| self.word_ahead(1)) {
            self.at += 1;
            noun.number = Some(word.to_string());
            noun.count = match n {
                1 => Count::One,
                2..=MAX_COUNTED => Count::Exactly(n),
                _ => Count::Many,
            };
        }
        if self.peek(0) == "other" {
            noun.other = true;
            self.at += 1;
        }
    }

    fn modifiers(&mut self, noun: &mut Noun) {
        loop {
            let word = self.peek(0);
            if !self.word_ahead(0) {
                return;
            }
            if LEXICON.compound_len(&self.window(0)) > 0 {
                return;
            }
            if let Some(ordinal) = ORDINALS.iter().position(|name| *name == word)
                && noun.determiner.is_some()
            {
                noun.ordinal = Some(ordinal + 1);
                self.at += 1;
                continue;
            }
            if let Some(side) = side_of(word)
                && (noun.determiner.is_some() || noun.number.is_some())
                && (self.starts_noun_word(self.peek(1)) || self.peek(1) == "one" || self.acting(1))
            {
                noun.side = Some(side);
                noun.side_first = true;
                self.at += 1;
                self.take(&["side"]);
                continue;
            }
            if LEXICON.is("degree", word) && LEXICON.is_adjective(self.peek(1)) {
                self.modifier(noun, word.to_string(), false);
                continue;
            }
            if LEXICON.is_adjective(word) && self.adjective_goes_on() {
                self.modifier(noun, word.to_string(), false);
                if self.peek(0) == "and"
                    && LEXICON.is_adjective(self.peek(1))
                    && self.starts_noun_word(self.peek(2))
                {
                    self.at += 1;
                    self.modifier(noun, format!("and {}", self.peek(0)), false);
                }
                if self.peek(0) == "," && LEXICON.is_adjective(self.peek(1)) {
                    self.at += 1;
                }
                continue;
            }
            if let Some(moving) = self.participle_modifier(noun) {
                self.modifier(noun, word.to_string(), moving);
                continue;
            }
            return;
        }
    }

    fn modifier(&mut self, noun: &mut Noun, text: String, moving: bool) {
        noun.modifiers.push(Modifier { text, moving });
        self.at += 1;
    }

    /// "the left", "the red", "the second", "the other" without a noun: the last kind spoken of.
    fn headless(&mut self, mut noun: Noun) -> Option<Noun> {
        if noun.determiner.is_none() && noun.count == Count::One {
            return None;
        }
        if noun.determiner.as_deref() == Some("the") || noun.other || noun.ordinal.is_some() {
            let word = self.peek(0);
            if let Some(side) = side_of(word) {
                noun.side = Some(side);
                self.at += 1;
            } else if LEXICON.is_adjective(word) {
                self.modifier(&mut noun, word.to_string(), false);
            }
        }
        let said = noun.side.is_some() || !noun.modifiers.is_empty() || noun.ordinal.is_some();
        noun.pronoun = Some(match (noun.other, said, noun.count) {
            (true, ..) => Pronoun::Other,
            (_, true, _) => Pronoun::One,
            (.., Count::Exactly(_)) => Pronoun::They,
            _ => return None,
        });
        noun.text = "one".into();
        Some(noun)
    }

    /// Side and phrases after the noun.
    fn after_noun(&mut self, mut noun: Noun, subject: bool) -> Noun {
        loop {
            if let Some(side) = self.side_phrase(subject) {
                noun.side = noun.side.or(Some(side));
                continue;
            }
            // "the runner in blue"
            if self.peek(0) == "in"
                && LEXICON.is("colour", self.peek(1))
                && !self.starts_noun_word(self.peek(2))
            {
                self.at += 1;
                self.modifier(&mut noun, self.peek(0).to_string(), false);
                continue;
            }
            let Some((preposition, length)) = self.preposition() else { break };
            let of = preposition == "of" || self.peek(0) == "of";
            let place = subject
                && !of
                && noun.pronoun.is_none()
                && !matches!(
                    preposition.as_str(),
                    "to" | "as" | "like" | "before" | "after" | "by" | "away from"
                );
            if !place {
                break;
            }
            let start = self.at;
            self.at += length;
            match self.noun(false) {
                Some(inner) => {
                    noun.phrases.push(Phrase { preposition, noun: inner, moving: false })
                }
                None => {
                    self.at = start;
                    break;
                }
            }
        }
        if self.peek(0) == "of" && noun.pronoun.is_none() {
            self.of_phrase(&mut noun);
            return self.after_noun(noun, subject);
        }
        noun
    }

    fn of_phrase(&mut self, noun: &mut Noun) {
        let start = self.at;
        self.at += 1;
        let Some(inner) = self.noun(false) else {
            self.at = start;
            // Steps over the lone "of", so that it is not met again.
            self.at += 1;
            return;
        };
        let bare =
            inner.determiner.is_none() && inner.modifiers.is_empty() && inner.phrases.is_empty();
        let group = LEXICON.is("group", &noun.singular);
        if bare && inner.pronoun.is_none() && (group || noun.class == NounClass::Loose) {
            noun.text = format!("{} of {}", noun.text, inner.text);
            noun.singular = format!("{} of {}", noun.singular, inner.text);
            if group
                && matches!(noun.class, NounClass::Unknown | NounClass::Manner | NounClass::Scenery)
                || inner.class == NounClass::Effect
            {
                noun.class = inner.class;
            }
            return;
        }
        noun.phrases.push(Phrase { preposition: "of".into(), noun: inner, moving: true });
    }
}

/// A noun phrase with nothing in it yet.
fn blank() -> Noun {
    Noun {
        determiner: None,
        owner: None,
        count: Count::One,
        number: None,
        modifiers: Vec::new(),
        text: String::new(),
        singular: String::new(),
        class: NounClass::Unknown,
        pronoun: None,
        side: None,
        side_first: false,
        ordinal: None,
        other: false,
        phrases: Vec::new(),
        actions: Vec::new(),
        set_off: false,
        refs: Vec::new(),
    }
}
