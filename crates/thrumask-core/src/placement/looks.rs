//! Takes the looks of the first frame along to later ones.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Placement, cutout::Cutout, ground::Ground, paths::Paths, point};
use crate::{LabelMap, Picture, labels::Joined};

/// The first frame's picture moved along masks: in each frame every object has the looks that it has there,
/// shifted, turned and resized as a whole, on the background as it is there. Ground that objects covered is made of
/// patches of the rest; what the first frame did not show of an object, and objects that are nowhere found, have the
/// colours of what they border on.
///
/// The camera stands still, and the first of `frames` belongs to the picture.
///
/// # Panics
/// When `frames` are not of the picture's size.
pub fn carry_picture(picture: &Picture, frames: &[LabelMap]) -> Vec<Picture> {
    let Some(first) = frames.first() else { return Vec::new() };
    let (paths, ground) =
        rayon::join(|| Paths::new(frames, None, &BTreeMap::new()), || Ground::new(picture, first));
    let carried = |(f, labels): (usize, &LabelMap)| match f {
        0 => picture.clone(),
        _ => carried_to(picture, first, labels, &ground, &paths.at(f)),
    };
    frames.par_iter().enumerate().map(carried).collect()
}

fn carried_to(
    picture: &Picture,
    first: &LabelMap,
    labels: &LabelMap,
    ground: &Ground<'_>,
    placed: &[(Cutout<'_>, Placement)],
) -> Picture {
    let size = picture.size();
    let color = |i: usize| -> [f32; 3] {
        let rgb = &picture.rgb()[3 * i..3 * i + 3];
        [f32::from(rgb[0]), f32::from(rgb[1]), f32::from(rgb[2])]
    };
    let mut colors: Vec<Option<[f32; 3]>> = vec![None; size.area()];
    for (i, known) in colors.iter_mut().enumerate() {
        if labels.ids()[i] == 0 {
            *known = ground.color(i, labels);
        }
    }
    for (cutout, placement) in placed {
        let source = placement.source(cutout.center);
        for (i, known) in colors.iter_mut().enumerate() {
            if labels.ids()[i] == cutout.id {
                *known = sampled(first, cutout.id, source(point(i, size)), color);
            }
        }
    }
    fill(&mut colors, labels);
    let mut carried = picture.clone();
    for (rgb, color) in carried.rgb_mut().chunks_exact_mut(3).zip(colors) {
        let color = color.unwrap_or_default();
        rgb.iter_mut().zip(color).for_each(|(v, color)| *v = (color + 0.5) as u8);
    }
    carried
}

/// The colour of an object at a point of the first frame, bilinear among its own pixels; `None` beside them.
fn sampled(
    first: &LabelMap,
    id: u8,
    [x, y]: [f32; 2],
    color: impl Fn(usize) -> [f32; 3],
) -> Option<[f32; 3]> {
    let size = first.size();
    let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
    let (u, v) = (x - 0.5 - left, y - 0.5 - top);
    let (mut sum, mut weight) = ([0f32; 3], 0.0);
    for (dx, dy, share) in [
        (0.0, 0.0, (1.0 - u) * (1.0 - v)),
        (1.0, 0.0, u * (1.0 - v)),
        (0.0, 1.0, (1.0 - u) * v),
        (1.0, 1.0, u * v),
    ] {
        let (x, y) = (left + dx, top + dy);
        if x < 0.0 || y < 0.0 || x >= size.width as f32 || y >= size.height as f32 {
            continue;
        }
        let i = y as usize * size.width + x as usize;
        if first.ids()[i] == id {
            let color = color(i);
            sum = std::array::from_fn(|c| sum[c] + share * color[c]);
            weight += share;
        }
    }
    (weight > 0.2).then(|| sum.map(|v| v / weight))
}

/// Gives what has no colour that of its neighbours, ring by ring: of those with the same label where there are
/// any, then of all.
fn fill(colors: &mut [Option<[f32; 3]>], labels: &LabelMap) {
    for alike in [true, false] {
        let mut open: Vec<usize> = (0..colors.len()).filter(|&i| colors[i].is_none()).collect();
        while !open.is_empty() {
            let found: Vec<(usize, [f32; 3])> =
                open.iter().filter_map(|&i| Some((i, around(i, colors, labels, alike)?))).collect();
            if found.is_empty() {
                break;
            }
            found.into_iter().for_each(|(i, color)| colors[i] = Some(color));
            open.retain(|&i| colors[i].is_none());
        }
    }
}

/// The mean colour of the neighbours that have one.
fn around(
    i: usize,
    colors: &[Option<[f32; 3]>],
    labels: &LabelMap,
    alike: bool,
) -> Option<[f32; 3]> {
    let beside = Joined::Corners.neighbours(i, labels.size());
    let (mut sum, mut count) = ([0f32; 3], 0.0);
    for n in beside.filter(|&n| !alike || labels.ids()[n] == labels.ids()[i]) {
        if let Some(color) = colors[n] {
            sum = std::array::from_fn(|c| sum[c] + color[c]);
            count += 1.0;
        }
    }
    (count > 0.0).then(|| sum.map(|v| v / count))
}
