//! The models a run uses: those built into the program, or those of a folder. Each is read when a
//! stage needs it and freed when the stage is done, so that memory holds one stage's models.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use thrumask_core::fingerprint::sha256_hex;
use thrumask_nn::{Error, autoencoder::Autoencoder, backbone::BackboneKind};

use crate::{
    DeviceName, Result,
    model::{
        StageConfig, StageKind, StageModel, VideoShape, files::read_bytes, read_autoencoder,
        read_stage,
    },
    pipeline::Settings,
    segment::{NanoSegmenter, read_segmenter},
};

/// The model that turns pixels into latents and back.
pub const AUTOENCODER: &str = "autoencoder";
/// The model of stage 1.
pub const MOTION: &str = "motion";
/// The model of stage 2.
pub const VIDEO: &str = "video";
/// The model that finds named objects.
pub const SEGMENTER: &str = "segmenter";

/// The names of all models; their files end in `.safetensors`.
pub const NAMES: [&str; 4] = [AUTOENCODER, MOTION, VIDEO, SEGMENTER];

/// The bytes of a model that is built into the program.
macro_rules! embedded {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../models/nano/",
            $name,
            ".safetensors"
        ))
    };
}

/// Where models come from. Nothing is read before it is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Models {
    folder: Option<PathBuf>,
    backbone: BackboneKind,
    device: DeviceName,
}

impl Models {
    /// The models built into the program.
    pub fn embedded() -> Self {
        Self::default()
    }

    /// The models of a folder: `autoencoder.safetensors` and so on.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), ..Self::default() }
    }

    /// The models that settings name.
    pub fn from_settings(settings: &Settings) -> Self {
        let Settings { models, backbone, device, .. } = settings;
        Self { folder: models.clone(), backbone: *backbone, device: *device }
    }

    /// What a model is called in errors.
    fn what(&self, name: &str) -> String {
        match &self.folder {
            Some(folder) => file_in(folder, name).display().to_string(),
            None => format!("built-in {name}"),
        }
    }

    /// The bytes of the model called `name`, one of [`NAMES`].
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when its file cannot be read, [`Error::Weights`] when no model
    /// has this name.
    pub fn bytes(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        if let Some(folder) = &self.folder {
            return Ok(Cow::Owned(read_bytes(&file_in(folder, name))?));
        }
        if self.backbone == BackboneKind::Unet && [MOTION, VIDEO].contains(&name) {
            let reason = "no U-Net is built in yet: expected a folder of models (--models)";
            return Err(Error::weights(name, reason).into());
        }
        let bytes: &'static [u8] = match name {
            AUTOENCODER => embedded!("autoencoder"),
            MOTION => embedded!("motion"),
            VIDEO => embedded!("video"),
            SEGMENTER => embedded!("segmenter"),
            _ => return Err(Error::weights(name, format!("expected one of {NAMES:?}")).into()),
        };
        Ok(Cow::Borrowed(bytes))
    }

    /// SHA-256 of the model called `name`.
    ///
    /// # Errors
    /// As [`Models::bytes`].
    pub fn hash(&self, name: &str) -> Result<String> {
        Ok(sha256_hex(&self.bytes(name)?))
    }

    /// SHA-256 of every model, by name.
    ///
    /// # Errors
    /// As [`Models::bytes`].
    pub fn hashes(&self) -> Result<BTreeMap<String, String>> {
        NAMES.iter().map(|&name| Ok((name.to_owned(), self.hash(name)?))).collect()
    }

    /// The configuration of the model of stage 1 or 2, without its weights.
    ///
    /// # Errors
    /// As [`Models::bytes`], and [`Error::Weights`] when the file holds no such model.
    pub fn stage_config(&self, kind: StageKind) -> Result<StageConfig> {
        let name = kind.name();
        let (what, bytes) = (self.what(name), self.bytes(name)?);
        let refuse = |reason: String| Error::weights(&what, reason);
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(e.to_string()))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("config"));
        let text = text.ok_or_else(|| refuse("no \"config\" in its metadata".into()))?;
        let config: StageConfig =
            serde_json::from_str(text).map_err(|e| refuse(format!("metadata \"config\": {e}")))?;
        if config.kind != kind {
            let got = config.kind.name();
            return Err(refuse(format!("expected a model of stage {name}, got {got}")).into());
        }
        let (expected, got) = (self.backbone, config.denoiser.kind());
        if expected != got {
            let [expected, got] = [expected, got].map(BackboneKind::name);
            let reason = format!("expected the backbone {expected}, got {got} (see --backbone)");
            return Err(refuse(reason).into());
        }
        Ok(config)
    }

    /// What both stages make.
    ///
    /// # Errors
    /// As [`Models::stage_config`], and [`Error::Config`] when the stages do not fit together.
    pub fn shape(&self) -> Result<VideoShape> {
        let motion = self.stage_config(StageKind::Motion)?.video;
        let video = self.stage_config(StageKind::Video)?.video;
        if motion != video {
            let reason =
                format!("expected both stages to make the same, got {motion:?}, {video:?}");
            return Err(Error::config("models", reason).into());
        }
        Ok(motion)
    }

    /// The autoencoder.
    ///
    /// # Errors
    /// As [`Models::bytes`] and [`read_autoencoder`].
    pub fn autoencoder(&self) -> Result<Autoencoder> {
        read_autoencoder(&self.what(AUTOENCODER), &self.bytes(AUTOENCODER)?, &self.device.open()?)
    }

    /// The model of stage 1 or 2.
    ///
    /// # Errors
    /// As [`Models::stage_config`] and [`read_stage`].
    pub fn stage(&self, kind: StageKind) -> Result<StageModel> {
        self.stage_config(kind)?;
        read_stage(&self.what(kind.name()), &self.bytes(kind.name())?, &self.device.open()?)
    }

    /// The segmenter.
    ///
    /// # Errors
    /// As [`Models::bytes`] and [`read_segmenter`].
    pub fn segmenter(&self) -> Result<NanoSegmenter> {
        let (what, bytes) = (self.what(SEGMENTER), self.bytes(SEGMENTER)?);
        Ok(NanoSegmenter::new(read_segmenter(&what, &bytes, &self.device.open()?)?))
    }
}

/// The file of a model in a folder.
fn file_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.safetensors"))
}
