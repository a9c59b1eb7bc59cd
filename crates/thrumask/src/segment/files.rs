//! Model files of the segmenter: safetensors whose metadata holds configuration and words.

use burn::tensor::Device;
use thrumask_nn::{
    layers::Init, perception::grounded::GroundedConfig, text::Vocabulary, weights::WeightFile,
};

use super::SegmenterModel;
use crate::{
    Result,
    model::files::{metadata, write_network},
};

/// Reads a segmenter.
///
/// # Errors
/// [`thrumask_nn::Error::Weights`] when the bytes are no segmenter or do not fit their
/// configuration.
pub fn read_segmenter(what: &str, bytes: &[u8], device: &Device) -> Result<SegmenterModel> {
    let file = WeightFile::read(what, bytes)?;
    let config: GroundedConfig = metadata(what, &file, "config")?;
    let vocabulary: Vocabulary = metadata(what, &file, "vocabulary")?;
    let SegmenterModel { config, vocabulary, network } =
        SegmenterModel::fresh(&mut Init::new(0, device), config, vocabulary)?;
    let network = file.load_into(what, "", network)?;
    Ok(SegmenterModel { config, vocabulary, network })
}

/// The bytes of a segmenter, in half precision.
///
/// # Errors
/// As [`write_network`].
pub fn write_segmenter(model: &SegmenterModel) -> Result<Vec<u8>> {
    write_network(&model.network, &model.config, Some(&model.vocabulary))
}
