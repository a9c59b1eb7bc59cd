//! Which of several boxes a name means: "left car", "second parrot", "red ball".
//!
//! A detector is asked for "car", since sides and numbers, which are counted from the left, tell it little. Of
//! the boxes that come back, objects of one kind share out those that fit, so that the sum over objects of these
//! is largest: how well the name fits, how far left the box lies among the others where the name says "left",
//! how near its place in the row is to the number that the name says, and how much of it has the colour that
//! the name says.

use thrumask_core::{ObjectPrompt, Picture};
use thrumask_nn::perception::grounding_dino::{intersection_over_union, suppressed};

use super::Detection;
use crate::plan::{ORDINALS, side_of};

/// Where the plan says that an object is, from -1 to 1: how far to the right, how far down.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Across(f32),
    Down(f32),
    Middle,
}

impl Side {
    /// The side that a word says, as the planner reads it; those of depth go by where things stand in a picture
    /// of the ground.
    fn of(word: &str) -> Option<Self> {
        Some(match side_of(word)? {
            "left" => Self::Across(-1.0),
            "right" => Self::Across(1.0),
            "top" | "back" => Self::Down(-1.0),
            "bottom" | "front" => Self::Down(1.0),
            _ => Self::Middle,
        })
    }
}

/// Colours by their words, in levels.
const COLOURS: [(&[&str], [u8; 3]); 14] = [
    (&["red", "crimson", "scarlet"], [200, 40, 40]),
    (&["orange", "amber"], [235, 140, 40]),
    (&["yellow", "gold", "golden", "blond", "blonde"], [230, 210, 70]),
    (&["green", "lime", "olive"], [60, 150, 60]),
    (&["cyan", "turquoise", "teal"], [50, 180, 180]),
    (&["blue", "navy", "indigo"], [50, 80, 200]),
    (&["light-blue"], [140, 180, 235]),
    (&["dark-blue"], [30, 40, 110]),
    (&["purple", "violet", "lavender"], [130, 70, 180]),
    (&["pink", "magenta"], [230, 130, 180]),
    (&["brown", "tan", "bronze", "copper", "maroon"], [125, 80, 50]),
    (&["black"], [25, 25, 25]),
    (&["white", "ivory", "beige"], [235, 235, 225]),
    (&["gray", "grey", "silver"], [130, 130, 130]),
];

/// Share of the union of two boxes that they have in common, from which on they are one thing.
const SAME: f32 = 0.7;
/// Boxes of a fit below this share of the best one are left out while there are enough.
const PLAUSIBLE: f32 = 0.5;
/// Fits above this share of the best one cannot be told apart by themselves.
const CLOSE: f32 = 0.8;
/// What a side or number counts, against a fit of 0 to 1.
const PLACE_WEIGHT: f32 = 2.0;
/// What a colour counts.
const COLOUR_WEIGHT: f32 = 0.5;
/// Levels that a colour may be off, in the middle of the three.
const NEAR_COLOUR: f32 = 70.0;

/// What an object is asked for by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// The name without sides and numbers, with a colour that only the prompt says: "red car".
    pub query: String,
    /// The last word of it.
    kind: String,
    side: Option<Side>,
    /// Which one from the left, from 0 on.
    place: Option<usize>,
    colour: Option<[u8; 3]>,
}

fn colour_of(word: &str) -> Option<[u8; 3]> {
    COLOURS.iter().find(|(words, _)| words.contains(&word)).map(|(_, colour)| *colour)
}

fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

impl Asked {
    /// From an object of a plan: "left car", of which the prompt says "The red car speeds away."
    pub fn of(object: &ObjectPrompt) -> Self {
        let mut name = words(&object.name);
        let (mut side, mut place) = (None, None);
        // What stands before other words tells which one; alone it is the name.
        while name.len() > 1 {
            let word = name[0].as_str();
            let said = Side::of(word);
            let number = ORDINALS.iter().position(|&ordinal| ordinal == word);
            if said.is_none() && number.is_none() && !["other", "another", "the"].contains(&word) {
                break;
            }
            side = side.or(said);
            place = place.or(number);
            name.remove(0);
        }
        let kind = name.last().cloned().unwrap_or_default();
        let prompt = words(&object.prompt);
        let told = name.iter().find_map(|word| colour_of(word));
        let colour = told.or_else(|| {
            let at = prompt.iter().position(|word| *word == kind)?;
            // Straight before the name, perhaps with another word between: "the red sports car".
            let before = prompt[at.saturating_sub(2)..at].iter().rev();
            let (word, colour) = before.filter_map(|w| Some((w, colour_of(w)?))).next()?;
            name.insert(0, word.clone());
            Some(colour)
        });
        Self { query: name.join(" "), kind, side, place, colour }
    }
}

