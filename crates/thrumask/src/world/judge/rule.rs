//! The rule itself.

use serde::{Deserialize, Serialize};
use thrumask_core::Trajectory;

use super::shape::Outline;
use super::track::{Sight, Track};
use crate::world::vocabulary::Action;

/// An object whose place changes by less than this over the clip has not moved on.
pub(super) const LEAST_MOVE: f32 = 0.10;
/// An object that never strays further than this from its start stays in place.
const STILL: f32 = 0.055;
/// Growth of the area from which an object grows, and its inverse from which it shrinks.
const GROWTH: f32 = 1.5;
/// A steady movement has covered half its way on average; a fall clearly less.
const FALL_PROGRESS: f32 = 0.425;
/// Least sideways range of a zigzag.
const ZIGZAG_RANGE: f32 = 0.085;

/// What the rule reads off the masks for one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What it does.
    pub action: Action,
    /// Id of the object that it chases, passes behind or runs into, or that pushes it.
    pub other: Option<u8>,
}

impl From<Action> for Judgement {
    fn from(action: Action) -> Self {
        Self { action, other: None }
    }
}

/// The action of every object, in order of ids; `None` where the masks show none of the actions.
pub fn judge_all(masks: &Trajectory) -> Vec<Option<Judgement>> {
    let tracks = tracks(masks);
    (0..tracks.len()).map(|i| judge(masks, &tracks, i)).collect()
}

/// The action of object `id` (from 1), or `None` where its masks show none of the actions, among
/// them an object that is hardly seen.
pub fn judge_action(masks: &Trajectory, id: u8) -> Option<Judgement> {
    let index = usize::from(id).checked_sub(1).filter(|&i| i < masks.objects())?;
    judge(masks, &tracks(masks), index)
}

fn tracks(masks: &Trajectory) -> Vec<Track> {
    (1..=masks.objects()).map(|id| Track::new(masks, id as u8)).collect()
}

fn judge(masks: &Trajectory, tracks: &[Track], index: usize) -> Option<Judgement> {
    let track = &tracks[index];
    let seen = track.seen().count();
    // Seen at the start and in half of the frames, else nothing can be said.
    if track.sights.first()?.is_none() || 2 * seen < track.sights.len() {
        return None;
    }
    let net = track.net()?;
    let length = net[0].hypot(net[1]);
    if length >= LEAST_MOVE {
        return advance(tracks, index, net);
    }
    let (x, y) = (track.reach(0), track.reach(1));
    let (wide, tall) = (x.1 - x.0, y.1 - y.0);
    if wide.max(tall) < 2.0 * STILL {
        return in_place(masks, track, index as u8 + 1);
    }
    if wide > 0.09 && tall > 0.09 && wide.min(tall) > 0.55 * wide.max(tall) {
        return (turns(track) > 0.7).then_some(Action::Circle.into());
    }
    if wide > 2.0 * tall && x.0 < -STILL && x.1 > STILL {
        return Some(Action::Swing.into());
    }
    (tall > 1.6 * wide && -y.0 > 0.8 * tall).then_some(Action::Jump.into())
}

/// Laps around the middle of the path.
fn turns(track: &Track) -> f32 {
    let (x, y) = (track.reach(0), track.reach(1));
    let Some(from) = track.start() else { return 0.0 };
    let middle = [from[0] + (x.0 + x.1) / 2.0, from[1] + (y.0 + y.1) / 2.0];
    let angles: Vec<f32> =
        track.seen().map(|(_, s)| (s.at[1] - middle[1]).atan2(s.at[0] - middle[0])).collect();
    let step = |w: &[f32]| {
        let d = (w[1] - w[0]).rem_euclid(std::f32::consts::TAU);
        if d > std::f32::consts::PI { d - std::f32::consts::TAU } else { d }
    };
    let sum: f32 = angles.windows(2).map(step).sum();
    (sum / std::f32::consts::TAU).abs()
}

