//! Masks from what a person gives: a mask, a box or points for an object.
//!
//! Boxes and points are turned into masks by colour alone, at reduced size: an object that stands
//! out from what surrounds it is cut out well; one that does not (camouflage, glass, hair, strong
//! texture on both sides) is not. A box then becomes an ellipse, with a note; points become the
//! thing around them that stands out most.

use std::collections::BTreeMap;

use thrumask_core::{Error, MaskSet, Picture, PixelBox, PromptPlan, Result, Size, control::Point};

use super::{
    Segmentation,
    canvas::{ScoreGrid, bounds, paint, reduced},
    cut::{Hint, cut_out},
    label_of,
    search::search,
};

/// Longer side, in pixels, of the part of a picture that an object is cut out of.
const CUT_SIDE: usize = 176;
/// Longer side, in pixels, of the picture in which the object around points is looked for.
const SEARCH_SIDE: usize = 128;
/// Context around a box, as a share of its longer side.
const MARGIN: f32 = 0.2;
/// Score of cells that a person gave: higher than any that is computed.
const GIVEN: f32 = 100.0;

/// Where an object is, as a person says. Coordinates are pixels of the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Its mask, row-major, of the picture's size.
    Mask(Vec<bool>),
    /// A box around it: left, top, right, bottom.
    Box([f32; 4]),
    /// Points on it and beside it.
    Points(Vec<Point>),
}

/// What came of one place.
pub(super) struct Found {
    /// Where the object is.
    pub grid: ScoreGrid,
    /// How sure that is, 0 to 1.
    pub score: f32,
    /// What to tell the user.
    pub note: Option<String>,
}

/// All masks given: checks them and tells which objects have none.
///
/// # Errors
/// [`Error::Mismatch`] when the masks are not of the picture's size, or are for another number of
/// objects than the plan has.
pub fn from_masks(picture: &Picture, plan: &PromptPlan, masks: MaskSet) -> Result<Segmentation> {
    if masks.labels.size() != picture.size() {
        return Err(Error::mismatch("size of the masks", picture.size(), masks.labels.size()));
    }
    if masks.objects != plan.objects.len() {
        return Err(Error::mismatch("objects in the masks", plan.objects.len(), masks.objects));
    }
    Segmentation::new(plan, masks, vec![1.0; plan.objects.len()], Vec::new())
}

/// Masks from a box (left, top, right, bottom, in pixels) for each object, by id.
///
/// # Errors
/// [`Error::Invalid`] for an id that the plan does not have, or a box that is empty or lies beside
/// the picture.
pub fn from_boxes(
    picture: &Picture,
    plan: &PromptPlan,
    boxes: &BTreeMap<u8, [f32; 4]>,
) -> Result<Segmentation> {
    let places = boxes.iter().map(|(&id, &b)| (id, Place::Box(b))).collect();
    from_places(picture, plan, &places)
}

/// Masks from points for each object, by id. Points on one object count as beside the others.
///
/// # Errors
/// [`Error::Invalid`] for an id that the plan does not have, a point beside the picture, or an
/// object without a point on it.
pub fn from_points(
    picture: &Picture,
    plan: &PromptPlan,
    points: &BTreeMap<u8, Vec<Point>>,
) -> Result<Segmentation> {
    let places = points.iter().map(|(&id, p)| (id, Place::Points(p.clone()))).collect();
    from_places(picture, plan, &places)
}

/// Masks from places; an object without one has no pixel.
///
/// # Errors
/// As [`from_boxes`] and [`from_points`]; [`Error::Mismatch`] for a mask of another size.
pub fn from_places(
    picture: &Picture,
    plan: &PromptPlan,
    places: &BTreeMap<u8, Place>,
) -> Result<Segmentation> {
    let mut found = find_all(picture, plan, places)?;
    let mut scores = vec![0.0; plan.objects.len()];
    let mut notes = Vec::new();
    let mut grids = vec![ScoreGrid::nothing(); plan.objects.len()];
    for (i, grid) in grids.iter_mut().enumerate() {
        let Some(one) = found.remove(&i) else { continue };
        (*grid, scores[i]) = (one.grid, one.score);
        notes.extend(one.note);
    }
    let masks = MaskSet::new(paint(picture.size(), &grids)?, plan.objects.len())?;
    Segmentation::new(plan, masks, scores, notes)
}

/// What comes of each place, by index of the object.
pub(super) fn find_all(
    picture: &Picture,
    plan: &PromptPlan,
    places: &BTreeMap<u8, Place>,
) -> Result<BTreeMap<usize, Found>> {
    let count = plan.objects.len();
    let mut found = BTreeMap::new();
    for (&id, place) in places {
        let index = usize::from(id).wrapping_sub(1);
        if index >= count {
            let reason = format!("expected an object of the plan, 1 to {count}, got {id}");
            return Err(Error::invalid("object id", reason));
        }
        let one = match place {
            Place::Mask(mask) => from_mask(picture.size(), mask, &label_of(plan, index))?,
            Place::Box(given) => from_box(picture, *given, &label_of(plan, index))?,
            Place::Points(points) => {
                let others = places.iter().filter(|(other, _)| **other != id);
                let others = others.filter_map(|(_, place)| match place {
                    Place::Points(points) => Some(points.iter().filter(|p| p.inside)),
                    _ => None,
                });
                let others = others.flatten().map(|p| Point { inside: false, ..*p });
                let points: Vec<Point> = points.iter().copied().chain(others).collect();
                from_point_list(picture, &points, &label_of(plan, index))?
            }
        };
        found.insert(index, one);
    }
    Ok(found)
}

