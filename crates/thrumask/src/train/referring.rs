//! What a segmenter in training is asked for: pictures of the world with the names of some of their
//! objects, and of some that are not there.
//!
//! Most asks are the world's own prompts. The rest teach what captions outside of its grammar need:
//! several of one kind, told apart by place ("the left ball", "the middle ball", "the upper ball")
//! or counted from the left ("first ball", "second ball"), uncommon words, and absent objects.

use thrumask_core::{LabelMap, ObjectPrompt, Picture, PixelBox, Result, Size};

use super::{SegmenterTraining, draw::Draw};
use crate::world::{Color, Kind, Scene};

/// The stream that the choices about asks come from.
pub const STREAM: &str = "train/referring";

/// Words beyond the world's own that asks use.
pub const MORE_WORDS: [&str; 42] = [
    "first",
    "second",
    "third",
    "fourth",
    "middle",
    "central",
    "leftmost",
    "rightmost",
    "upper",
    "lower",
    "automobile",
    "vehicle",
    "taxi",
    "van",
    "pickup",
    "coach",
    "sailboat",
    "yacht",
    "jet",
    "aircraft",
    "airliner",
    "spaceship",
    "spacecraft",
    "parrot",
    "gull",
    "pigeon",
    "sparrow",
    "moth",
    "goldfish",
    "shark",
    "hound",
    "doggy",
    "kitty",
    "tomcat",
    "android",
    "machine",
    "basketball",
    "football",
    "balloon",
    "starlet",
    "thing",
    "object",
];

/// A picture and what is asked of it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The picture.
    pub picture: Picture,
    /// Every object of the scene, by its place in the scene, from 1.
    pub labels: LabelMap,
    /// What is asked for.
    pub objects: Vec<ObjectPrompt>,
    /// Id in `labels` of each object asked for, `None` for one that is not in the scene.
    pub answers: Vec<Option<u8>>,
}

/// An ask in the making.
type Ask = (ObjectPrompt, Option<u8>);

/// The world's own prompts on a scene's first frame.
///
/// # Errors
/// As [`Scene::first_frame`].
pub fn plain(scene: &Scene, size: usize) -> Result<Asked> {
    let labels = first(scene.masks(size)?.frames());
    let answers = (1..=scene.objects.len() as u8).map(Some).collect();
    let objects = scene.plan.objects.clone();
    Ok(Asked { picture: scene.first_frame(size)?, labels, objects, answers })
}

/// A scene with asks drawn for training.
///
/// # Errors
/// As [`Scene::first_frame`].
pub fn varied(
    training: &SegmenterTraining,
    mut scene: Scene,
    size: usize,
    draw: &mut Draw,
) -> Result<Asked> {
    let own = |o: &ObjectPrompt, i: usize| (o.clone(), Some(i as u8 + 1));
    let mut asks: Vec<Ask> = Vec::new();
    if draw.chance(training.alike) {
        asks = alike(&mut scene, draw).unwrap_or_default();
    }
    if asks.is_empty() {
        asks = scene.plan.objects.iter().enumerate().map(|(i, o)| own(o, i)).collect();
        let placed = asks.iter().any(|(o, _)| o.name.contains(' '));
        if !placed && draw.chance(training.later) {
            let frame = draw.below(scene.frames);
            scene.objects.iter_mut().for_each(|o| o.poses[0] = o.poses[frame]);
        }
        if draw.chance(training.reworded) {
            reword(&mut asks, &scene, draw);
        }
    }
    if asks.len() > 1 && draw.chance(training.partial) {
        let left = draw.below(asks.len());
        asks.remove(left);
    }
    if draw.chance(training.absent) {
        asks.push((absent(&scene, draw), None));
    }
    if draw.chance(0.3) {
        let turn = draw.below(asks.len());
        asks.rotate_left(turn);
    }
    let (picture, labels) = seen(training, &mut scene, size, draw)?;
    let (objects, answers) = asks.into_iter().unzip();
    Ok(Asked { picture, labels, objects, answers })
}

