//! Clauses that leave out what another one said: "and so does the cat", "the dog too", "the car moves left, the boat
//! right", "two things drop: the bird and the ball".

use super::lexicon::LEXICON;
use super::opening::THINGS;
use super::reader::{NEGATED, Reader, side_of};
use super::tree::{Action, Clause, Head, Link, Noun, Part};
use super::verb_phrase::Said;

/// What stands for the same predicate.
const SAME: [&[&str]; 16] = [
    &["does", "too"],
    &["do", "too"],
    &["does", "so", "too"],
    &["does", "so"],
    &["do", "so"],
    &["does", "the", "same"],
    &["does", "the", "same", "thing"],
    &["do", "the", "same"],
    &["does", "likewise"],
    &["do", "likewise"],
    &["does"],
    &["do"],
    &["too"],
    &["as", "well"],
    &["likewise"],
    &["also"],
];
/// What stands for its opposite, beside the helpers.
const NOT: [&[&str]; 4] = [&["does", "not"], &["do", "not"], &["is", "not"], &["are", "not"]];
/// Where to, or which way round, in one word.
const WAYS: [&str; 17] = [
    "left",
    "right",
    "up",
    "down",
    "upward",
    "upwards",
    "downward",
    "downwards",
    "leftward",
    "leftwards",
    "rightward",
    "rightwards",
    "forward",
    "backward",
    "clockwise",
    "counterclockwise",
    "anticlockwise",
];
/// Words behind which another clause stands.
const JOINTS: [&str; 5] = ["and", "while", "but", "whereas", "then"];

