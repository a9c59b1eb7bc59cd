//! Model files: safetensors whose metadata holds the configuration, so that a file explains itself.

use std::path::Path;

use burn::{module::Module, tensor::Device};
use serde::{Serialize, de::DeserializeOwned};
use thrumask_core::fsio;
use thrumask_nn::{
    Error,
    autoencoder::{Autoencoder, AutoencoderConfig, LatentCodec},
    layers::Init,
    text::{PromptEncoderConfig, Vocabulary},
    weights::{Keeping, WeightFile},
};

use super::{Network, StageConfig, StageModel, folders};
use crate::Result;

/// The longest model file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// The bytes of a model file.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when it cannot be read; [`thrumask_core::Error::Format`] when it is
/// longer than 4 GiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    Ok(fsio::read_limited(path, MAX_BYTES)?)
}

/// Reads one entry of a weight file's metadata.
///
/// # Errors
/// [`Error::Weights`] when it is missing or malformed.
pub fn metadata<T: DeserializeOwned>(what: &str, file: &WeightFile, key: &str) -> Result<T> {
    let text = file.metadata.get(key);
    let text = text.ok_or_else(|| Error::weights(what, format!("no {key:?} in its metadata")))?;
    let value = serde_json::from_str(text);
    Ok(value.map_err(|e| Error::weights(what, format!("metadata {key:?}: {e}")))?)
}

/// An entry of the metadata.
///
/// # Errors
/// [`Error::Weights`] when the value cannot be written as JSON.
pub fn to_json<T: Serialize>(key: &str, value: &T) -> Result<String> {
    let text = serde_json::to_string(value);
    Ok(text.map_err(|e| Error::weights("to write", format!("metadata {key:?}: {e}")))?)
}

/// The bytes of a network that explains itself, in half precision: its configuration, and its
/// vocabulary where it reads, stand in the metadata.
///
/// # Errors
/// [`Error::Weights`] when it cannot be written.
pub fn write_network<M: Module, C: Serialize>(
    network: &M,
    config: &C,
    vocabulary: Option<&Vocabulary>,
) -> Result<Vec<u8>> {
    let mut file = WeightFile::default();
    file.insert_module("", network);
    file.metadata.insert("config".into(), to_json("config", config)?);
    if let Some(vocabulary) = vocabulary {
        file.metadata.insert("vocabulary".into(), to_json("vocabulary", vocabulary)?);
    }
    Ok(file.write(true)?)
}

/// Reads a stage model.
///
/// # Errors
/// [`Error::Weights`] when the bytes are no model of this kind or do not fit their configuration.
pub fn read_stage(what: &str, bytes: &[u8], device: &Device) -> Result<StageModel> {
    let file = WeightFile::read(what, bytes)?;
    let config: StageConfig = metadata(what, &file, "config")?;
    if let PromptEncoderConfig::Clip(_) = config.text {
        let reason = "it reads with CLIP: expected a folder of models in which that is too";
        return Err(Error::weights(what, reason).into());
    }
    let vocabulary: Vocabulary = metadata(what, &file, "vocabulary")?;
    let tokenizer = vocabulary.into();
    let network = Network::new(&mut Init::new(0, device), &config, &tokenizer)?;
    let network = file.load_into(what, "", network)?;
    Ok(StageModel { config, tokenizer, network })
}

/// The bytes of a stage model, in half precision.
///
/// # Errors
/// As [`write_network`]; [`Error::Weights`] when it reads with CLIP, which is no part of such a file.
pub fn write_stage(model: &StageModel) -> Result<Vec<u8>> {
    match model.tokenizer.vocabulary() {
        Some(vocabulary) => write_network(&model.network, &model.config, Some(vocabulary)),
        None => Err(Error::weights("to write", "expected a text encoder of ours, got CLIP").into()),
    }
}

/// Reads an autoencoder.
///
/// # Errors
/// As [`read_stage`].
pub fn read_autoencoder(what: &str, bytes: &[u8], device: &Device) -> Result<Autoencoder> {
    let file = WeightFile::read(what, bytes)?;
    let config: AutoencoderConfig = metadata(what, &file, "config")?;
    let autoencoder = Autoencoder::new(&mut Init::new(0, device), &config)?;
    Ok(file.load_into(what, "", autoencoder)?)
}

/// Reads any autoencoder: a file of ours, or a folder in the layout of diffusers.
///
/// # Errors
/// As [`read_bytes`], [`read_autoencoder`] and [`folders::read_codec`].
pub fn open_autoencoder(path: &Path, device: &Device) -> Result<LatentCodec> {
    match path.is_dir() {
        true => folders::read_codec(path, Keeping::default(), device),
        false => {
            let (what, bytes) = (path.display().to_string(), read_bytes(path)?);
            Ok(read_autoencoder(&what, &bytes, device)?.into())
        }
    }
}

/// The bytes of an autoencoder, in half precision.
///
/// # Errors
/// As [`write_network`].
pub fn write_autoencoder(autoencoder: &Autoencoder) -> Result<Vec<u8>> {
    write_network(autoencoder, autoencoder.config(), None)
}
