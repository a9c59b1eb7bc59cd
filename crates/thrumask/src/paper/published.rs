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
    /// Mean size of the optical flow between frames: neither more nor less is better.
    Motion,
}

impl Published {
    /// The measures of its main table.
    pub const ALL: [Self; 5] = [Self::Fvd, Self::Frames, Self::Text, Self::Picture, Self::Motion];

    /// Its name in the paper.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fvd => "FVD",
            Self::Frames => "CLIPFrame",
            Self::Text => "ViCLIP-T",
            Self::Picture => "ViCLIP-V",
            Self::Motion => "AD",
        }
    }

    /// Whether smaller values are better; `None` where neither are.
    pub const fn smaller_is_better(self) -> Option<bool> {
        match self {
            Self::Fvd => Some(true),
            Self::Frames | Self::Text | Self::Picture => Some(false),
            Self::Motion => None,
        }
    }
}

/// A network of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backbone {
    /// AnimateDiff's.
    UNet,
    /// The transformer.
    Dit,
}

/// The paper's figures for TI2V and Through-The-Mask on SA-V-128 (Table 1).
pub fn figures(backbone: Backbone, crowd: Crowd, measure: Published) -> [f64; 2] {
    let [ti2v, both] = match (backbone, crowd == Crowd::Single) {
        (Backbone::UNet, true) => {
            [[1285.99, 0.942, 0.219, 0.877, 5.90], [925.39, 0.969, 0.220, 0.888, 4.70]]
        }
        (Backbone::UNet, false) => {
            [[1410.68, 0.942, 0.218, 0.883, 7.93], [1089.86, 0.966, 0.220, 0.896, 5.59]]
        }
        (Backbone::Dit, true) => {
            [[1232.89, 0.924, 0.223, 0.797, 10.87], [1216.83, 0.945, 0.226, 0.860, 7.22]]
        }
        (Backbone::Dit, false) => {
            [[1156.82, 0.917, 0.221, 0.805, 10.52], [1134.71, 0.948, 0.225, 0.863, 7.48]]
        }
    };
    [ti2v, both].map(|row| row[measure as usize])
}

/// The FVD of the ablations (Table 4), of the U-Net and of the DiT: not by number of objects. Of the flow
/// variant (Table 3) the paper gives the U-Net's alone; `None` for what it does not have.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The report has one word for both.
    #[test]
    fn both_backbones_say_the_same_of_each_measure() {
        for crowd in [Crowd::Single, Crowd::Multi] {
            for measure in Published::ALL {
                let less = [Backbone::UNet, Backbone::Dit].map(|backbone| {
                    let [ti2v, ttm] = figures(backbone, crowd, measure);
                    ttm < ti2v
                });
                assert_eq!(less[0], less[1], "{crowd:?} {measure:?}");
            }
        }
        assert_eq!(figures(Backbone::Dit, Crowd::Multi, Published::Motion), [10.52, 7.48]);
        assert_eq!(figures(Backbone::UNet, Crowd::Single, Published::Fvd), [1285.99, 925.39]);
    }
}
