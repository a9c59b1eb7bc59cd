//! The networks of a stage, those in folders one at a time.

use std::{borrow::Cow, path::PathBuf};

use burn::tensor::Device;
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::Backbone,
    text::{PromptEncoder, Tokenizer},
};

use super::{AUTOENCODER, Models, Place};
use crate::{
    Result,
    model::{Networks, StageConfig, StageKind, StageModel, folders},
};

/// The networks of a stage of [`Models`]. What lies in folders may be large: it is read whenever it is asked for, and
/// freed when it is dropped. What is one file of ours is read once.
#[derive(Debug)]
pub struct NetworksApart<'a> {
    models: &'a Models,
    device: Device,
    stage: Stage,
    /// None where it is read when asked for.
    autoencoder: Option<LatentCodec>,
}

/// Text encoder and denoiser.
#[derive(Debug)]
enum Stage {
    Held(Box<StageModel>),
    Folder { root: PathBuf, own: PathBuf, config: Box<StageConfig>, tokenizer: Box<Tokenizer> },
}

impl<'a> NetworksApart<'a> {
    /// Looks at what there is of a stage, and reads what is no folder.
    ///
    /// # Errors
    /// As [`Models::stage`] and [`Models::autoencoder`].
    pub(super) fn new(models: &'a Models, kind: StageKind) -> Result<Self> {
        let stage = match models.place(kind.name())? {
            Place::BuiltIn(_) | Place::File(_) => Stage::Held(Box::new(models.stage(kind)?)),
            Place::Folder { root, own } => {
                let config = Box::new(models.stage_config(kind)?);
                let tokenizer = folders::read_tokenizer(&root.join(folders::TOKENIZER))?;
                Stage::Folder { root, own, config, tokenizer: Box::new(tokenizer.into()) }
            }
        };
        let autoencoder = match models.place(AUTOENCODER)? {
            Place::BuiltIn(_) | Place::File(_) => Some(models.autoencoder()?),
            Place::Folder { .. } => None,
        };
        Ok(Self { models, device: models.device.open()?, stage, autoencoder })
    }
}

/// Bytes of the parameters that are in memory while a network of a stage is at work: its own, and those of others
/// that are not freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageMemory {
    /// While the autoencoder is.
    pub autoencoder: u64,
    /// While the text encoder is.
    pub text: u64,
    /// While the denoiser is.
    pub denoiser: u64,
}

impl StageMemory {
    /// Of a stage, from the sizes of its files alone.
    ///
    /// # Errors
    /// As [`Models::memory`].
    pub(super) fn new(models: &Models, kind: StageKind) -> Result<Self> {
        // Held all the time, and only while at work.
        let parts = |name: &str| -> Result<(u64, u64)> {
            let all = models.memory(name)?;
            Ok(if models.place(name)?.is_folder() { (0, all) } else { (all, 0) })
        };
        let ((held, stage), (codec_held, codec)) = (parts(kind.name())?, parts(AUTOENCODER)?);
        let denoiser = match models.place(kind.name())? {
            Place::Folder { own, .. } => models.kept_in(&own)?,
            Place::BuiltIn(_) | Place::File(_) => 0,
        };
        let held = held + codec_held;
        let [autoencoder, text, denoiser] = [codec, stage - denoiser, denoiser].map(|b| held + b);
        Ok(Self { autoencoder, text, denoiser })
    }
}

impl Networks for NetworksApart<'_> {
    fn config(&self) -> &StageConfig {
        match &self.stage {
            Stage::Held(model) => &model.config,
            Stage::Folder { config, .. } => config,
        }
    }

    fn tokenizer(&self) -> &Tokenizer {
        match &self.stage {
            Stage::Held(model) => &model.tokenizer,
            Stage::Folder { tokenizer, .. } => tokenizer,
        }
    }

    fn autoencoder(&self) -> Result<Cow<'_, LatentCodec>> {
        Ok(match &self.autoencoder {
            Some(held) => Cow::Borrowed(held),
            None => Cow::Owned(self.models.autoencoder()?),
        })
    }

    fn text(&self) -> Result<Cow<'_, PromptEncoder>> {
        Ok(match &self.stage {
            Stage::Held(model) => Cow::Borrowed(&model.network.text),
            Stage::Folder { root, own, config, .. } => {
                let kept = self.models.kept;
                Cow::Owned(folders::read_text(own, root, config, kept, &self.device)?)
            }
        })
    }

    fn denoiser(&self) -> Result<Cow<'_, Backbone>> {
        Ok(match &self.stage {
            Stage::Held(model) => Cow::Borrowed(&model.network.denoiser),
            Stage::Folder { own, config, .. } => {
                let kept = self.models.kept;
                let denoiser = folders::read_denoiser(own, config, kept, &self.device)?;
                Cow::Owned(denoiser.in_chunks(self.models.frame_chunk))
            }
        })
    }
}