/// How an object came by its box.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Choice {
    /// This one.
    Box(Detection),
    /// This one, of several with these fits that nothing tells apart.
    OneOf(Detection, Vec<f32>),
    /// All that fit are other objects.
    Taken,
    /// None fits.
    None,
}

/// The box of each object, from boxes that fit its name.
pub(super) fn choose(
    picture: &Picture,
    asked: &[Asked],
    candidates: &[Vec<Detection>],
) -> Vec<Choice> {
    let mut chosen = vec![Choice::None; asked.len()];
    let mut kinds: Vec<&str> = asked.iter().map(|a| a.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let group: Vec<usize> = (0..asked.len()).filter(|&i| asked[i].kind == kind).collect();
        let row = Row::new(picture, &group, candidates);
        let worth: Vec<Vec<Option<f32>>> =
            group.iter().map(|&i| row.worth(&asked[i], &candidates[i])).collect();
        let shares = share_out(&worth);
        let free = (0..row.boxes.len()).filter(|at| !shares.contains(&Some(*at)));
        let free: Vec<usize> = free.collect();
        for ((&i, share), worth) in group.iter().zip(&shares).zip(&worth) {
            let fit = |at: usize| row.fit(at, &candidates[i]);
            chosen[i] = match share {
                Some(at) => {
                    let own = Detection {
                        bounds: row.boxes[*at].bounds,
                        ..fit(*at).unwrap_or(row.boxes[*at])
                    };
                    let told = asked[i].side.is_some() || asked[i].place.is_some();
                    let rest = free.iter().filter_map(|&at| fit(at)).map(|d| d.fit);
                    let mut rest: Vec<f32> = rest.filter(|&fit| fit > CLOSE * own.fit).collect();
                    rest.insert(0, own.fit);
                    if told || rest.len() < 2 { Choice::Box(own) } else { Choice::OneOf(own, rest) }
                }
                None if worth.iter().any(Option::is_some) => Choice::Taken,
                None => Choice::None,
            };
        }
    }
    chosen
}

/// The boxes that objects of one kind share out.
struct Row {
    boxes: Vec<Detection>,
    /// How far each lies to the right and down among the others, -1 to 1.
    places: Vec<[f32; 2]>,
    /// Which one from the left each is.
    ranks: Vec<usize>,
    /// Of each, levels within it.
    levels: Vec<Vec<[u8; 3]>>,
}

impl Row {
    fn new(picture: &Picture, group: &[usize], candidates: &[Vec<Detection>]) -> Self {
        let all = group.iter().flat_map(|&i| candidates[i].iter().copied()).collect();
        let mut boxes = suppressed(all, |d: &Detection| d.fit, |d| d.bounds, SAME);
        let best = boxes.first().map_or(0.0, |d| d.fit);
        let enough = boxes.iter().filter(|d| d.fit >= PLAUSIBLE * best).count();
        boxes.truncate(enough.max(group.len()));
        let centre = |d: &Detection| {
            let [x0, y0, x1, y1] = d.bounds;
            [x0 + x1, y0 + y1].map(|v| v / 2.0)
        };
        let rank = |axis: usize| -> Vec<usize> {
            let mut order: Vec<usize> = (0..boxes.len()).collect();
            order.sort_by(|&a, &b| centre(&boxes[a])[axis].total_cmp(&centre(&boxes[b])[axis]));
            let place = |i: usize| order.iter().position(|&at| at == i).unwrap_or(0);
            (0..boxes.len()).map(place).collect()
        };
        let (across, down) = (rank(0), rank(1));
        let last = boxes.len().saturating_sub(1).max(1) as f32;
        let share =
            |rank: usize| if boxes.len() > 1 { 2.0 * rank as f32 / last - 1.0 } else { 0.0 };
        let places = across.iter().zip(&down).map(|(&x, &y)| [share(x), share(y)]).collect();
        let levels = boxes.iter().map(|d| levels_within(picture, d.bounds)).collect();
        Self { boxes, places, ranks: across, levels }
    }

    /// The candidate that is the box, if there is one.
    fn fit(&self, at: usize, candidates: &[Detection]) -> Option<Detection> {
        let same = |d: &&Detection| intersection_over_union(d.bounds, self.boxes[at].bounds) > SAME;
        candidates.iter().filter(same).max_by(|a, b| a.fit.total_cmp(&b.fit)).copied()
    }

