//! Reading predicates: helpers, verb, objects, phrases, and the verbs that hang on to it.

use super::lexicon::{Form, LEXICON, NounClass, guess_verb};
use super::reader::{BE, MAX_DEPTH, MODALS, NEGATED, Reader};
use super::tree::{Action, Head, Link, Modifier, Part, Phrase};

/// What a predicate says of its subject.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub actions: Vec<Action>,
    pub modifiers: Vec<Modifier>,
    pub phrases: Vec<Phrase>,
    pub side: Option<&'static str>,
}

impl Reader<'_> {
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
        let then = self.take(&["then"]) || self.take(&["afterwards"]);
        let link = if then || word == Some("before") { Link::Then } else { Link::And };
        let joined = comma || then || word.is_some();
        // "while" and "before" need a participle: "before landing", "while wagging its tail".
        let participle_only = matches!(word, Some("before" | "while" | "when"));
        let is_participle = self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing);
        let finite_only = matches!(word, Some("as" | "until"));
        // "and so does the cat" has its own subject.
        let turned = matches!(self.peek(0), "so" | "neither" | "nor") && self.helper_at(1);
        let follows = !turned && self.predicate_starts(0, true) && !self.noun_then_verb();
        if joined && follows && !finite_only && (is_participle || !participle_only) {
            return Some(link);
        }
        self.at = start;
        None
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
        } else if word == "never" && self.verb_at(1).is_some() {
            self.at += 1;
            return self.negated("doesn't", "don't", link, before, said);
        } else if MODALS.contains(&word)
            || (matches!(word, "do" | "does" | "did")
                && (self.peek(1) == "not" || self.verb_at(1).is_some()))
        {
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
}

enum AfterBe {
    Head(Head),
    Described,
    Nothing,
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
