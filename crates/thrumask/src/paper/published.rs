//! What the paper reports (Yariv et al., CVPR 2025, Tables 1, 3 and 4), to stand beside ours.
//!
//! Its measures are not ours: it has FVD, CLIP and ViCLIP, we have a classifier of the world. Only the
//! direction of a difference can be compared.

use super::Method;
use crate::eval::Crowd;

/// A measure of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// Fréchet video distance; smaller is better.
    Fvd,
    /// Mean likeness of a video's frames (CLIP).
    Frames,
    /// Likeness of text and video (ViCLIP).
    Text,
    /// Likeness to a video of the given picture (ViCLIP).
    Picture,
}

impl Published {
    /// The measures of its main table.
    pub const ALL: [Self; 4] = [Self::Fvd, Self::Frames, Self::Text, Self::Picture];

    /// Its name in the paper.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fvd => "FVD",
            Self::Frames => "CLIPFrame",
            Self::Text => "ViCLIP-T",
            Self::Picture => "ViCLIP-V",
        }
    }

    /// Whether smaller values are better.
    pub const fn smaller_is_better(self) -> bool {
        matches!(self, Self::Fvd)
    }
}

/// The paper's figure for the DiT on SA-V-128 (Table 1); `None` where it gives none.
pub fn figure(method: Method, crowd: Crowd, measure: Published) -> Option<f64> {
    let single = crowd == Crowd::Single;
    let main = |single_row: [f64; 4], multi_row: [f64; 4]| {
        let row = if single { single_row } else { multi_row };
        Published::ALL.iter().zip(row).find(|(m, _)| **m == measure).map(|(_, v)| v)
    };
    match method {
        Method::Ti2v => main([1232.89, 0.924, 0.223, 0.797], [1156.82, 0.917, 0.221, 0.805]),
        Method::Both => main([1216.83, 0.945, 0.226, 0.860], [1134.71, 0.948, 0.225, 0.863]),
        _ => None,
    }
}

/// The FVD of the ablations (Table 4), of the U-Net and of the DiT: not by number of objects. Of the flow
/// variant the paper gives the U-Net's alone; `None` for what it does not have.
pub fn ablation(method: Method) -> Option<(f64, Option<f64>)> {
    Some(match method {
        Method::Ti2v => (974.07, Some(1199.86)),
        Method::Unmasked => (972.25, Some(1182.49)),
        Method::CrossOnly => (670.92, Some(1105.91)),
        Method::SelfOnly => (658.92, Some(1152.38)),
        Method::Both => (648.59, Some(1082.23)),
        Method::Flow => (1014.72, None),
        Method::Truth | Method::Static => return None,
    })
}
