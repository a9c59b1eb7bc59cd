//! Ways that depend on where things are: "the dog and the cat run towards each other", "the car drives away from the
//! star". A model of the world has read none of this; the first masks say which way it is.

use std::{borrow::Cow, ops::Range};

use thrumask_core::{LabelMap, ObjectPrompt};

use super::{
    contrary::{BETWEEN, predicate},
    lexicon::LEXICON,
    open::JOINING,
    token::Token,
    turn::{bare, bare_words, is_mark},
};

/// Each to where the other is.
const PAST: [(&[&str], bool); 2] =
    [(&["past", "each", "other"], true), (&["past", "one", "another"], true)];
/// To another object or away from it, whose name follows.
const TO: [(&[&str], bool); 4] = [
    (&["towards", "the"], true),
    (&["toward", "the"], true),
    (&["closer", "to", "the"], true),
    (&["away", "from", "the"], false),
];

/// An object that the first frame shows.
struct Known {
    /// The words of its name.
    name: Vec<String>,
    center: [f32; 2],
}

/// The motion prompt with such ways said for each object: across where they lie farther apart that way, else up and
/// down. What is said of objects that are not told apart by their names, or that the first frame does not show, stays.
pub(crate) fn with_ways<'a>(
    motion: &'a str,
    objects: &[ObjectPrompt],
    first: &LabelMap,
) -> Cow<'a, str> {
    let known = (1u8..).zip(objects).filter_map(|(id, object)| {
        Some(Known { name: bare_words(&object.name), center: first.center_of(id, 1)? })
    });
    let known: Vec<Known> = known.collect();
    let mut words: Vec<String> = motion.split_whitespace().map(str::to_owned).collect();
    let (mut at, mut changed) = (0, false);
    while at < words.len() {
        let bares: Vec<String> = words.iter().map(|word| bare(word)).collect();
        let text = Text { words: &words, bares: &bares, known: &known };
        match text.each_other(at).or_else(|| text.another(at)) {
            Some((place, mut said)) => {
                let marks = words[place.end - 1].trim_start_matches(|c| !is_mark(c)).to_owned();
                said.last_mut().into_iter().for_each(|last| last.push_str(&marks));
                at = place.start + said.len();
                words.splice(place, said);
                changed = true;
            }
            None => at += 1,
        }
    }
    if changed { Cow::Owned(words.join(" ")) } else { Cow::Borrowed(motion) }
}

/// A motion prompt.
struct Text<'a> {
    words: &'a [String],
    bares: &'a [String],
    known: &'a [Known],
}

/// Which words are replaced, and by what.
type Said = Option<(Range<usize>, Vec<String>)>;

impl<'a> Text<'a> {
    fn stands(&self, at: usize, phrase: &[&str]) -> bool {
        self.bares[at..].len() >= phrase.len()
            && phrase.iter().zip(&self.bares[at..]).all(|(a, b)| a == b)
    }

    /// Word `at` begins "towards each other", "apart", "past each other": what the two before it do, each for itself.
    fn each_other(&self, at: usize) -> Said {
        let mut phrases = BETWEEN.iter().chain(&PAST);
        let (phrase, near) = phrases.find(|(phrase, _)| self.stands(at, phrase))?;
        let (place, [a, b]) = (0..at).rev().find_map(|start| self.two(start, at))?;
        let said = self.each(&place, at, [a, b], [way(a, b, *near), way(b, a, *near)])?;
        Some((place.start..at + phrase.len(), said))
    }