    /// What each box is worth to an object; `None` where it does not fit its name.
    fn worth(&self, asked: &Asked, candidates: &[Detection]) -> Vec<Option<f32>> {
        let one = |at: usize| {
            let fit = self.fit(at, candidates)?.fit;
            let [x, y] = self.places[at];
            let side = match asked.side {
                Some(Side::Across(to)) => x * to,
                Some(Side::Down(to)) => y * to,
                Some(Side::Middle) => 1.0 - 2.0 * x.abs(),
                None => 0.0,
            };
            let place = asked.place.map_or(0.0, |place| {
                let last = self.boxes.len() - 1;
                1.0 - 2.0 * self.ranks[at].abs_diff(place.min(last)) as f32 / last.max(1) as f32
            });
            let colour = asked.colour.map_or(0.0, |colour| share_near(&self.levels[at], colour));
            Some(fit + PLACE_WEIGHT * (side + place) + COLOUR_WEIGHT * colour)
        };
        (0..self.boxes.len()).map(one).collect()
    }
}

/// Levels on a grid over the middle of a box.
fn levels_within(picture: &Picture, [x0, y0, x1, y1]: [f32; 4]) -> Vec<[u8; 3]> {
    const GRID: usize = 12;
    let size = picture.size();
    let along = |i: usize, a: f32, b: f32, n: usize| {
        let share = 0.2 + 0.6 * (i as f32 + 0.5) / GRID as f32;
        ((a + (b - a) * share).max(0.0) as usize).min(n.saturating_sub(1))
    };
    let places = (0..GRID * GRID)
        .map(|i| (along(i % GRID, x0, x1, size.width), along(i / GRID, y0, y1, size.height)));
    let level = |(x, y): (usize, usize)| {
        let at = 3 * (y * size.width + x);
        picture.rgb().get(at..at + 3).map(|rgb| [rgb[0], rgb[1], rgb[2]])
    };
    places.filter_map(level).collect()
}

/// The share of levels that are nearer to a colour than to any other that has a word, and near enough.
fn share_near(levels: &[[u8; 3]], colour: [u8; 3]) -> f32 {
    let far = |a: &[u8; 3], b: &[u8; 3]| {
        let square = |(a, b): (&u8, &u8)| (f32::from(*a) - f32::from(*b)).powi(2);
        (a.iter().zip(b).map(square).sum::<f32>() / 3.0).sqrt()
    };
    let is = |level: &&[u8; 3]| {
        let own = far(level, &colour);
        own < NEAR_COLOUR && COLOURS.iter().all(|(_, other)| far(level, other) >= own)
    };
    levels.iter().filter(is).count() as f32 / levels.len().max(1) as f32
}

/// Gives each object at most one box and each box to at most one object, so that the sum of their worth is
/// largest among those who get one: object by object, each by the exchange that gains most (the Hungarian
/// method). One that can have none goes without.
fn share_out(worth: &[Vec<Option<f32>>]) -> Vec<Option<usize>> {
    let count = worth.first().map_or(0, Vec::len);
    let mut own: Vec<Option<usize>> = vec![None; worth.len()];
    for new in 0..worth.len() {
        // What is gained when the new object, and then whoever has to move, leaves the last of them at a box.
        let mut gain: Vec<Option<f32>> = worth[new].clone();
        let mut before: Vec<Option<usize>> = vec![None; count];
        let owner = |at: usize| own.iter().position(|o| *o == Some(at));
        for _ in 0..worth.len() {
            for from in 0..count {
                let (Some(so_far), Some(other)) = (gain[from], owner(from)) else { continue };
                let left = worth[other][from].unwrap_or(0.0);
                for to in (0..count).filter(|&to| to != from) {
                    let Some(value) = worth[other][to] else { continue };
                    let all = so_far + value - left;
                    if gain[to].is_none_or(|known| all > known + 1e-6) {
                        (gain[to], before[to]) = (Some(all), Some(from));
                    }
                }
            }
        }
        let free = (0..count).filter(|&at| owner(at).is_none());
        let free = free.filter_map(|at| Some((at, gain[at]?)));
        let Some((mut at, _)) = free.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        while let Some(from) = before[at] {
            if let Some(other) = own.iter().position(|o| *o == Some(from)) {
                own[other] = Some(at);
            }
            at = from;
        }
        own[new] = Some(at);
    }
    own
}

#[cfg(test)]
mod tests;
