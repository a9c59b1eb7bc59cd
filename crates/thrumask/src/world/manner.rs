//! How an object does what it does: the part of its motion that words say, which of it they leave
//! open, and the motion that is drawn for it.
//!
//! Every length, turn and factor lies in a narrow band for its word, so that two draws of the same
//! words nearly agree. What no word says is fixed by convention: a circle starts at its top, a swing
//! to the left unless the words begin with the right, a zigzag with a stroke up or to the right.

use std::f32::consts::FRAC_PI_2;

use super::cast::Role;
use super::motion::Motion;
use super::rng::Rng;
use super::vocabulary::Action;

/// Share of the clauses that can leave a word out and do: with those that cannot, about one in six.
const OPEN: f32 = 0.2;

/// How far, how high, how much or how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// "a little", "slowly", "once".
    Little,
    /// "steadily"; only of straight movements.
    Some,
    /// "far", "quickly", "high", "twice".
    Much,
}

/// What the words of a predicate leave open, so that any of the ways may be meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Open {
    /// How far, high, much or often.
    pub amount: bool,
    /// Which way round; of a zigzag, where to.
    pub way: bool,
}

impl Open {
    pub fn any(self) -> bool {
        self.amount || self.way
    }
}

/// The part of a motion that words can say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Manner {
    pub amount: Amount,
    /// Of spins and circles: clockwise. Of swings: to the right first.
    pub clockwise: bool,
    /// Of zigzags: the straight movement along which they go.
    pub toward: Action,
    /// Of swings: turning about a pivot above ("swings") rather than upright ("sways").
    pub pendulum: bool,
    pub open: Open,
}

/// The four straight movements.
const MOVES: [Action; 4] = [Action::MoveLeft, Action::MoveRight, Action::MoveUp, Action::MoveDown];

/// The amounts that the words of an action tell apart.
fn amounts(action: Action) -> &'static [Amount] {
    use Action::{Fall, Grow, Jump, MoveDown, MoveLeft, MoveRight, MoveUp, Pushed};
    match action {
        MoveLeft | MoveRight | MoveUp | MoveDown => &[Amount::Little, Amount::Some, Amount::Much],
        Jump | Fall | Grow | Pushed | Action::Spin | Action::Shrink | Action::Swing => {
            &[Amount::Little, Amount::Much]
        }
        _ => &[Amount::Some],
    }
}

/// Whether an action has a way that words can leave open.
fn has_way(action: Action) -> bool {
    matches!(action, Action::Spin | Action::Circle | Action::ZigZag)
}

impl Manner {
    /// A manner for an action, and what the words will leave open.
    pub fn draw(action: Action, rng: &mut Rng) -> Self {
        let open = match (amounts(action).len() > 1, has_way(action)) {
            _ if !rng.chance(OPEN) => Open::default(),
            (true, true) => rng.pick(&[(true, false), (false, true), (true, true)]).into(),
            axes => axes.into(),
        };
        let all = Open { amount: true, way: true };
        let plain = Self {
            amount: Amount::Some,
            clockwise: false,
            toward: Action::MoveRight,
            pendulum: rng.chance(0.5),
            open: all,
        };
        Self { open, ..plain.again(action, rng) }
    }

    /// Another manner that the same words fit: what they leave open is drawn again.
    pub fn again(&self, action: Action, rng: &mut Rng) -> Self {
        let mut other = *self;
        if self.open.amount {
            other.amount = rng.pick(amounts(action));
        }
        if self.open.way {
            other.clockwise = rng.chance(0.5);
            other.toward = rng.pick(&MOVES);
        }
        other
    }

    /// A draw from the band of the amount.
    fn within(&self, bands: [(f32, f32); 3], rng: &mut Rng) -> f32 {
        let (low, high) = bands[self.amount as usize];
        rng.range(low, high)
    }

    /// The length of a straight movement, as a fraction of the picture's side.
    fn distance(&self, rng: &mut Rng) -> f32 {
        self.within([(0.175, 0.195), (0.285, 0.305), (0.41, 0.43)], rng)
    }
}

impl From<(bool, bool)> for Open {
    fn from((amount, way): (bool, bool)) -> Self {
        Self { amount, way }
    }
}

/// Bands of an action whose words tell two amounts apart.
fn two(little: (f32, f32), much: (f32, f32)) -> [(f32, f32); 3] {
    [little, little, much]
}

