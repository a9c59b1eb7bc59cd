//! What a motion prompt leaves open, said: "jumps" says not how high, "spins" neither how far nor which way round.
//!
//! A model that removes all noise in a few steps makes the mean of all that open words may mean, which is none of it.
//! [`said_for`] draws one meaning for each clause, in words that the world's captions have for it
//! (`world::verbs`), so that the model has something definite to do, and another seed gives another motion.

use std::ops::Range;

use thrumask_nn::diffusion::noise::Noise;

use super::turn::{ROUND, bare, is_mark, ties, turns};

/// Words that say how far, high, much or often.
const AMOUNTS: &[&str] = &[
    "slowly", "steadily", "quickly", "fast", "far", "little", "bit", "way", "high", "low", "lot",
    "much", "greatly", "slightly", "half", "halfway", "full", "once", "twice", "time", "times",
    "creeps", "crawls", "speeds", "rushes", "races", "dashes",
];
/// Words that say where to.
const SIDES: &[&str] = &[
    "left",
    "right",
    "up",
    "down",
    "leftwards",
    "rightwards",
    "upwards",
    "downwards",
    "top",
    "bottom",
];
/// Words after which a clause is another one, or one that has to do with another object.
pub(super) const JOINING: &[&str] =
    &["while", "and", "as", "but", "then", "which", "that", "before", "after", "when", "or"];
/// Ways there and back.
const TO_AND_FRO: &[&str] = &[
    "side to side",
    "back and forth",
    "left and right",
    "right and left",
    "leftwards and rightwards",
    "rightwards and leftwards",
];
/// Verbs of straight ways.
const GOES: &[&str] = &[
    "moves", "goes", "travels", "slides", "heads", "drives", "rolls", "sails", "floats", "flies",
    "flutters", "swims", "walks", "runs", "trots", "marches", "drifts",
];

/// The prompt with one meaning for each clause that leaves open how far, how high, how much, how often or which way
/// round, which the seed decides. What the prompt says stays, word for word.
pub(crate) fn said_for(motion: &str, seed: u64) -> String {
    let noise = Noise::new(seed, "open words");
    let words: Vec<&str> = motion.split_whitespace().collect();
    let mut said: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
    // From the last clause on, so that places do not move.
    for (number, Range { start, end }) in clauses(&words).into_iter().enumerate().rev() {
        let clause: Vec<String> = words[start..end].iter().map(|&w| bare(w)).collect();
        let clause: Vec<&str> = clause.iter().map(String::as_str).collect();
        let mut draws = (0..2).map(|i| noise.uniform(2 * number as u64 + i));
        let mut pick = |of: &[&'static str]| {
            of[((draws.next().unwrap_or(0.0) * of.len() as f32) as usize).min(of.len() - 1)]
        };
        for (at, phrase) in missing(&clause, &mut pick).into_iter().rev() {
            // What follows a word stands before the comma behind it.
            let before = &mut said[start + at - 1];
            let marks = before.split_off(before.trim_end_matches(is_mark).len());
            *before = format!("{before} {phrase}{marks}");
        }
    }
    said.join(" ")
}

/// The clauses of a motion prompt's words, in order and without a gap.
pub(super) fn clauses(words: &[&str]) -> Vec<Range<usize>> {
    let mut start = 0;
    let ends = (0..words.len()).filter(|&i| i + 1 == words.len() || is_end(words, i));
    ends.map(|end| std::mem::replace(&mut start, end + 1)..end + 1).collect()
}

/// Whether a clause ends with word `i`.
fn is_end(words: &[&str], i: usize) -> bool {
    // "left and right", "jumps up and comes back down" are one motion.
    let goes_on = |word: &&str| {
        let word = bare(word);
        SIDES.contains(&word.as_str()) || ["forth", "comes"].contains(&word.as_str())
    };
    let next = bare(words[i + 1]);
    words[i].ends_with(is_mark)
        || JOINING.contains(&next.as_str()) && !words.get(i + 2).is_some_and(goes_on)
        || JOINING.contains(&bare(words[i]).as_str()) && !goes_on(&words[i + 1])
}