/// Makes all objects one kind and tells them apart by place or by order from the left; `None` where
/// places are not clear.
fn alike(scene: &mut Scene, draw: &mut Draw) -> Option<Vec<Ask>> {
    let count = scene.objects.len();
    let at = |scene: &Scene, i: usize| scene.objects[i].poses[0].at;
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| at(scene, a)[0].total_cmp(&at(scene, b)[0]));
    let clear = order.windows(2).all(|w| at(scene, w[1])[0] - at(scene, w[0])[0] > 0.09);
    let height = |i: usize| at(scene, order[i])[1];
    let stacked = count == 2 && (height(0) - height(1)).abs() > 0.2;
    let kind = draw.pick(Kind::ALL);
    let word = if draw.chance(0.3) { synonym(kind, draw) } else { kind.word() };
    let places: Vec<&str> = match (count, clear, stacked) {
        (2, true, _) if draw.chance(0.35) => vec!["left", "right"],
        (2, _, true) if draw.chance(0.5) => {
            order.sort_by(|&a, &b| at(scene, a)[1].total_cmp(&at(scene, b)[1]));
            draw.pick(&[["upper", "lower"], ["top", "bottom"]]).to_vec()
        }
        (2, true, _) if draw.chance(0.2) => vec!["leftmost", "rightmost"],
        (3, true, _) if draw.chance(0.4) => {
            vec!["left", draw.pick(&["middle", "central"]), "right"]
        }
        (2..=4, true, _) => ["first", "second", "third", "fourth"][..count].to_vec(),
        _ => return None,
    };
    let one_color = draw.chance(0.4).then(|| draw.pick(Color::ALL));
    for object in &mut scene.objects {
        object.kind = kind;
        object.color = one_color.unwrap_or(object.color);
    }
    // Colours are told with places that do not depend on the order of mention, or not at all.
    let colors = places[0] != "first" && draw.chance(0.5);
    let ask = |(&i, place): (&usize, &&str)| {
        let color = if colors { scene.objects[i].color.word() } else { "" };
        let described = [color, word].join(" ");
        (prompt(&format!("{place} {word}"), described.trim(), draw), Some(i as u8 + 1))
    };
    let mut asks: Vec<Ask> = order.iter().zip(&places).map(ask).collect();
    // Where colours tell, "first" is the order of mention, which may be any.
    let mut told: Vec<Color> = scene.objects.iter().map(|o| o.color).collect();
    told.sort();
    told.dedup();
    if places[0] == "first" && told.len() == count && draw.chance(0.3) {
        for (mention, ask) in asks.iter_mut().enumerate() {
            let color = scene.objects[mention].color.word();
            let name = format!("{} {word}", places[mention]);
            *ask = (prompt(&name, &format!("{color} {word}"), draw), Some(mention as u8 + 1));
        }
    }
    Some(asks)
}

/// A prompt with a predicate that says nothing of the place.
fn prompt(name: &str, described: &str, draw: &mut Draw) -> ObjectPrompt {
    let predicate = draw.pick(&[
        "moves",
        "moves to the left",
        "moves to the right",
        "moves away to the right",
        "rests",
        "jumps",
        "spins",
        "flies up",
        "goes down",
        "grows",
        "moves in a circle",
        "drives away",
        "turns",
        "falls",
        "stays",
        "runs to the left",
    ]);
    ObjectPrompt { name: name.to_owned(), prompt: format!("The {described} {predicate}.") }
}

/// Another word for a kind.
fn synonym(kind: Kind, draw: &mut Draw) -> &'static str {
    let words: &[&str] = match kind {
        Kind::Car => &["automobile", "vehicle", "taxi"],
        Kind::Truck => &["lorry", "van", "pickup"],
        Kind::Bus => &["coach", "bus"],
        Kind::Boat => &["ship", "sailboat", "yacht"],
        Kind::Plane => &["airplane", "jet", "aircraft", "airliner"],
        Kind::Rocket => &["spaceship", "spacecraft"],
        Kind::Bird => &["parrot", "gull", "pigeon", "sparrow"],
        Kind::Butterfly => &["moth", "butterfly"],
        Kind::Fish => &["goldfish", "shark"],
        Kind::Dog => &["puppy", "hound", "doggy"],
        Kind::Cat => &["kitten", "kitty", "tomcat"],
        Kind::Robot => &["android", "machine"],
        Kind::Ball => &["basketball", "football", "balloon"],
        Kind::Star => &["starlet", "star"],
    };
    draw.pick(words)
}

