//! What a motion video shows: masks, as in the paper's method, or flow, as in its ablation.

use serde::{Deserialize, Serialize};
use thrumask_core::FlowWheel;

use crate::Result;

/// The form of the video that stage 1 makes and stage 2 follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MotionForm {
    /// Each object in its palette colour on black.
    #[default]
    Masks,
    /// Optical flow in the colours of a wheel; white does not move, and the last frame is blank.
    Flow,
}

impl MotionForm {
    /// Whether it is the paper's own, which model files do not name.
    pub fn is_masks(&self) -> bool {
        *self == Self::Masks
    }
}

/// The greatest displacement from one frame to the next that a flow video shows, as a share of the
/// picture's side; what moves further is shown as if it moved so far.
///
/// Of the pixels on objects in the world at 12 frames, 99.9 % move less; a test measures it.
pub const FLOW_SPAN: f32 = 0.175;

/// The colours of flow in pictures of `side` × `side` pixels.
///
/// # Errors
/// [`thrumask_core::Error::Invalid`] when `side` is 0.
pub fn flow_wheel(side: usize) -> Result<FlowWheel> {
    Ok(FlowWheel::new(FLOW_SPAN * side as f32)?)
}
