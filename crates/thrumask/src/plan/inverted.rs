//! Clauses that begin with where something goes ("up goes the rocket", "behind the bus swims a fish"), in the usual
//! order.

use super::lexicon::{Form, LEXICON};
use super::opening::{begins_clause, is_article, verb_is, word};
use super::token::Token;

/// Words that such a clause may begin with, beside prepositions.
const LEADS: [&str; 16] = [
    "up",
    "down",
    "away",
    "off",
    "out",
    "left",
    "right",
    "upward",
    "upwards",
    "downward",
    "downwards",
    "leftwards",
    "rightwards",
    "high",
    "low",
    "straight",
];
/// Prepositions that say when or with what, not where.
const ELSEWHERE: [&str; 12] = [
    "with", "without", "after", "before", "during", "since", "until", "like", "of", "for", "by",
    "as",
];
/// The most words before the verb.
const FAR: usize = 8;

/// A clause in the usual order, if it begins with where something goes: how many words, and they.
pub(super) fn inverted(tokens: &[Token]) -> Option<(usize, Vec<Token>)> {
    let window: Vec<&str> = (0..4).map(|i| word(tokens, i)).take_while(|w| !w.is_empty()).collect();
    let leads = LEADS.contains(window.first()?)
        || LEXICON.preposition(&window).is_some() && !ELSEWHERE.contains(&window[0]);
    let verb = (1..=FAR).find(|&i| {
        let one = verb_is(word(tokens, i), Form::ThirdPerson);
        // "over the waves" is no verb.
        (one || matches!(word(tokens, i), "go" | "come"))
            && is_article(word(tokens, i + 1))
            && !is_article(word(tokens, i - 1))
    })?;
    let plain = |t: &Token| t.is_word() && (!begins_clause(t) || t.lower == "and");
    if !leads || !tokens[..verb].iter().all(plain) {
        return None;
    }
    let ends = |t: &Token| {
        !t.is_word()
            || matches!(t.lower.as_str(), "and" | "while" | "as" | "but" | "which" | "that" | "who")
    };
    let end = |from: usize| tokens[from..].iter().position(ends).map_or(tokens.len(), |n| from + n);
    let mut last = end(verb + 1);
    if word(tokens, last) == "and" && matches!(word(tokens, verb), "go" | "come") {
        last = end(last + 1);
    }
    // "Past the city lights the car drives": the verb is yet to come.
    let later =
        |t: &Token| verb_is(&t.lower, Form::ThirdPerson) && LEXICON.noun(&t.lower).is_none();
    if last < verb + 3 || tokens[verb + 1..last].iter().any(later) {
        return None;
    }
    let order = (verb + 1..last).chain([verb]).chain(0..verb);
    Some((last, order.map(|i| tokens[i].clone()).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::{opening::described, token::tokenize};

    #[test]
    fn clauses_that_begin_with_the_way_are_turned() {
        for (caption, plain) in [
            (
                "Up goes the white rocket while a bus shrinks.",
                "the white rocket goes Up while a bus shrinks .",
            ),
            ("The dog sits and down comes a red star", "The dog sits and a red star comes down"),
            ("To the left runs a dog, which barks", "a dog runs To the left , which barks"),
            ("High into the air leaps a star.", "a star leaps High into the air ."),
            ("Behind the bus swims a fish", "a fish swims Behind the bus"),
            ("Out from behind the truck comes a dog.", "a dog comes Out from behind the truck ."),
            (
                "Left goes the car, right goes the boat.",
                "the car goes Left , the boat goes right .",
            ),
            ("Up go the rocket and the ball", "the rocket and the ball go Up"),
        ] {
            let words: Vec<String> =
                described(&tokenize(caption)).into_iter().map(|t| t.text).collect();
            assert_eq!(words.join(" "), plain);
        }
    }

    #[test]
    fn what_is_in_order_stays() {
        for caption in [
            "Up in the sky a bird flies",
            "Down goes it",
            "Over the waves the boat sails",
            "Past the city lights the car drives",
            "With a splash comes the fish",
            "The left car follows the bus",
        ] {
            let words: Vec<String> =
                described(&tokenize(caption)).into_iter().map(|t| t.text).collect();
            assert_eq!(words.join(" "), caption);
        }
    }
}
