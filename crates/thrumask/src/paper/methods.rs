//! What is compared, and which trained models each of it needs.

use serde::{Deserialize, Serialize};

/// A model that the comparison trains, once for each seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trained {
    /// Stage 1 that makes mask-based motion trajectories.
    Masks,
    /// Stage 1 that makes optical flow.
    Flow,
    /// Stage 2 with masked self- and cross-attention.
    Both,
    /// Stage 2 whose masked self-attention is plain.
    CrossOnly,
    /// Stage 2 whose masked cross-attention is plain.
    SelfOnly,
    /// Stage 2 with a trajectory, but plain attention alone.
    Unmasked,
    /// Stage 2 with both, and optical flow in the place of the trajectory.
    BothFlow,
    /// One stage from picture and caption, with plain attention alone.
    Ti2v,
}

/// Which of the two base configurations a model is trained by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// That of stage 1.
    Motion,
    /// That of stage 2 and of what stands in its place.
    Video,
}

impl Trained {
    /// Every model, in the order in which they are trained.
    pub const ALL: [Self; 8] = [
        Self::Masks,
        Self::Both,
        Self::Ti2v,
        Self::Unmasked,
        Self::CrossOnly,
        Self::SelfOnly,
        Self::Flow,
        Self::BothFlow,
    ];

    /// Its name on the command line and its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Masks => "masks",
            Self::Flow => "flow",
            Self::Both => "both",
            Self::CrossOnly => "cross-only",
            Self::SelfOnly => "self-only",
            Self::Unmasked => "unmasked",
            Self::BothFlow => "both-flow",
            Self::Ti2v => "ti2v",
        }
    }

    /// The configuration that it is trained by.
    pub const fn base(self) -> Base {
        match self {
            Self::Masks | Self::Flow => Base::Motion,
            _ => Base::Video,
        }
    }

    /// Whether it needs the autoencoder that learned flow.
    pub const fn is_flow(self) -> bool {
        matches!(self, Self::Flow | Self::BothFlow)
    }

    /// What is set in that configuration. All of stage 2's variants and TI2V have the same layers:
    /// what is not masked attends to everything, so that none has fewer parameters.
    pub const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Masks | Self::Both => &[],
            Self::Flow | Self::BothFlow => &["stage.form=flow"],
            Self::CrossOnly => &["stage.self_attention=unmasked"],
            Self::SelfOnly => &["stage.cross_attention=unmasked"],
            Self::Unmasked => &["stage.self_attention=unmasked", "stage.cross_attention=unmasked"],
            Self::Ti2v => &["task=ti2v"],
        }
    }
}

/// A way from picture and caption to a video, or what such ways are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The true video: what the measures give at best.
    Truth,
    /// The first frame for as long as the clip lasts.
    Static,
    /// One stage, without a trajectory.
    Ti2v,
    /// Two stages without masked attention.
    Unmasked,
    /// Two stages with masked cross-attention only.
    CrossOnly,
    /// Two stages with masked self-attention only.
    SelfOnly,
    /// Through-The-Mask: two stages with both.
    Both,
    /// Two stages with both, and optical flow between them.
    Flow,
}

impl Method {
    /// All, in the order of the tables.
    pub const ALL: [Self; 8] = [
        Self::Truth,
        Self::Static,
        Self::Ti2v,
        Self::Unmasked,
        Self::CrossOnly,
        Self::SelfOnly,
        Self::Both,
        Self::Flow,
    ];

    /// Its name in a table.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Truth => "true video",
            Self::Static => "static picture",
            Self::Ti2v => "TI2V",
            Self::Unmasked => "TTM, no masked attention",
            Self::CrossOnly => "TTM, masked cross-attention only",
            Self::SelfOnly => "TTM, masked self-attention only",
            Self::Both => "**TTM**",
            Self::Flow => "TTM, optical flow instead of masks",
        }
    }

    /// Its models: stage 1, if it has one, and what makes the video; `None` for what no model makes.
    pub const fn models(self) -> Option<(Option<Trained>, Trained)> {
        match self {
            Self::Truth | Self::Static => None,
            Self::Ti2v => Some((None, Trained::Ti2v)),
            Self::Unmasked => Some((Some(Trained::Masks), Trained::Unmasked)),
            Self::CrossOnly => Some((Some(Trained::Masks), Trained::CrossOnly)),
            Self::SelfOnly => Some((Some(Trained::Masks), Trained::SelfOnly)),
            Self::Both => Some((Some(Trained::Masks), Trained::Both)),
            Self::Flow => Some((Some(Trained::Flow), Trained::BothFlow)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_serves_a_method_and_its_name_is_its_own() {
        for trained in Trained::ALL {
            let serves = |m: &Method| {
                m.models().is_some_and(|(first, last)| first == Some(trained) || last == trained)
            };
            assert!(Method::ALL.iter().any(serves), "{trained:?}");
            assert_eq!(Trained::ALL.iter().filter(|t| t.name() == trained.name()).count(), 1);
        }
    }
}
