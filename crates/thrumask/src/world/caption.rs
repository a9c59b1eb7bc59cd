//! The grammar of captions, and for each caption the exact plan: motion prompt, names and object
//! prompts in the paper's form.
//!
//! A caption says one clause for each object. Colours, sizes, scenery and needless positions stay
//! out of the motion prompt; sides stay in it where they tell two objects of one kind apart.

use thrumask_core::{ObjectPrompt, PromptPlan};

use super::backdrop::Family;
use super::cast::Role;
use super::rng::Rng;
use super::scene::SceneObject;
use super::verbs::{OTHER, opposite, predicate};
use super::vocabulary::{Kind, SizeClass};

/// How an object is called.
#[derive(Debug, Clone)]
struct Noun {
    /// "car", "puppy".
    word: &'static str,
    /// Colour word, when the caption gives the colour.
    color: Option<&'static str>,
    /// Size word, when the caption gives the size.
    size: Option<&'static str>,
    /// "left" or "right", when the caption gives the side.
    side: Option<&'static str>,
    /// Whether the side tells it apart from another object of its kind.
    side_needed: bool,
    /// "the left car" rather than "the car on the left".
    side_first: bool,
    /// "the dog, which is black," rather than "the black dog", at its first mention as a subject.
    color_apart: bool,
    /// "a car" rather than "the car" at its first mention.
    indefinite: bool,
}

impl Noun {
    /// The noun phrase without article, with every word the caption gives but the side.
    fn described(&self) -> String {
        [self.size, self.color, Some(self.word)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// The noun phrase of the caption. `first`: not mentioned before; `subject`: stands before its
    /// own predicate.
    fn phrase(&self, first: bool, subject: bool) -> String {
        let apart = self.color_apart && first && subject && self.color.is_some();
        let article = if first && self.indefinite { "a" } else { "the" };
        let front = self.side.filter(|_| self.side_first);
        let color = self.color.filter(|_| !apart);
        let words = [front, self.size, color, Some(self.word)];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let article = if article == "a" && words.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            article
        };
        let mut phrase = format!("{article} {words}");
        if let Some(side) = self.side.filter(|_| !self.side_first) {
            phrase.push_str(&format!(" on the {side}"));
        }
        if let (true, Some(color)) = (apart, self.color) {
            phrase.push_str(&format!(", which is {color},"));
        }
        phrase
    }

    /// The name in the plan: the word with what tells it apart.
    fn name(&self) -> String {
        match self.side.filter(|_| self.side_needed) {
            Some(side) => format!("{side} {}", self.word),
            None => self.word.to_string(),
        }
    }
}

/// Writes a caption for a cast and its plan. `turned`: with the directions of those objects opposite.
pub(super) fn write(
    roles: &[Role],
    objects: &[SceneObject],
    family: Family,
    turned: &[usize],
    rng: &mut Rng,
) -> PromptPlan {
    let nouns = nouns(roles, objects, rng);
    let mut predicates: Vec<String> =
        roles.iter().zip(objects).map(|(role, object)| predicate(role, run(object), rng)).collect();
    for &i in turned {
        predicates[i] = opposite(&predicates[i]);
    }
    let clauses = clauses(roles, &nouns, &predicates, rng);
    let relation = relation(roles, objects, &nouns, rng);
    let joiners = joiners(&clauses, rng);
    let said =
        Said { nouns: &nouns, predicates: &predicates, clauses: &clauses, joiners: &joiners };
    let caption = with_scenery(said.caption(relation), family, rng);
    let prompt = |i: usize| {
        let predicate = filled(&predicates[i], roles[i].other, |j| nouns[j].phrase(false, false));
        sentence(&format!("the {} {predicate}", nouns[i].described()))
    };
    let object = |i: usize| ObjectPrompt { name: nouns[i].name(), prompt: prompt(i) };
    PromptPlan {
        caption: sentence(&caption),
        motion: sentence(&said.motion()),
        objects: (0..roles.len()).map(object).collect(),
    }
}

/// The way from an object's first to its last place.
fn run(object: &SceneObject) -> [f32; 2] {
    match (object.poses.first(), object.poses.last()) {
        (Some(a), Some(b)) => [b.at[0] - a.at[0], b.at[1] - a.at[1]],
        _ => [0.0, 0.0],
    }
}

/// Upper case at the start and a full stop at the end.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// The predicate with the other object's phrase in its place.
fn filled(predicate: &str, other: Option<usize>, phrase: impl Fn(usize) -> String) -> String {
    match other {
        Some(j) if predicate.contains(OTHER) => predicate.replacen(OTHER, &phrase(j), 1),
        _ => predicate.to_string(),
    }
}

/// Where an object starts, `[x, y]`.
fn start(object: &SceneObject) -> [f32; 2] {
    object.poses.first().map_or([0.5, 0.5], |p| p.at)
}

fn nouns(roles: &[Role], objects: &[SceneObject], rng: &mut Rng) -> Vec<Noun> {
    let twin_of = |i: usize| (0..roles.len()).find(|&j| j != i && roles[j].kind == roles[i].kind);
    let mut words: Vec<&'static str> = Vec::new();
    let mut nouns = Vec::new();
    let indefinite = rng.chance(0.15);
    for i in 0..roles.len() {
        let twin = twin_of(i);
        let word = match twin {
            Some(j) if j < i => words[j],
            _ => word(roles[i].kind, rng),
        };
        words.push(word);
        let x = start(&objects[i])[0];
        let side_of = |right: bool| if right { "right" } else { "left" };
        // A needless side is given only where anyone would agree with it.
        let side = match twin {
            Some(j) => Some(side_of(x > start(&objects[j])[0])),
            None if rng.chance(0.13) && !(0.36..=0.64).contains(&x) => Some(side_of(x > 0.5)),
            None => None,
        };
        let size = match objects[i].size {
            SizeClass::Small if rng.chance(0.3) => Some(rng.pick(&["small", "little", "small"])),
            SizeClass::Large if rng.chance(0.4) => Some(rng.pick(&["large", "big", "large"])),
            _ => None,
        };
        nouns.push(Noun {
            word,
            color: rng.chance(0.82).then(|| roles[i].color.word()),
            size,
            side,
            side_needed: twin.is_some(),
            side_first: rng.chance(0.4),
            color_apart: rng.chance(0.07),
            indefinite: indefinite && side.is_none(),
        });
    }
    nouns
}

/// The word for a kind, now and then a synonym.
fn word(kind: Kind, rng: &mut Rng) -> &'static str {
    let synonym = match kind {
        Kind::Truck => "lorry",
        Kind::Boat => "ship",
        Kind::Plane => "airplane",
        Kind::Dog => "puppy",
        Kind::Cat => "kitten",
        other => other.word(),
    };
    if rng.chance(0.15) { synonym } else { kind.word() }
}

