//! Which pixel belongs to which object, once it is known where their cut-outs lie.

use thrumask_core::LabelMap;

use super::{Evidence, MOST, template::Template, track::Pose, track::Track};

/// How far beyond its cut-out an object may reach (a wing that opens, a network's rounder shape), as
/// a fraction of the picture's side.
const SLACK: f32 = 0.06;
/// What a pixel one hundredth of the picture's side outside of the cut-out costs.
const OUTSIDE: f32 = 0.8;
/// What leaving a pixel well inside of the cut-out to the background costs.
const INSIDE: f32 = 0.8;
/// What a difference between neighbours costs.
const EDGE: f32 = 0.25;
/// What it costs to take a pixel for a mixture of object and background.
const MIXED: f32 = 0.3;
/// Mixtures lie within this distance of the cut-out's edge, or outside of it, in pixels.
const EDGE_DEPTH: f32 = 1.5;
/// Rounds in which pixels listen to their neighbours.
const ROUNDS: usize = 3;

/// The label map of one frame.
pub fn label(
    tracks: &[Track],
    templates: &[Option<Template>],
    evidence: &Evidence,
    likeness: &[Vec<f32>],
) -> LabelMap {
    let (area, side) = (evidence.size.area(), evidence.size.width.max(evidence.size.height) as f32);
    let slack = (SLACK * side).max(1.5);
    // Cost of every choice: background first, then the objects; infinite where impossible.
    let mut costs = vec![evidence.background.clone()];
    for ((track, template), unlike) in tracks.iter().zip(templates).zip(likeness) {
        let mut cost = vec![f32::INFINITY; area];
        if let Some(template) = template {
            let inside = covered(template, &track.pose, evidence);
            let away = distance(&inside, evidence.size.width, true);
            let depth = distance(&inside, evidence.size.width, false);
            for i in (0..area).filter(|&i| away[i] <= slack) {
                let outside = OUTSIDE * (away[i] - 0.5).max(0.0) * 100.0 / side;
                let (mostly, hardly) = mixed(template, evidence, i);
                cost[i] = unlike[i].min(mostly).min(MOST) + outside;
                if depth[i] < EDGE_DEPTH {
                    costs[0][i] = costs[0][i].min(hardly);
                }
                let within = (depth[i] / (0.03 * side)).min(1.0);
                costs[0][i] += INSIDE * within;
            }
        }
        costs.push(cost);
    }
    let mut labels = LabelMap::empty(evidence.size);
    let best = |i: usize, extra: &dyn Fn(usize) -> f32| {
        let rated = costs.iter().enumerate().map(|(id, c)| (id, c[i] + extra(id)));
        rated.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(id, _)| id as u8)
    };
    let ids: Vec<u8> = (0..area).map(|i| best(i, &|_| 0.0)).collect();
    labels.ids_mut().copy_from_slice(&ids);
    let (w, h) = (evidence.size.width, evidence.size.height);
    for _ in 0..ROUNDS {
        let old = labels.ids().to_vec();
        for i in 0..area {
            let (x, y) = (i % w, i / w);
            let around = (y.saturating_sub(1)..(y + 2).min(h))
                .flat_map(|ny| (x.saturating_sub(1)..(x + 2).min(w)).map(move |nx| ny * w + nx));
            let mut votes = [0f32; 256];
            around.filter(|&j| j != i).for_each(|j| votes[usize::from(old[j])] += 1.0);
            labels.ids_mut()[i] = best(i, &|id| EDGE * (8.0 - votes[id]));
        }
    }
    labels
}

/// How unlike a pixel is to one that the object covers by three quarters, and to one that it covers by
/// one quarter: at its edge, where half is the border.
fn mixed(template: &Template, evidence: &Evidence, i: usize) -> (f32, f32) {
    let (seen, behind) = (evidence.colors[i], evidence.behind[i]);
    let covered = |own: f32| {
        let mix = |p: &[f32; 3]| [0, 1, 2].map(|c| own * p[c] + (1.0 - own) * behind[c]);
        let all = template.palette.iter().map(|p| super::unlike(seen, mix(p)));
        all.fold(f32::MAX, f32::min) + MIXED
    };
    (covered(0.75), covered(0.25))
}

/// Pixels that the cut-out covers at `pose`.
fn covered(template: &Template, pose: &Pose, evidence: &Evidence) -> Vec<bool> {
    let (s, c) = (-pose.angle).to_radians().sin_cos();
    let w = evidence.size.width;
    let inside = |i: usize| {
        let (x, y) = ((i % w) as f32 - pose.at[0], (i / w) as f32 - pose.at[1]);
        let (x, y) = (x / pose.scale, y / pose.scale);
        template.holds([c * x - s * y, s * x + c * y])
    };
    (0..evidence.size.area()).map(inside).collect()
}

/// Distance in pixels of each pixel to the nearest one of the mask (`to`: true) or outside of it,
/// along rows, columns and diagonals.
fn distance(mask: &[bool], width: usize, to: bool) -> Vec<f32> {
    const DIAGONAL: f32 = std::f32::consts::SQRT_2;
    let height = mask.len() / width;
    let mut d: Vec<f32> = mask.iter().map(|&m| if m == to { 0.0 } else { 1e6 }).collect();
    let mut relax = |x: usize, y: usize, forward: bool| {
        let step: i32 = if forward { -1 } else { 1 };
        let mut least = d[y * width + x];
        for (dx, dy, cost) in
            [(step, 0, 1.0), (0, step, 1.0), (step, step, DIAGONAL), (-step, step, DIAGONAL)]
        {
            let (nx, ny) = (x as i32 + dx, y as i32 + dy);
            if (0..width as i32).contains(&nx) && (0..height as i32).contains(&ny) {
                least = least.min(d[ny as usize * width + nx as usize] + cost);
            }
        }
        d[y * width + x] = least;
    };
    for y in 0..height {
        (0..width).for_each(|x| relax(x, y, true));
    }
    for y in (0..height).rev() {
        (0..width).rev().for_each(|x| relax(x, y, false));
    }
    d
}
