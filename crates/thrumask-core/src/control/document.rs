//! The control file as it stands in JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::Error as _};
use serde_json::Value;

use super::FileName;
use crate::{Error, Result, rle::CocoRle};

/// A control file: what is known of single objects, in place of what a stage would have found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Where this schema lies, for editors.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Version of the form: 1.
    pub version: u32,
    /// The motion prompt, in place of the planner's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub motion: Option<String>,
    /// The objects that something is known of.
    pub objects: Vec<ControlObject>,
}

/// One object. At most one of `mask`, `box`, `point` and `points` says where it is in the input
/// picture; `path` says how it moves on; `masks` says both, frame by frame. All coordinates are
/// pixels of the input picture, from its upper left corner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlObject {
    /// The object's place in the plan, from 1, and its index in masks and palette.
    #[schemars(range(min = 1))]
    pub id: u8,
    /// What it is called, in place of the planner's name: "red car".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does, as a sentence, in place of the planner's prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Its mask on the input picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskSource>,
    /// A box around it: left, top, right, bottom.
    #[serde(rename = "box", default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<[f32; 4]>,
    /// A point on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<[f32; 2]>,
    /// Points on it, or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<LabelledPoint>>,
    /// The way its centre goes, from where it is in the input picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Vec<PathPoint>>,
    /// Its mask in every frame: a folder of PNGs, a trajectory JSON or a video, white on black.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<FileName>,
}

/// A mask: a picture file, or run lengths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a file name or run lengths {\"size\", \"counts\"}")]
pub enum MaskSource {
    /// A PNG in which the object is all that is not black, relative to the control file's folder.
    File(FileName),
    /// COCO run lengths.
    Rle(CocoRle),
}

/// A point as it is typed: `[x, y]`, or `[x, y, 0]` for a point that is not on the object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected points [x, y] or [x, y, 1 (on it) or 0 (not)]")]
pub enum LabelledPoint {
    /// A point on the object.
    On([f32; 2]),
    /// A point with its label, 1 on the object, 0 not.
    Labelled(f32, f32, #[schemars(range(max = 1))] u8),
}

/// A point of a drawn path: `[x, y]`, or `[x, y, t]` with the time from 0 (first frame) to 1 (last).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected points [x, y] or [x, y, t] with t from 0 to 1")]
pub enum PathPoint {
    /// Without a time.
    Free([f32; 2]),
    /// With the time at which the object is there.
    Timed([f32; 3]),
}

/// A point on an object or beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Column, in pixels of the input picture.
    pub x: f32,
    /// Row, in pixels of the input picture.
    pub y: f32,
    /// Whether the object is there.
    pub inside: bool,
}

/// Where an object is in the input picture, as the file says.
#[derive(Debug, Clone, PartialEq)]
pub enum Place<'a> {
    /// A mask; see [`ControlObject::load_mask`].
    Mask(&'a MaskSource),
    /// Left, top, right, bottom.
    Box([f32; 4]),
    /// Points on it and beside it.
    Points(Vec<Point>),
}

impl ControlObject {
    /// Where the object is in the input picture, if the file says. A path without a place starts
    /// on the object, so its first point counts as a point.
    pub fn place(&self) -> Option<Place<'_>> {
        let on = |[x, y]: [f32; 2]| Point { x, y, inside: true };
        if let Some(mask) = &self.mask {
            return Some(Place::Mask(mask));
        }
        if let Some(bounds) = self.bounds {
            return Some(Place::Box(bounds));
        }
        if let Some(points) = &self.points {
            let points = points.iter().map(|p| match *p {
                LabelledPoint::On(p) => on(p),
                LabelledPoint::Labelled(x, y, label) => Point { x, y, inside: label != 0 },
            });
            return Some(Place::Points(points.collect()));
        }
        let start = self.path.as_ref().and_then(|p| p.first()).map(|p| match *p {
            PathPoint::Free(p) => p,
            PathPoint::Timed([x, y, _]) => [x, y],
        });
        self.point.or(start).map(|p| Place::Points(vec![on(p)]))
    }
}

/// A document from text, with the object and the field in the error.
pub(super) fn parse(what: &str, text: &str) -> Result<Control> {
    let failed =
        |e: serde_json::Error| Error::format(what, format!("expected a control file in JSON: {e}"));
    let document: Value = serde_json::from_str(text).map_err(failed)?;
    serde_json::from_value(document.clone()).map_err(|e| {
        failed(serde_json::Error::custom(match blame(&document) {
            Some((object, field, why)) => format!("object {object}, field {field}: {why}"),
            None => e.to_string(),
        }))
    })
}

/// The first object and field that is wrong by itself.
fn blame(document: &Value) -> Option<(String, String, serde_json::Error)> {
    let objects = document.get("objects")?.as_array()?;
    for (i, object) in objects.iter().enumerate() {
        let name =
            object.get("id").map_or_else(|| format!("at position {}", i + 1), Value::to_string);
        for (field, value) in object.as_object()? {
            // The object with this field alone; `id` is the only one that must be there.
            let mut alone = serde_json::Map::from_iter([("id".to_owned(), Value::from(1))]);
            alone.insert(field.clone(), value.clone());
            if let Err(e) = serde_json::from_value::<ControlObject>(Value::Object(alone)) {
                return Some((name, field.clone(), e));
            }
        }
    }
    None
}