/// A given mask, as it is.
fn from_mask(size: Size, mask: &[bool], what: &str) -> Result<Found> {
    if mask.len() != size.area() {
        return Err(Error::mismatch(format!("mask pixels of {what}"), size.area(), mask.len()));
    }
    let Some(area) = bounds(mask, size) else {
        return Ok(Found { grid: ScoreGrid::nothing(), score: 0.0, note: None });
    };
    let row = |y: usize| mask[y * size.width + area.x0..y * size.width + area.x1].iter();
    let scores = (area.y0..area.y1).flat_map(row).map(|&m| if m { GIVEN } else { -GIVEN });
    let grid = ScoreGrid {
        area,
        size: Size::new(area.x1 - area.x0, area.y1 - area.y0),
        scores: scores.collect(),
    };
    Ok(Found { grid, score: 1.0, note: None })
}

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

/// A box with context around it, clipped to the picture.
fn with_margin(b: PixelBox, size: Size) -> PixelBox {
    let margin = (MARGIN * (b.x1 - b.x0).max(b.y1 - b.y0) as f32).ceil() as usize + 2;
    PixelBox {
        x0: b.x0.saturating_sub(margin),
        y0: b.y0.saturating_sub(margin),
        x1: (b.x1 + margin).min(size.width),
        y1: (b.y1 + margin).min(size.height),
    }
}

/// The centres of the cells of `size` over `area`, in pixels of the picture.
fn centres(area: PixelBox, size: Size) -> impl Iterator<Item = [f32; 2]> {
    let along = move |i: usize, n: usize, a: usize, b: usize| {
        a as f32 + (i as f32 + 0.5) * (b - a) as f32 / n as f32
    };
    (0..size.area()).map(move |i| {
        let x = along(i % size.width, size.width, area.x0, area.x1);
        [x, along(i / size.width, size.height, area.y0, area.y1)]
    })
}

/// How far a point lies from the centre of a box, 1 on the ellipse inside it.
fn from_centre(b: PixelBox, [x, y]: [f32; 2]) -> f32 {
    let (cx, cy) = b.center();
    let (w, h) = ((b.x1 - b.x0) as f32 / 2.0, (b.y1 - b.y0) as f32 / 2.0);
    ((x - cx) / w).hypot((y - cy) / h)
}

/// The object in a box, cut out by colour; an ellipse when colours do not tell.
fn from_box(picture: &Picture, given: [f32; 4], what: &str) -> Result<Found> {
    let inner = pixel_box(given, picture.size(), what)?;
    let area = with_margin(inner, picture.size());
    let part = reduced(picture, area, CUT_SIDE)?;
    let at: Vec<[f32; 2]> = centres(area, part.size()).collect();
    let in_box = |[x, y]: [f32; 2]| {
        (inner.x0 as f32..inner.x1 as f32).contains(&x)
            && (inner.y0 as f32..inner.y1 as f32).contains(&y)
    };
    let hint = |&p: &[f32; 2]| match (in_box(p), from_centre(inner, p)) {
        (false, _) => Hint::Outside,
        (true, d) if d <= 0.9 => Hint::MaybeInside,
        (true, d) if d <= 1.15 => Hint::MaybeInside,
        _ => Hint::MaybeOutside,
    };
    let hints: Vec<Hint> = at.iter().map(hint).collect();
    let (mut scores, note) = match cut_out(&part, &hints) {
        Some(scores) => (scores, None),
        None => {
            let ellipse = at.iter().map(|&p| (4.0 * (1.0 - from_centre(inner, p))).max(-4.0));
            let note = format!(
                "{what}: colours do not tell it from what is around its box, so its mask is the \
                 ellipse in the box"
            );
            (ellipse.collect(), Some(note))
        }
    };
    // Interpolation would carry the mask past a box that does not lie on the grid.
    let grid_area = PixelBox { ..area };
    for (score, &p) in scores.iter_mut().zip(&at) {
        if !in_box(p) {
            *score = score.min(-0.5);
        }
    }
    let score = if note.is_some() { 0.3 } else { 0.7 };
    let mut grid = ScoreGrid { area: grid_area, size: part.size(), scores };
    keep_something(&mut grid, &at, inner);
    Ok(Found { grid, score, note })
}

