//! Finds the object that points lie on: boxes around the points grow until what is cut out of them
//! no longer touches their sides, and of several such objects the one that stands out most is taken.

use thrumask_core::{Picture, PixelBox, Result};

use super::{
    canvas::{Patch, agreement, bounds, contains, from_centre, grown, pieces},
    cut::{Hint, cut_out, outline},
};

/// First sizes of the boxes, as shares of the picture's longer side.
const STARTS: [f32; 5] = [0.06, 0.1, 0.16, 0.24, 0.36];
/// How often a box may change.
const ROUNDS: usize = 8;
/// A box may not cover more of the picture than this.
const LARGEST: f32 = 0.6;
/// From this share of the picture on, an object is rather unlikely.
const GROUND: f32 = 0.2;
/// A side is touched when the object covers more of it than this.
const TOUCH: f32 = 0.15;

/// A patch of the picture that may be the object.
struct Candidate {
    mask: Vec<bool>,
    /// Mean step of colour over its outline, in levels.
    outline: f32,
}

/// What a box says of the cells of a patch: nothing outside of it is the object, and its corners
/// rather are not.
pub(super) fn box_hints(patch: &Patch, inner: PixelBox) -> Vec<Hint> {
    let hint = |i: usize| {
        let at = patch.centre(i);
        match (contains(inner, at), from_centre(inner, at)) {
            (false, _) => Hint::Outside,
            (true, far) if far <= 1.15 => Hint::MaybeInside,
            _ => Hint::MaybeOutside,
        }
    };
    (0..patch.cells()).map(hint).collect()
}

/// The object on the cells marked [`Hint::Inside`], without those marked [`Hint::Outside`], as a
/// mask of the picture; `None` when nothing around them stands out.
pub(super) fn search(picture: &Picture, marks: &[Option<Hint>]) -> Result<Option<Vec<bool>>> {
    let size = picture.size();
    let seeds: Vec<bool> = marks.iter().map(|m| *m == Some(Hint::Inside)).collect();
    let Some(tight) = bounds(&seeds, size) else { return Ok(None) };
    let mut found: Vec<Candidate> = Vec::new();
    for share in STARTS {
        let half = (share * size.width.max(size.height) as f32 / 2.0).ceil() as usize;
        let start = grown(tight, [half; 4], size);
        found.extend(fit(picture, marks, start)?);
    }
    // What several starts agree on is more likely a whole object than a part of one; what covers
    // much of the picture is more likely its ground.
    let worth = |c: &Candidate| {
        let area = c.mask.iter().filter(|m| **m).count() as f32;
        let share = area / size.area() as f32;
        let votes: f32 = found.iter().map(|other| agreement(&c.mask, &other.mask)).sum();
        c.outline * area.powf(0.25) * votes.sqrt() / (1.0 + (share / GROUND).powi(2))
    };
    let best = found.iter().max_by(|a, b| worth(a).total_cmp(&worth(b)));
    Ok(best.map(|c| c.mask.clone()))
}

/// Grows and tightens a box until it holds an object.
fn fit(picture: &Picture, marks: &[Option<Hint>], start: PixelBox) -> Result<Option<Candidate>> {
    let size = picture.size();
    let mut inner = start;
    let mut held: Option<Candidate> = None;
    for _ in 0..ROUNDS {
        let (width, height) = (inner.x1 - inner.x0, inner.y1 - inner.y0);
        if inner.area() as f32 > LARGEST * size.area() as f32 {
            break;
        }
        let step = (width.max(height) / 4).max(2);
        let Some(mask) = cut_from(picture, marks, inner)? else {
            inner = grown(inner, [step; 4], size);
            continue;
        };
        let at = |x: usize, y: usize| usize::from(mask[y * size.width + x]);
        let column = |x: usize| (inner.y0..inner.y1).map(|y| at(x, y)).sum::<usize>();
        let row = |y: usize| (inner.x0..inner.x1).map(|x| at(x, y)).sum::<usize>();
        let touched = |count: usize, side: usize, open: bool| {
            if open && count as f32 > TOUCH * side as f32 { step } else { 0 }
        };
        let by = [
            touched(column(inner.x0), height, inner.x0 > 0),
            touched(row(inner.y0), width, inner.y0 > 0),
            touched(column(inner.x1 - 1), height, inner.x1 < size.width),
            touched(row(inner.y1 - 1), width, inner.y1 < size.height),
        ];
        if by != [0; 4] {
            inner = grown(inner, by, size);
            continue;
        }
        let tight = bounds(&mask, size).map(|b| grown(b, [1; 4], size));
        held = Some(Candidate { outline: outline(picture, &mask), mask });
        // A box that is much too wide tells little of the object's surroundings: once more, closer.
        match tight.filter(|t| 10 * t.area() < 8 * inner.area()) {
            Some(tight) => inner = tight,
            None => break,
        }
    }
    Ok(held)
}

/// The pieces on the marks of what is cut out of a box, as a mask of the whole picture.
fn cut_from(
    picture: &Picture,
    marks: &[Option<Hint>],
    inner: PixelBox,
) -> Result<Option<Vec<bool>>> {
    let size = picture.size();
    let margin = ((inner.x1 - inner.x0).max(inner.y1 - inner.y0) / 4).max(3);
    let area = grown(inner, [margin; 4], size);
    let patch = Patch::new(picture, area, usize::MAX)?;
    let whole = |i: usize| {
        let (x, y) = (i % patch.size().width + area.x0, i / patch.size().width + area.y0);
        y * size.width + x
    };
    let mut hints = box_hints(&patch, inner);
    for (i, hint) in hints.iter_mut().enumerate() {
        *hint = marks[whole(i)].unwrap_or(*hint);
    }
    let Some(scores) = cut_out(&patch.picture, &hints) else { return Ok(None) };
    let cut: Vec<bool> = scores.iter().map(|&s| s > 0.0).collect();
    let mut mask = vec![false; size.area()];
    let marked = |p: &&Vec<usize>| p.iter().any(|&i| hints[i] == Hint::Inside);
    for &i in pieces(&cut, patch.size()).iter().filter(marked).flatten() {
        mask[whole(i)] = true;
    }
    Ok(Some(mask))
}
