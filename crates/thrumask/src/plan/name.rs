//! What to call the objects: the noun alone where it is enough, else with its side, else counted.

use super::resolve::Entity;

/// Number words for objects that nothing else tells apart.
const COUNTING: [&str; 20] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
];

/// A name for each entity, unique among them.
pub(super) fn names(entities: &[Entity]) -> Vec<String> {
    let mut names = told_apart(entities);
    // Odd nouns ("first") can still meet in one name.
    for i in 1..names.len() {
        for rank in 1.. {
            if !names[..i].contains(&names[i]) {
                break;
            }
            names[i] = format!("{} {}", counted(rank), entities[i].text);
        }
    }
    names
}

fn told_apart(entities: &[Entity]) -> Vec<String> {
    (0..entities.len())
        .map(|i| {
            let entity = &entities[i];
            let namesakes: Vec<usize> =
                (0..entities.len()).filter(|&j| entities[j].text == entity.text).collect();
            if namesakes.len() == 1 {
                return entity.text.clone();
            }
            let same_side = |j: &&usize| entities[**j].side == entity.side;
            let rank = namesakes.iter().position(|&j| j == i).unwrap_or_default();
            let all_sided = namesakes.iter().all(|&j| entities[j].side.is_some());
            match entity.side {
                // Several on one side are counted on that side.
                Some(side) if all_sided || namesakes.iter().filter(same_side).count() == 1 => {
                    let peers: Vec<usize> =
                        namesakes.iter().copied().filter(|j| same_side(&j)).collect();
                    let rank = peers.iter().position(|&j| j == i).unwrap_or_default();
                    match peers.len() {
                        1 => format!("{side} {}", entity.text),
                        _ => format!("{} {side} {}", counted(rank), entity.text),
                    }
                }
                _ => format!("{} {}", counted(rank), entity.text),
            }
        })
        .collect()
}

/// "first" for 0; a plain number past the twentieth.
fn counted(rank: usize) -> String {
    COUNTING.get(rank).map_or_else(|| format!("number {}", rank + 1), ToString::to_string)
}
