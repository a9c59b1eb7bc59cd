//! What stands before the subject of a clause: openings, adverbs, places and participles.

use super::clause::SUBORDINATE;
use super::lexicon::{Form, LEXICON, NounClass};
use super::reader::Reader;
use super::tree::{Action, Link, Phrase};
use super::verb_phrase::Said;

impl Reader<'_> {
    /// "A video of", "Close-up shot of", "We see", "Can you see".
    pub fn opening(&mut self) {
        for words in [
            &["can", "you", "see"][..],
            &["you", "can", "see"],
            &["we", "can", "see"],
            &["we", "see"],
            &["look", "at"],
            &["what", "you", "see", "is"],
            &["what", "we", "see", "is"],
            &["watch", "how"],
            &["see", "how"],
            &["notice", "how"],
            &["watch"],
        ] {
            if self.take(words) {
                return;
            }
        }
        // "Here, the dog runs."
        if self.peek(0) == "here" && matches!(self.peek(1), "the" | "a" | "an" | ",") {
            self.at += 1;
        }
        for i in 0..6 {
            let word = self.peek(i);
            if LEXICON.is("opening", word)
                && matches!(
                    self.peek(i + 1),
                    "of" | "showing" | "shows" | "featuring" | "with" | "depicts"
                )
            {
                self.at += i + 2;
                return;
            }
            let filler = LEXICON.is_adjective(word)
                || LEXICON.is("opening", word)
                || matches!(
                    word,
                    "a" | "an"
                        | "the"
                        | "this"
                        | "cinematic"
                        | "drone"
                        | "wide"
                        | "tracking"
                        | "overhead"
                        | "aerial"
                        | "slow"
                        | "motion"
                        | "slow-motion"
                        | "animated"
                );
            if !filler {
                return;
            }
        }
    }

    /// Adverbs, place phrases and participles before the subject.
    pub fn leads(&mut self, before: &mut Vec<String>, lead: &mut Said, actions: &mut Vec<Action>) {
        loop {
            let word = self.peek(0);
            if self.take(&[","]) {
                continue;
            }
            if let Some(side) = self.side_phrase(true) {
                lead.side = Some(side);
                continue;
            }
            let start = self.at;
            if LEXICON.is_adverb(word)
                && self.preposition().is_none()
                && (LEXICON.verb_forms(word).is_empty() || self.peek(1) == ",")
                && LEXICON.noun(word).is_none()
                && !self.predicate_starts(0, false)
            {
                if !LEXICON.is("place", word) {
                    before.push(word.to_string());
                }
                self.at += 1;
                continue;
            }
            if self.lead_place(lead) {
                continue;
            }
            let preposition = self.preposition().map(|(_, length)| length);
            let conjunction = SUBORDINATE.contains(&word).then_some(1);
            if let Some(length) = preposition.or(conjunction) {
                self.at += length;
                if self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
                    && self.lead_participle(actions)
                {
                    continue;
                }
                if self.noun(false).is_some()
                    && (self.peek(0) == ","
                        || self.preposition().is_some()
                        || self.noun_then_verb())
                {
                    continue;
                }
                self.at = start;
                return;
            }
            if self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
                && self.lead_participle(actions)
            {
                continue;
            }
            return;
        }
    }

    /// "Behind a truck that isn't moving, a fish swims": where the verb to come goes.
    fn lead_place(&mut self, lead: &mut Said) -> bool {
        let start = self.at;
        let Some((preposition, length)) = self.preposition() else { return false };
        if lead.phrases.is_empty() && preposition == "behind" {
            self.at += length;
            if let Some(noun) = self.subject()
                && matches!(noun.class, NounClass::Person | NounClass::Animal | NounClass::Thing)
                && self.take(&[","])
                && self.noun_then_verb()
            {
                lead.phrases.push(Phrase { preposition, noun, moving: true });
                return true;
            }
        }
        self.at = start;
        false
    }

    /// "Wagging its tail, the dog runs"
    fn lead_participle(&mut self, actions: &mut Vec<Action>) -> bool {
        let start = self.at;
        let mut said = Said::default();
        if LEXICON.noun(self.peek(0)).is_none()
            && self.predicate(Link::And, &mut said)
            && self.take(&[","])
            && self.noun_then_verb()
        {
            actions.append(&mut said.actions);
            return true;
        }
        self.at = start;
        false
    }
}
