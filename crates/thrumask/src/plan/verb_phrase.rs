//! Reading predicates: helpers, verb, objects, phrases, and the verbs that hang on to it.

use super::lexicon::{Form, LEXICON, NounClass, VerbForm, VerbTraits, guess_verb};
use super::noun_phrase::{MAX_DEPTH, Reader, is_function_word, side_of};
use super::tree::{Action, Head, Link, Modifier, Part, Phrase};

/// What a predicate says of its subject.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub actions: Vec<Action>,
    pub modifiers: Vec<Modifier>,
    pub phrases: Vec<Phrase>,
    pub side: Option<&'static str>,
}

const BE: [&str; 8] = ["is", "are", "was", "were", "be", "been", "being", "am"];
const MODALS: [&str; 9] =
    ["will", "would", "can", "could", "may", "might", "must", "should", "shall"];
/// A negated helper with its forms for one and for many.
const NEGATED: [(&str, &str, &str); 9] = [
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

/// Verbs after which "up" and "over" belong to the verb and not to the noun that follows.
const PARTICLE_VERBS: [&str; 11] =
    ["pick", "put", "lift", "hold", "knock", "tip", "take", "set", "blow", "turn", "raise"];

impl Reader<'_> {
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
            || matches!(word, "has" | "have" | "had" | "do" | "does" | "did")
    }

    /// Reads one predicate with what hangs on to it into `said`; `false`, with the cursor where it
    /// was, when there is none.
    pub fn predicate(&mut self, link: Link, said: &mut Said) -> bool {
        let start = self.at;
        self.depth += 1;
        let read = self.depth <= MAX_DEPTH && self.predicate_inner(link, said);
        self.depth -= 1;
        if !read {
            self.at = start;
        }
        read
    }

    /// Reads predicates of one subject as long as they follow each other.
    pub fn predicates(&mut self, said: &mut Said) -> bool {
        if !self.predicate(Link::And, said) {
            return false;
        }
        while let Some(link) = self.next_predicate() {
            if !self.predicate(link, said) {
                break;
            }
        }
        true
    }

    /// Steps over the joint between two predicates of one subject, if another one follows.
    fn next_predicate(&mut self) -> Option<Link> {
        let start = self.at;
        let comma = self.take(&[","]);
        let word = self.take_any(&["and", "but", "before", "while", "as", "when", "until"]);
        let comma = comma || (word == Some("and") && self.take(&[","]));
        let then = self.take(&["then"]) || self.take(&["finally"]) || self.take(&["afterwards"]);
        let link = if then || word == Some("before") { Link::Then } else { Link::And };
        let joined = comma || then || word.is_some();
        // "while" and "before" need a participle: "before landing", "while wagging its tail".
        let participle_only = matches!(word, Some("before" | "while" | "when"));
        let is_participle = self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing);
        let finite_only = matches!(word, Some("as" | "until"));
        let follows = self.predicate_starts(0, true) && !self.noun_then_verb();
        if joined && follows && !finite_only && (is_participle || !participle_only) {
            return Some(link);
        }
        self.at = start;
        None
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

    fn predicate_inner(&mut self, link: Link, said: &mut Said) -> bool {
        let mut before = Vec::new();
        let link = if self.adverbs(&mut before) { Link::Then } else { link };
        let mut head = None;
        let word = self.peek(0);
        if BE.contains(&word) {
            self.at += 1;
            if self.take(&["not"]) {
                return self.negated("doesn't", "don't", link, before, said);
            }
            match self.after_be(&mut before, said) {
                AfterBe::Described => return true,
                AfterBe::Head(found) => head = Some(found),
                AfterBe::Nothing => return false,
            }
        } else if let Some((_, one, many)) = NEGATED.iter().find(|(name, ..)| *name == word) {
            self.at += 1;
            return self.negated(one, many, link, before, said);
        } else if MODALS.contains(&word) || matches!(word, "do" | "does" | "did") {
            self.at += 1;
            if self.take(&["not"]) {
                let (one, many) = if word.starts_with('d') {
                    ("does not", "do not")
                } else {
                    ("doesn't", "don't")
                };
                return self.negated(one, many, link, before, said);
            }
            self.adverbs(&mut before);
            if self.peek(0) == "be" {
                return self.predicate(link, said);
            }
        } else if matches!(word, "has" | "have" | "had") {
            let participle = |ahead| {
                LEXICON
                    .verb_forms(self.peek(ahead))
                    .iter()
                    .any(|verb| matches!(verb.form, Form::Participle | Form::Past))
            };
            if self.peek(1) == "been" {
                self.at += 1;
                return self.predicate(link, said);
            }
            if participle(1) || (LEXICON.is_adverb(self.peek(1)) && participle(2)) {
                self.at += 1;
                self.adverbs(&mut before);
            }
        }
        let head = match head {
            Some(head) => head,
            None => {
                let Some(verb) = self.verb_at(0) else { return false };
                let passive = self.peek(1) == "by"
                    && LEXICON
                        .verb_forms(self.peek(0))
                        .iter()
                        .any(|verb| verb.form == Form::Participle);
                let participle = self.peek(0).to_string();
                self.at += 1;
                match passive {
                    true => Head::Passive { participle, lemma: verb.lemma },
                    false => Head::Active(verb.lemma),
                }
            }
        };
        self.finish(Action { link, before, head, parts: Vec::new() }, said);
        true
    }

    /// Takes the adverbs before a verb; tells whether "then" was one of them.
    fn adverbs(&mut self, before: &mut Vec<String>) -> bool {
        let mut then = false;
        loop {
            let word = self.peek(0);
            let adverb = LEXICON.is_adverb(word) || LEXICON.is("degree", word);
            let more = |next: &str| LEXICON.is_adverb(next) || LEXICON.is("degree", next);
            let verbal = self.verb_at(1).is_some() || self.helper_at(1) || more(self.peek(1));
            let last = LEXICON.verb_forms(word).is_empty() && matches!(self.peek(1), "" | ".");
            if !adverb || !(verbal || last) {
                return then;
            }
            then |= word == "then";
            if !LEXICON.is("place", word) && word != "then" {
                before.push(word.to_string());
            }
            self.at += 1;
        }
    }

    fn negated(
        &mut self,
        one: &str,
        many: &str,
        link: Link,
        mut before: Vec<String>,
        said: &mut Said,
    ) -> bool {
        self.adverbs(&mut before);
        let Some(verb) = self.verb_at(0) else { return self.at > 0 };
        self.at += 1;
        let head = Head::Helped { one: one.into(), many: many.into(), lemma: verb.lemma };
        self.finish(Action { link, before, head, parts: Vec::new() }, said);
        true
    }

    /// What follows a form of "be".
    fn after_be(&mut self, before: &mut Vec<String>, said: &mut Said) -> AfterBe {
        self.adverbs(before);
        while self
            .take_any(&["being", "been", "now", "still", "also", "just", "currently"])
            .is_some()
        {}
        if self.take(&["going", "to"]) || self.take(&["about", "to"]) || self.take(&["able", "to"])
        {
            return match self.verb_at(0) {
                Some(verb) => self.be_head(Head::Active(verb.lemma)),
                None => AfterBe::Nothing,
            };
        }
        if matches!(self.peek(0), "seen" | "shown")
            && self.verb_at(1).is_some_and(|verb| verb.form == Form::Ing)
        {
            self.at += 1;
        }
        let word = self.peek(0);
        let known = LEXICON.verb_forms(word);
        let participle = known.iter().find(|verb| verb.form == Form::Participle);
        if let Some(verb) = known.iter().find(|verb| verb.form == Form::Ing) {
            return self.be_head(Head::Active(verb.lemma.clone()));
        }
        let adjective = LEXICON.is_adjective(word) && self.peek(1) != "by";
        if let (Some(verb), false) = (participle, adjective) {
            return self
                .be_head(Head::Passive { participle: word.into(), lemma: verb.lemma.clone() });
        }
        if !adjective
            && known.is_empty()
            && LEXICON.noun(word).is_none()
            && !LEXICON.is_adverb(word)
            && let Some(verb) = guess_verb(word)
            && verb.form != Form::ThirdPerson
        {
            let lemma = verb.lemma;
            return self.be_head(match verb.form {
                Form::Ing => Head::Active(lemma),
                _ => Head::Passive { participle: word.into(), lemma },
            });
        }
        self.description(said)
    }

    fn be_head(&mut self, head: Head) -> AfterBe {
        self.at += 1;
        AfterBe::Head(head)
    }

    /// "is red and big", "is on the left", "is in the park", "is a dog".
    fn description(&mut self, said: &mut Said) -> AfterBe {
        let start = self.at;
        loop {
            let word = self.peek(0);
            if LEXICON.is_adjective(word)
                || (LEXICON.is("degree", word) && LEXICON.is_adjective(self.peek(1)))
            {
                said.modifiers.push(Modifier { text: word.to_string(), moving: false });
                self.at += 1;
            } else if matches!(word, "and" | ",")
                && LEXICON.is_adjective(self.peek(1))
                && self.at > start
            {
                self.at += 1;
            } else if let Some(side) = self.side_phrase(true) {
                said.side = Some(side);
            } else if let Some((preposition, length)) = self.preposition() {
                let here = self.at;
                self.at += length;
                match self.noun(false) {
                    Some(noun) => said.phrases.push(Phrase { preposition, noun, moving: false }),
                    None => {
                        self.at = here;
                        break;
                    }
                }
            } else if LEXICON.is_adverb(word) {
                self.at += 1;
            } else {
                break;
            }
        }
        if self.at == start {
            // "is a dog": says what it is; the noun itself adds nothing a prompt could use.
            if self.noun(false).is_none() {
                return AfterBe::Nothing;
            }
        }
        if self.predicate_starts(0, true)
            && self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
        {
            self.predicate(Link::And, said);
        }
        AfterBe::Described
    }

    /// Reads what follows the verb, and adds the action to what is said.
    fn finish(&mut self, mut action: Action, said: &mut Said) {
        let mut after = Said::default();
        self.parts(&mut action, &mut after);
        said.side = said.side.or(after.side);
        if !leaves_a_trace(&action) {
            said.actions.push(action);
        }
        said.actions.append(&mut after.actions);
    }

    fn parts(&mut self, action: &mut Action, said: &mut Said) {
        let mut traits = LEXICON.traits(action.head.lemma());
        loop {
            let word = self.peek(0);
            if word == "," {
                if self.aside(action) || self.set_off(action) {
                    continue;
                }
                return;
            }
            if !self.word_ahead(0) {
                return;
            }
            if let Some(length) = self.idiom() {
                self.words(action, length);
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
    fn words(&mut self, action: &mut Action, count: usize) {
        for _ in 0..count {
            action.parts.push(Part::Word { text: self.peek(0).to_string(), moving: true });
            self.at += 1;
        }
    }

    /// ", its tail fluttering in the wind"
    fn aside(&mut self, action: &mut Action) -> bool {
        let start = self.at;
        self.at += 1;
        self.take(&["with"]);
        if let Some(noun) = self.noun(false)
            && noun.class == NounClass::Part
            && self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
        {
            let mut said = Said::default();
            if self.predicate(Link::And, &mut said) && !said.actions.is_empty() {
                action.parts.push(Part::Aside(noun, Box::new(said.actions.remove(0))));
                return true;
            }
        }
        self.at = start;
        false
    }

    /// ", which runs away" after an object.
    fn set_off(&mut self, action: &mut Action) -> bool {
        if !matches!(self.peek(1), "which" | "who" | "that") {
            return false;
        }
        self.at += 1;
        let read = self.relative(action, true);
        if !read {
            self.at -= 1;
        }
        read
    }

    /// A relative clause of the noun that the action ends in.
    fn relative(&mut self, action: &mut Action, set_off: bool) -> bool {
        let (Some(Part::Object(noun))
        | Some(Part::Agent(noun))
        | Some(Part::Phrase(Phrase { noun, .. }))) = action.parts.last_mut()
        else {
            return false;
        };
        let start = self.at;
        self.at += 1;
        let mut said = Said::default();
        if !self.predicate(Link::And, &mut said) {
            self.at = start;
            return false;
        }
        noun.side = noun.side.or(said.side);
        noun.modifiers.append(&mut said.modifiers);
        noun.actions.append(&mut said.actions);
        noun.set_off = set_off;
        true
    }

    /// "and" inside the predicate: "up and down", "over the fence and into the pond", "a cat and a
    /// mouse".
    fn coordination(&mut self, action: &mut Action) -> bool {
        let start = self.at;
        let and = self.peek(0).to_string();
        self.at += 1;
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
        let Some(noun) = self.noun(false) else { return false };
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
        if particle {
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
        if !matches!(self.peek(0), "to" | "toward" | "towards" | "from" | "off") {
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

enum AfterBe {
    Head(Head),
    Described,
    Nothing,
}

/// Whether the motion prompt keeps a phrase because it says how or where to something moves.
fn is_moving(preposition: &str, noun: &super::tree::Noun, traits: VerbTraits) -> bool {
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

/// "leaving a cloud of dust behind": the trace is neither an object nor a motion of the subject.
fn leaves_a_trace(action: &Action) -> bool {
    matches!(
        action.head.lemma(),
        "leave" | "create" | "cast" | "kick" | "raise" | "make" | "form" | "send"
    ) && action.parts.iter().any(|part| match part {
        Part::Object(noun) => {
            noun.class == NounClass::Effect
                || matches!(
                    noun.singular.as_str(),
                    "trail" | "shadow" | "track" | "smoke" | "splash"
                )
                || noun.phrases.iter().any(|phrase| phrase.noun.class == NounClass::Effect)
        }
        _ => false,
    })
}
