//! Which objects turn about themselves, and which way round, by their prompts.

use thrumask_core::placement::Turn;

/// Words that say which way round.
pub(super) const ROUND: &[&str] = &["clockwise", "counterclockwise", "anticlockwise"];
/// Verbs of turning about oneself.
const SPINS: &[&str] =
    &["spins", "rotates", "twirls", "whirls", "revolves", "pirouettes", "gyrates", "swivels"];
/// Words that say that "turns" is about itself.
const TURNED: &[&str] = &[
    "around",
    "turn",
    "once",
    "twice",
    "halfway",
    "clockwise",
    "counterclockwise",
    "anticlockwise",
];
/// What ties a motion to another object.
const OTHERS: &[&str] =
    &["behind", "into", "past", "around", "towards", "toward", "with", "between"];
/// Words with which an object is named.
const NAMING: &[&str] = &["the", "a", "an", "it", "its", "them", "each", "one"];

pub(super) fn is_mark(c: char) -> bool {
    matches!(c, ',' | '.' | ';' | ':' | '!' | '?')
}

/// A word without what is written behind it, in small letters.
pub(super) fn bare(word: &str) -> String {
    word.trim_end_matches(is_mark).to_lowercase()
}

/// Whether a clause ties its motion to another object: "goes around the star" does, "turns halfway around" does not.
pub(super) fn ties(clause: &[&str]) -> bool {
    let named = |i: usize| clause.get(i + 1).is_some_and(|next| NAMING.contains(next));
    (0..clause.len()).any(|i| OTHERS.contains(&clause[i]) && (clause[i] != "around" || named(i)))
}

/// Whether something turns about itself in a clause.
pub(super) fn turns(clause: &[&str]) -> bool {
    let turns = |i: usize| match clause[i] {
        verb if SPINS.contains(&verb) => true,
        "turns" => clause[i + 1..].iter().any(|word| TURNED.contains(word)),
        _ => false,
    };
    !ties(clause) && (0..clause.len()).any(turns)
}

/// Which way round what a prompt is of turns about itself, if it does.
pub(crate) fn turn_in(prompt: &str) -> Option<Turn> {
    let words: Vec<String> = prompt.split_whitespace().map(bare).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    turns(&words).then(|| match (has(&ROUND[..1]), has(&ROUND[1..])) {
        (true, false) => Turn::Clockwise,
        (false, true) => Turn::Counterclockwise,
        _ => Turn::Either,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{self, Action, Split, WorldConfig};

    #[test]
    fn turns_are_told_from_ways() {
        for (prompt, turn) in [
            ("The red car spins.", Some(Turn::Either)),
            ("The scarlet truck whirls counterclockwise.", Some(Turn::Counterclockwise)),
            ("The dog twirls anticlockwise.", Some(Turn::Counterclockwise)),
            ("The boat slowly rotates in place clockwise.", Some(Turn::Clockwise)),
            ("The cat turns halfway around, counterclockwise.", Some(Turn::Counterclockwise)),
            ("The bus turns around.", Some(Turn::Either)),
            ("The bus turns left.", None),
            ("The bus turns around the corner.", None),
            ("The ball moves in a circle clockwise.", None),
            ("The spinning top rests.", None),
        ] {
            assert_eq!(turn_in(prompt), turn, "{prompt}");
        }
    }

    #[test]
    fn in_the_world_they_are_the_spins() {
        for index in 0..400 {
            let scene = world::scene(&WorldConfig::default(), Split::Train, index).unwrap();
            for (object, prompt) in scene.objects.iter().zip(&scene.plan.objects) {
                let told = turn_in(&prompt.prompt).is_some();
                assert_eq!(told, object.action == Action::Spin, "{}", prompt.prompt);
            }
        }
    }
}
