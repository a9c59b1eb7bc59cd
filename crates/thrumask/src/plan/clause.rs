//! Reading clauses: what joins them, what stands before the subject, subjects and predicates.

use super::company::{actors_in_phrases, companions};
use super::complement::is_moving;
use super::lexicon::{Form, LEXICON, NounClass};
use super::reader::Reader;
use super::token::Token;
use super::tree::{Clause, Link, Noun, Phrase, Pronoun};
use super::verb_phrase::Said;

/// Conjunctions between clauses.
const CONJUNCTIONS: [&str; 18] = [
    "while",
    "whereas",
    "as",
    "and",
    "but",
    "or",
    "when",
    "until",
    "because",
    "so",
    "though",
    "although",
    "once",
    "before",
    "after",
    "then",
    "meanwhile",
    "if",
];
/// Conjunctions that make their clause depend on another one.
pub(super) const SUBORDINATE: [&str; 7] = ["while", "as", "when", "once", "before", "after", "if"];

/// Reads all clauses of a caption. Words that fit nowhere are stepped over.
pub(super) fn parse(tokens: &[Token]) -> Vec<Clause> {
    let mut reader = Reader { tokens, at: 0, depth: 0, in_subject: false };
    let mut clauses: Vec<Clause> = Vec::new();
    while reader.at < tokens.len() {
        let start = reader.at;
        let link = reader.link();
        if reader.at < tokens.len() && !reader.clause(link, &mut clauses) {
            reader.at = reader.at.max(start + 1);
        }
    }
    clauses
}

