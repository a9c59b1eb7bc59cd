//! Finds the placements of an object in later frames.

use std::f32::consts::TAU;

use rayon::prelude::*;

use super::{Placement, Turn, Way, cutout::Cutout, leaving::without_returns, sight::Sight};

/// What has to be seen of an object, as a share of its first mask, for a placement to be fitted.
const LEAST: f32 = 0.04;
/// The same where frames are blurred: of little that is seen, little is certain. What shrinks a lot keeps more.
const BLURRED_LEAST: f32 = 0.2;
/// Overlap that an object must gain by it before it turns, and before it changes its size, mean over the frames.
const WORTH: [f32; 2] = [0.012, 0.012];
/// The same where frames are blurred: what is blurred fits many sizes and turns nearly as well.
const BLURRED_WORTH: [f32; 2] = [0.05, 0.025];
/// The same, of turning at a steady pace, which nothing comes by that does not turn, and which a blur shows worst: it
/// may even explain the frames a little worse.
const STEADY_WORTH: f32 = -0.005;
/// How often the path of what is told to turn is smoothed: where its blur lies says little of a single frame.
const SMOOTHINGS: usize = 4;
/// What has to be seen of an object in every frame, as a share of its first mask, for that to say anything.
const WHOLE: f32 = 0.5;
/// Turns from the first to the last frame that are tried at a steady pace: so many parts of a full one, as often
/// in either direction.
const TURNS: [i32; 2] = [6, 12];

/// A placement, and how well it explains a frame.
#[derive(Debug, Clone, Copy)]
struct Placed {
    placement: Placement,
    /// As [`Cutout::overlap`] has it.
    overlap: f32,
}

/// What an object may do beside being shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Freedom {
    turn: bool,
    resize: bool,
}

/// One for each frame; `None` where too little is seen of the object.
type Path = Vec<Option<Placed>>;

/// The placements of an object in frames of which the first is the first frame. It turns, or changes its size,
/// only if that explains all frames better than a shift alone; what is `told` to turn does so at a steady pace. What is
/// hidden for a while is where it is on the straight way between; `None` before it is seen, or after. `blurred` frames
/// show how sure a network was.
pub(super) fn placements(
    cutout: &Cutout<'_>,
    frames: &[Sight],
    blurred: bool,
    told: Option<Turn>,
) -> Vec<Option<Placement>> {
    let [turning, resizing] = if blurred { BLURRED_WORTH } else { WORTH };
    let least = if blurred { BLURRED_LEAST } else { LEAST };
    let fit = |turn: bool, resize: bool| {
        let path = followed(cutout, frames, Freedom { turn, resize }, least);
        let cost = [(turn, turning), (resize, resizing)].into_iter().filter(|(with, _)| *with);
        (worth(&path) - cost.map(|(_, worth)| worth).sum::<f32>(), path)
    };
    let better = |a: (f32, Path), b: (f32, Path)| if b.0 > a.0 { b } else { a };
    let best = fit(false, false);
    let best = match told {
        Some(turn) => {
            let (_, path) = better(best, fit(false, true));
            let path = steady(cutout, frames, &path, turn);
            (0.0, (0..SMOOTHINGS).fold(path, |path, _| smoothed(&path)))
        }
        None => {
            let whole = frames.iter().all(|now| now.area >= WHOLE * cutout.area);
            let either = Turn { way: Way::Either, angle: None };
            let steady = (blurred && whole).then(|| steady(cutout, frames, &best.1, either));
            let steady = steady.map(|path| (worth(&path) - STEADY_WORTH, path));
            let freer = [(true, false), (false, true), (true, true)].into_par_iter();
            let freer: Vec<_> = freer.map(|(turn, resize)| fit(turn, resize)).collect();
            steady.into_iter().chain(freer).fold(best, better)
        }
    };
    let path = best.1.into_iter().map(|placed| Some(placed?.placement)).collect();
    bridged(if blurred { without_returns(cutout, path) } else { path })
}

/// The mean overlap of what is placed.
fn worth(path: &Path) -> f32 {
    let seen = path.iter().flatten();
    seen.clone().map(|placed| placed.overlap).sum::<f32>() / (seen.count() as f32).max(1.0)
}

/// The straight way across gaps.
fn bridged(mut path: Vec<Option<Placement>>) -> Vec<Option<Placement>> {
    let known: Vec<usize> = (0..path.len()).filter(|&i| path[i].is_some()).collect();
    for ends in known.windows(2) {
        let &[a, b] = ends else { continue };
        let (Some(from), Some(to)) = (path[a], path[b]) else { continue };
        for (i, between) in path[a + 1..b].iter_mut().enumerate() {
            *between = Some(from.toward(&to, (i + 1) as f32 / (b - a) as f32));
        }
    }
    path
}

