//! Masks from what a person gives: a mask, a box or points for an object.
//!
//! Boxes and points are turned into masks by colour alone, at reduced size: an object that stands
//! out from what surrounds it is cut out well; one that does not (camouflage, glass, hair, strong
//! texture on both sides) is not. A box then becomes an ellipse, with a note; points become the
//! thing around them that stands out most.

use std::collections::BTreeMap;

use thrumask_core::{Error, MaskSet, Picture, PromptPlan, Result, Size, control::Point};

use super::{
    Segmentation,
    canvas::{ScoreGrid, bounds, paint},
    label_of,
    place::{from_box, from_point_list},
};

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
    let cells = Size::new(area.x1 - area.x0, area.y1 - area.y0);
    let grid = ScoreGrid::over(area, cells, scores.collect());
    Ok(Found { grid, score: 1.0, note: None })
}
