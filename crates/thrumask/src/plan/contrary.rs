//! Who goes the opposite way of another: "the truck goes the other way", "the two cats run in opposite directions".
//! Both are said with the ways themselves, since each object's prompt stands alone.

use super::inflect::with_s;
use super::lexicon::{Form, LEXICON, VerbForm};
use super::opening::{begins_clause, verb_is, word};
use super::reader::{BE, Reader};
use super::token::Token;
use super::tree::Noun;
use super::turn::SPINS;

/// Ways and their opposites; of several words for one way the first is said.
const WAYS: [(&[&str], &[&str]); 8] = [
    (&["left"], &["right"]),
    (&["up"], &["down"]),
    (&["upwards", "upward"], &["downwards", "downward"]),
    (&["leftwards", "leftward"], &["rightwards", "rightward"]),
    (&["forwards", "forward"], &["backwards", "backward"]),
    (&["top"], &["bottom"]),
    (&["east"], &["west"]),
    (&["clockwise"], &["counterclockwise", "anticlockwise", "counter-clockwise", "anti-clockwise"]),
];
/// The opposite of a way that was said.
const OTHER: [&[&str]; 9] = [
    &["in", "the", "opposite", "direction"],
    &["in", "the", "other", "direction"],
    &["the", "opposite", "direction"],
    &["the", "other", "way", "round"],
    &["the", "other", "way", "around"],
    &["the", "other", "way"],
    &["the", "opposite", "way"],
    &["does", "the", "opposite"],
    &["do", "the", "opposite"],
];
/// Opposite ways, whichever.
const APART: [&[&str]; 8] = [
    &["to", "opposite", "sides"],
    &["towards", "opposite", "sides"],
    &["toward", "opposite", "sides"],
    &["in", "opposite", "directions"],
    &["in", "different", "directions"],
    &["opposite", "ways"],
    &["their", "separate", "ways"],
    &["separate", "ways"],
];
/// Ways that depend on where each is: away from the other, or towards it.
pub(super) const BETWEEN: [(&[&str], bool); 7] = [
    (&["away", "from", "each", "other"], false),
    (&["away", "from", "one", "another"], false),
    (&["apart"], false),
    (&["towards", "each", "other"], true),
    (&["toward", "each", "other"], true),
    (&["towards", "one", "another"], true),
    (&["toward", "one", "another"], true),
];

