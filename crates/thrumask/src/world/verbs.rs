//! Predicates: what is said of an object's motion, with synonyms, adverbs and directions.

use super::cast::{Role, Tempo};
use super::rng::Rng;
use super::vocabulary::{Action, Kind};

/// Stands for the other object in a predicate.
pub(super) const OTHER: &str = "{}";

/// A straight movement's direction in words.
fn toward(action: Action, rng: &mut Rng) -> &'static str {
    match action {
        Action::MoveLeft => {
            rng.pick(&["to the left", "to the left", "to the left", "left", "leftwards"])
        }
        Action::MoveUp => rng.pick(&["up", "upwards", "to the top"]),
        Action::MoveDown => rng.pick(&["down", "downwards", "to the bottom"]),
        _ => rng.pick(&["to the right", "to the right", "to the right", "right", "rightwards"]),
    }
}

/// The verb that suits the way a kind goes.
fn own_verb(kind: Kind, tempo: Tempo, rng: &mut Rng) -> &'static str {
    let slow = tempo == Tempo::Slow;
    match kind {
        Kind::Car | Kind::Truck | Kind::Bus => rng.pick(&["drives", "rolls"]),
        Kind::Boat => rng.pick(&["sails", "floats"]),
        Kind::Plane | Kind::Rocket | Kind::Bird => "flies",
        Kind::Butterfly => rng.pick(&["flies", "flutters"]),
        Kind::Fish => "swims",
        Kind::Dog | Kind::Cat if slow => "walks",
        Kind::Dog | Kind::Cat => rng.pick(&["runs", "walks", "trots"]),
        Kind::Robot => rng.pick(&["walks", "marches"]),
        Kind::Ball => "rolls",
        Kind::Star => rng.pick(&["drifts", "floats"]),
    }
}

/// "drives away to the right slowly", "quickly flies up".
fn straight(role: &Role, rng: &mut Rng) -> String {
    let toward = toward(role.action, rng);
    let fast = role.tempo == Tempo::Fast;
    let (verb, named_tempo) = match rng.below(10) {
        0..=2 => ("moves", false),
        3..=4 => (rng.pick(&["goes", "travels", "slides", "heads"]), false),
        5..=6 if fast => (rng.pick(&["speeds", "rushes", "races", "dashes"]), true),
        5..=6 if role.tempo == Tempo::Slow => (rng.pick(&["creeps", "crawls"]), true),
        _ => (own_verb(role.kind, role.tempo, rng), false),
    };
    let away = if rng.chance(0.22) { " away" } else { "" };
    let adverb = match role.tempo {
        _ if named_tempo || rng.chance(0.4) => None,
        Tempo::Slow => Some("slowly"),
        Tempo::Fast => Some(rng.pick(&["quickly", "fast"])),
        Tempo::Usual if rng.chance(0.12) => Some("steadily"),
        Tempo::Usual => None,
    };
    match adverb {
        Some("fast") => format!("{verb}{away} fast {toward}"),
        Some(adverb) if rng.chance(0.5) => format!("{adverb} {verb}{away} {toward}"),
        Some(adverb) => format!("{verb}{away} {toward} {adverb}"),
        None => format!("{verb}{away} {toward}"),
    }
}

/// "zigzags to the right".
fn zigzag(way: Action, rng: &mut Rng) -> String {
    let verb = rng.pick(&["zigzags", "zigzags", "moves in a zigzag", "goes in a zigzag", "weaves"]);
    format!("{verb} {}", toward(way, rng))
}

/// The predicate of a role; `run` is the way from its first to its last place.
pub(super) fn predicate(role: &Role, run: [f32; 2], rng: &mut Rng) -> String {
    let way = match run {
        [x, y] if x.abs() >= y.abs() && x < 0.0 => Action::MoveLeft,
        [x, y] if x.abs() >= y.abs() => Action::MoveRight,
        [_, y] if y < 0.0 => Action::MoveUp,
        _ => Action::MoveDown,
    };
    let fast = role.tempo == Tempo::Fast;
    let slow = role.tempo == Tempo::Slow;
    let with = |verbs: &[&'static str], rng: &mut Rng| format!("{} {OTHER}", rng.pick(verbs));
    match role.action {
        Action::MoveLeft | Action::MoveRight | Action::MoveUp | Action::MoveDown => {
            straight(role, rng)
        }
        Action::Rest => rng
            .pick(&[
                "rests",
                "stays still",
                "stands still",
                "waits",
                "does not move",
                "remains in place",
                "stays where it is",
                "keeps still",
            ])
            .into(),
        Action::Jump if fast && rng.chance(0.7) => {
            rng.pick(&["jumps high", "leaps high", "jumps high into the air"]).into()
        }
        Action::Jump => rng
            .pick(&["jumps", "jumps", "hops", "leaps", "jumps up and comes back down", "hops up"])
            .into(),
        Action::Spin => {
            let verb = rng.pick(&[
                "spins",
                "rotates",
                "turns around",
                "spins around",
                "rotates in place",
                "spins on the spot",
                "twirls",
            ]);
            match () {
                () if slow && rng.chance(0.5) => format!("slowly {verb}"),
                () if fast && rng.chance(0.5) => format!("quickly {verb}"),
                () => verb.into(),
            }
        }
        Action::Grow => {
            rng.pick(&["grows", "gets bigger", "becomes larger", "expands", "grows larger"]).into()
        }
        Action::Shrink => {
            rng.pick(&["shrinks", "gets smaller", "becomes smaller", "shrinks away"]).into()
        }
        Action::Circle => rng
            .pick(&[
                "circles",
                "moves in a circle",
                "goes around in a circle",
                "travels in a circle",
                "circles around",
            ])
            .into(),
        Action::Swing => rng
            .pick(&[
                "swings",
                "swings from side to side",
                "sways from side to side",
                "swings back and forth",
                "sways left and right",
                "moves from side to side",
            ])
            .into(),
        Action::ZigZag => zigzag(way, rng),
        Action::Fall => rng
            .pick(&["falls", "falls down", "drops", "drops down", "plunges down", "tumbles down"])
            .into(),
        Action::Chase => with(&["chases", "follows", "runs after", "pursues"], rng),
        Action::PassBehind => with(
            &["passes behind", "goes behind", "moves behind", "slips behind", "travels behind"],
            rng,
        ),
        Action::Collide => {
            with(&["bumps into", "crashes into", "collides with", "hits", "runs into"], rng)
        }
        Action::Pushed => {
            let verb = rng.pick(&["is pushed", "gets pushed", "is knocked", "gets knocked"]);
            let away = if rng.chance(0.3) { " away" } else { "" };
            format!("{verb}{away} {}", toward(way, rng))
        }
    }
}
