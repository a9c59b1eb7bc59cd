//! Which objects turn about themselves, which way round and how far, by their prompts.

use std::f32::consts::TAU;

use thrumask_core::{
    ObjectPrompt,
    placement::{Turn, Way},
};

use super::open::clauses;

/// Words that say which way round.
pub(super) const ROUND: &[&str] = &["clockwise", "counterclockwise", "anticlockwise"];
/// Verbs of turning about oneself.
pub(super) const SPINS: &[&str] =
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
/// Words that say how far something turns, in full turns; the first of this list that is said counts. How fast it does stands last:
/// what turns slowly does not get as far.
const FAR: [(&str, f32); 9] = [
    ("quarter", 0.25),
    ("half", 0.5),
    ("halfway", 0.5),
    ("twice", 2.0),
    ("full", 1.0),
    ("once", 1.0),
    ("all", 1.0),
    ("slowly", 0.5),
    ("quickly", 1.0),
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

/// How an object turns about itself, if its prompt says that it does. What it leaves open may stand in the motion prompt
/// as a network reads it, in the clause with the object's name.
pub(crate) fn turn_of(object: &ObjectPrompt, motion: &str) -> Option<Turn> {
    let own = turn_in(&object.prompt)?;
    let name = bare_words(&object.name);
    let words: Vec<&str> = motion.split_whitespace().collect();
    let mut said = clauses(&words).into_iter().filter_map(|clause| {
        let clause = words[clause].join(" ");
        let spoken_of = bare_words(&clause).windows(name.len().max(1)).any(|part| *part == name);
        turn_in(&clause).filter(|_| spoken_of)
    });
    let said = said.next().unwrap_or(own);
    let way = if own.way == Way::Either { said.way } else { own.way };
    Some(Turn { way, angle: own.angle.or(said.angle) })
}

/// How what a text is of turns about itself, if it does.
fn turn_in(text: &str) -> Option<Turn> {
    let words = bare_words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let has = |any: &[&str]| words.iter().any(|word| any.contains(word));
    let way = match (has(&ROUND[..1]), has(&ROUND[1..])) {
        (true, false) => Way::Clockwise,
        (false, true) => Way::Counterclockwise,
        _ => Way::Either,
    };
    let far = FAR.iter().find(|(word, _)| has(&[word]));
    turns(&words).then(|| Turn { way, angle: far.map(|(_, turns)| turns * TAU) })
}

pub(super) fn bare_words(text: &str) -> Vec<String> {
    text.split_whitespace().map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::said_for, *};
    use crate::world::{self, Action, Split, WorldConfig};

    /// Way, and angle in full turns.
    fn told(turn: Option<Turn>) -> Option<(Way, Option<f32>)> {
        turn.map(|turn| (turn.way, turn.angle.map(|angle| angle / TAU)))
    }

    #[test]
    fn turns_are_told_from_ways() {
        use Way::*;
        for (prompt, turn) in [
            ("The red car spins.", Some((Either, None))),
            ("The scarlet truck whirls counterclockwise.", Some((Counterclockwise, None))),
            ("The dog twirls anticlockwise twice.", Some((Counterclockwise, Some(2.0)))),
            ("The boat slowly rotates in place clockwise.", Some((Clockwise, Some(0.5)))),
            ("The boat slowly rotates a full turn.", Some((Either, Some(1.0)))),
            ("The bird quickly spins.", Some((Either, Some(1.0)))),
            (
                "The cat turns halfway around, counterclockwise.",
                Some((Counterclockwise, Some(0.5))),
            ),
            ("The bus turns around.", Some((Either, None))),
            ("The bus turns left.", None),
            ("The bus turns around the corner.", None),
            ("The ball moves in a circle clockwise.", None),
            ("The spinning top rests.", None),
        ] {
            assert_eq!(told(turn_in(prompt)), turn, "{prompt}");
        }
    }

    #[test]
    fn what_a_prompt_leaves_open_stands_in_the_motion_prompt() {
        let motion = "The left car spins clockwise slowly, while the right car spins counterclockwise \
                      quickly and the car moves up.";
        let of = |name: &str, prompt: &str| {
            told(turn_of(&ObjectPrompt { name: name.into(), prompt: prompt.into() }, motion))
        };
        let (half, full) = (Some(0.5), Some(1.0));
        assert_eq!(of("left car", "The car spins."), Some((Way::Clockwise, half)));
        assert_eq!(of("right car", "The red car spins."), Some((Way::Counterclockwise, full)));
        assert_eq!(of("left car", "The car spins once."), Some((Way::Clockwise, full)));
        assert_eq!(of("bus", "The bus spins once."), Some((Way::Either, full)));
        assert_eq!(of("left car", "The car moves up."), None);
    }

    #[test]
    fn in_the_world_they_are_the_spins() {
        for index in 0..400 {
            let scene = world::scene(&WorldConfig::default(), Split::Train, index).unwrap();
            for (object, prompt) in scene.objects.iter().zip(&scene.plan.objects) {
                let told = turn_of(prompt, &said_for(&scene.plan.motion, index));
                let spins = object.action == Action::Spin;
                assert_eq!(told.is_some(), spins, "{}", prompt.prompt);
                // Nothing is left open of what a network reads.
                let whole = |turn: Turn| turn.way != Way::Either && turn.angle.is_some();
                assert!(told.is_none_or(whole), "{}", scene.plan.motion);
            }
        }
    }
}
