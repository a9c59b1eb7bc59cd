//! The stage in a folder of models that a training goes on from.

use std::path::Path;

use burn::tensor::Device;
use thrumask_nn::weights::Keeping;

use crate::{
    Result,
    model::{Network, StageConfig, StageKind, Variant, folders},
};

/// The stage in the folder of models `root`, with what `variant` changes in it. All its files are there, and
/// serve the change.
///
/// # Errors
/// As [`folders::stage_config`], [`StageConfig::varied`] and [`folders::check_stage`].
pub(super) fn described(root: &Path, kind: StageKind, variant: &Variant) -> Result<StageConfig> {
    let own = root.join(kind.name());
    let stage = folders::stage_config(&own)?.varied(variant)?;
    folders::check_stage(&own, root, &stage)?;
    Ok(stage)
}

/// The network of a stage that [`described`] gave: the folder's weights, masked as the training asks for.
///
/// # Errors
/// As [`folders::read_stage`].
pub(super) fn network(root: &Path, stage: &StageConfig, device: &Device) -> Result<Network> {
    let (own, kept) = (root.join(stage.kind.name()), Keeping::default());
    Ok(Network {
        text: folders::read_text(&own, root, stage, kept, device)?,
        denoiser: folders::read_denoiser(&own, stage, kept, device)?,
    })
}