/// An object that stays in place: it grows, shrinks, spins or rests.
fn in_place(masks: &Trajectory, track: &Track, id: u8) -> Option<Judgement> {
    let areas: Vec<f32> = track.seen().map(|(_, s)| s.area).collect();
    let n = areas.len();
    let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len().max(1) as f32;
    let ratio = mean(&areas[n - 2..]) / mean(&areas[..2]);
    if ratio > GROWTH {
        return Some(Action::Grow.into());
    }
    if ratio < 1.0 / GROWTH {
        return Some(Action::Shrink.into());
    }
    Some(if spins(masks, id) { Action::Spin } else { Action::Rest }.into())
}

/// Whether the outline turns: in several frames it fits the first frame's outline, turned, clearly
/// better than upright.
fn spins(masks: &Trajectory, id: u8) -> bool {
    let Some(first) = masks.frames().first().and_then(|f| Outline::new(f, id)) else {
        return false;
    };
    let mut turned = 0;
    for frame in &masks.frames()[1..] {
        let Some(now) = Outline::new(frame, id) else { continue };
        let upright = now.overlap(&first, 0.0);
        if upright > 0.86 {
            continue;
        }
        let best = (1..30).map(|k| now.overlap(&first, 12.0 * k as f32)).fold(0.0, f32::max);
        turned += usize::from(best > upright + 0.06);
    }
    turned >= 3
}

/// An object that ends elsewhere than it started.
fn advance(tracks: &[Track], index: usize, net: [f32; 2]) -> Option<Judgement> {
    let track = &tracks[index];
    let length = net[0].hypot(net[1]);
    let d = [net[0] / length, net[1] / length];
    let others = || (0..tracks.len()).filter(|&j| j != index);
    let with = |action, j: usize| Some(Judgement { action, other: Some(j as u8 + 1) });
    if let Some(j) = others().find(|&j| hits(&tracks[j], track)) {
        return with(Action::Pushed, j);
    }
    if let Some(j) = others().find(|&j| hits(track, &tracks[j])) {
        return with(Action::Collide, j);
    }
    if let Some(j) = others().find(|&j| passes_behind(track, &tracks[j], d)) {
        return with(Action::PassBehind, j);
    }
    if let Some(j) = others().find(|&j| chases(track, &tracks[j], d)) {
        return with(Action::Chase, j);
    }
    let steps = track.along([-d[1], d[0]]);
    if zigzags(&steps) {
        return Some(Action::ZigZag.into());
    }
    if d[0].abs() > d[1].abs() {
        return Some(if d[0] < 0.0 { Action::MoveLeft } else { Action::MoveRight }.into());
    }
    if d[1] < 0.0 {
        return Some(Action::MoveUp.into());
    }
    Some(
        if mean_progress(track, d) < FALL_PROGRESS { Action::Fall } else { Action::MoveDown }
            .into(),
    )
}

/// Mean share of the way covered, over the frames: 1/2 for a steady movement.
fn mean_progress(track: &Track, d: [f32; 2]) -> f32 {
    let way = track.along(d);
    let end = way.last().map_or(1.0, |w| w.1).max(1e-4);
    way.iter().map(|w| w.1 / end).sum::<f32>() / way.len().max(1) as f32
}

/// Whether sideways steps go back and forth at least twice, over a good range.
fn zigzags(side: &[(usize, f32)]) -> bool {
    let (low, high) = side.iter().fold((0.0f32, 0.0f32), |(l, h), s| (l.min(s.1), h.max(s.1)));
    if high - low < ZIGZAG_RANGE {
        return false;
    }
    // Turning points: a new one counts when the path has come back by a third of the range.
    let back = (high - low) / 3.0;
    let (mut turning, mut up, mut extreme) = (0, true, side.first().map_or(0.0, |s| s.1));
    let mut began = false;
    for &(_, v) in side {
        if !began {
            began = (v - extreme).abs() > back;
            up = v > extreme;
            if began {
                extreme = v;
            }
        } else if (v > extreme) == up {
            extreme = v;
        } else if (v - extreme).abs() > back {
            turning += 1;
            up = !up;
            extreme = v;
        }
    }
    turning >= 2
}

