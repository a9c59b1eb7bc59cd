//! The written rule that reads actions off masks alone.
//!
//! An object's action is decided from the path of its visible mask (centre, area, outline) and,
//! for interactions, from the paths of the others. All thresholds are fractions of the picture's
//! side, and lie between what the generator draws for one action and for the next, so that slightly
//! rough masks are judged alike. The generator throws away scenes whose true masks the rule
//! misjudges; see [`super::scene`].

mod leaving;
mod rule;
mod shape;
mod track;

pub(crate) use leaving::leaves;
pub use rule::{Judgement, judge_action, judge_all};
pub use shape::{iou, pieces};

use thrumask_core::Trajectory;

use super::ObjectTruth;

/// Whether the rule reads the true action of every object that `counts` (by index) off the masks; the partner of
/// an interaction must be the true one too.
pub fn agrees(masks: &Trajectory, truth: &[ObjectTruth], counts: impl Fn(usize) -> bool) -> bool {
    let judged = judge_all(masks);
    let right = |i: usize| !counts(i) || is_right(judged[i].as_ref(), &truth[i]);
    judged.len() == truth.len() && (0..truth.len()).all(right)
}

/// Whether one object's judgement is its true action with its true partner.
pub fn is_right(judged: Option<&Judgement>, truth: &ObjectTruth) -> bool {
    judged.is_some_and(|j| j.action == truth.action && j.other == truth.other)
}
