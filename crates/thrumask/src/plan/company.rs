//! Clauses for things that do something within the clause of another one.

use super::tree::{Action, Clause, Noun, Part, Phrase};

/// "drives left with a truck following it": a clause for the truck, and no phrase.
pub(super) fn companions(actions: &mut [Action]) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for action in actions {
        let with = |part: &Part| {
            matches!(part, Part::Phrase(Phrase { preposition, noun, .. })
                if preposition == "with" && !noun.actions.is_empty())
        };
        while let Some(at) = action.parts.iter().position(with) {
            if let Part::Phrase(Phrase { mut noun, .. }) = action.parts.remove(at) {
                let actions = std::mem::take(&mut noun.actions);
                clauses.push(clause_of(noun, actions));
            }
        }
    }
    clauses
}

/// A clause of its own for a noun that does something in another one.
fn clause_of(noun: Noun, actions: Vec<Action>) -> Clause {
    let (link, before) = (" while".to_string(), Vec::new());
    Clause { link, before, place: None, subjects: vec![noun], actions, fronted: false }
}

/// Clauses for the nouns in phrases of the subjects that do something themselves: "a man with a
/// dog running beside him".
pub(super) fn actors_in_phrases(subjects: &mut [Noun]) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for phrase in subjects.iter_mut().flat_map(|noun| &mut noun.phrases) {
        if phrase.noun.actions.is_empty() {
            continue;
        }
        let actions = std::mem::take(&mut phrase.noun.actions);
        let noun = Noun { determiner: Some("the".to_string()), ..phrase.noun.clone() };
        clauses.push(clause_of(noun, actions));
    }
    clauses
}