impl Reader<'_> {
    /// Reads a clause whose verb stands in the one before; `false`, with the cursor where it was, if there is none.
    pub(super) fn elliptic(&mut self, link: &str, clauses: &mut Vec<Clause>) -> bool {
        let start = self.at;
        let Some(model) = clauses.last().map(said).filter(|actions| !actions.is_empty()) else {
            return false;
        };
        let link = link.trim_end_matches(" as").to_owned();
        if let Some(subjects) = self.listed(clauses) {
            if let Some(last) = clauses.last_mut() {
                last.subjects = subjects;
            }
            return true;
        }
        let found = self.turned(&model).or_else(|| {
            self.at = start;
            self.stood_for(&link, &model).or_else(|| {
                self.at = start;
                self.gapped(&model)
            })
        });
        let Some((subjects, actions)) = found else {
            self.at = start;
            return false;
        };
        let (before, link) = (Vec::new(), if link.is_empty() { " and".to_owned() } else { link });
        clauses.push(Clause { link, before, place: None, subjects, actions, fronted: false });
        true
    }

    /// Whether a clause ends at the cursor.
    fn ends(&self) -> bool {
        !self.word_ahead(0) || JOINTS.contains(&self.peek(0)) || self.peek(0) == "as"
    }

    /// "so does the cat", "nor does the dog (move)", "as does the ball", "not the bird".
    fn turned(&mut self, model: &[Action]) -> Option<(Vec<Noun>, Vec<Action>)> {
        let before = self.at.checked_sub(1).map_or("", |at| self.tokens[at].lower.as_str());
        if before == "but" && self.take(&["not"]) {
            let subjects = self.subjects();
            let whole = !subjects.is_empty() && self.ends();
            return whole.then(|| (subjects, model.iter().map(negative).collect()));
        }
        let not = self.take_any(&["neither", "nor"]).is_some();
        if !(not || matches!(before, "so" | "as")) || !self.helper_at(0) {
            return None;
        }
        self.at += 1;
        let subjects = self.subjects();
        if subjects.is_empty() {
            return None;
        }
        let mut own = Said::default();
        if not && !self.ends() && self.predicates(&mut own) {
            return Some((subjects, own.actions.iter().map(negative).collect()));
        }
        self.take_any(&["too"]);
        let again = |action: &Action| if not { negative(action) } else { action.clone() };
        self.ends().then(|| (subjects, model.iter().map(again).collect()))
    }

    /// "the dog too", "the star does the same", "the cat doesn't", "the star does neither", "then the cat".
    fn stood_for(&mut self, link: &str, model: &[Action]) -> Option<(Vec<Noun>, Vec<Action>)> {
        let subjects = self.subjects();
        if subjects.is_empty() {
            return None;
        }
        let after = self.at;
        let mut stands = |words: &[&str]| {
            self.at = after;
            self.take(words) && self.ends()
        };
        let still = ["neither", "nothing"]
            .iter()
            .any(|word| ["does", "do"].iter().any(|does| stands(&[does, word])));
        if still {
            let (text, moving) = ("still".to_owned(), true);
            let parts = vec![Part::Word { text, moving }];
            let head = Head::Active("stay".to_owned());
            return Some((
                subjects,
                vec![Action { link: Link::And, before: Vec::new(), head, parts }],
            ));
        }
        if NOT.iter().any(|words| stands(words)) || NEGATED.iter().any(|(word, ..)| stands(&[word]))
        {
            return Some((subjects, model.iter().map(negative).collect()));
        }
        let bare: &[&str] = &[];
        let next = link.ends_with("then").then_some(&bare);
        let same = SAME.iter().chain(next).find(|words| stands(words))?;
        // "The dog doesn't jump, but the cat does."
        let again = |action: &Action| match same {
            ["does" | "do"] => positive(action),
            _ => action.clone(),
        };
        Some((subjects, model.iter().map(again).collect()))
    }

    /// "the boat right", "the right one slowly down", "the bus to the left", "the ship from left to right".
    fn gapped(&mut self, model: &[Action]) -> Option<(Vec<Noun>, Vec<Action>)> {
        let action = model.last().filter(|action| action.parts.iter().any(is_way))?;
        let Head::Active(_) = action.head else { return None };
        let words = || (0..).map(|i| self.peek(i)).take_while(|word| !word.is_empty());
        let ends: Vec<usize> = (words().enumerate())
            .filter(|(i, word)| !self.word_ahead(*i) || JOINTS.contains(word))
            .map(|(i, _)| i)
            .chain([words().count()])
            .collect();
        let adverb = |i: usize| LEXICON.is_adverb(self.peek(i)) && !WAYS.contains(&self.peek(i));
        let (way, end) = ends.into_iter().find_map(|end| {
            let mut way = (1..end).rev().find(|&i| !adverb(i))?;
            if !WAYS.contains(&self.peek(way)) {
                return None;
            }
            if way > 2 && (self.peek(way - 2), self.peek(way - 1)) == ("to", "the") {
                way -= 2;
            } else if way > 3 && (self.peek(way - 3), self.peek(way - 1)) == ("from", "to") {
                way -= 3;
            } else if self.peek(way - 1) == "the" {
                return None;
            }
            while way > 1 && adverb(way - 1) {
                way -= 1;
            }
            Some((way, end))
        })?;
        let until = self.at + way;
        let mut who =
            Reader { tokens: &self.tokens[..until], at: self.at, depth: 0, in_subject: false };
        let subjects = who.subjects();
        if subjects.is_empty() || who.at < until || subjects.iter().any(|n| !n.actions.is_empty()) {
            return None;
        }
        let word = |i: usize| Part::Word { text: self.peek(i).to_owned(), moving: true };
        let parts = (way..end).map(word).collect();
        let (head, before) = (action.head.clone(), Vec::new());
        self.at += end;
        Some((subjects, vec![Action { link: Link::And, before, head, parts }]))
    }

    /// "Two things drop: the bird and the ball": who they are.
    fn listed(&mut self, clauses: &[Clause]) -> Option<Vec<Noun>> {
        let colon = self.at.checked_sub(1).is_some_and(|at| self.tokens[at].lower == ":");
        let [subject] = clauses.last()?.subjects.as_slice() else { return None };
        let things =
            subject.is_plural() && THINGS.contains(&format!("{}s", subject.singular).as_str());
        if !colon || !things {
            return None;
        }
        let start = self.at;
        let subjects = self.subjects();
        let whole = subjects.len() > 1 && matches!(self.peek(0), "" | "." | "!" | ";");
        if !whole {
            self.at = start;
        }
        whole.then_some(subjects)
    }
}

/// What is said of the subjects of a clause.
fn said(clause: &Clause) -> Vec<Action> {
    match clause.subjects.as_slice() {
        [subject] if clause.actions.is_empty() => subject.actions.clone(),
        _ => clause.actions.clone(),
    }
}

