//! Two of a kind, told apart as the world's captions do: "the first car" and "the second car" as the left and the right one,
//! as the first frame shows them. A model of the world has read of no first and second.

use std::borrow::Cow;

use thrumask_core::{LabelMap, ObjectPrompt};

use super::{
    reader::side_of,
    turn::{bare, bare_words},
};

/// How far apart two have to be to be told by their sides, as a share of the width.
const APART: f32 = 0.05;

/// The motion prompt with sides for the two of each kind that are numbered by order of mention. Where there are more of the
/// kind, or they have a side already, or one is not seen, or they are one above the other, it stays.
pub(crate) fn with_sides<'a>(
    motion: &'a str,
    objects: &[ObjectPrompt],
    first: &LabelMap,
) -> Cow<'a, str> {
    let names: Vec<Vec<String>> = objects.iter().map(|o| bare_words(&o.name)).collect();
    let place = |number: &str, noun: &[String]| {
        let named = |name: &Vec<String>| {
            name.split_first().is_some_and(|(n, rest)| n == number && rest == noun)
        };
        let id = names.iter().position(named)?;
        Some(first.center_of(id as u8 + 1, 1).map(|[x, _]| x))
    };
    let mut words: Vec<String> = motion.split_whitespace().map(str::to_owned).collect();
    let mut changed = false;
    for name in &names {
        let Some((number, noun)) = name.split_first().filter(|(number, _)| *number == "first")
        else {
            continue;
        };
        let alike = names.iter().filter(|name| name.ends_with(noun)).count();
        let sided = noun.first().is_none_or(|word| side_of(word).is_some());
        let (Some(Some(one)), Some(Some(two)), 2, false) =
            (place(number, noun), place("second", noun), alike, sided)
        else {
            continue;
        };
        if (one - two).abs() < APART * first.size().width as f32 {
            continue;
        }
        let sides = if one < two { ["left", "right"] } else { ["right", "left"] };
        for (number, side) in ["first", "second"].into_iter().zip(sides) {
            for at in 0..words.len().saturating_sub(noun.len()) {
                let here = &words[at..=at + noun.len()];
                if here[0] == number && here[1..].iter().zip(noun).all(|(w, n)| bare(w) == *n) {
                    words[at] = side.to_owned();
                    changed = true;
                }
            }
        }
    }
    if changed { Cow::Owned(words.join(" ")) } else { Cow::Borrowed(motion) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::facing::tests::placed;

    fn said(caption: &str, places: &[(usize, usize)]) -> String {
        let (plan, labels) = placed(caption, places);
        with_sides(&plan.motion, &plan.objects, &labels).into_owned()
    }

    #[test]
    fn two_of_a_kind_have_sides() {
        for (caption, places, expected) in [
            (
                "The red car follows the blue car; a star spins.",
                &[(12, 3), (2, 5), (8, 8)][..],
                "The right car follows the left car; the star spins.",
            ),
            (
                "A black hot air balloon rises, a white hot air balloon sinks.",
                &[(2, 3), (9, 3)],
                "The left hot air balloon rises, the right hot air balloon sinks.",
            ),
        ] {
            assert_eq!(said(caption, places), expected);
        }
    }

    #[test]
    fn others_stay_as_they_are() {
        for (caption, places) in [
            ("The red car spins and the blue car jumps.", &[(7, 2), (7, 12)][..]),
            ("The red car spins and the blue car jumps.", &[(7, 2)]),
            (
                "The red dog jumps, the blue dog spins and the white dog runs.",
                &[(2, 2), (7, 2), (12, 2)],
            ),
            (
                "A red car spins, a blue car jumps and a white car on the left rises.",
                &[(2, 2), (7, 2), (12, 2)],
            ),
            (
                "Two dogs on the left spin and one dog on the right jumps.",
                &[(2, 2), (7, 2), (12, 2)],
            ),
            ("The left car spins and the right car jumps.", &[(2, 2), (7, 2)]),
            ("The dog spins and the cat jumps.", &[(2, 2), (7, 2)]),
        ] {
            assert_eq!(said(caption, places), placed(caption, places).0.motion);
        }
    }
}
