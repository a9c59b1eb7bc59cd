//! Reading what follows a verb: objects, phrases, directions, and verbs that hang on to it.

use super::lexicon::{Form, LEXICON, NounClass, VerbTraits};
use super::reader::{Reader, is_function_word, side_of};
use super::tree::{Action, Head, Link, Part, Phrase};
use super::verb_phrase::Said;

/// Verbs after which "up" and "over" belong to the verb and not to the noun that follows.
const PARTICLE_VERBS: [&str; 11] =
    ["pick", "put", "lift", "hold", "knock", "tip", "take", "set", "blow", "turn", "raise"];

impl Reader<'_> {
    pub fn parts(&mut self, action: &mut Action, said: &mut Said) {
        let mut traits = LEXICON.traits(action.head.lemma());
        loop {
            let word = self.peek(0);
            if word == "," {
                if self.aside(action) || self.set_off(action) || self.afterthought(action) {
                    continue;
                }
                return;
            }
            if !self.word_ahead(0) {
                return;
            }
            if let Some(length) = self.idiom() {
                let words: Vec<&str> = (0..length).map(|i| self.peek(i)).collect();
                action.parts.push(Part::Word { text: words.join(" "), moving: true });
                self.at += length;
                continue;
            }
            if matches!(word, "and" | "or") {
                if self.coordination(action) {
                    continue;
                }
                return;
            }
            if matches!(word, "that" | "which" | "who") {
                if self.relative(action, false) {
                    continue;
                }
                return;
            }
            let verb = self.verb_at(0);
            if word == "to"
                && self.verb_at(1).is_some_and(|verb| verb.form == Form::Base)
                && LEXICON
                    .noun(self.peek(1))
                    .is_none_or(|_| LEXICON.verb_forms(self.peek(1)).len() > 1)
            {
                traits = self.embedded(action, 2);
                continue;
            }
            if let Some(verb) = verb.filter(|verb| verb.form == Form::Ing) {
                let lemma = action.head.lemma();
                if traits.phase && action.parts.is_empty() && !matches!(lemma, "appear" | "seem") {
                    traits = self.embedded(action, 1);
                    continue;
                }
                if let Some(Part::Object(noun)) = action.parts.last_mut()
                    && LEXICON.traits(lemma).uses
                {
                    let mut inner = Said::default();
                    if self.predicate(Link::And, &mut inner) {
                        noun.actions.append(&mut inner.actions);
                        continue;
                    }
                }
                let _ = verb;
                self.predicate(Link::And, said);
                return;
            }
            let passive =
                || LEXICON.verb_forms(word).iter().any(|verb| verb.form == Form::Participle);
            if action.head.lemma() == "get"
                && action.parts.is_empty()
                && passive()
                && !LEXICON.is_adjective(word)
            {
                self.words(action, 1);
                continue;
            }
            if self.peek(1) == "by"
                && self.predicate_starts(0, true)
                && LEXICON.noun(word).is_none()
            {
                self.predicate(Link::And, said);
                return;
            }
            if self.phrase(action, said, traits) || self.object(action) {
                continue;
            }
            let adverb = LEXICON.is_adverb(word) || LEXICON.is("degree", word);
            if (is_function_word(word) && !adverb) || matches!(word, "then" | "before" | "after") {
                return;
            }
            let known = adverb || LEXICON.is_adjective(word) || side_of(word).is_some();
            if (known && self.predicate_starts(0, false))
                && LEXICON.verb_forms(word).is_empty()
                && !action.parts.is_empty()
            {
                return;
            }
            let finite = self.verb_at(0).is_some_and(|verb| verb.form == Form::ThirdPerson);
            if !known && (self.helper_at(0) || finite) {
                return;
            }
            let moving = !LEXICON.is("place", word);
            action.parts.push(Part::Word { text: word.to_string(), moving });
            self.at += 1;
        }
    }

    /// Takes an infinitive or gerund of `length` words ("to run", "waving") as words of the action.
    fn embedded(&mut self, action: &mut Action, length: usize) -> VerbTraits {
        let lemma = self.verb_at(length - 1).map(|verb| verb.lemma).unwrap_or_default();
        self.words(action, length);
        LEXICON.traits(&lemma)
    }

    /// Takes `count` words as they stand.
    pub fn words(&mut self, action: &mut Action, count: usize) {
        for _ in 0..count {
            action.parts.push(Part::Word { text: self.peek(0).to_string(), moving: true });
            self.at += 1;
        }
    }

    /// "and" inside the predicate: "up and down", "over the fence and into the pond", "a cat and a
    /// mouse".
    fn coordination(&mut self, action: &mut Action) -> bool {
        let start = self.at;
        let mut and = self.peek(0).to_string();
        self.at += 1;
        // "up and then down"
        if self.peek(0) == "then" && LEXICON.is_adverb(self.peek(1)) {
            self.at += 1;
            and.push_str(" then");
        }
        let word = self.peek(0);
        let ends = |reader: &Self| {
            !reader.word_ahead(0)
                || is_function_word(reader.peek(0))
                || LEXICON.is_adverb(reader.peek(0))
                || reader.preposition().is_some()
        };
        if LEXICON.is_adverb(word) && matches!(action.parts.last(), Some(Part::Word { .. })) {
            self.at += 1;
            if ends(self) {
                for text in [and, word.to_string()] {
                    action.parts.push(Part::Word { text, moving: true });
                }
                return true;
            }
            self.at -= 1;
        }
        if let Some((preposition, length)) = self.preposition() {
            self.at += length;
            if let Some(noun) = self.noun(false).filter(|_| ends(self)) {
                let moving = LEXICON.is("path", &preposition);
                action.parts.push(Part::Word { text: and, moving });
                action.parts.push(Part::Phrase(Phrase { preposition, noun, moving }));
                return true;
            }
        } else if !self.noun_then_verb()
            && (LEXICON.verb_forms(word).is_empty() || LEXICON.noun(word).is_some())
            && let Some(noun) = self.noun(false)
        {
            let own = self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing);
            match action.parts.last() {
                _ if own => {}
                Some(Part::Object(_)) => {
                    action.parts.push(Part::Word { text: and, moving: true });
                    action.parts.push(Part::Object(noun));
                    return true;
                }
                Some(Part::Phrase(Phrase { moving, .. })) => {
                    let moving = *moving;
                    action.parts.push(Part::Phrase(Phrase { preposition: and, noun, moving }));
                    return true;
                }
                _ => {}
            }
        }
        self.at = start;
        false
    }

    /// A direct object, unless the noun is the subject of a clause that follows.
    fn object(&mut self, action: &mut Action) -> bool {
        let word = self.peek(0);
        let adverbial = LEXICON.is_adverb(word) || side_of(word).is_some();
        if adverbial
            || (is_function_word(word) && self.starts_no_noun(word))
            || (!self.in_subject && self.noun_then_verb())
        {
            return false;
        }
        // "riding an elephant waves its arms": the main verb of the subject.
        let main =
            self.in_subject && self.verb_at(0).is_some_and(|verb| verb.form == Form::ThirdPerson);
        let Some(noun) = (if main { None } else { self.noun(false) }) else { return false };
        action.parts.push(Part::Object(noun));
        true
    }

    fn starts_no_noun(&self, word: &str) -> bool {
        !matches!(
            word,
            "the"
                | "a"
                | "an"
                | "its"
                | "his"
                | "their"
                | "both"
                | "each"
                | "another"
                | "it"
                | "he"
                | "she"
                | "they"
                | "them"
                | "him"
                | "one"
        )
    }

    /// A preposition with its noun or side; a preposition alone is a particle.
    fn phrase(&mut self, action: &mut Action, said: &mut Said, traits: VerbTraits) -> bool {
        if let Some(side) = self.side_phrase(false) {
            match action.parts.last_mut() {
                Some(
                    Part::Object(noun) | Part::Agent(noun) | Part::Phrase(Phrase { noun, .. }),
                ) if noun.side.is_none() && noun.class != NounClass::Scenery => {
                    noun.side = Some(side)
                }
                _ => said.side = Some(side),
            }
            return true;
        }
        let Some((preposition, length)) = self.preposition() else { return false };
        if self.direction(action, length) {
            return true;
        }
        let start = self.at;
        self.at += length;
        if self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
            && LEXICON.noun(self.peek(0)).is_none()
        {
            if matches!(preposition.as_str(), "before" | "while") {
                self.at = start;
                return false;
            }
            action.parts.push(Part::Word { text: preposition, moving: true });
            self.embedded(action, 1);
            return true;
        }
        let clausal = matches!(preposition.as_str(), "as" | "before" | "after" | "like")
            && self.noun_then_verb();
        if clausal {
            self.at = start;
            return false;
        }
        let particle = matches!(preposition.as_str(), "up" | "down" | "off" | "out" | "over")
            && PARTICLE_VERBS.contains(&action.head.lemma())
            && !action.parts.iter().any(|part| matches!(part, Part::Object(_)));
        // "falls down a short way"
        let measured = LEXICON.is("path", &preposition) && self.idiom().is_some();
        if particle || measured {
            action.parts.push(Part::Word { text: preposition, moving: true });
            return true;
        }
        if let Some(noun) = self.noun(false) {
            let agent = noun.class != NounClass::Scenery || LEXICON.is("force", &noun.singular);
            if preposition == "by" && agent && matches!(action.head, Head::Passive { .. }) {
                action.parts.push(Part::Agent(noun));
                return true;
            }
            let moving = is_moving(&preposition, &noun, traits);
            let mut noun = noun;
            // "drives left with a truck following it": the truck follows.
            let mover =
                matches!(noun.class, NounClass::Person | NounClass::Animal | NounClass::Thing);
            if preposition == "with"
                && mover
                && self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
            {
                let mut inner = Said::default();
                if self.predicate(Link::And, &mut inner) {
                    noun.actions.append(&mut inner.actions);
                }
            }
            action.parts.push(Part::Phrase(Phrase { preposition, noun, moving }));
            return true;
        }
        if matches!(preposition.as_str(), "as" | "before" | "after" | "like" | "of") {
            self.at = start;
            return false;
        }
        action.parts.push(Part::Word { text: preposition, moving: true });
        true
    }

    /// "to the left", "from left to right", "from side to side".
    fn direction(&mut self, action: &mut Action, length: usize) -> bool {
        // "flies up to the right"
        let far = length == 2 && matches!(self.peek(1), "to" | "toward" | "towards");
        if !far && !matches!(self.peek(0), "to" | "toward" | "towards" | "from" | "off") {
            return false;
        }
        let pair = self.peek(0) == "from" && self.peek(2) == "to" && self.peek(1) == self.peek(3);
        let mut words = length + usize::from(self.peek(length) == "the");
        words += usize::from(self.peek(words) == "far");
        let next = self.peek(words + 1);
        let adjective = LEXICON.is_adjective(next) && self.starts_noun_word(self.peek(words + 2));
        let noun = LEXICON.noun(next).is_some() && LEXICON.verb_forms(next).is_empty();
        let names_thing = next == "one" || (next != "side" && (adjective || noun));
        if pair {
            words = 4;
        } else if side_of(self.peek(words)).is_none() || names_thing || next == "of" {
            return false;
        } else {
            words += 1;
            words += usize::from(self.peek(words) == "side");
        }
        self.words(action, words);
        true
    }
}

/// Whether the motion prompt keeps a phrase because it says how or where to something moves.
pub(super) fn is_moving(preposition: &str, noun: &super::tree::Noun, traits: VerbTraits) -> bool {
    if noun.class == NounClass::Manner {
        return true;
    }
    if LEXICON.is("path", &preposition.replace(' ', "_")) {
        return true;
    }
    if LEXICON.is("between", &preposition.replace(' ', "_")) {
        return !traits.posture && !noun.singular.ends_with("sky");
    }
    let weather = matches!(
        noun.singular.as_str(),
        "wind" | "rain" | "snow" | "night" | "background" | "foreground" | "distance"
    );
    traits.goal && matches!(preposition, "on" | "in" | "at") && !weather
}
