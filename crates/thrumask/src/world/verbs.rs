//! Predicates: what is said of an object's motion, with synonyms, adverbs, amounts and directions.

use super::cast::Role;
use super::manner::Amount;
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
fn own_verb(kind: Kind, slow: bool, rng: &mut Rng) -> &'static str {
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

/// The amount that the words say; `None` where they leave it open.
fn said(role: &Role) -> Option<Amount> {
    (!role.manner.open.amount).then_some(role.manner.amount)
}

/// How far, in words that stand after the verb.
fn far(amount: Option<Amount>, rng: &mut Rng) -> Option<&'static str> {
    amount.map(|amount| match amount {
        Amount::Little => rng.pick(&["a little", "a bit", "a short way"]),
        Amount::Some => "some way",
        Amount::Much => rng.pick(&["far", "far", "a long way"]),
    })
}

/// The verb with a direction and how far: "drives a little to the right", "flies up a little".
fn measured(verb: &str, toward: &str, far: Option<&str>, rng: &mut Rng) -> String {
    match far {
        None => format!("{verb} {toward}"),
        Some("far") => format!("{verb} far {toward}"),
        Some(far) if toward.starts_with("to ") && rng.chance(0.6) => {
            format!("{verb} {far} {toward}")
        }
        Some(far) => format!("{verb} {toward} {far}"),
    }
}

/// "drives away to the right slowly", "quickly flies up", "rolls far to the left".
fn straight(role: &Role, rng: &mut Rng) -> String {
    let toward = toward(role.action, rng);
    let amount = said(role);
    let slow = amount == Some(Amount::Little);
    let telling: &[&str] = match amount {
        Some(Amount::Little) => &["creeps", "crawls"],
        Some(Amount::Much) => &["speeds", "rushes", "races", "dashes"],
        _ => &[],
    };
    let away = if rng.chance(0.2) { " away" } else { "" };
    // How far something goes in a clip is also how fast it goes: a verb may say it alone.
    if !telling.is_empty() && rng.chance(0.2) {
        return format!("{}{away} {toward}", rng.pick(telling));
    }
    let verb = match rng.below(8) {
        0..=2 => "moves",
        3..=4 => rng.pick(&["goes", "travels", "slides", "heads"]),
        _ => own_verb(role.kind, slow, rng),
    };
    if rng.chance(0.4) {
        return measured(verb, toward, far(amount, rng), rng);
    }
    let adverb = match amount {
        None => return format!("{verb}{away} {toward}"),
        Some(Amount::Little) => "slowly",
        Some(Amount::Some) => "steadily",
        Some(Amount::Much) => rng.pick(&["quickly", "quickly", "fast"]),
    };
    match adverb {
        "fast" => format!("{verb}{away} fast {toward}"),
        adverb if rng.chance(0.5) => format!("{adverb} {verb}{away} {toward}"),
        adverb => format!("{verb}{away} {toward} {adverb}"),
    }
}

fn jump(role: &Role, rng: &mut Rng) -> &'static str {
    match said(role) {
        None => rng.pick(&["jumps", "hops", "leaps", "jumps up and comes back down", "hops up"]),
        Some(Amount::Much) => {
            rng.pick(&["jumps high", "leaps high", "jumps high into the air", "jumps up high"])
        }
        Some(_) => {
            rng.pick(&["jumps a little", "hops a little", "hops a bit", "jumps low", "hops low"])
        }
    }
}

/// Which way round, in words.
fn round(role: &Role, rng: &mut Rng) -> Option<&'static str> {
    (!role.manner.open.way).then(|| match role.manner.clockwise {
        true => "clockwise",
        false => rng.pick(&["counterclockwise", "counterclockwise", "anticlockwise"]),
    })
}

