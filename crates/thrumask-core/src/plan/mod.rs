//! What the caption asks for: one motion prompt, and a name and a prompt for each object
//! (paper, section on prompt planning).

mod json;

use serde::{Deserialize, Serialize};

/// A caption taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptPlan {
    /// The caption as the user wrote it.
    pub caption: String,
    /// All motion of the caption, without colours, sizes or background (`c_motion`).
    pub motion: String,
    /// The objects that can move, in the order in which the caption mentions them.
    /// The object at position `i` has id `i + 1` in masks, trajectory and palette.
    pub objects: Vec<ObjectPrompt>,
}

/// One object of a caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectPrompt {
    /// How the caption calls the object, with what tells it apart: "right car", "dog".
    pub name: String,
    /// Everything the caption says of the object, as a sentence (`c_local`).
    pub prompt: String,
}
