//! What one object does to another, said of the other: a model of the world has read "the ball is pushed to the right"
//! and never "the cat sends the ball to the right".

use super::{lexicon::LEXICON, open::JOINING};

/// What sets another object in motion, in the third person.
const CAUSES: &str = "sends pushes shoves knocks kicks nudges throws hurls flings tosses propels launches thrusts bats";
/// What stands behind an object's name, beside what joins clauses.
const BEHIND: &str = ", . ; until a to towards toward along across over off out into left right up down upward downward \
    leftward rightward";

/// "… and sends the ball far to the right" as "… and the ball is pushed far to the right"; "the cat pushes the ball" as
/// "the cat crashes into the ball and the ball is pushed". Verbs that are no `unknown` words stay.
pub(super) fn pushed(words: Vec<String>, unknown: impl Fn(&String) -> bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let causes = is_one_of(CAUSES, &words[at]) && unknown(&words[at]);
        let Some(end) = causes.then(|| named(&words[at + 1..])).flatten() else {
            out.push(words[at].clone());
            at += 1;
            continue;
        };
        let name = &words[at + 1..][..end];
        // Behind "and", how the two meet may have been said.
        let met = out.windows(name.len()).any(|said| said == name);
        let goes_on = met && at > 0 && words[at - 1] == "and";
        if !goes_on {
            out.extend(["crashes", "into"].map(String::from));
            out.extend_from_slice(name);
            out.push("and".into());
        }
        out.extend_from_slice(name);
        out.extend(["is", "pushed"].map(String::from));
        at += 1 + end;
    }
    out
}

/// "the rocket is chased by the cat" as "the cat chases the rocket", and the same behind "and".
pub(super) fn active(words: Vec<String>, unknown: impl Fn(&String) -> bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    let mut at = 0;
    while at < words.len() {
        let word = |i: usize| words.get(i).map_or("", String::as_str);
        let done = DONE.iter().find(|(participle, _)| *participle == word(at + 1));
        let passive = matches!(word(at), "is" | "gets") && word(at + 2) == "by" && done.is_some();
        let who = named(words.get(at + 3..).unwrap_or_default()).filter(|_| passive);
        let tied = |whom: &std::ops::Range<usize>| {
            whom.end == out.len() || out.last().is_some_and(|word| word == "and")
        };
        let whom = who.and_then(|_| subject(&out)).filter(tied);
        let (Some((_, verb)), Some(who), Some(whom)) =
            (done.filter(|_| unknown(&words[at + 1])), who, whom)
        else {
            out.push(words[at].clone());
            at += 1;
            continue;
        };
        let named = out[whom.clone()].to_vec();
        if whom.end == out.len() {
            out.truncate(whom.start);
        }
        out.extend_from_slice(&words[at + 3..at + 3 + who]);
        out.extend(verb.split(' ').map(String::from));
        out.extend(named);
        at += 3 + who;
    }
    out
}

/// What is done to another object, and doing it.
const DONE: [(&str, &str); 8] = [
    ("chased", "chases"),
    ("followed", "follows"),
    ("pursued", "pursues"),
    ("hunted", "chases"),
    ("hit", "hits"),
    ("struck", "hits"),
    ("rammed", "crashes into"),
    ("tailed", "follows"),
];

/// Where the subject of the last clause is named.
fn subject(words: &[String]) -> Option<std::ops::Range<usize>> {
    let is = |i: usize, word: &str| words.get(i).is_some_and(|w| w == word);
    let joins =
        |&i: &usize| is_one_of(", . ; while as", &words[i]) || is(i, "and") && is(i + 1, "the");
    let start = (0..words.len()).rev().find(joins).map_or(0, |i| i + 1);
    let start = start + usize::from(is(start, "and"));
    let length = named(&words[start..])?;
    // "the dog runs": its name ends where its verb begins.
    let verb = (start + 2..start + length).find(|&i| !LEXICON.verb_forms(&words[i]).is_empty());
    Some(start..verb.unwrap_or(start + length))
}

fn is_one_of(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// How many of the words that follow name an object: "the ball", "the first dog", "the ball on the left".
pub(super) fn named(words: &[String]) -> Option<usize> {
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    if word(0) != "the" || word(1).is_empty() {
        return None;
    }
    // Behind "the" stands no way: "the left ball".
    let mut end = 2;
    while end < words.len() {
        if word(end) == "on" && word(end + 1) == "the" {
            end += 3;
            continue;
        }
        let leads = word(end) != "of" && LEXICON.preposition(&[word(end)]).is_some();
        let ends = leads || is_one_of(BEHIND, word(end)) || JOINING.contains(&word(end));
        if ends || LEXICON.is_adverb(word(end)) {
            break;
        }
        end += 1;
    }
    // What is said of it besides would be torn off.
    let more = matches!(word(end), "which" | "that");
    (!more).then_some(end.min(words.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_it_is_the_subject() {
        for (text, expected) in [
            (
                "the rocket rushes away to the left and is chased by the cat .",
                "the rocket rushes away to the left and the cat chases the rocket .",
            ),
            (
                "the star spins , and the left ball is rammed by the car while it jumps",
                "the star spins , and the car crashes into the left ball while it jumps",
            ),
            ("the dog is seen by the cat", "the dog is seen by the cat"),
        ] {
            let words = text.split(' ').map(String::from).collect();
            assert_eq!(active(words, |_| true).join(" "), expected);
        }
    }

    fn said(text: &str) -> String {
        let words = text.split(' ').map(String::from).collect();
        pushed(words, |word| word != "hits").join(" ")
    }

    #[test]
    fn who_is_pushed_is_the_subject() {
        for (text, expected) in [
            (
                "the cat crashes into the ball and sends the ball far to the right .",
                "the cat crashes into the ball and the ball is pushed far to the right .",
            ),
            (
                "the cat pushes the left ball up , while the bird falls .",
                "the cat crashes into the left ball and the left ball is pushed up , while the bird falls .",
            ),
            (
                "the dog kicks the ball on the left away",
                "the dog crashes into the ball on the left and the ball on the left is pushed away",
            ),
            (
                "the car knocks the first dog",
                "the car crashes into the first dog and the first dog is pushed",
            ),
            (
                "the cat jumps and shoves the ball",
                "the cat jumps and crashes into the ball and the ball is pushed",
            ),
            // Known words, and what has no other object.
            ("the cat hits the ball", "the cat hits the ball"),
            ("the cat pushes on", "the cat pushes on"),
            ("the cat pushes", "the cat pushes"),
            ("the cat pushes the ball which spins", "the cat pushes the ball which spins"),
        ] {
            assert_eq!(said(text), expected);
        }
    }
}