/// Whether a part says where to.
fn is_way(part: &Part) -> bool {
    match part {
        Part::Word { text, .. } => text.split(' ').any(|word| WAYS.contains(&word)),
        Part::Phrase(phrase) => side_of(&phrase.noun.text).is_some(),
        _ => false,
    }
}

fn negative(action: &Action) -> Action {
    let head = match &action.head {
        Head::Active(lemma) => {
            let [one, many] = ["doesn't", "don't"].map(str::to_owned);
            Head::Helped { one, many, lemma: lemma.clone() }
        }
        other => other.clone(),
    };
    Action { head, ..action.clone() }
}

fn positive(action: &Action) -> Action {
    let head = match &action.head {
        Head::Helped { lemma, .. } => Head::Active(lemma.clone()),
        other => other.clone(),
    };
    Action { head, ..action.clone() }
}

#[cfg(test)]
mod tests {
    use crate::plan::{Planner, RulePlanner};

    /// The motion prompt.
    #[track_caller]
    fn check(caption: &str, motion: &str, prompts: &[&str]) {
        let plan = RulePlanner.plan(caption).unwrap();
        assert_eq!(plan.motion, motion);
        let said: Vec<&str> = plan.objects.iter().map(|o| o.prompt.as_str()).collect();
        assert_eq!(said, prompts);
    }

    #[test]
    fn what_another_does_too_is_said_again() {
        check(
            "The red car moves to the left, and so does the blue boat.",
            "The car moves to the left, and the boat moves to the left.",
            &["The red car moves to the left.", "The blue boat moves to the left."],
        );
        for caption in [
            "The bird flies up, and the plane does too.",
            "The bird flies up, and the plane does the same.",
            "The bird flies up, and the plane too.",
            "The bird flies up, and the plane as well.",
        ] {
            let motion = "The bird flies up, and the plane flies up.";
            check(caption, motion, &["The bird flies up.", "The plane flies up."]);
        }
        check(
            "First the dog jumps, then the cat.",
            "The dog jumps, then the cat jumps.",
            &["The dog jumps.", "The cat jumps."],
        );
    }

    #[test]
    fn what_another_does_not_do_is_said_so() {
        check(
            "The black cat does not move, and neither does the dog.",
            "The cat does not move, and the dog does not move.",
            &["The black cat does not move.", "The dog does not move."],
        );
        check(
            "The cat stays still, nor does the dog move.",
            "The cat stays still, the dog doesn't move.",
            &["The cat stays still.", "The dog doesn't move."],
        );
        let jumps = ["The dog jumps.", "The cat doesn't jump."];
        check(
            "While the dog jumps, the cat doesn't.",
            "While the dog jumps, the cat doesn't jump.",
            &jumps,
        );
        check(
            "The dog jumps, but not the cat.",
            "The dog jumps, but the cat doesn't jump.",
            &jumps,
        );
        check(
            "The cat doesn't jump but the dog does.",
            "The cat doesn't jump but the dog jumps.",
            &["The cat doesn't jump.", "The dog jumps."],
        );
        check(
            "The plane heads up, and the star does nothing.",
            "The plane heads up, and the star stays still.",
            &["The plane heads up.", "The star stays still."],
        );
    }

    #[test]
    fn ways_without_a_verb_have_that_of_the_clause_before() {
        check(
            "The car goes left, the boat slowly right.",
            "The car goes left, the boat goes slowly right.",
            &["The car goes left.", "The boat goes slowly right."],
        );
        check(
            "The car moves to the left and the boat to the right.",
            "The car moves to the left and the boat moves to the right.",
            &["The car moves to the left.", "The boat moves to the right."],
        );
        check(
            "The duck paddles from right to left and the boat from left to right.",
            "The duck paddles from right to left and the boat paddles from left to right.",
            &["The duck paddles from right to left.", "The boat paddles from left to right."],
        );
        check(
            "The left car drives up and the right one down.",
            "The left car drives up and the right car drives down.",
            &["The car drives up.", "The car drives down."],
        );
        // Where it is, not where it goes.
        check(
            "The dog jumps and the cat on the right sleeps.",
            "The dog jumps and the cat sleeps.",
            &["The dog jumps.", "The cat sleeps."],
        );
    }

    #[test]
    fn lists_after_a_colon_say_who() {
        check(
            "Two things drop: the bird and the ball.",
            "The bird and the ball drop.",
            &["The bird drops.", "The ball drops."],
        );
    }
}
