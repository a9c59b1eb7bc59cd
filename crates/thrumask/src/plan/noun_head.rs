//! Reading the noun itself: where a compound ("hot air balloon") ends and the verb begins, and what goes on to one.

use super::lexicon::{Form, LEXICON, NounClass, NounForm, guess_verb};
use super::reader::{Reader, is_function_word};
use super::tree::{Count, Noun};

impl Reader<'_> {
    /// Reads the noun itself with its compound.
    pub fn head(&mut self, noun: &mut Noun) -> bool {
        let mut words: Vec<&str> = Vec::new();
        let has_front = noun.determiner.is_some()
            || noun.number.is_some()
            || !noun.modifiers.is_empty()
            || noun.side.is_some()
            || noun.ordinal.is_some();
        loop {
            let compound = LEXICON.compound_len(&self.window(0));
            let length = compound.max(1);
            if compound == 0 && !self.head_word(&words, has_front) {
                break;
            }
            words.extend((0..length).map(|i| self.peek(i)));
            self.at += length;
        }
        if words.is_empty() {
            return false;
        }
        noun.text = words.join(" ");
        let form = noun_form(&words);
        if form.plural
            && noun.count == Count::One
            && !matches!(
                noun.determiner.as_deref(),
                Some("a" | "an" | "one" | "another" | "each" | "every")
            )
        {
            // "the sheep" reads as one; "children" and "the birds" as many.
            if form.singular != noun.text {
                noun.count = Count::Many;
            }
        }
        noun.singular = form.singular;
        noun.class = form.class;
        true
    }

    /// Whether a noun follows the adjective at the cursor.
    pub fn adjective_goes_on(&self) -> bool {
        let next = self.peek(1);
        let known = LEXICON.noun(self.peek(0)).is_some();
        if next == "one" {
            return true;
        }
        if matches!(next, "and" | ",") {
            return LEXICON.is_adjective(self.peek(2)) && !known;
        }
        (self.starts_noun_word(next) || self.acting(1))
            && (!known || LEXICON.noun(next).is_some() || LEXICON.is_adjective(next))
    }

    /// Whether the word `ahead`, known as a verb alone, is a thing that does something: "the yellow cross spins".
    pub fn acting(&self, ahead: usize) -> bool {
        let base = LEXICON.verb_forms(self.peek(ahead)).iter().any(|v| v.form == Form::Base);
        let acts = || self.verb_at(ahead + 1).is_some_and(|verb| verb.form == Form::ThirdPerson);
        base && (self.helper_at(ahead + 1) || acts())
    }

    /// For "bouncing" in "a bouncing ball": whether the participle says how the thing moves.
    pub fn participle_modifier(&self, noun: &Noun) -> Option<bool> {
        if noun.determiner.is_none() && noun.number.is_none() && noun.modifiers.is_empty() {
            return None;
        }
        let word = self.peek(0);
        let next = self.peek(1);
        // "a winding coastal road": an unknown adjective before a known noun.
        let unknown = LEXICON.noun(self.peek(2)).is_some() && self.starts_noun_word(next);
        let known_next = LEXICON.noun(next).is_some() || LEXICON.is_adjective(next);
        let goes_on = known_next || unknown || next == "one";
        let known = LEXICON.verb_forms(word);
        let guessed = if known.is_empty() { guess_verb(word) } else { None };
        let is = |form| known.iter().chain(&guessed).any(|verb| verb.form == form);
        if !goes_on || LEXICON.noun(word).is_some() {
            return None;
        }
        if is(Form::Ing) {
            let moves = known.iter().any(|verb| {
                let traits = LEXICON.traits(&verb.lemma);
                traits.moves && !traits.state
            });
            return Some(moves);
        }
        (is(Form::Participle) || (is(Form::Past) && word.ends_with("ed"))).then_some(false)
    }

    /// Whether the word at the cursor belongs to the noun after `words`.
    fn head_word(&self, words: &[&str], has_front: bool) -> bool {
        let word = self.peek(0);
        if !self.word_ahead(0) || word == "'s" || is_function_word(word) {
            return false;
        }
        let known = LEXICON.noun(word);
        let verbs = LEXICON.verb_forms(word);
        if words.is_empty() {
            if let Some(known) = known {
                // "Runs" opens no noun phrase; "leaves" and "fish" do, unless a verb must follow.
                return has_front || verbs.is_empty() || known.class != NounClass::Manner;
            }
            if LEXICON.is("colour", word) || LEXICON.is("size", word) {
                return false;
            }
            if verbs.is_empty() {
                let odd = LEXICON.is_adverb(word)
                    || (LEXICON.is_adjective(word) && !has_front)
                    || self.preposition().is_some();
                return !odd
                    && (has_front
                        || guess_verb(word).is_none_or(|verb| verb.form == Form::ThirdPerson));
            }
            let base = verbs.iter().any(|verb| verb.form == Form::Base);
            return has_front && base && !LEXICON.is("manner", word);
        }
        let so_far = noun_form(words);
        if let Some(known) = known {
            if verbs.is_empty() {
                return !so_far.plural || known.class == NounClass::Unknown;
            }
            let third = verbs.iter().any(|verb| verb.form == Form::ThirdPerson);
            let base = verbs.iter().any(|verb| verb.form == Form::Base);
            if so_far.plural {
                return false;
            }
            // "police dog walks": a third person after a singular noun is its verb; "toy train": a
            // base form after a singular noun is not.
            return !third
                && base
                && known.class != NounClass::Manner
                && !self.ends_clause_after(1)
                && known.class != NounClass::Part
                && !LEXICON.is_adverb(word);
        }
        if !verbs.is_empty()
            || LEXICON.is_adverb(word)
            || LEXICON.is_adjective(word)
            || self.preposition().is_some()
        {
            return false;
        }
        match guess_verb(word) {
            None => true,
            Some(verb) => verb.form == Form::ThirdPerson && !self.verb_may_stand(1),
        }
    }

    /// Whether the caption or clause ends `ahead` words on.
    fn ends_clause_after(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), "" | "." | "!" | "?")
    }

    /// Whether what stands `ahead` fits behind a verb: an end, a preposition, a determiner.
    fn verb_may_stand(&self, ahead: usize) -> bool {
        let next = self.peek(ahead);
        !self.word_ahead(ahead)
            || is_function_word(next)
            || LEXICON.is_adverb(next)
            || LEXICON.preposition(&[next]).is_some()
    }
}

/// The class and number of a compound by its last word, or by the longest known ending.
fn noun_form(words: &[&str]) -> NounForm {
    for start in 0..words.len() {
        let tail = words[start..].join(" ");
        if let Some(known) = LEXICON.noun(&tail) {
            let front = words[..start].join(" ");
            let singular = if front.is_empty() {
                known.singular.clone()
            } else {
                format!("{front} {}", known.singular)
            };
            return NounForm { singular, ..known.clone() };
        }
    }
    let text = words.join(" ");
    if text.ends_with("man") || text.ends_with("woman") {
        return NounForm { singular: text, class: NounClass::Person, plural: false };
    }
    let stem =
        text.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']));
    match stem {
        Some(stem) => {
            NounForm { singular: stem.to_string(), class: NounClass::Unknown, plural: true }
        }
        None => NounForm { singular: text, class: NounClass::Unknown, plural: false },
    }
}
