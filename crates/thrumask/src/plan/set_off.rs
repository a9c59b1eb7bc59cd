//! Reading what a comma sets off behind a verb, and relative clauses: ", its tail fluttering", ", counterclockwise", "the
//! cat, which jumps".

use super::lexicon::{Form, LEXICON, NounClass};
use super::reader::{Reader, side_of};
use super::tree::{Action, Link, Part, Phrase};
use super::verb_phrase::Said;

impl Reader<'_> {
    /// ", its tail fluttering in the wind"
    pub fn aside(&mut self, action: &mut Action) -> bool {
        let start = self.at;
        self.at += 1;
        self.take(&["with"]);
        if let Some(noun) = self.noun(false)
            && (noun.class == NounClass::Part
                || matches!(noun.determiner.as_deref(), Some("its" | "his" | "her" | "their")))
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

    /// ", counterclockwise" or ", to the left" at the end of a clause.
    pub fn afterthought(&mut self, action: &mut Action) -> bool {
        let word = self.peek(1);
        let goal = (word, self.peek(2)) == ("to", "the") && side_of(self.peek(3)).is_some();
        let length = if goal { 3 } else { 1 };
        let end = self.peek(1 + length);
        let ends = matches!(end, "" | "." | ";" | "," | "!" | "while" | "as" | "and");
        let manner = LEXICON.is("manner", word) && LEXICON.verb_forms(word).is_empty();
        let last = (goal || manner) && ends;
        if last {
            self.at += 1;
            self.words(action, length);
        }
        last
    }

    /// ", which runs away" after an object.
    pub fn set_off(&mut self, action: &mut Action) -> bool {
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
    pub fn relative(&mut self, action: &mut Action, set_off: bool) -> bool {
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
}