/// One clause of the caption.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Clause {
    /// Index of the subject.
    subject: usize,
    /// The object that the predicate names.
    other: Option<usize>,
    /// Whether the named object's own predicate follows as ", which …", in place of a clause.
    with_which: bool,
}

fn clauses(roles: &[Role], nouns: &[Noun], predicates: &[String], rng: &mut Rng) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut i = 0;
    while i < roles.len() {
        let other = roles[i].other.filter(|_| predicates[i].contains(OTHER));
        // "…, which runs to the left" needs the noun it belongs to right before it.
        let near = other == Some(i + 1) && (nouns[i + 1].side.is_none() || nouns[i + 1].side_first);
        let with_which = near && rng.chance(0.4);
        clauses.push(Clause { subject: i, other, with_which });
        i += if with_which { 2 } else { 1 };
    }
    clauses
}

/// Now and then, a place of the first object beside the second, to say at its first mention.
fn relation(
    roles: &[Role],
    objects: &[SceneObject],
    nouns: &[Noun],
    rng: &mut Rng,
) -> Option<&'static str> {
    if roles.len() < 2 || !rng.chance(0.1) {
        return None;
    }
    let plain = nouns[..2].iter().all(|n| n.side.is_none() && !n.color_apart);
    let alone = roles[0].other.is_none() && roles[1].other.is_none();
    let (a, b) = (start(&objects[0]), start(&objects[1]));
    let d = [a[0] - b[0], a[1] - b[1]];
    match d {
        _ if !(plain && alone) => None,
        [x, y] if x.abs() > 0.25 && x.abs() > 1.5 * y.abs() => {
            Some(if x < 0.0 { "to the left of" } else { "to the right of" })
        }
        [x, y] if y.abs() > 0.25 && y.abs() > 1.5 * x.abs() => {
            Some(if y < 0.0 { "above" } else { "below" })
        }
        _ => None,
    }
}