    /// What two do who are named in `place`, up to word `at`, said of each with its own way.
    fn each(
        &self,
        place: &Range<usize>,
        at: usize,
        two: [&Known; 2],
        ways: [&'static [&'static str]; 2],
    ) -> Option<Vec<String>> {
        let tokens: Vec<Token> = self.words[place.end..at].iter().map(|w| Token::new(w)).collect();
        let does: Vec<String> = predicate(&tokens)?.into_iter().map(|t| t.text).collect();
        let alone = |i: usize| {
            let the = if place.start == 0 && i == 0 { "The" } else { "the" }.to_owned();
            let who = [the].into_iter().chain(two[i].name.clone());
            who.chain(does.clone()).chain(owned(ways[i])).collect::<Vec<_>>()
        };
        Some(alone(0).into_iter().chain(["and".to_owned()]).chain(alone(1)).collect())
    }

    /// Word `at` begins "towards the star" or "away from the star".
    fn another(&self, at: usize) -> Said {
        let (phrase, near) = TO.iter().find(|(phrase, _)| self.stands(at, phrase))?;
        let begin = at + phrase.len();
        let (other, end) = self.named(begin)?;
        if let Some((place, two)) = (0..at).rev().find_map(|start| self.two(start, at)) {
            let ways = two.map(|one| way(one, other, *near));
            return Some((place.start..end, self.each(&place, at, two, ways)?));
        }
        let subject = (0..at).rev().find_map(|i| {
            let (one, end) = self.named(i).filter(|(_, end)| *end <= at)?;
            self.is_one_clause(end..at).then_some(one)
        })?;
        Some((at..end, owned(way(subject, other, *near)).collect()))
    }

    /// The object whose name stands at a word, and the word behind its name.
    fn named(&self, at: usize) -> Option<(&'a Known, usize)> {
        let found = self.known.iter().filter(|one| self.bares[at..].starts_with(&one.name));
        found.max_by_key(|one| one.name.len()).map(|one| (one, at + one.name.len()))
    }

    /// "the dog and the cat", or "the two dogs", from a word on, of which something is said until word `at`.
    fn two(&self, start: usize, at: usize) -> Option<(Range<usize>, [&'a Known; 2])> {
        let (end, pair) = self.joined(start).or_else(|| self.plural(start))?;
        (end < at && self.is_one_clause(end..at)).then_some((start..end, pair))
    }

    fn joined(&self, start: usize) -> Option<(usize, [&'a Known; 2])> {
        let one = |at: usize| if self.stands(at, &["the"]) { self.named(at + 1) } else { None };
        let (a, end) = one(start)?;
        let (b, end) = if self.stands(end, &["and"]) { one(end + 1)? } else { return None };
        (!std::ptr::eq(a, b)).then_some((end, [a, b]))
    }

    fn plural(&self, start: usize) -> Option<(usize, [&'a Known; 2])> {
        let at = start + usize::from(self.stands(start, &["the"]));
        if at == start && start > 0 && self.bares[start - 1] == "the" {
            return None; // It begins a word before.
        }
        let noun = if self.stands(at, &["two"]) { self.bares.get(at + 1)? } else { return None };
        let singular = &LEXICON.noun(noun)?.singular;
        let which = |which: &str| {
            self.known
                .iter()
                .find(|one| matches!(&one.name[..], [w, n] if w == which && n == singular))
        };
        Some((at + 2, [which("first")?, which("second")?]))
    }

    /// Whether nothing among these words ends a clause or begins another.
    fn is_one_clause(&self, place: Range<usize>) -> bool {
        place.clone().all(|i| {
            !self.words[i].ends_with(is_mark) && !JOINING.contains(&self.bares[i].as_str())
        }) && place.start > 0
            && !self.words[place.start - 1].ends_with(is_mark)
    }
}

/// The way from one to another, or the opposite one, in the world's words.
fn way(one: &Known, other: &Known, near: bool) -> &'static [&'static str] {
    let sign = if near { 1.0 } else { -1.0 };
    let [x, y] = [0, 1].map(|axis| sign * (other.center[axis] - one.center[axis]));
    match (x.abs() >= y.abs(), x > 0.0, y > 0.0) {
        (true, true, _) => &["to", "the", "right"],
        (true, false, _) => &["to", "the", "left"],
        (false, _, true) => &["down"],
        (false, _, false) => &["up"],
    }
}

fn owned(words: &'static [&'static str]) -> impl Iterator<Item = String> {
    words.iter().map(|&word| word.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::{Planner, RulePlanner};
    use thrumask_core::{PromptPlan, Size};

    /// The plan of a caption, and a picture with the ids of its objects at these places.
    pub fn placed(caption: &str, places: &[(usize, usize)]) -> (PromptPlan, LabelMap) {
        let size = Size::new(16, 16);
        let mut labels = LabelMap::empty(size);
        for (id, &(x, y)) in (1u8..).zip(places) {
            labels.ids_mut()[y * size.width + x] = id;
        }
        (RulePlanner.plan(caption).unwrap(), labels)
    }

    /// What is said of the objects of a caption in such a picture.
    fn said(caption: &str, places: &[(usize, usize)]) -> String {
        let (plan, labels) = placed(caption, places);
        with_ways(&plan.motion, &plan.objects, &labels).into_owned()
    }

    const ACROSS: &[(usize, usize)] = &[(12, 3), (2, 5)];
    const UPRIGHT: &[(usize, usize)] = &[(7, 2), (8, 13)];
    const THREE: &[(usize, usize)] = &[(12, 3), (2, 5), (7, 4)];

    #[test]
    fn each_goes_where_the_other_is_or_away() {
        for (caption, places, expected) in [
            (
                "A red dog and a blue cat run towards each other.",
                ACROSS,
                "The dog runs to the left and the cat runs to the right.",
            ),
            (
                "The red car and the blue car slowly move apart.",
                ACROSS,
                "The first car slowly moves to the right and the second car slowly moves to the left.",
            ),
            (
                "The two dogs run away from each other.",
                UPRIGHT,
                "The first dog runs up and the second dog runs down.",
            ),
            (
                "The dog and the cat trade places while the star spins.",
                ACROSS,
                "The dog moves to the left and the cat moves to the right while the star spins.",
            ),
            (
                "The dog and the cat run away from the ball.",
                THREE,
                "The dog runs to the right and the cat runs to the left.",
            ),
            ("The car drives towards the star.", ACROSS, "The car drives to the left."),
            ("The car moves away from the star, then it spins.", UPRIGHT, "The car moves up, then"),
        ] {
            assert!(
                said(caption, places).starts_with(expected.trim_end_matches('.')),
                "{caption}: {}",
                said(caption, places)
            );
        }
    }

    #[test]
    fn what_is_not_known_stays() {
        for (caption, places) in [
            // The cat is not seen, who is meant is not known, nothing is said of another.
            ("The dog and the cat run towards each other.", &ACROSS[..1]),
            ("Two cats and the dog move apart.", ACROSS),
            ("The dog runs towards the tree.", &ACROSS[..1]),
            ("The dog runs to the left.", &ACROSS[..1]),
        ] {
            let plan = RulePlanner.plan(caption).unwrap();
            assert_eq!(said(caption, places), plan.motion, "{caption}");
        }
    }
}
