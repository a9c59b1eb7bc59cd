//! What public files call the parts of RAFT: pure functions from our paths of modules.

use super::RaftConfig;
use crate::{
    Result,
    weights::{Renamed, TensorSource, renamed},
};

/// Who named the tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaftNaming {
    /// The authors (princeton-vl/RAFT); their files have `module.` before each name.
    Original,
    /// torchvision's `raft_large` and `raft_small`.
    Torchvision,
}

impl RaftNaming {
    /// The naming of a file.
    pub fn of(source: &dyn TensorSource) -> Self {
        let torchvision = source.shapes().keys().any(|name| name.starts_with("feature_encoder."));
        if torchvision { Self::Torchvision } else { Self::Original }
    }

    /// The public path of a module.
    pub fn rename(self, path: &str, config: &RaftConfig) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let name = match parts[..] {
            [encoder @ ("features" | "context"), ref rest @ ..] => {
                let encoder = match (self, encoder) {
                    (Self::Original, "features") => "fnet",
                    (Self::Original, _) => "cnet",
                    (Self::Torchvision, "features") => "feature_encoder",
                    (Self::Torchvision, _) => "context_encoder",
                };
                self.in_encoder(rest).map(|inside| format!("{encoder}.{inside}"))
            }
            ["update", "mask", part] => Some(match (self, part) {
                (Self::Original, "hidden") => "update_block.mask.0".into(),
                (Self::Original, _) => "update_block.mask.2".into(),
                (Self::Torchvision, "hidden") => "mask_predictor.convrelu.0".into(),
                (Self::Torchvision, _) => "mask_predictor.conv".into(),
            }),
            ["update", ref rest @ ..] => {
                self.in_update(rest, config).map(|inside| format!("update_block.{inside}"))
            }
            _ => None,
        };
        // What we do not know, strict loading names.
        name.unwrap_or_else(|| path.to_owned())
    }

    fn in_encoder(self, rest: &[&str]) -> Option<String> {
        Some(match (self, rest) {
            (Self::Original, ["stem", "convolution"]) => "conv1".into(),
            (Self::Original, ["stem", "norm"]) => "norm1".into(),
            (Self::Original, ["output"]) => "conv2".into(),
            (Self::Torchvision, ["stem", part]) => format!("convnormrelu.{}", place(part)),
            (Self::Torchvision, ["output"]) => "conv".into(),
            (_, ["blocks", i, inside @ ..]) => {
                let i: usize = i.parse().ok()?;
                let block = format!("layer{}.{}", i / 2 + 1, i % 2);
                match (self, inside) {
                    (_, ["shortcut", part]) => format!("{block}.downsample.{}", place(part)),
                    (Self::Original, ["steps", j, part]) => {
                        let part = if *part == "norm" { "norm" } else { "conv" };
                        format!("{block}.{part}{}", j.parse::<usize>().ok()? + 1)
                    }
                    (Self::Torchvision, ["steps", j, part]) => {
                        let number = j.parse::<usize>().ok()? + 1;
                        format!("{block}.convnormrelu{number}.{}", place(part))
                    }
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    fn in_update(self, rest: &[&str], config: &RaftConfig) -> Option<String> {
        Some(match rest {
            ["motion", part] => {
                let (original, torchvision) = match *part {
                    "compared" => ("convc1", "convcorr1.0"),
                    "compared_more" => ("convc2", "convcorr2.0"),
                    "flow" => ("convf1", "convflow1.0"),
                    "flow_more" => ("convf2", "convflow2.0"),
                    _ => ("conv", "conv.0"),
                };
                match self {
                    Self::Original => format!("encoder.{original}"),
                    Self::Torchvision => format!("motion_encoder.{torchvision}"),
                }
            }
            ["recurrent", i, gate] => {
                let gate = match *gate {
                    "update" => "convz",
                    "reset" => "convr",
                    _ => "convq",
                };
                let number = i.parse::<usize>().ok()? + 1;
                match self {
                    // Only where there are two are they numbered.
                    Self::Original if config.separable => format!("gru.{gate}{number}"),
                    Self::Original => format!("gru.{gate}"),
                    Self::Torchvision => format!("recurrent_block.convgru{number}.{gate}"),
                }
            }
            ["head", part] => {
                format!("flow_head.{}", if *part == "hidden" { "conv1" } else { "conv2" })
            }
            _ => return None,
        })
    }
}

/// Where a convolution and its norm stand in a list of layers.
fn place(part: &str) -> usize {
    usize::from(part == "norm")
}

/// The tensors of a file without what no network needs: the word `module.` before each name, counts of the
/// batches of a training, and the authors' second names of the norms of shortcuts.
///
/// # Errors
/// [`crate::Error::Weights`] when a name is there with and without the word.
pub(super) fn needed<'a>(source: &'a dyn TensorSource, bottleneck: bool) -> Result<Renamed<'a>> {
    let second = if bottleneck { ".norm4." } else { ".norm3." };
    renamed(source, |name| {
        let name = name.strip_prefix("module.").unwrap_or(name);
        (!name.ends_with(".num_batches_tracked") && !name.contains(second)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_called_as_in_public_files() {
        let (large, small) = (RaftConfig::large(), RaftConfig::small());
        for (ours, original, torchvision) in [
            ("features.stem.convolution", "fnet.conv1", "feature_encoder.convnormrelu.0"),
            ("context.stem.norm", "cnet.norm1", "context_encoder.convnormrelu.1"),
            (
                "context.blocks.3.steps.1.norm",
                "cnet.layer2.1.norm2",
                "context_encoder.layer2.1.convnormrelu2.1",
            ),
            (
                "features.blocks.4.shortcut.convolution",
                "fnet.layer3.0.downsample.0",
                "feature_encoder.layer3.0.downsample.0",
            ),
            ("features.output", "fnet.conv2", "feature_encoder.conv"),
            (
                "update.motion.compared_more",
                "update_block.encoder.convc2",
                "update_block.motion_encoder.convcorr2.0",
            ),
            (
                "update.recurrent.1.candidate",
                "update_block.gru.convq2",
                "update_block.recurrent_block.convgru2.convq",
            ),
            ("update.head.output", "update_block.flow_head.conv2", "update_block.flow_head.conv2"),
            ("update.mask.output", "update_block.mask.2", "mask_predictor.conv"),
        ] {
            assert_eq!(RaftNaming::Original.rename(ours, &large), original);
            assert_eq!(RaftNaming::Torchvision.rename(ours, &large), torchvision);
        }
        let reset = RaftNaming::Original.rename("update.recurrent.0.reset", &small);
        assert_eq!(reset, "update_block.gru.convr");
    }
}
