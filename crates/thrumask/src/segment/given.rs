//! Masks of a plan's objects from where they are: a mask, a box or points for each.

use std::collections::BTreeMap;

use thrumask_core::{Error, MaskSet, Picture, PromptPlan, Size, control::Point};

use super::{
    ColorMasker, Segmentation,
    canvas::{ScoreGrid, bounds, paint},
    label_of,
    masker::{Cut, Masker, Sought, Within},
};
use crate::Result;

/// Score of cells that a person gave: higher than any that is computed.
const GIVEN: f32 = 100.0;

/// Share of an object's pixels that others may take before it is said.
const SAID: f32 = 0.5;

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

/// All masks given: checks them and tells which objects have none.
///
/// # Errors
/// [`Error::Mismatch`] when the masks are not of the picture's size, or are for another number of
/// objects than the plan has.
pub fn from_masks(picture: &Picture, plan: &PromptPlan, masks: MaskSet) -> Result<Segmentation> {
    if masks.labels.size() != picture.size() {
        let got = masks.labels.size();
        return Err(Error::mismatch("size of the masks", picture.size(), got).into());
    }
    if masks.objects != plan.objects.len() {
        let expected = plan.objects.len();
        return Err(Error::mismatch("objects in the masks", expected, masks.objects).into());
    }
    Ok(Segmentation::new(plan, masks, vec![1.0; plan.objects.len()], Vec::new())?)
}

/// Masks from a box (left, top, right, bottom, in pixels) for each object, by id, cut out by colour.
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

/// Masks from points for each object, by id, cut out by colour. Points on one object count as beside the
/// others.
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

/// Masks from places, cut out by colour ([`ColorMasker`]); an object without one has no pixel.
///
/// # Errors
/// As [`from_boxes`] and [`from_points`]; [`Error::Mismatch`] for a mask of another size.
pub fn from_places(
    picture: &Picture,
    plan: &PromptPlan,
    places: &BTreeMap<u8, Place>,
) -> Result<Segmentation> {
    from_places_by(&ColorMasker, picture, plan, places)
}

/// Masks from places, boxes and points cut out by `masker`, which is asked once, and not at all where all are
/// masks. A pixel that several objects want goes to the surest of them; an object that loses most of its pixels
/// so is told of.
///
/// # Errors
/// As [`from_places`], and what the masker says.
pub fn from_places_by(
    masker: &dyn Masker,
    picture: &Picture,
    plan: &PromptPlan,
    places: &BTreeMap<u8, Place>,
) -> Result<Segmentation> {
    let (size, count) = (picture.size(), plan.objects.len());
    let cuts = cut_all(masker, picture, plan, places)?;
    let mut scores = vec![0.0; count];
    let mut notes = Vec::new();
    let mut grids = vec![ScoreGrid::nothing(); count];
    for (index, cut) in cuts {
        (grids[index], scores[index]) = (cut.grid, cut.score);
        notes.extend(cut.note);
    }
    let labels = paint(size, &grids)?;
    for &id in places.keys() {
        let index = usize::from(id) - 1;
        let (kept, own) = (labels.area_of(id), paint(size, &grids[index..=index])?.area_of(1));
        if (kept as f32) < (1.0 - SAID) * own as f32 {
            let (what, lost) = (label_of(plan, index), 100 * (own - kept) / own);
            notes.push(format!("{what}: {lost}% of its pixels went to objects over it"));
        }
    }
    Ok(Segmentation::new(plan, MaskSet::new(labels, count)?, scores, notes)?)
}

/// What comes of each place, by index of the object.
fn cut_all(
    masker: &dyn Masker,
    picture: &Picture,
    plan: &PromptPlan,
    places: &BTreeMap<u8, Place>,
) -> Result<BTreeMap<usize, Cut>> {
    let (size, count) = (picture.size(), plan.objects.len());
    let (mut cuts, mut asked, mut sought) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (&id, place) in places {
        let index = usize::from(id).wrapping_sub(1);
        if index >= count {
            let reason = format!("expected an object of the plan, 1 to {count}, got {id}");
            return Err(Error::invalid("object id", reason).into());
        }
        let what = label_of(plan, index);
        let within = match place {
            Place::Mask(mask) => {
                cuts.insert(index, from_mask(size, mask, &what)?);
                continue;
            }
            Place::Box(bounds) => Within::Box(*bounds),
            Place::Points(points) => {
                let others = places.iter().filter(|(other, _)| **other != id);
                let others = others.filter_map(|(_, place)| match place {
                    Place::Points(points) => Some(points.iter().filter(|p| p.inside)),
                    _ => None,
                });
                let others = others.flatten().map(|p| Point { inside: false, ..*p });
                Within::Points(points.iter().copied().chain(others).collect())
            }
        };
        asked.push(index);
        sought.push(Sought::new(what, within, size)?);
    }
    if sought.is_empty() {
        return Ok(cuts);
    }
    let made = masker.cut(picture, &sought)?;
    if made.len() != sought.len() {
        let what = format!("objects cut out by {}", masker.name());
        return Err(Error::mismatch(what, sought.len(), made.len()).into());
    }
    cuts.extend(asked.into_iter().zip(made));
    Ok(cuts)
}

/// A given mask, as it is.
fn from_mask(size: Size, mask: &[bool], what: &str) -> Result<Cut> {
    if mask.len() != size.area() {
        let what = format!("mask pixels of {what}");
        return Err(Error::mismatch(what, size.area(), mask.len()).into());
    }
    let Some(area) = bounds(mask, size) else { return Ok(Cut::nothing()) };
    let row = |y: usize| mask[y * size.width + area.x0..y * size.width + area.x1].iter();
    let scores = (area.y0..area.y1).flat_map(row).map(|&m| if m { GIVEN } else { -GIVEN });
    let cells = Size::new(area.x1 - area.x0, area.y1 - area.y0);
    let grid = ScoreGrid::over(area, cells, scores.collect());
    Ok(Cut { grid, score: 1.0, note: None })
}
