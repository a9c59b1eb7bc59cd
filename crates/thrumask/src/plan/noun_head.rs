//! Reading the noun itself: where a compound ("hot air balloon") ends and the verb begins.

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
