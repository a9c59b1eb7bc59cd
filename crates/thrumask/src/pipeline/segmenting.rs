//! First masks: those that are given, and the segmenter's for the rest.

use std::collections::BTreeMap;

use thrumask_core::{
    Control, Error, MaskSet, Picture, PromptPlan,
    control::{Place as ControlPlace, Point},
};

use super::{drawn, run::Run};
use crate::{
    Result,
    segment::{Place, Segmentation, from_masks, from_places, segment_with},
};

/// The first masks of the plan's objects on the picture, and what a person should know of them.
///
/// # Errors
/// When something given does not fit the picture or the plan, or the model cannot be read.
pub(super) fn first_masks(
    run: &Run<'_>,
    picture: &Picture,
    plan: &PromptPlan,
    control: Option<&Control>,
) -> Result<(MaskSet, Vec<String>)> {
    if let Some(path) = &run.config.given.masks {
        let masks = MaskSet::read(path, plan.objects.len())?;
        let (expected, got) = (picture.size(), masks.labels.size());
        if expected != got {
            let what = format!("size of {}", path.display());
            return Err(Error::mismatch(what, expected, got).into());
        }
        return Ok(told(from_masks(picture, plan, masks)?));
    }
    let places = given_places(run, picture, control)?;
    let all_given = (1..=plan.objects.len()).all(|i| places.keys().any(|&id| usize::from(id) == i));
    if all_given {
        return Ok(told(from_places(picture, plan, &places)?));
    }
    let segmenter = run.models.segmenter()?;
    Ok(told(segment_with(&segmenter, picture, plan, &places)?))
}

/// Where objects are, as boxes, points and the control file say, in this order of precedence.
fn given_places(
    run: &Run<'_>,
    picture: &Picture,
    control: Option<&Control>,
) -> Result<BTreeMap<u8, Place>> {
    let size = picture.size();
    let mut places = BTreeMap::new();
    if let Some(control) = control {
        control.check_size(size)?;
        for object in &control.objects {
            let frames = run.config.model.frames;
            let place = match object.place() {
                Some(ControlPlace::Mask(_)) => object.load_mask(size)?.map(Place::Mask),
                Some(ControlPlace::Box(bounds)) => Some(Place::Box(bounds)),
                Some(ControlPlace::Points(points)) => Some(Place::Points(points)),
                None => drawn::first_of_sequence(object, frames, size)?.map(Place::Mask),
            };
            places.extend(place.map(|place| (object.id, place)));
        }
    }
    let given = &run.config.given;
    for (&id, points) in &given.points {
        let point = |&[x, y, label]: &[f32; 3]| Point { x, y, inside: label != 0.0 };
        places.insert(id, Place::Points(points.iter().map(point).collect()));
    }
    places.extend(given.boxes.iter().map(|(&id, &bounds)| (id, Place::Box(bounds))));
    Ok(places)
}

fn told(found: Segmentation) -> (MaskSet, Vec<String>) {
    (found.masks, found.notes)
}