/// Whether a clause says where to: in "the left truck" and "the truck on the left" the side is part of a name.
fn has_side(clause: &[&str]) -> bool {
    let to = |i: usize| match clause[..i] {
        [.., before, "the"] => before == "to",
        ["the"] => false,
        _ => true,
    };
    (0..clause.len()).any(|i| SIDES.contains(&clause[i]) && to(i))
}

/// Phrases that a clause lacks, each with the number of words that stand before it, in order.
fn missing(
    clause: &[&str],
    pick: &mut impl FnMut(&[&'static str]) -> &'static str,
) -> Vec<(usize, &'static str)> {
    let has = |any: &[&str]| clause.iter().any(|word| any.contains(word));
    let said = |phrase: &str| format!(" {} ", clause.join(" ")).contains(&format!(" {phrase} "));
    let (amount, side, round) = (has(AMOUNTS), has_side(clause), has(ROUND));
    let end = clause.len();
    let only = |wanted: bool, phrase: &mut dyn FnMut() -> (usize, &'static str)| {
        if wanted { vec![phrase()] } else { Vec::new() }
    };
    if ties(clause) {
        return Vec::new();
    }
    if said("in a circle") || has(&["circles"]) {
        return only(!round, &mut || (end, pick(&["clockwise", "counterclockwise"])));
    }
    if said("in a zigzag") || has(&["zigzags", "weaves"]) {
        let ways = &["to the left", "to the right", "up", "down"];
        return only(!side, &mut || (end, pick(ways)));
    }
    let both = TO_AND_FRO.iter().any(|phrase| said(phrase));
    if both || !side && has(&["swings", "sways"]) {
        return only(!amount, &mut || (end, pick(&["once", "twice"])));
    }
    if turns(clause) {
        let mut phrases = Vec::new();
        if !round {
            let late = clause.last().is_some_and(|word| ["slowly", "quickly"].contains(word));
            phrases.push((end - usize::from(late), pick(&["clockwise", "counterclockwise"])));
        }
        if !amount {
            phrases.push((end, pick(&["slowly", "quickly"])));
        }
        return phrases;
    }
    if amount {
        return Vec::new();
    }
    let last = clause.last().copied().unwrap_or_default();
    let hop = if last == "up" && end > 1 { clause[end - 2] } else { last };
    if ["jumps", "hops", "leaps"].contains(&hop) {
        return vec![(end, pick(&["high", "a little"]))];
    }
    if ["grows", "expands", "shrinks"].contains(&last) {
        return vec![(end, pick(&["a lot", "slightly"]))];
    }
    if ["bigger", "larger", "smaller"].contains(&last) && end > 1 {
        return vec![(end - 1, pick(&["much", "slightly"]))];
    }
    let falls = has(&["falls", "drops", "plunges", "tumbles"]);
    if falls || side && has(&["pushed", "knocked"]) {
        return vec![(end, pick(&["a little", "a long way"]))];
    }
    only(side && has(GOES), &mut || (end, pick(&["slowly", "steadily", "quickly"])))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use thrumask_nn::text::{Vocabulary, vocabulary::words_of};

    use super::*;
    use crate::world::{self, Action, SceneObject, Split, WorldConfig};

    /// All that any of many seeds makes of a prompt.
    fn meanings(motion: &str) -> BTreeSet<String> {
        (0..64).map(|seed| said_for(motion, seed)).collect()
    }

    #[track_caller]
    fn check(motion: &str, meant: &[&str]) {
        let meant: BTreeSet<String> = meant.iter().map(|&m| m.to_owned()).collect();
        assert_eq!(meanings(motion), meant);
    }

    #[test]
    fn each_open_clause_gets_one_of_its_meanings() {
        check("The car jumps.", &["The car jumps high.", "The car jumps a little."]);
        check(
            "The car moves away to the right.",
            &["slowly", "steadily", "quickly"]
                .map(|how| format!("The car moves away to the right {how}."))
                .each_ref()
                .map(String::as_str),
        );
        check(
            "The boat gets bigger.",
            &["The boat gets much bigger.", "The boat gets slightly bigger."],
        );
        check("The dog shrinks.", &["The dog shrinks a lot.", "The dog shrinks slightly."]);
        check("The star falls.", &["The star falls a little.", "The star falls a long way."]);
        check(
            "The bus slowly spins.",
            &["The bus slowly spins clockwise.", "The bus slowly spins counterclockwise."],
        );
        check(
            "The plane swings from side to side.",
            &[
                "The plane swings from side to side once.",
                "The plane swings from side to side twice.",
            ],
        );
        check(
            "The bird goes around in a circle.",
            &["clockwise", "counterclockwise"]
                .map(|way| format!("The bird goes around in a circle {way}."))
                .each_ref()
                .map(String::as_str),
        );
        check(
            "The left truck zigzags.",
            &["to the left", "to the right", "up", "down"]
                .map(|way| format!("The left truck zigzags {way}."))
                .each_ref()
                .map(String::as_str),
        );
        check("The lamp swings.", &["The lamp swings once.", "The lamp swings twice."]);
        check(
            "The robot twirls halfway around.",
            &[
                "The robot twirls halfway around clockwise.",
                "The robot twirls halfway around counterclockwise.",
            ],
        );
        check(
            "The no.5 moves up!",
            &[
                "The no.5 moves up slowly!",
                "The no.5 moves up steadily!",
                "The no.5 moves up quickly!",
            ],
        );
        check(
            "The car is no.1 and jumps...",
            &["The car is no.1 and jumps high...", "The car is no.1 and jumps a little..."],
        );
        assert_eq!(meanings("The fish zigzags.").len(), 4);
        assert_eq!(meanings("The truck spins.").len(), 4);
        assert_eq!(meanings("The ball bumps into the star, which is pushed up.").len(), 2);
    }

    #[test]
    fn clauses_are_told_apart_and_drawn_each_for_itself() {
        let both = meanings("The truck jumps, while the bird spins slowly and the cat drives up.");
        assert_eq!(both.len(), 2 * 2 * 3, "{both:?}");
        assert!(both.contains(
            "The truck jumps high, while the bird spins clockwise slowly and the cat drives up quickly."
        ));
        assert_eq!(meanings("The rocket flies up, then spins clockwise.").len(), 3 * 2);
        assert_eq!(said_for("The car jumps.", 7), said_for("The car jumps.", 7));
    }

    #[test]
    fn what_is_said_or_cannot_be_open_stays() {
        for motion in [
            "The car jumps high.",
            "The car stays where it is.",
            "The bird passes behind the bus, which waits.",
            "The dog chases the cat.",
            "The car is pushed to the left a little.",
            "The cat jumps up and comes back down.",
            "Snow falls a bit.",
            "The dog runs to the tree.",
            "",
        ] {
            check(motion, &[motion]);
        }
    }

    #[test]
    fn of_the_worlds_prompts_only_the_open_ones_change_and_all_words_are_known() {
        let vocabulary = Vocabulary::new(world::words()).unwrap();
        let (mut changed, mut missed) = (0, Vec::new());
        for index in 0..400 {
            let scene = world::scene(&WorldConfig::default(), Split::Train, index).unwrap();
            let motion = &scene.plan.motion;
            let said = said_for(motion, index);
            assert!(vocabulary.unknown_words(&said).is_empty(), "{said}");
            let mut rest = words_of(&said).into_iter();
            assert!(words_of(motion).iter().all(|w| rest.any(|r| r == *w)), "{motion} / {said}");
            assert_eq!(said_for(&said, index + 1), said, "nothing is left open");
            let open = scene.objects.iter().any(|object| object.open);
            assert!(open || said == *motion, "{motion} / {said}");
            // "jumps up and comes back down" has no amount; what is chased says how far the chaser goes.
            let told =
                |o: &SceneObject| o.open && ![Action::Jump, Action::Chase].contains(&o.action);
            if scene.objects.iter().any(told) && said == *motion {
                missed.push(said.clone());
            }
            changed += usize::from(said != *motion);
        }
        assert!(missed.is_empty(), "{missed:#?}");
        assert!(changed > 100, "{changed}");
    }
}
