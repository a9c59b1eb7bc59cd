//! Stage 1: picture, first masks and motion prompt become a mask-based motion trajectory.

mod network;
mod outlines;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use thrumask_core::{MaskSet, Picture, PromptPlan, Trajectory};
use thrumask_nn::text::Tokenizer;

pub use network::{FlowMotion, generate_flows, generate_mask_videos, generate_trajectories};
pub use outlines::STRAY;

use crate::plan::{said_for, with_sides, with_ways};

/// Which outlines the objects of a trajectory have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlines {
    /// Those that the network painted: objects may bend, and are as blurred as the network is unsure.
    #[default]
    Painted,
    /// Those of the first masks, shifted, turned and resized as a whole to where the network painted the objects
    /// ([`carry_masks`](thrumask_core::placement::carry_masks)): a star stays a star. Only for models that make masks.
    Carried,
}

impl Outlines {
    /// What is usual for the models built into the program, or for `others`: only the small ones paint so blurred
    /// that stiff outlines are better.
    pub fn usual(others: bool) -> Self {
        if others { Self::Painted } else { Self::Carried }
    }
}

/// What becomes of a motion prompt that leaves open how far, how high, how much, how often or which way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenWords {
    /// The network reads it as it is, and may make the mean of all that is meant.
    #[default]
    Left,
    /// One meaning of each clause is said, which the seed decides; and, as the first masks show it, which way another object
    /// is and which of two of a kind is the left one. Only for models that know the world's words.
    Drawn,
}

impl OpenWords {
    /// What is usual for the models built into the program, or for `others`.
    pub fn usual(others: bool) -> Self {
        if others { Self::Left } else { Self::Drawn }
    }
}

/// What stage 1 needs, all at the model's size.
#[derive(Debug, Clone, Copy)]
pub struct MotionRequest<'a> {
    /// x(0).
    pub picture: &'a Picture,
    /// s(0).
    pub masks: &'a MaskSet,
    /// The motion prompt, and how many objects there are.
    pub plan: &'a PromptPlan,
    /// Mask sequences of objects whose motion is given: only their ids occur in it.
    pub given: Option<&'a Trajectory>,
    /// Outlines of the objects.
    pub outlines: Outlines,
    /// What becomes of words that leave something open.
    pub open_words: OpenWords,
    /// Seed of the noise.
    pub seed: u64,
    /// Frames per second of the result.
    pub fps: f32,
}

impl<'a> MotionRequest<'a> {
    /// The motion prompt, with what its words leave open if that is drawn; objects have the names of the plan.
    fn motion_said(&self) -> Cow<'a, str> {
        let PromptPlan { motion, objects, .. } = self.plan;
        match self.open_words {
            OpenWords::Left => Cow::Borrowed(motion),
            OpenWords::Drawn => {
                let motion = with_ways(motion, objects, &self.masks.labels);
                Cow::Owned(said_for(&motion, self.seed))
            }
        }
    }

    /// The motion prompt as a network shall read it, if that is not as the plan has it: with what its words leave open, and
    /// with sides in the place of numbers.
    pub fn told_words(&self, tokenizer: &Tokenizer) -> Option<String> {
        if self.open_words == OpenWords::Left || tokenizer.vocabulary().is_none() {
            return None;
        }
        let said = self.motion_said();
        let told = with_sides(&said, &self.plan.objects, &self.masks.labels);
        (*told != self.plan.motion).then(|| told.into_owned())
    }

    /// The plan as a network shall read it.
    fn said_to(&self, tokenizer: &Tokenizer) -> Cow<'a, PromptPlan> {
        match self.told_words(tokenizer) {
            Some(motion) => Cow::Owned(PromptPlan { motion, ..self.plan.clone() }),
            None => Cow::Borrowed(self.plan),
        }
    }
}
