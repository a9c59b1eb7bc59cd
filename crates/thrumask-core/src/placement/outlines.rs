//! Takes the outlines of the first frame along to later ones.

use std::collections::BTreeMap;

use super::{
    Placement, Turn,
    cutout::{Cutout, Seen},
    leaving::is_stray,
    paths::Paths,
    point,
};
use crate::{LabelMap, Picture};

/// Masks with the outlines of the first frame: each object is the first mask, shifted, turned and resized as a
/// whole to where `masks` have it. `painted`, where it is given, shows how sure they are: each object in its
/// palette colour, darker where less sure. `turns` tells of objects, by id, that are known to turn, which a blur may
/// not show.
///
/// What the first frame did not show of an object, and an object that is not found, are as in `masks`; what was painted far
/// from where an object left the picture is not. Where
/// outlines overlap, the object that `masks` show in most of the common pixels is in front. The first of `masks`
/// is the first frame and stays as it is.
///
/// # Panics
/// When `masks` differ in size, or `painted` has fewer frames or another size.
pub fn carry_masks(
    masks: &[LabelMap],
    painted: Option<&[Picture]>,
    turns: &BTreeMap<u8, Turn>,
) -> Vec<LabelMap> {
    let paths = Paths::new(masks, painted, turns);
    let without_strays = |labels: &LabelMap, gone: &[(Cutout<'_>, Placement)]| {
        let mut labels = labels.clone();
        if painted.is_some() {
            let size = labels.size();
            for (i, id) in labels.ids_mut().iter_mut().enumerate() {
                let of = gone.iter().find(|(cutout, _)| cutout.id == *id);
                if of.is_some_and(|(cutout, last)| is_stray(cutout, last, point(i, size))) {
                    *id = 0;
                }
            }
        }
        labels
    };
    let carried = |(f, labels): (usize, &LabelMap)| match f {
        0 => labels.clone(),
        _ => carry(&paths.at(f), &without_strays(labels, &paths.left(f))),
    };
    masks.iter().enumerate().map(carried).collect()
}

fn carry(placed: &[(Cutout<'_>, Placement)], masks: &LabelMap) -> LabelMap {
    let claims = claims(placed, masks);
    // How often each object is seen where both claim a pixel.
    let mut shown = BTreeMap::<(u8, u8), u32>::new();
    for (claims, &label) in claims.iter().zip(masks.ids()) {
        if claims.contains(&label) {
            for &other in claims.iter().filter(|&&other| other != label) {
                *shown.entry((label, other)).or_default() += 1;
            }
        }
    }
    let in_front = |a: u8, b: u8| {
        let count = |pair| shown.get(&pair).copied().unwrap_or(0);
        if count((b, a)) > count((a, b)) { b } else { a }
    };
    let mut carried = masks.clone();
    for (id, claims) in carried.ids_mut().iter_mut().zip(claims) {
        let moved = placed.iter().any(|(cutout, _)| cutout.id == *id);
        match claims.into_iter().reduce(in_front) {
            Some(front) if moved || *id == 0 => *id = front,
            None if moved => *id = 0,
            _ => {}
        }
    }
    carried
}

/// The objects that each pixel may belong to.
fn claims(placed: &[(Cutout<'_>, Placement)], masks: &LabelMap) -> Vec<Vec<u8>> {
    let mut claims: Vec<Vec<u8>> = vec![Vec::new(); masks.size().area()];
    for (cutout, placement) in placed {
        let source = placement.source(cutout.center);
        let [columns, rows] = cutout.covered(placement);
        for (i, claims) in claims.iter_mut().enumerate() {
            let (x, y) = (i % masks.size().width, i / masks.size().width);
            let own = masks.ids()[i] == cutout.id;
            let near = columns.contains(&x) && rows.contains(&y);
            // What was hidden may lie further away than all that was not.
            if !own && !near {
                continue;
            }
            match cutout.seen(source(point(i, masks.size()))) {
                Seen::Object => claims.push(cutout.id),
                Seen::Hidden if own => claims.push(cutout.id),
                _ => {}
            }
        }
    }
    claims
}
