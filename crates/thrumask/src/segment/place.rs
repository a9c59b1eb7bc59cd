//! One object from a box around it or from points on it.

use thrumask_core::{Error, Picture, PixelBox, Result, Size, control::Point};

use super::{
    canvas::{Patch, ScoreGrid, agreement, bounds, contains, from_centre, grown},
    cut::{Hint, cut_out},
    masker::Cut,
    search::{box_hints, search},
};

/// Longer side, in cells, of the part of a picture that an object is cut out of.
const CUT_SIDE: usize = 176;
/// Longer side, in cells, of the picture in which the object around points is looked for.
const SEARCH_SIDE: usize = 128;
/// Context around a box, as a share of its longer side.
const MARGIN: f32 = 0.2;

/// The pixels that a box touches, clipped to the picture.
fn pixel_box(given: [f32; 4], size: Size, what: &str) -> Result<PixelBox> {
    let [x0, y0, x1, y1] = given;
    let side = |v: f32, most: usize| (v.max(0.0) as usize).min(most);
    let b = PixelBox {
        x0: side(x0.floor(), size.width),
        y0: side(y0.floor(), size.height),
        x1: side(x1.ceil(), size.width),
        y1: side(y1.ceil(), size.height),
    };
    if !given.iter().all(|v| v.is_finite()) || b.area() == 0 {
        let reason =
            format!("expected left, top, right, bottom on the {size} picture, got {given:?}");
        return Err(Error::invalid(format!("box of {what}"), reason));
    }
    Ok(b)
}

/// A box with context around it, as a patch.
fn around(picture: &Picture, b: PixelBox) -> Result<Patch> {
    let margin = (MARGIN * (b.x1 - b.x0).max(b.y1 - b.y0) as f32).ceil() as usize + 2;
    Patch::new(picture, grown(b, [margin; 4], picture.size()), CUT_SIDE)
}

/// The object in a box, cut out by colour; an ellipse when colours do not tell.
pub(super) fn from_box(picture: &Picture, given: [f32; 4], what: &str) -> Result<Cut> {
    let inner = pixel_box(given, picture.size(), what)?;
    let patch = around(picture, inner)?;
    let (mut scores, score, note) = match cut_out(&patch.picture, &box_hints(&patch, inner)) {
        Some(scores) => (scores, 0.7, None),
        None => {
            let height = |i| (4.0 * (1.0 - from_centre(inner, patch.centre(i)))).max(-4.0);
            let note = format!(
                "{what}: colours do not tell it from what is around its box, so its mask is the \
                 ellipse in the box"
            );
            ((0..patch.cells()).map(height).collect(), 0.3, Some(note))
        }
    };
    // A box smaller than a cell still gets a cell.
    if !(0..patch.cells()).any(|i| scores[i] > 0.0 && contains(inner, patch.centre(i))) {
        let (x, y) = inner.center();
        patch.cell_at([x, y]).into_iter().for_each(|i| scores[i] = 0.5);
    }
    let grid = ScoreGrid { clip: inner, ..ScoreGrid::over(patch.area, patch.size(), scores) };
    Ok(Cut { grid, score, note })
}

/// Refuses a box that is empty or lies beside the picture.
pub(super) fn check_box(given: [f32; 4], size: Size, what: &str) -> Result<()> {
    pixel_box(given, size, what).map(drop)
}

/// Refuses points beside the picture, and points that say nothing of where the object is.
pub(super) fn check_points(points: &[Point], size: Size, what: &str) -> Result<()> {
    let refuse = |reason: String| Err(Error::invalid(format!("points of {what}"), reason));
    let whole = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
    if let Some(p) = points.iter().find(|p| !contains(whole, [p.x, p.y])) {
        return refuse(format!("expected points on the {size} picture, got [{}, {}]", p.x, p.y));
    }
    match points.iter().any(|p| p.inside) {
        true => Ok(()),
        false => refuse("expected at least one point on the object, got none".into()),
    }
}

/// The cells of a patch that are marked by points: on the object first, where both fall on one.
fn marks(patch: &Patch, points: &[Point]) -> Vec<Option<Hint>> {
    let mut marks = vec![None; patch.cells()];
    for (wanted, hint) in [(false, Hint::Outside), (true, Hint::Inside)] {
        let cells = points.iter().filter(|p| p.inside == wanted);
        let cells = cells.filter_map(|p| patch.cell_at([p.x, p.y]));
        cells.for_each(|cell| marks[cell] = Some(hint));
    }
    marks
}

/// The object that points on the picture lie on: searched for at reduced size, then cut out more finely.
pub(super) fn from_point_list(picture: &Picture, points: &[Point], what: &str) -> Result<Cut> {
    let size = picture.size();
    let whole = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
    let small = Patch::new(picture, whole, SEARCH_SIDE)?;
    let marked = marks(&small, points);
    let found = search(&small.picture, &marked)?;
    let Some((coarse, tight)) = found.and_then(|f| bounds(&f, small.size()).map(|b| (f, b))) else {
        let dot = |m: &Option<Hint>| if *m == Some(Hint::Inside) { 1.0 } else { -1.0 };
        let grid = ScoreGrid::over(whole, small.size(), marked.iter().map(dot).collect());
        let note = format!("{what}: nothing stands out around its points, so its mask is a dot");
        return Ok(Cut { grid, score: 0.1, note: Some(note) });
    };
    let tight = small.whole_box(tight);
    let patch = around(picture, tight)?;
    let centres = (0..patch.cells()).map(|i| patch.centre(i));
    let coarse: Vec<bool> =
        centres.map(|at| small.cell_at(at).is_some_and(|cell| coarse[cell])).collect();
    let hints: Vec<Hint> = marks(&patch, points)
        .iter()
        .enumerate()
        .map(|(i, mark)| match (mark, coarse[i]) {
            (Some(mark), _) => *mark,
            (None, true) => Hint::MaybeInside,
            (None, false) if from_centre(tight, patch.centre(i)) < 1.8 => Hint::MaybeOutside,
            _ => Hint::Outside,
        })
        .collect();
    // The finer cut may mend the coarse one, not replace it by something else.
    let mends = |scores: &Vec<f32>| {
        let fine: Vec<bool> = scores.iter().map(|&s| s > 0.0).collect();
        agreement(&fine, &coarse) > 0.5
    };
    let plain = || coarse.iter().map(|&c| if c { 1.0 } else { -1.0 }).collect();
    let scores = cut_out(&patch.picture, &hints).filter(mends).unwrap_or_else(plain);
    let grid = ScoreGrid::over(patch.area, patch.size(), scores);
    Ok(Cut { grid, score: 0.6, note: None })
}