/// What stands before each clause.
fn joiners(clauses: &[Clause], rng: &mut Rng) -> Vec<&'static str> {
    let n = clauses.len();
    let mut joiners = vec![""; n];
    match n {
        0 | 1 => {}
        2 if rng.chance(0.08) => (joiners[0], joiners[1]) = ("while ", ", "),
        2 => {
            joiners[1] = rng.pick(&[", while ", ", while ", " while ", " and ", ", and ", "; "]);
        }
        _ => {
            let (middle, last) = rng.pick(&[
                (", ", ", and "),
                (", ", " and "),
                (", while ", " and "),
                (", while ", ", and "),
                ("; ", "; "),
                (" and ", ", while "),
                (", ", ", while "),
            ]);
            joiners[1] = middle;
            for (i, joiner) in joiners.iter_mut().enumerate().skip(2) {
                *joiner = if i + 1 == n { last } else { ", " };
            }
        }
    }
    // "…chases the cat and the dog jumps" would read at first as if it chased both.
    for i in 1..n {
        if joiners[i] == " and " && clauses[i - 1].other.is_some() {
            joiners[i] = ", and ";
        }
    }
    joiners
}

/// The parts of a caption, of which two sentences are made.
struct Said<'a> {
    nouns: &'a [Noun],
    predicates: &'a [String],
    clauses: &'a [Clause],
    joiners: &'a [&'static str],
}

impl Said<'_> {
    fn joined(&self, mut clause: impl FnMut(&Clause) -> String) -> String {
        let mut text = String::new();
        let mut open = false;
        for (c, joiner) in self.clauses.iter().zip(self.joiners) {
            // A subordinate clause ends with a comma before what follows.
            if open && !joiner.starts_with([',', ';']) {
                text.push(',');
            }
            text.push_str(joiner);
            text.push_str(&clause(c));
            open = c.with_which;
        }
        text
    }

    fn caption(&self, relation: Option<&str>) -> String {
        let mut seen = vec![false; self.nouns.len()];
        self.joined(|c| {
            let noun = &self.nouns[c.subject];
            let mut text = noun.phrase(!std::mem::replace(&mut seen[c.subject], true), true);
            if let (0, Some(relation)) = (c.subject, relation) {
                let second = self.nouns[1].phrase(!std::mem::replace(&mut seen[1], true), false);
                text.push_str(&format!(" {relation} {second}"));
            }
            let first = c.other.is_some_and(|j| !std::mem::replace(&mut seen[j], true));
            let predicate = &self.predicates[c.subject];
            let named = |j: usize| self.nouns[j].phrase(first, false);
            text.push_str(&format!(" {}", filled(predicate, c.other, named)));
            self.push_which(&mut text, c);
            text
        })
    }

    fn motion(&self) -> String {
        let called = |j: usize| format!("the {}", self.nouns[j].name());
        self.joined(|c| {
            let predicate = filled(&self.predicates[c.subject], c.other, called);
            let mut text = format!("{} {predicate}", called(c.subject));
            self.push_which(&mut text, c);
            text
        })
    }

    fn push_which(&self, text: &mut String, c: &Clause) {
        if let (true, Some(j)) = (c.with_which, c.other) {
            text.push_str(&format!(", which {}", self.predicates[j]));
        }
    }
}

/// Now and then, the caption with a word on the background.
fn with_scenery(caption: String, family: Family, rng: &mut Rng) -> String {
    if !rng.chance(0.2) {
        return caption;
    }
    let place = match family {
        Family::Gradient => rng.pick(&["in front of a plain wall", "in the mist"]),
        Family::Meadow => {
            rng.pick(&["on the grass", "in a meadow", "under a blue sky", "on a green field"])
        }
        Family::Road => rng.pick(&["on a road", "on a grey road", "on the street"]),
        Family::Water => rng.pick(&["on the water", "in the blue water", "at sea"]),
        Family::Grid => rng.pick(&["in front of a tiled wall", "before a tiled wall"]),
        Family::Stripes => rng.pick(&["in front of a striped wall", "before a striped curtain"]),
        Family::Blobs => rng.pick(&["in front of a colourful wall", "before a colourful curtain"]),
        Family::Night => rng.pick(&["at night", "under a starry sky", "in the dark"]),
        Family::Room => rng.pick(&["in a room", "inside a house"]),
        Family::Beach => rng.pick(&["on the beach", "on the sand", "by the sea"]),
    };
    if rng.chance(0.5) { format!("{place}, {caption}") } else { format!("{caption} {place}") }
}
