//! Who is in a scene and what each does: kinds, colours, sizes and actions, in order of mention.

use super::manner::Manner;
use super::rng::Rng;
use super::vocabulary::{Action, Color, Kind, SizeClass, Texture, can_do, held_out};
use super::{Split, WorldConfig};

/// One object before it has a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Role {
    pub kind: Kind,
    pub color: Color,
    pub texture: Texture,
    pub size: SizeClass,
    pub action: Action,
    pub other: Option<usize>,
    pub manner: Manner,
}

/// An action and the object it involves.
type Part = (Action, Option<usize>);

/// The four straight movements; the horizontal ones are listed twice, as they are in life.
const MOVES: [Action; 6] = [
    Action::MoveLeft,
    Action::MoveRight,
    Action::MoveLeft,
    Action::MoveRight,
    Action::MoveUp,
    Action::MoveDown,
];

/// A cast for the split, in order of mention.
pub(super) fn cast(config: &WorldConfig, split: Split, rng: &mut Rng) -> Vec<Role> {
    let (low, high) = (*config.objects.start(), *config.objects.end());
    let n = low + rng.below(high - low + 1);
    let mut parts = parts(n, config.interactions, rng);
    order_mentions(&mut parts, rng);
    // In the compositional split one object, chosen at random, must be a pair never trained on.
    let novel = (split == Split::Compositional).then(|| rng.below(n));
    let twins = (n > 1 && rng.chance(0.32)).then(|| {
        let first = rng.below(n);
        (first, (first + 1 + rng.below(n - 1)) % n)
    });
    let mut roles: Vec<Role> = Vec::with_capacity(n);
    for (i, &(action, other)) in parts.iter().enumerate() {
        let twin = match twins {
            Some((a, b)) if a.max(b) == i => Some(roles[a.min(b)]),
            _ => None,
        };
        let novelty = match (split, novel) {
            (Split::Compositional, Some(j)) => (i == j).then_some(true),
            _ => Some(false),
        };
        let (kind, color) = looks(action, twin, &roles, novelty, rng);
        let manner = Manner::draw(action, rng);
        let texture = rng.pick(Texture::ALL);
        roles.push(Role { kind, color, texture, size: SizeClass::Medium, action, other, manner });
    }
    roles
}

/// Actions for `n` objects, with at most one pair that interacts.
fn parts(n: usize, interactions: f32, rng: &mut Rng) -> Vec<Part> {
    let solos: Vec<Action> = Action::ALL.iter().copied().filter(|a| a.is_solo()).collect();
    let mut parts: Vec<Part> = Vec::with_capacity(n);
    if n > 1 && rng.chance(interactions) {
        let action = rng.pick(&[Action::Chase, Action::PassBehind, Action::Collide]);
        let partner = match action {
            Action::Chase => (rng.pick(&MOVES), None),
            Action::PassBehind => (Action::Rest, None),
            _ => (Action::Pushed, Some(0)),
        };
        parts.extend([(action, Some(1)), partner]);
    }
    while parts.len() < n {
        parts.push((rng.pick(&solos), None));
    }
    parts
}

/// Puts the parts in a random order in which an object that is first named in another's predicate
/// comes right after that other.
fn order_mentions(parts: &mut [Part], rng: &mut Rng) {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    rng.shuffle(&mut order);
    if parts.first().is_some_and(|p| p.0.names_other()) {
        let at = |order: &[usize], who: usize| order.iter().position(|&i| i == who).unwrap_or(0);
        let (actor, named) = (at(&order, 0), at(&order, 1));
        if actor < named {
            order[actor + 1..=named].rotate_right(1);
        }
    }
    let old: Vec<Part> = parts.to_vec();
    let place = |who: usize| order.iter().position(|&i| i == who);
    for (to, &from) in order.iter().enumerate() {
        parts[to] = (old[from].0, old[from].1.and_then(place));
    }
}

/// A kind and a colour for `action`: those of a twin where one is given, and otherwise a kind that
/// no one in the scene has. `novelty` says whether the pair must (`true`) or must not (`false`) be
/// held out of training.
fn looks(
    action: Action,
    twin: Option<Role>,
    others: &[Role],
    novelty: Option<bool>,
    rng: &mut Rng,
) -> (Kind, Color) {
    let mut twin = twin;
    for attempt in 0.. {
        // Twins whose kind cannot do the action in this split become two different kinds.
        if attempt == 40 {
            twin = None;
        }
        let kind = twin.map_or_else(|| rng.pick(Kind::ALL), |t| t.kind);
        let color = match twin {
            Some(t) if rng.chance(0.3) => t.color,
            _ => rng.pick(Color::ALL),
        };
        let fits = can_do(kind, action)
            && novelty.is_none_or(|wanted| held_out(kind, color, action) == wanted)
            && (twin.is_some() || others.iter().all(|o| o.kind != kind));
        if fits {
            return (kind, color);
        }
    }
    unreachable!("every action has kinds and colours on both sides of the held-out table")
}