/// Gap between two boxes (least and greatest `x`, then `y`); 0 where they touch or overlap.
fn gap(a: &Sight, b: &Sight) -> f32 {
    let axis =
        |i: usize| (a.bounds[i].max(b.bounds[i]) - a.bounds[i + 1].min(b.bounds[i + 1])).max(0.0);
    axis(0).hypot(axis(2))
}

/// Whether `actor` runs into `target`: the target rests until the actor has come close, then goes
/// on in the same direction while the actor stays behind.
fn hits(actor: &Track, target: &Track) -> bool {
    let (Some(a), Some(b)) = (actor.net(), target.net()) else { return false };
    let (la, lb) = (a[0].hypot(a[1]), b[0].hypot(b[1]));
    if la < LEAST_MOVE || lb < LEAST_MOVE || a[0] * b[0] + a[1] * b[1] < 0.8 * la * lb {
        return false;
    }
    let d = [b[0] / lb, b[1] / lb];
    let frames = target.sights.len();
    let way = target.along(d);
    // The last frame in which the target had not yet moved.
    let Some(rest) = way.iter().take_while(|w| w.1 < 0.12 * lb).last().map(|w| w.0) else {
        return false;
    };
    if 4 * rest < frames || 4 * rest > 3 * frames {
        return false;
    }
    let close = (rest.saturating_sub(1)..(rest + 2).min(frames)).any(
        |t| matches!((&actor.sights[t], &target.sights[t]), (Some(a), Some(b)) if gap(a, b) < 0.09),
    );
    let actor_way = actor.along(d);
    let before = actor_way.iter().take_while(|w| w.0 <= rest).last().map_or(0.0, |w| w.1);
    let after = actor_way.last().map_or(0.0, |w| w.1) - before;
    close && before > 0.08 && after < 0.07
}

/// Whether `track` goes along `d` from one side of `other`, which stays, to its other side, and is
/// less seen in between.
fn passes_behind(track: &Track, other: &Track, d: [f32; 2]) -> bool {
    let (Some(a), Some(b), Some(there)) = (track.start(), track.end(), other.start()) else {
        return false;
    };
    let stays = (0..2).all(|axis| other.reach(axis).1 - other.reach(axis).0 < LEAST_MOVE);
    let beside = |p: [f32; 2]| (p[0] - there[0]) * d[0] + (p[1] - there[1]) * d[1];
    if !stays || beside(a) > -0.06 || beside(b) < 0.06 {
        return false;
    }
    let greatest = track.greatest_area();
    let inner = 1..track.sights.len().saturating_sub(1);
    inner.filter_map(|t| other.sights[t].as_ref().map(|o| (t, o))).any(|(t, o)| {
        match &track.sights[t] {
            Some(s) => s.area < 0.72 * greatest && gap(s, o) < 0.04,
            None => true,
        }
    })
}

/// Whether `track` follows `other` along `d`: behind it all the time, near, on its line, both
/// moving.
fn chases(track: &Track, other: &Track, d: [f32; 2]) -> bool {
    let Some(net) = other.net() else { return false };
    let length = net[0].hypot(net[1]);
    if length < LEAST_MOVE || net[0] * d[0] + net[1] * d[1] < 0.9 * length {
        return false;
    }
    let pairs = track.sights.iter().zip(&other.sights);
    let mut together = pairs.filter_map(|(a, b)| Some((a.as_ref()?, b.as_ref()?))).peekable();
    together.peek().is_some()
        && together.all(|(a, b)| {
            let (dx, dy) = (b.at[0] - a.at[0], b.at[1] - a.at[1]);
            let (ahead, aside) = (dx * d[0] + dy * d[1], (dx * d[1] - dy * d[0]).abs());
            ahead > 0.05 && aside < 0.6 * ahead && gap(a, b) < 0.20
        })
}