/// The motion of a role that involves no other.
pub(super) fn solo_motion(role: &Role, manner: &Manner, rng: &mut Rng) -> Motion {
    let turn = if manner.clockwise { 1.0 } else { -1.0 };
    match role.action {
        Action::MoveLeft | Action::MoveRight | Action::MoveUp | Action::MoveDown => {
            Motion::Glide { by: times(direction(role.action), manner.distance(rng)) }
        }
        Action::Jump => {
            Motion::Jump { height: manner.within(two((0.175, 0.19), (0.335, 0.355)), rng) }
        }
        Action::Spin => {
            Motion::Spin { degrees: turn * manner.within(two((174.0, 186.0), (353.0, 367.0)), rng) }
        }
        Action::Grow => {
            Motion::Resize { factor: manner.within(two((1.40, 1.46), (1.78, 1.88)), rng) }
        }
        Action::Shrink => {
            Motion::Resize { factor: manner.within(two((0.67, 0.70), (0.46, 0.49)), rng) }
        }
        Action::Circle => {
            Motion::Circle { radius: rng.range(0.125, 0.14), from: -FRAC_PI_2, way: turn }
        }
        Action::Swing => Motion::Swing {
            reach: rng.range(0.125, 0.14),
            periods: if manner.amount == Amount::Much { 2.0 } else { 1.0 },
            way: turn,
            length: manner.pendulum.then(|| rng.range(0.26, 0.28)),
        },
        Action::ZigZag => {
            let along = direction(manner.toward);
            // The stroke to one side of the way is upwards or to the right.
            let side = if along[0] + along[1] > 0.0 { -1.0 } else { 1.0 };
            Motion::ZigZag {
                by: times(along, rng.range(0.39, 0.41)),
                reach: rng.range(0.082, 0.088) * side,
                turns: 3.0,
            }
        }
        Action::Fall => {
            Motion::Fall { depth: manner.within(two((0.25, 0.27), (0.42, 0.445)), rng) }
        }
        _ => Motion::Still,
    }
}

/// The motions of actor and partner that start so far from each other along the way; `manner` is
/// the partner's.
pub(super) fn pair_motions(
    action: Action,
    manner: &Manner,
    way: [f32; 2],
    [touch, gap]: [f32; 2],
    rng: &mut Rng,
) -> [Motion; 2] {
    match action {
        Action::Chase => {
            let flight = manner.distance(rng);
            let closing = rng.range(0.28, 0.38) * gap;
            let chase = Motion::Glide { by: times(way, flight + closing) };
            [chase, Motion::Glide { by: times(way, flight) }]
        }
        Action::PassBehind => {
            let by = times(way, 2.0 * touch + gap + rng.range(0.045, 0.055));
            [Motion::Glide { by }, Motion::Still]
        }
        _ => {
            let hit = rng.range(0.455, 0.475);
            // A little overlap at the touch, since outlines are rounder than boxes.
            let by = times(way, gap + 0.03);
            let pushed = manner.within(two((0.155, 0.17), (0.265, 0.285)), rng);
            let ram = Motion::Ram { by, hit, rebound: rng.range(0.1, 0.15) };
            [ram, Motion::Knocked { by: times(way, pushed), hit }]
        }
    }
}

/// The unit vector of a straight movement; to the right for other actions.
pub(super) fn direction(action: Action) -> [f32; 2] {
    match action {
        Action::MoveLeft => [-1.0, 0.0],
        Action::MoveUp => [0.0, -1.0],
        Action::MoveDown => [0.0, 1.0],
        _ => [1.0, 0.0],
    }
}

pub(super) fn times(d: [f32; 2], by: f32) -> [f32; 2] {
    [d[0] * by, d[1] * by]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Split, WorldConfig, cast};

    /// Roles of many scenes.
    fn roles() -> impl Iterator<Item = Role> {
        let cast = |i| cast::cast(&WorldConfig::default(), Split::Train, &mut Rng::keyed(&[i]));
        (0..400).flat_map(cast)
    }

    fn shift(motion: &Motion, u: f32) -> [f32; 2] {
        motion.at(u).shift
    }

    #[test]
    fn conventions_hold_for_every_draw() {
        let mut seen = [0; 3];
        for (i, role) in roles().enumerate() {
            let manner = role.manner;
            let motion = solo_motion(&role, &manner, &mut Rng::keyed(&[i as u64, 1]));
            let early = shift(&motion, 0.05);
            match role.action {
                Action::Circle => {
                    let lowest =
                        (0..20).map(|k| shift(&motion, k as f32 / 20.0)[1]).fold(0.0, f32::min);
                    assert!(lowest > -1e-5 && (early[0] > 0.0) == manner.clockwise, "{motion:?}");
                    seen[0] += 1;
                }
                Action::Swing => {
                    assert_eq!(early[0] > 0.0, manner.clockwise, "{motion:?}");
                    seen[1] += 1;
                }
                Action::ZigZag => {
                    let aside = match direction(manner.toward) {
                        [0.0, _] => early[0],
                        _ => -early[1],
                    };
                    assert!(aside > 0.0, "{motion:?}");
                    seen[2] += 1;
                }
                _ => {}
            }
        }
        assert!(seen.iter().all(|&n| n > 20), "{seen:?}");
    }

    #[test]
    fn only_what_the_words_leave_open_is_drawn_again() {
        let (mut open, mut changed) = (0, 0);
        for (i, role) in roles().enumerate() {
            let again = role.manner.again(role.action, &mut Rng::keyed(&[i as u64, 2]));
            let left = role.manner.open;
            assert!(left.amount || again.amount == role.manner.amount);
            assert!(left.way || again.clockwise == role.manner.clockwise);
            assert!(left.way || again.toward == role.manner.toward);
            open += usize::from(left.any());
            changed += usize::from(again != role.manner);
        }
        assert!(open > 80 && 4 * changed > open, "{changed} of {open}");
    }
}