/// A box smaller than a cell still gets the cell at its centre.
fn keep_something(grid: &mut ScoreGrid, at: &[[f32; 2]], inner: PixelBox) {
    if grid.scores.iter().any(|&s| s > 0.0) {
        return;
    }
    let far =
        |i: &usize, j: &usize| from_centre(inner, at[*i]).total_cmp(&from_centre(inner, at[*j]));
    if let Some(i) = (0..at.len()).min_by(far) {
        grid.scores[i] = 0.5;
    }
}

/// The object that points lie on: searched for at reduced size, then cut out as from a box.
fn from_point_list(picture: &Picture, points: &[Point], what: &str) -> Result<Found> {
    let size = picture.size();
    let lies_on = |p: &&Point| {
        p.x >= 0.0 && p.y >= 0.0 && p.x < size.width as f32 && p.y < size.height as f32
    };
    if let Some(p) = points.iter().find(|p| !lies_on(p)) {
        let reason = format!("expected points on the {size} picture, got [{}, {}]", p.x, p.y);
        return Err(Error::invalid(format!("points of {what}"), reason));
    }
    if !points.iter().any(|p| p.inside) {
        let reason = "expected at least one point on the object, got none";
        return Err(Error::invalid(format!("points of {what}"), reason));
    }
    let whole = PixelBox { x0: 0, y0: 0, x1: size.width, y1: size.height };
    let small = reduced(picture, whole, SEARCH_SIDE)?;
    let cells = |area: PixelBox, grid: Size, wanted: bool| -> Vec<usize> {
        let along = |v: f32, a: usize, b: usize, n: usize| {
            ((v - a as f32) * n as f32 / (b - a) as f32).clamp(0.0, (n - 1) as f32) as usize
        };
        let in_area = |p: &&Point| area.contains(p.x as usize, p.y as usize);
        let cell = |p: &Point| {
            let x = along(p.x, area.x0, area.x1, grid.width);
            along(p.y, area.y0, area.y1, grid.height) * grid.width + x
        };
        points.iter().filter(|p| p.inside == wanted).filter(in_area).map(cell).collect()
    };
    let inside = cells(whole, small.size(), true);
    let outside: Vec<usize> =
        cells(whole, small.size(), false).into_iter().filter(|c| !inside.contains(c)).collect();
    let patch = search(&small, &inside, &outside)?;
    let Some((patch, tight)) = patch.and_then(|p| bounds(&p, small.size()).map(|b| (p, b))) else {
        let note = format!("{what}: nothing stands out around its points, so its mask is a dot");
        return Ok(Found {
            grid: dots(whole, small.size(), &inside),
            score: 0.1,
            note: Some(note),
        });
    };
    let along = |i: usize, n: usize, side: usize| (i * side).div_ceil(n).min(side);
    let (columns, rows) = (small.size().width, small.size().height);
    let tight = PixelBox {
        x0: tight.x0 * size.width / columns,
        y0: tight.y0 * size.height / rows,
        x1: along(tight.x1, columns, size.width),
        y1: along(tight.y1, rows, size.height),
    };
    let area = with_margin(tight, size);
    let part = reduced(picture, area, CUT_SIDE)?;
    let near = with_margin(PixelBox { ..tight }, size);
    let cell_of = |[x, y]: [f32; 2]| {
        let column = (x * columns as f32 / size.width as f32) as usize;
        let row = (y * rows as f32 / size.height as f32) as usize;
        row.min(rows - 1) * columns + column.min(columns - 1)
    };
    let in_patch: Vec<bool> = centres(area, part.size()).map(|p| patch[cell_of(p)]).collect();
    let in_near = |[x, y]: [f32; 2]| from_centre(near, [x, y]) < 1.3;
    let mut hints: Vec<Hint> = centres(area, part.size())
        .zip(&in_patch)
        .map(|(p, &patch)| match (patch, in_near(p)) {
            (true, _) => Hint::MaybeInside,
            (false, true) => Hint::MaybeOutside,
            _ => Hint::Outside,
        })
        .collect();
    cells(area, part.size(), true).into_iter().for_each(|c| hints[c] = Hint::Inside);
    cells(area, part.size(), false).into_iter().for_each(|c| hints[c] = Hint::Outside);
    let plain: Vec<f32> = in_patch.iter().map(|&p| if p { 1.0 } else { -1.0 }).collect();
    let agrees = |scores: &Vec<f32>| {
        let both = scores.iter().zip(&in_patch).filter(|(s, p)| **s > 0.0 && **p).count();
        let any = scores.iter().zip(&in_patch).filter(|(s, p)| **s > 0.0 || **p).count();
        2 * both > any
    };
    let scores = cut_out(&part, &hints).filter(agrees).unwrap_or(plain);
    Ok(Found { grid: ScoreGrid { area, size: part.size(), scores }, score: 0.6, note: None })
}

/// Single cells.
fn dots(area: PixelBox, size: Size, cells: &[usize]) -> ScoreGrid {
    let mut scores = vec![-1.0; size.area()];
    cells.iter().for_each(|&c| scores[c] = 1.0);
    ScoreGrid { area, size, scores }
}
