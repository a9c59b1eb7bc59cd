//! What cuts objects out of boxes and around points: colour, or a network.

use thrumask_core::{Picture, Size, control::Point};

use super::{
    canvas::ScoreGrid,
    place::{check_box, check_points, from_box, from_point_list},
};
use crate::Result;

/// Where an object is, in pixels of the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Within {
    /// In a box: left, top, right, bottom.
    Box([f32; 4]),
    /// Around points on it, and not on those beside it.
    Points(Vec<Point>),
}

/// An object to cut out, whose box or points lie on the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sought {
    what: String,
    within: Within,
}

impl Sought {
    /// An object within something on a picture of `size`; `what` names it in notes and errors.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Invalid`] for a box that is empty or lies beside the picture, a point beside it, and
    /// points of which none is on the object.
    pub fn new(what: String, within: Within, size: Size) -> Result<Self> {
        match &within {
            Within::Box(bounds) => check_box(*bounds, size, &what)?,
            Within::Points(points) => check_points(points, size, &what)?,
        }
        Ok(Self { what, within })
    }

    /// What the object is called.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it is.
    pub fn within(&self) -> &Within {
        &self.within
    }
}

/// What was cut out.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Where the object is.
    pub grid: ScoreGrid,
    /// How sure that is, 0 to 1.
    pub score: f32,
    /// What to tell the user.
    pub note: Option<String>,
}

impl Cut {
    /// No object.
    pub fn nothing() -> Self {
        Self { grid: ScoreGrid::nothing(), score: 0.0, note: None }
    }
}

/// Cuts objects out of boxes and around points.
pub trait Masker {
    /// The masker's name, as written into a run's record.
    fn name(&self) -> &str;

    /// What there is of each object, one for one. Overlaps are settled by
    /// [`from_places_by`](super::from_places_by).
    ///
    /// # Errors
    /// When the picture cannot be worked on.
    fn cut(&self, picture: &Picture, sought: &[Sought]) -> Result<Vec<Cut>>;
}

impl Masker for Box<dyn Masker> {
    fn name(&self) -> &str {
        self.as_ref().name()
    }

    fn cut(&self, picture: &Picture, sought: &[Sought]) -> Result<Vec<Cut>> {
        self.as_ref().cut(picture, sought)
    }
}

/// Cuts objects out by colour alone, without a model, at reduced size: an object that stands out from what
/// surrounds it is cut out well; one that does not (camouflage, glass, hair, strong texture on both sides) is not.
/// A box then becomes an ellipse, with a note; points become the thing around them that stands out most.
#[derive(Debug, Clone, Copy, Default)]
pub struct ColorMasker;

impl Masker for ColorMasker {
    fn name(&self) -> &str {
        "colour"
    }

    fn cut(&self, picture: &Picture, sought: &[Sought]) -> Result<Vec<Cut>> {
        let one = |object: &Sought| match &object.within {
            Within::Box(bounds) => Ok(from_box(picture, *bounds, &object.what)?),
            Within::Points(points) => Ok(from_point_list(picture, points, &object.what)?),
        };
        sought.iter().map(one).collect()
    }
}