/// Gives one object an uncommon word, or one that no vocabulary has: it is then known by its
/// colour, or as the one that no other ask means.
fn reword(asks: &mut [Ask], scene: &Scene, draw: &mut Draw) {
    let index = draw.below(asks.len());
    let (object, answer) = &mut asks[index];
    let Some(id) = *answer else { return };
    let Some(old) = object.name.split(' ').next_back().map(str::to_owned) else { return };
    let new = match draw.chance(0.65) {
        true => synonym(scene.objects[usize::from(id) - 1].kind, draw),
        false => draw.pick(&["thing", "object", "qqq", "qqq"]),
    };
    // Whole words only: "car" is a part of no other word of a prompt, but "bus" might be.
    let swap = |text: &str| {
        let words = text.split(' ').map(|w| match w.strip_suffix('.').unwrap_or(w) {
            bare if bare == old => w.replace(bare, new),
            _ => w.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    (object.name, object.prompt) = (swap(&object.name), swap(&object.prompt));
}

/// An object that is not in the scene: of another kind, or of a kind that is there in another
/// colour.
fn absent(scene: &Scene, draw: &mut Draw) -> ObjectPrompt {
    let has_kind = |kind: Kind| scene.objects.iter().any(|o| o.kind == kind);
    let recolored = draw.chance(0.35);
    let kind = match recolored {
        true => scene.objects[draw.below(scene.objects.len())].kind,
        false => {
            let others: Vec<Kind> = Kind::ALL.iter().copied().filter(|&k| !has_kind(k)).collect();
            draw.pick(&others)
        }
    };
    let worn = |color: Color| scene.objects.iter().any(|o| o.kind == kind && o.color == color);
    let colors: Vec<Color> = Color::ALL.iter().copied().filter(|&c| !worn(c)).collect();
    let color = draw.pick(&colors).word();
    let word = kind.word();
    match recolored || draw.chance(0.8) {
        true => prompt(word, &format!("{color} {word}"), draw),
        false => prompt(word, word, draw),
    }
}

/// The picture and its masks: whole or a part, as drawn or in other light, sharp or less so.
fn seen(
    training: &SegmenterTraining,
    scene: &mut Scene,
    size: usize,
    draw: &mut Draw,
) -> Result<(Picture, LabelMap)> {
    scene.frames = 1;
    scene.objects.iter_mut().for_each(|o| o.poses.truncate(1));
    let target = Size::new(size, size);
    let (mut picture, labels) = if draw.chance(training.cropped) {
        let drawn = size * 2;
        let side = |draw: &mut Draw| (drawn as f32 * draw.range(0.62, 1.0)) as usize;
        let (width, height) = (side(draw), side(draw));
        let (x0, y0) = (draw.below(drawn - width + 1), draw.below(drawn - height + 1));
        let part = PixelBox { x0, y0, x1: x0 + width, y1: y0 + height };
        let whole = first(scene.masks(drawn)?.frames());
        let ids = (y0..part.y1).flat_map(|y| whole.ids()[y * drawn + x0..][..width].to_vec());
        let labels = LabelMap::new(Size::new(width, height), ids.collect())?;
        let whole = scene.first_frame(drawn)?;
        let line = |y: usize| whole.rgb()[(y * drawn + x0) * 3..][..width * 3].to_vec();
        let rgb = (y0..part.y1).flat_map(line).collect();
        let picture = Picture::new(Size::new(width, height), rgb)?.resize(target)?;
        (picture, labels.resize_nearest(target)?)
    } else {
        (scene.first_frame(size)?, first(scene.masks(size)?.frames()))
    };
    if draw.chance(training.altered) {
        if draw.chance(0.3) {
            // Enlarged from a smaller picture: soft edges, as in decoded video.
            let small = size * (5 + draw.below(4)) / 9;
            picture = picture.resize(Size::new(small, small))?.resize(target)?;
        }
        let gain: [f32; 3] = std::array::from_fn(|_| draw.range(0.88, 1.12));
        let shift = draw.range(-14.0, 14.0);
        let grain = if draw.chance(0.5) { draw.range(0.0, 12.0) } else { 0.0 };
        for (i, level) in picture.rgb_mut().iter_mut().enumerate() {
            // Cheap noise is enough for grain: a hash of the place.
            let hash = (i as u32).wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(40_503);
            let noise = (hash >> 8) as f32 / 8_388_608.0 - 1.0;
            let value = f32::from(*level) * gain[i % 3] + shift + grain * noise;
            *level = value.clamp(0.0, 255.0) as u8;
        }
    }
    Ok((picture, labels))
}

fn first(frames: &[LabelMap]) -> LabelMap {
    frames.first().cloned().unwrap_or_else(|| LabelMap::empty(Size::new(1, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Split, WorldConfig, scene};

    fn all(share: f32) -> SegmenterTraining {
        SegmenterTraining {
            model: None,
            alike: share,
            absent: share,
            partial: share,
            later: share,
            cropped: share,
            altered: share,
            reworded: share,
        }
    }

    #[test]
    fn asks_depend_on_their_index_alone_and_answers_are_in_the_scene() {
        let config = WorldConfig::default();
        let mut kinds = [0; 2];
        for index in 0..40 {
            let make = || {
                let scene = scene(&config, Split::Train, index).unwrap();
                varied(&all(0.5), scene, 96, &mut Draw::new(4, STREAM, index)).unwrap()
            };
            let (a, b) = (make(), make());
            assert_eq!((&a.picture, &a.labels, &a.objects), (&b.picture, &b.labels, &b.objects));
            assert_eq!(a.objects.len(), a.answers.len());
            assert!(a.answers.iter().flatten().all(|id| (1..=4).contains(id)));
            let mut answers: Vec<u8> = a.answers.iter().flatten().copied().collect();
            answers.sort_unstable();
            answers.dedup();
            assert_eq!(answers.len(), a.answers.iter().flatten().count(), "each asked for once");
            kinds[0] += a.answers.iter().filter(|a| a.is_none()).count();
            kinds[1] += a.objects.iter().filter(|o| o.name.starts_with("second")).count();
        }
        assert!(kinds.iter().all(|&k| k > 2), "{kinds:?}");
    }

    #[test]
    fn places_are_as_they_are_called() {
        let config = WorldConfig::default();
        let only_alike = SegmenterTraining { alike: 1.0, ..all(0.0) };
        let mut checked = 0;
        for index in 0..150 {
            let scene = scene(&config, Split::Train, index).unwrap();
            let asked = varied(&only_alike, scene, 96, &mut Draw::new(4, STREAM, index)).unwrap();
            let named = |word: &str| {
                let i = asked.objects.iter().position(|o| o.name.starts_with(word))?;
                asked.labels.box_of(asked.answers[i]?).map(|b| b.center())
            };
            let counted = asked.objects.iter().any(|o| {
                o.name.starts_with("first")
                    && Color::ALL.iter().any(|c| o.prompt.contains(c.word()))
            });
            for (a, b) in [("left ", "right "), ("first ", "second "), ("second ", "third ")] {
                if let (Some(a), Some(b), false) = (named(a), named(b), counted) {
                    assert!(a.0 < b.0, "{:?}", asked.objects);
                    checked += 1;
                }
            }
            if let (Some(a), Some(b)) = (named("upper "), named("lower ")) {
                assert!(a.1 < b.1, "{:?}", asked.objects);
                checked += 1;
            }
        }
        assert!(checked > 40, "{checked}");
    }
}