/// The caption's words with the ways of each.
pub(super) fn told_apart(tokens: &[Token]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        let stands = |words: &&[&str]| words.iter().enumerate().all(|(i, w)| word(rest, i) == *w);
        if let Some(other) = OTHER.iter().find(|words| stands(words))
            && let Some(way) = opposite(&out)
        {
            out.extend(way);
            at += other.len();
            continue;
        }
        let apart = APART.iter().find(|words| stands(words)).map(|words| (words.len(), None));
        let between = || BETWEEN.iter().find(|(words, _)| stands(words));
        let found = apart.or_else(|| between().map(|(words, near)| (words.len(), Some(*near))));
        if let Some((length, near)) = found
            && let Some((start, said)) = both(&out, near)
        {
            out.truncate(start);
            out.extend(said);
            at += length;
            continue;
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// The opposite of the way that was said last, in the same form.
fn opposite(said: &[Token]) -> Option<Vec<Token>> {
    (0..said.len()).rev().find_map(|i| {
        let pair = WAYS.iter().find_map(|(one, other)| match said[i].lower.as_str() {
            here if one.contains(&here) => Some(other[0]),
            here if other.contains(&here) => Some(one[0]),
            _ => None,
        })?;
        let before = |n: usize| i.checked_sub(n).map_or("", |at| word(said, at));
        // "the left car", "on the right", "to the left of the tree" say where something is.
        let goal = before(1) == "the";
        if (goal && before(2) != "to") || word(said, i + 1) == "of" {
            return None;
        }
        let words: &[&str] = if goal { &["to", "the", pair] } else { &[pair] };
        Some(words.iter().map(|w| Token::new(w)).collect())
    })
}

/// Two that go opposite ways, each with its own: where their clause begins, and how it is said. `near` is whether they
/// come nearer to each other, if that matters: then both sides must be known.
fn both(said: &[Token], near: Option<bool>) -> Option<(usize, Vec<Token>)> {
    // "Make the car and the truck drive in opposite directions": what makes them is not said.
    let made = |s: usize| s > 0 && matches!(word(said, s - 1), "make" | "have" | "let");
    let begins =
        |s: &usize| *s == 0 || begins_clause(&said[s - 1]) || !said[s - 1].is_word() || made(*s);
    (0..said.len()).rev().filter(begins).find_map(|start| {
        let clause = &said[start..];
        let (subjects, verb) = subjects(clause);
        let predicate = predicate(&clause[verb..])?;
        let (who, sides): ([Vec<Token>; 2], _) = match subjects.as_slice() {
            [a, b] if !a.is_plural() && !b.is_plural() => {
                let alone = |part: &[Token]| matches!(subjects_of(part), Some(1));
                let joint = (1..verb).find(|&k| {
                    word(clause, k) == "and" && alone(&clause[..k]) && alone(&clause[k + 1..verb])
                })?;
                ([clause[..joint].to_vec(), clause[joint + 1..verb].to_vec()], [a.side, b.side])
            }
            [pair] if pair.is_plural() => (pair_of(&clause[..verb])?, [None; 2]),
            _ => return None,
        };
        let turned = match (sides, near) {
            ([Some("left"), Some("right")], _) => near == Some(true),
            ([Some("right"), Some("left")], _) => near != Some(true),
            // Pictures are told from left to right.
            (_, None) => false,
            _ => return None,
        };
        let round = predicate.iter().any(|t| LEXICON.verb_forms(&t.lower).iter().any(turns));
        let ways: [&[&str]; 2] = match round && near.is_none() {
            true => [&["clockwise"], &["counterclockwise"]],
            false => [&["to", "the", "left"], &["to", "the", "right"]],
        };
        let [a, b] = who;
        let way = |i: usize| ways[i].iter().map(|word| Token::new(word));
        let first = a.into_iter().chain(predicate.clone()).chain(way(usize::from(turned)));
        let second = b.into_iter().chain(predicate).chain(way(usize::from(!turned)));
        Some((
            start - usize::from(made(start)),
            first.chain([Token::new("and")]).chain(second).collect(),
        ))
    })
}

/// Whether opposite ways of it are ways round.
fn turns(verb: &VerbForm) -> bool {
    verb.lemma == "circle" || SPINS.contains(&with_s(&verb.lemma).as_str())
}

/// The subjects with which a clause begins, and how many words they are.
fn subjects(clause: &[Token]) -> (Vec<Noun>, usize) {
    let mut reader = Reader { tokens: clause, at: 0, depth: 0, in_subject: false };
    (reader.subjects(), reader.at)
}

/// How many subjects words are, if they are nothing else.
fn subjects_of(words: &[Token]) -> Option<usize> {
    let (nouns, length) = subjects(words);
    (length == words.len()).then_some(nouns.len())
}

/// What is said of two, said of one.
pub(super) fn predicate(words: &[Token]) -> Option<Vec<Token>> {
    let words = match word(words, 0) {
        "both" | "each" | "all" => &words[1..],
        _ => words,
    };
    if !words.iter().all(|t| t.is_word() && !begins_clause(t)) {
        return None;
    }
    // "slowly walk"
    let verb = words.iter().position(|t| !LEXICON.is_adverb(&t.lower))?;
    let one = match words[verb].lower.as_str() {
        be if BE.contains(&be) => "is".to_owned(),
        "have" => "has".to_owned(),
        base if verb_is(base, Form::Base) => with_s(base),
        verb if !LEXICON.verb_forms(verb).is_empty() => verb.to_owned(),
        _ => return None,
    };
    let mut words = words.to_vec();
    words[verb] = Token::new(&one);
    Some(words)
}

/// "the two red cats": one red cat and the other red cat; nothing unless they are two.
fn pair_of(words: &[Token]) -> Option<[Vec<Token>; 2]> {
    let named = words.iter().position(|t| {
        !matches!(t.lower.as_str(), "the" | "these" | "those" | "both" | "two" | "2" | "of")
    })?;
    let two = words[..named].iter().any(|t| matches!(t.lower.as_str(), "both" | "two" | "2"));
    let (last, between) = words[named..].split_last().filter(|_| two)?;
    let singular = Token::new(&LEXICON.noun(&last.lower)?.singular);
    let one = |which: &[&str]| {
        let which = which.iter().map(|w| Token::new(w));
        which.chain(between.iter().cloned()).chain([singular.clone()]).collect()
    };
    Some([one(&["one"]), one(&["the", "other"])])
}

#[cfg(test)]
mod tests {
    use super::{super::token::tokenize, told_apart};
    use crate::plan::{Planner, RulePlanner};

    #[test]
    fn the_opposite_way_is_said() {
        for (caption, plain) in [
            (
                "The car goes left and the truck goes the other way.",
                "The car goes left and the truck goes right .",
            ),
            (
                "The car goes to the left, the truck in the opposite direction",
                "The car goes to the left , the truck to the right",
            ),
            ("A plane flies up and a boat does the opposite", "A plane flies up and a boat down"),
            (
                "It spins anticlockwise, the left star spins the other way round",
                "It spins anticlockwise , the left star spins clockwise",
            ),
            (
                "The left car and the bus drive in opposite directions.",
                "The left car drives to the left and the bus drives to the right .",
            ),
            (
                "The star spins and the dog on the right and the cat on the left are running apart",
                "The star spins and the dog on the right is running to the right and the cat on the left is running to the left",
            ),
            (
                "The left fish and the right fish swim towards each other",
                "The left fish swims to the right and the right fish swims to the left",
            ),
            (
                "Two red cats slowly walk in opposite directions",
                "one red cat slowly walks to the left and the other red cat slowly walks to the right",
            ),
            (
                "The two robots pirouette in opposite directions",
                "one robot pirouettes clockwise and the other robot pirouettes counterclockwise",
            ),
            (
                "The two stars spin in opposite directions",
                "one star spins clockwise and the other star spins counterclockwise",
            ),
            (
                "Make the car and the bus drive in different directions",
                "the car drives to the left and the bus drives to the right",
            ),
            (
                "The dog and the cat go their separate ways",
                "The dog goes to the left and the cat goes to the right",
            ),
        ] {
            let tokens = told_apart(&tokenize(caption));
            let words: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(words.join(" "), plain);
        }
    }

    #[test]
    fn without_a_way_or_two_that_are_known_nothing_changes() {
        for caption in [
            "The truck goes the other way",
            "The left car waits and the truck goes the other way",
            "The cars drive in opposite directions",
            "Five cats run in different directions",
            "The cat and the dog walk towards each other",
            "The toy falls apart",
            "The cat and the dog live apart",
        ] {
            let tokens = told_apart(&tokenize(caption));
            let words: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
            assert_eq!(words.join(" "), caption);
        }
    }

    #[test]
    fn each_prompt_has_its_own_way() {
        let plan = RulePlanner.plan("The two cats run in opposite directions.").unwrap();
        assert_eq!(
            plan.motion,
            "The first cat runs to the left and the second cat runs to the right."
        );
        let said: Vec<&str> = plan.objects.iter().map(|o| o.prompt.as_str()).collect();
        assert_eq!(said, ["The cat runs to the left.", "The cat runs to the right."]);
        let plan = RulePlanner.plan("The robot spins clockwise, the star the other way.").unwrap();
        assert_eq!(plan.objects[1].prompt, "The star spins counterclockwise.");
    }
}
