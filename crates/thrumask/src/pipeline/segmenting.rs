//! First masks: those that are given, and the segmenter's for the rest.

use std::collections::{BTreeMap, BTreeSet};

use thrumask_core::{
    Control, Error, MaskSet, Picture, PromptPlan,
    control::{Place as ControlPlace, Point},
};

use super::{drawn, run::Run, settings::Missing};
use crate::{
    Result,
    segment::{Place, Segmentation, from_masks, from_places, from_places_by, segment_rest},
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
    // A network is read only where there is something to cut out, and freed before another one is.
    let given = match places.values().all(|place| matches!(place, Place::Mask(_))) {
        true => from_places(picture, plan, &places)?,
        false => from_places_by(&*run.models.masker()?, picture, plan, &places)?,
    };
    let ids: BTreeSet<u8> = places.into_keys().collect();
    if (1..=plan.objects.len()).all(|i| ids.iter().any(|&id| usize::from(id) == i)) {
        return Ok(told(given));
    }
    let segmenter = run.models.segmenter()?;
    Ok(told(segment_rest(&*segmenter, picture, plan, given, &ids)?))
}

/// Refuses masks without a pixel of an object where a run shall stop for that. `notes` say what is known of it.
///
/// # Errors
/// [`Error::Invalid`] with the objects that were not found, and the notes.
pub(super) fn check_found(
    missing: Missing,
    plan: &PromptPlan,
    masks: &MaskSet,
    notes: &[String],
) -> Result<()> {
    let there = masks.labels.ids_present();
    let absent = |i: &usize| !there.iter().any(|&id| usize::from(id) == i + 1);
    let names: Vec<String> = (0..plan.objects.len())
        .filter(absent)
        .map(|i| format!("{} ({:?})", i + 1, plan.objects[i].name))
        .collect();
    if missing == Missing::GoOn || names.is_empty() {
        return Ok(());
    }
    let more: String = notes.iter().map(|note| format!("; {note}")).collect();
    let reason = format!("expected all in the picture, got none of {}{more}", names.join(", "));
    Err(Error::invalid("objects of the plan", reason).into())
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

#[cfg(test)]
mod tests {
    use thrumask_core::{LabelMap, ObjectPrompt, Size};

    use super::*;

    #[test]
    fn a_run_stops_for_what_is_missing_where_asked_to() {
        let object = |name: &str| ObjectPrompt { name: name.into(), prompt: "It moves.".into() };
        let plan = PromptPlan {
            caption: "Two.".into(),
            motion: "They move.".into(),
            objects: vec![object("cat"), object("dog")],
        };
        let masks =
            |ids: Vec<u8>| MaskSet::new(LabelMap::new(Size::new(2, 1), ids).unwrap(), 2).unwrap();
        let notes = ["object 2 (\"dog\"): the best boxes score 0.20".to_owned()];
        let check = |missing, ids| check_found(missing, &plan, &masks(ids), &notes);
        assert!(check(Missing::Stop, vec![1, 2]).is_ok());
        assert!(check(Missing::GoOn, vec![1, 0]).is_ok());
        let error = check(Missing::Stop, vec![1, 0]).unwrap_err().to_string();
        for part in ["2 (\"dog\")", "score 0.20"] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(!error.contains("cat"), "{error}");
    }
}