/// The best path on which the object turns at a steady pace, which is found where single frames hardly show its turn.
fn steady(cutout: &Cutout<'_>, frames: &[Sight], shifted: &Path, told: Turn) -> Path {
    let last = frames.len().saturating_sub(1).max(1) as f32;
    let each = |f: &dyn Fn(usize, Placement) -> Placed| -> Path {
        let at = |(i, placed): (usize, &Option<Placed>)| Some(f(i, (*placed)?.placement));
        shifted.iter().enumerate().map(at).collect()
    };
    let turned = |turn: f32, i: usize, at| Placement { angle: turn * i as f32 / last, ..at };
    let judged = |turn: f32| {
        let path = each(&|i, at| {
            let placement = turned(turn, i, at);
            Placed { overlap: cutout.overlap(&placement, &frames[i]), placement }
        });
        (worth(&path), turn)
    };
    let best = |turns: &mut dyn Iterator<Item = f32>| {
        turns.map(judged).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0.0, |(_, turn)| turn)
    };
    let part = TAU / TURNS[0] as f32;
    let best_of =
        |turns: &[f32]| best(&mut turns.iter().copied().filter(|&turn| told.way.may_be(turn)));
    let turn = match told.angle {
        Some(angle) => best_of(&[angle, -angle]),
        None => {
            let any: Vec<f32> = (-TURNS[1]..=TURNS[1]).map(|n| n as f32 * part).collect();
            let rough = best_of(&any);
            best(&mut (-3..=3).map(|n| rough + n as f32 * part / 6.0))
        }
    };
    each(&|i, at| {
        let freedom = Freedom { turn: false, resize: false };
        search(cutout, &frames[i], vec![turned(turn, i, at)], freedom)
    })
}

/// The path with each centre halfway to the mean of those before and after it; the first stays.
fn smoothed(path: &Path) -> Path {
    let center = |i: usize| Some((*path.get(i)?)?.placement.center);
    let at = |(i, placed): (usize, &Option<Placed>)| {
        let mut placed = (*placed)?;
        let around = [i.wrapping_sub(1), i, i, i + 1];
        let near: Vec<[f32; 2]> = around.into_iter().filter_map(center).collect();
        if i > 0 {
            let mean = |axis: usize| near.iter().map(|c| c[axis]).sum::<f32>() / near.len() as f32;
            placed.placement.center = [mean(0), mean(1)];
        }
        Some(placed)
    };
    path.iter().enumerate().map(at).collect()
}

/// The path that is found from one frame to the next, where `least` of its first mask is seen.
fn followed(cutout: &Cutout<'_>, frames: &[Sight], freedom: Freedom, least: f32) -> Path {
    let mut last = cutout.placement();
    // What it was before, so that what goes on as it went is found at once.
    let mut before = last;
    let mut path = Vec::with_capacity(frames.len());
    for (i, now) in frames.iter().enumerate() {
        let enough = now.area >= (least * cutout.area).max(4.0);
        let Some(center) = now.center.filter(|_| enough) else {
            path.push(None);
            continue;
        };
        let found = match i {
            0 => Placed { placement: last, overlap: 1.0 },
            _ => search(cutout, now, starts(last, before, center, freedom), freedom),
        };
        (before, last) = (last, found.placement);
        path.push(Some(found));
    }
    path
}

/// Where the search begins: as it was, and as it went on.
fn starts(
    last: Placement,
    before: Placement,
    center: [f32; 2],
    freedom: Freedom,
) -> Vec<Placement> {
    let next = before.toward(&last, 2.0);
    let next = Placement { scale: next.scale.clamp(0.8 * last.scale, 1.25 * last.scale), ..next };
    let mut starts = vec![last, next];
    for from in [last, next] {
        starts.push(Placement { center, ..from });
        if freedom.turn {
            let turned = [-40f32, -20.0, 20.0, 40.0].map(f32::to_radians);
            starts.extend(turned.map(|by| Placement { center, angle: from.angle + by, ..from }));
        }
    }
    starts
}

/// The best placement in the neighbourhood of the best start, by steps along each axis that become shorter.
fn search(cutout: &Cutout<'_>, now: &Sight, starts: Vec<Placement>, freedom: Freedom) -> Placed {
    const HALVINGS: usize = 4;
    let judged = |placement| Placed { overlap: cutout.overlap(&placement, now), placement };
    let better = |a: Placed, b: Placed| if b.overlap > a.overlap { b } else { a };
    let none = Placed { placement: cutout.placement(), overlap: -1.0 };
    let mut best = starts.into_iter().map(judged).fold(none, better);
    let mut step = (cutout.reach / 6.0, 12f32.to_radians(), 1.08f32);
    for _ in 0..HALVINGS {
        loop {
            let before = best.overlap;
            best = around(best.placement, step, freedom).into_iter().map(judged).fold(best, better);
            if best.overlap <= before {
                break;
            }
        }
        step = (step.0 / 2.0, step.1 / 2.0, step.2.sqrt());
    }
    best
}

/// The placements one step away.
fn around(at: Placement, (shift, turn, grow): (f32, f32, f32), freedom: Freedom) -> Vec<Placement> {
    let [x, y] = at.center;
    let shifted = [[x - shift, y], [x + shift, y], [x, y - shift], [x, y + shift]];
    let mut around = shifted.map(|center| Placement { center, ..at }).to_vec();
    if freedom.turn {
        around.extend([-turn, turn].map(|by| Placement { angle: at.angle + by, ..at }));
    }
    if freedom.resize {
        around.extend([1.0 / grow, grow].map(|by| Placement { scale: at.scale * by, ..at }));
    }
    around
}