/// Words with single spaces between them.
fn words<const N: usize>(words: [Option<&str>; N]) -> String {
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// "slowly spins clockwise", "rotates anticlockwise a full turn".
fn spin(role: &Role, rng: &mut Rng) -> String {
    let way = round(role, rng);
    let amount = said(role);
    if let Some(amount) = amount.filter(|_| rng.chance(0.5)) {
        let verb = rng.pick(&["spins", "rotates", "turns", "twirls"]);
        let turn = match amount {
            Amount::Much => rng.pick(&["a full turn", "once", "all the way around"]),
            _ => rng.pick(&["half a turn", "halfway around"]),
        };
        let late = rng.chance(0.5);
        return words([Some(verb), Some(turn).filter(|_| !late), way, Some(turn).filter(|_| late)]);
    }
    let tempo = amount.map(|a| if a == Amount::Much { "quickly" } else { "slowly" });
    let verb = rng.pick(&[
        "spins",
        "rotates",
        "turns around",
        "spins around",
        "rotates in place",
        "spins on the spot",
        "twirls",
    ]);
    let late = rng.chance(0.3);
    words([tempo.filter(|_| !late), Some(verb), way, tempo.filter(|_| late)])
}

fn resize(role: &Role, rng: &mut Rng) -> String {
    let (verbs, adjectives): (&[&str], &[&str]) = match role.action {
        Action::Grow => (&["grows", "expands"], &["bigger", "larger"]),
        _ => (&["shrinks"], &["smaller"]),
    };
    let amount = said(role);
    if rng.chance(0.5) {
        let degree = amount.map(|amount| match amount {
            Amount::Much => rng.pick(&["a lot", "much"]),
            _ => rng.pick(&["slightly", "a bit"]),
        });
        let verb = rng.pick(&["gets", "becomes"]);
        return words([Some(verb), degree, Some(rng.pick(adjectives))]);
    }
    let degree = amount.map(|amount| match amount {
        Amount::Much => rng.pick(&["a lot", "greatly"]),
        _ => rng.pick(&["slightly", "a little", "a bit"]),
    });
    words([Some(rng.pick(verbs)), degree])
}

fn circle(role: &Role, rng: &mut Rng) -> String {
    let way = round(role, rng);
    let verb = rng.pick(&["moves", "goes around", "travels", "circles"]);
    match verb {
        "circles" => words([Some(verb), way]),
        _ if rng.chance(0.5) => words([Some(verb), way, Some("in a circle")]),
        _ => words([Some(verb), Some("in a circle"), way]),
    }
}

/// "swings from side to side twice", "sways right and left once".
fn swing(role: &Role, rng: &mut Rng) -> String {
    let upright = rng.pick(&["sways", "moves", "slides"]);
    let verb = if role.manner.pendulum { "swings" } else { upright };
    // The words begin with the side that it first goes to; without sides that is the left.
    let sides = match role.manner.clockwise {
        true => rng.pick(&["right and left", "right and left", "rightwards and leftwards"]),
        false => rng.pick(&[
            "left and right",
            "leftwards and rightwards",
            "from side to side",
            "back and forth",
        ]),
    };
    let count = said(role).map(|amount| match amount {
        Amount::Much => rng.pick(&["twice", "twice", "two times"]),
        _ => rng.pick(&["once", "once", "one time"]),
    });
    let late = count.is_none_or(|count| count.contains(' ')) || rng.chance(0.6);
    words([Some(verb), count.filter(|_| !late), Some(sides), count.filter(|_| late)])
}

/// "zigzags to the right".
fn zigzag(role: &Role, rng: &mut Rng) -> String {
    let verb = rng.pick(&["zigzags", "zigzags", "moves in a zigzag", "goes in a zigzag", "weaves"]);
    let toward = toward(role.manner.toward, rng);
    words([Some(verb), Some(toward).filter(|_| !role.manner.open.way)])
}

fn fall(role: &Role, rng: &mut Rng) -> String {
    let verb = rng.pick(&["falls", "falls", "drops", "plunges", "tumbles"]);
    match (verb, far(said(role), rng)) {
        ("falls" | "drops", far) if rng.chance(0.4) => words([Some(verb), far]),
        (verb, far) => measured(verb, "down", far, rng),
    }
}

/// The predicate of a role; `run` is the way from its first to its last place.
pub(super) fn predicate(role: &Role, run: [f32; 2], rng: &mut Rng) -> String {
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
        Action::Jump => jump(role, rng).into(),
        Action::Spin => spin(role, rng),
        Action::Grow | Action::Shrink => resize(role, rng),
        Action::Circle => circle(role, rng),
        Action::Swing => swing(role, rng),
        Action::ZigZag => zigzag(role, rng),
        Action::Fall => fall(role, rng),
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
            let far = far(said(role), rng);
            let away = if far.is_none_or(|f| f == "far") && rng.chance(0.3) { " away" } else { "" };
            measured(&format!("{verb}{away}"), toward(pushed_to(run), rng), far, rng)
        }
    }
}

/// A predicate with its directions turned round: left for right, up for down, and so on.
pub(super) fn opposite(predicate: &str) -> String {
    const PAIRS: [[&str; 2]; 5] = [
        ["left", "right"],
        ["leftwards", "rightwards"],
        ["up", "down"],
        ["upwards", "downwards"],
        ["top", "bottom"],
    ];
    let turned = |word: &'_ str| {
        let pair = PAIRS.iter().find(|pair| pair.contains(&word));
        pair.map_or(word, |&[a, b]| if word == a { b } else { a }).to_owned()
    };
    predicate.split(' ').map(turned).collect::<Vec<_>>().join(" ")
}

/// The straight movement nearest to a way.
fn pushed_to(run: [f32; 2]) -> Action {
    match run {
        [x, y] if x.abs() >= y.abs() && x < 0.0 => Action::MoveLeft,
        [x, y] if x.abs() >= y.abs() => Action::MoveRight,
        [_, y] if y < 0.0 => Action::MoveUp,
        _ => Action::MoveDown,
    }
}