impl Reader<'_> {
    /// Steps over punctuation and conjunctions; returns them as they will be written again.
    fn link(&mut self) -> String {
        let mut mark = "";
        let mut words: Vec<&str> = Vec::new();
        loop {
            let word = self.peek(0);
            match word {
                "." | "!" | "?" => (mark, words) = (".", Vec::new()),
                ";" | ":" if mark != "." => mark = ";",
                "," if mark.is_empty() && words.is_empty() => mark = ",",
                "," | ";" | ":" | "so" | "meanwhile" | "or" => {}
                // "After landing, the bird ...": a participle of the subject to come.
                _ if self.verb_at(1).is_some_and(|verb| verb.form == Form::Ing)
                    && words.is_empty()
                    && SUBORDINATE.contains(&word) =>
                {
                    break;
                }
                _ if CONJUNCTIONS.contains(&word) => words.push(word),
                _ if self.sees(&["at", "the", "same", "time"]) => self.at += 3,
                _ => break,
            }
            self.at += 1;
            self.take(&["that"]);
        }
        // "The dog runs; and the cat sleeps": the mark says it all.
        let front = if words.is_empty() { "" } else { " " };
        format!("{mark}{front}{}", words.join(" "))
    }

    /// Reads one clause, or one more predicate of the clause before; `false` if nothing fits.
    fn clause(&mut self, link: String, clauses: &mut Vec<Clause>) -> bool {
        self.opening();
        if self.elliptic(&link, clauses) {
            return true;
        }
        let mut before = Vec::new();
        let mut lead = Said::default();
        let mut lead_actions = Vec::new();
        self.leads(&mut before, &mut lead, &mut lead_actions);
        let there = self.peek(0) == "there" && self.helper_at(1);
        if there {
            self.at += 2;
            self.take(&["also"]);
        } else if self.continues(&link, clauses) {
            return true;
        }
        let mut subjects = self.subjects();
        if subjects.is_empty() {
            return false;
        }
        // "In the background a dog runs": the side is the subject's.
        for subject in &mut subjects {
            subject.side = subject.side.or(lead.side);
        }
        // "A bird and a boat both hurry down"
        if subjects.len() > 1 && matches!(self.peek(0), "both" | "all") && self.verb_at(1).is_some()
        {
            self.at += 1;
        }
        let mut said = Said::default();
        if self.predicate_starts(0, there) || self.helper_at(0) {
            self.predicates(&mut said);
        }
        if let [subject] = subjects.as_mut_slice() {
            subject.side = subject.side.or(said.side);
            subject.phrases.append(&mut said.phrases);
        }
        for subject in &mut subjects {
            subject.modifiers.extend(said.modifiers.iter().cloned());
        }
        lead_actions.append(&mut said.actions);
        let place = lead.phrases.pop().zip(lead_actions.last()).map(|(place, action)| {
            let traits = LEXICON.traits(action.head.lemma());
            let moving = is_moving(&place.preposition, &place.noun, traits);
            Phrase { moving, ..place }
        });
        let company = companions(&mut lead_actions);
        let opens = clauses.is_empty() || link.starts_with(['.', ';']);
        let fronted =
            opens && SUBORDINATE.iter().any(|word| link.split(' ').any(|part| part == *word));
        let with = actors_in_phrases(&mut subjects);
        clauses.push(Clause { link, before, place, subjects, actions: lead_actions, fronted });
        clauses.extend(with);
        clauses.extend(company);
        true
    }

    /// A predicate without a subject of its own belongs to the clause before.
    fn continues(&mut self, link: &str, clauses: &mut [Clause]) -> bool {
        let Some(last) = clauses.last_mut() else { return false };
        if !self.predicate_starts(0, true) || self.noun_then_verb() || link.starts_with(['.', ';'])
        {
            return false;
        }
        let mut said = Said::default();
        if !self.predicates(&mut said) {
            return false;
        }
        let joint = Link::of(link);
        if let Some(first) = said.actions.first_mut() {
            first.link = joint;
        }
        last.actions.append(&mut said.actions);
        if let [subject] = last.subjects.as_mut_slice() {
            subject.side = subject.side.or(said.side);
        }
        true
    }

    /// One or several coordinated subjects.
    pub(super) fn subjects(&mut self) -> Vec<Noun> {
        let mut subjects = Vec::new();
        let both = self.sees(&["both"]) && {
            let start = self.at;
            self.at += 1;
            let coordinated = self.noun(true).is_some() && self.peek(0) == "and";
            self.at = start;
            coordinated
        };
        if both {
            self.at += 1;
        }
        let Some(first) = self.subject() else { return subjects };
        subjects.push(first);
        loop {
            let start = self.at;
            let comma = self.take(&[","]);
            let and = self.take(&["and"]) || self.take(&["or"]);
            let more = if comma || and { self.subject() } else { None };
            let listed = and || matches!(self.peek(0), "," | "and");
            match more {
                // "A dog, a cat jumps" is not a list: only an "and" makes one.
                Some(noun) if listed => subjects.push(noun),
                _ => {
                    self.at = start;
                    break;
                }
            }
        }
        // "the red and the blue car": the first takes the noun of the second.
        for i in (1..subjects.len()).rev() {
            let (front, back) = subjects.split_at_mut(i);
            if let (Some(bare), Some(full)) = (front.last_mut(), back.first())
                && bare.pronoun == Some(Pronoun::One)
                && bare.text == "one"
                && full.pronoun.is_none()
            {
                bare.pronoun = None;
                bare.text = full.text.clone();
                bare.singular = full.singular.clone();
                bare.class = full.class;
            }
        }
        subjects
    }

    /// A noun phrase with its relative clauses and participles.
    pub fn subject(&mut self) -> Option<Noun> {
        let mut noun = self.noun(true)?;
        loop {
            let start = self.at;
            let comma = self.take(&[","]);
            let relative = self.take_any(&["that", "which", "who"]).is_some();
            let ing = self.verb_at(0).is_some_and(|verb| verb.form == Form::Ing)
                || (LEXICON.is_adverb(self.peek(0))
                    && self.verb_at(1).is_some_and(|verb| verb.form == Form::Ing));
            let passive = self.peek(1) == "by"
                && LEXICON
                    .verb_forms(self.peek(0))
                    .iter()
                    .any(|verb| verb.form == Form::Participle);
            let mut said = Said::default();
            let outer = std::mem::replace(&mut self.in_subject, true);
            let read = (relative || ing || passive) && self.predicate(Link::And, &mut said);
            self.in_subject = outer;
            if !read {
                self.at = start;
                return Some(noun);
            }
            // "a tank with two fish swimming around": the fish swim.
            if let (true, Some(last)) = (ing && !comma, noun.phrases.last_mut())
                && last.preposition == "with"
                && matches!(
                    last.noun.class,
                    NounClass::Person | NounClass::Animal | NounClass::Thing
                )
            {
                last.noun.actions.append(&mut said.actions);
                continue;
            }
            noun.side = noun.side.or(said.side);
            noun.phrases.append(&mut said.phrases);
            noun.modifiers.append(&mut said.modifiers);
            noun.actions.append(&mut said.actions);
            // The comma that closes the relative clause, when the main verb follows it.
            let open = self.at;
            if self.take(&[","]) && !self.predicate_starts(0, false) {
                self.at = open;
            }
            if self.peek(0) == "and" && self.verb_at(1).is_some_and(|verb| verb.form == Form::Ing) {
                self.at += 1;
            }
        }
    }
}
