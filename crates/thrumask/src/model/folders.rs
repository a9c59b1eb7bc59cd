//! Networks in folders as diffusers lays them out: a configuration and weights in public names.
//!
//! ```text
//! vae/            config.json and weights of AutoencoderKL or AutoencoderTiny
//! text_encoder/   config.json and weights of CLIPTextModel
//! tokenizer/      vocab.json and merges.txt, or tokenizer.json
//! grounding_dino/ config.json, weights, vocab.txt or tokenizer.json of GroundingDinoForObjectDetection,
//!                 or a file of the original with its vocab.txt
//! sam2/           config.json and weights of Sam2Model or Sam2VideoModel, or a file of the original, for masks
//!                 of boxes and points, those of grounding_dino too; without it these are cut out by colour
//! motion/ video/  config.json of ours, a StageConfig; weights named as UNetMotionModel's,
//! ti2v/           object layers beside them
//! ```

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use thrumask_core::{Error as CoreError, fsio};
use thrumask_nn::{
    Error,
    autoencoder::{
        LatentCodec, LatentCodecConfig,
        kl::{AutoencoderKl, KlConfig},
        tiny::{TinyAutoencoder, TinyConfig},
    },
    backbone::{
        Backbone, BackboneConfig,
        unet::{Unet, names},
    },
    layers::Init,
    perception::sam2::Sam2Config,
    text::{
        PromptEncoder, PromptEncoderConfig, Tokenizer,
        clip::{ClipText, ClipTextConfig, ClipTokenizer},
    },
    weights::{Checkpoint, FloatType, Keeping, write_public},
};

use super::{Network, StageConfig, StageModel};
use crate::{Result, progress::Progress};

/// The folder of an autoencoder.
pub const VAE: &str = "vae";
/// The folder of a text encoder.
pub const TEXT_ENCODER: &str = "text_encoder";
/// The folder of its tokens.
pub const TOKENIZER: &str = "tokenizer";
/// The folder of a detector of names.
pub const DETECTOR: &str = "grounding_dino";
/// The folder of a network that makes masks of boxes and points.
pub const MASKER: &str = "sam2";
/// The weights of a network of diffusers' classes.
pub const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
/// What describes a network.
pub const CONFIG: &str = "config.json";
/// The files of a tokenizer: tokens, and the pairs that are merged; or both in one.
pub const TOKENS: [&str; 3] = ["vocab.json", "merges.txt", "tokenizer.json"];

/// The longest description of a network or tokenizer that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

fn read_config(folder: &Path) -> Result<String> {
    Ok(fsio::read_text_limited(folder.join(CONFIG), MAX_BYTES)?)
}

/// An error of a network, with the folder that it is about.
fn in_folder(folder: &Path) -> impl FnOnce(Error) -> Error {
    let folder = folder.display().to_string();
    move |error| match error {
        Error::Config { what, reason } => Error::config(format!("{folder}: {what}"), reason),
        other => other,
    }
}

/// The sizes of the autoencoder of a `vae` folder.
///
/// # Errors
/// [`CoreError::Io`] when its `config.json` cannot be read; [`Error::Config`] when that asks for what is
/// not done here.
pub fn codec_config(folder: &Path) -> Result<LatentCodecConfig> {
    let text = read_config(folder)?;
    let fields = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    let class = fields.get("_class_name").and_then(|name| name.as_str());
    let config = match class {
        Some("AutoencoderTiny") => TinyConfig::from_diffusers(&text).map(LatentCodecConfig::Tiny),
        _ => KlConfig::from_diffusers(&text).map(LatentCodecConfig::Kl),
    };
    Ok(config.map_err(in_folder(folder))?)
}

/// The weights of a SAM 2 and its sizes: of a folder in transformers' layout, or of a file of the original
/// (alone or in a folder), whose tensors tell which public size it is.
///
/// # Errors
/// [`CoreError::Io`] when something cannot be read; [`Error::Weights`] when there are no weights, or no
/// `config.json` and weights of no public size; [`Error::Config`] when that asks for what is not done here.
pub fn open_sam2(path: &Path) -> Result<(Checkpoint, Sam2Config)> {
    let weights = Checkpoint::open(path)?;
    let config = match path.join(CONFIG).is_file() {
        true => Sam2Config::from_transformers(&read_config(path)?).map_err(in_folder(path))?,
        false => Sam2Config::of_public(&path.display().to_string(), &weights)?,
    };
    Ok((weights, config))
}

/// Parameters to be read, whose weights stay in memory in the type that `kept` says.
fn blank(kept: Keeping, device: &Device) -> Init {
    Init::from(device).keeping(kept.float)
}

/// The autoencoder of a `vae` folder, its weights kept as `kept` says or, of a small one for previews, in
/// 32 bits.
///
/// # Errors
/// As [`codec_config`], and [`Error::Weights`] unless every parameter is there and fits.
pub fn read_codec(folder: &Path, kept: Keeping, device: &Device) -> Result<LatentCodec> {
    let (what, config) = (folder.display().to_string(), codec_config(folder)?);
    let source = kept.open(folder)?;
    Ok(match config {
        LatentCodecConfig::Kl(config) => {
            AutoencoderKl::load(&what, &source, &config, blank(kept, device))?.into()
        }
        LatentCodecConfig::Tiny(config) => {
            TinyAutoencoder::load_diffusers(&what, &source, &config, device)?.into()
        }
        LatentCodecConfig::Patches(_) => {
            return Err(Error::weights(what, "expected a public autoencoder, got ours").into());
        }
    })
}

/// The tokens of a `tokenizer` folder, and the files that say them.
///
/// # Errors
/// [`CoreError::Io`] when files cannot be read or are not there; [`Error::Config`] when they are not those
/// of CLIP.
pub fn read_tokenizer(folder: &Path) -> Result<ClipTokenizer> {
    let text = |name: &str| fsio::read_text_limited(folder.join(name), MAX_BYTES);
    let read = match token_files(folder).as_slice() {
        [one] => ClipTokenizer::from_tokenizer_json(&fsio::read_text_limited(one, MAX_BYTES)?),
        _ => ClipTokenizer::from_vocabulary_and_merges(&text(TOKENS[0])?, &text(TOKENS[1])?),
    };
    Ok(read.map_err(in_folder(folder))?)
}

/// The files of a tokenizer that are read: the one with all in it only where the two are not.
pub fn token_files(folder: &Path) -> Vec<PathBuf> {
    let [tokens, merges, both] = TOKENS.map(|name| folder.join(name));
    match !tokens.is_file() && !merges.is_file() && both.is_file() {
        true => vec![both],
        false => vec![tokens, merges],
    }
}

/// Of which stage a folder is, and its sizes.
///
/// # Errors
/// [`CoreError::Io`] when its `config.json` cannot be read, [`CoreError::Format`] when that describes no
/// stage.
pub fn stage_config(folder: &Path) -> Result<StageConfig> {
    let text = read_config(folder)?;
    let what = || folder.join(CONFIG).display().to_string();
    Ok(serde_json::from_str(&text).map_err(|e| CoreError::format(what(), e.to_string()))?)
}

/// What a stage in a folder is made of.
struct Parts<'a> {
    unet: &'a thrumask_nn::backbone::unet::UnetConfig,
    clip: &'a ClipTextConfig,
}

/// The parts of a stage in a folder: of others there are no public files.
fn parts<'a>(folder: &Path, config: &'a StageConfig) -> Result<Parts<'a>> {
    match (&config.denoiser, &config.text) {
        (BackboneConfig::Unet(unet), PromptEncoderConfig::Clip(clip)) => Ok(Parts { unet, clip }),
        _ => {
            let reason = "expected a U-Net that reads with CLIP, got a model that is one file";
            Err(Error::config(folder.join(CONFIG).display().to_string(), reason).into())
        }
    }
}

/// Looks whether all files of the stage in `folder`, and of its text encoder in `root`, are there and fit its
/// configuration, without reading values.
///
/// # Errors
/// As [`read_stage`].
pub fn check_stage(folder: &Path, root: &Path, config: &StageConfig) -> Result<()> {
    let Parts { unet, clip } = parts(folder, config)?;
    Unet::check_stage(&folder.display().to_string(), &Checkpoint::open(folder)?, unet)?;
    let text = root.join(TEXT_ENCODER);
    let found = read_config(&text)?;
    let found = ClipTextConfig::from_transformers(&found).map_err(in_folder(&text))?;
    if found != *clip {
        let what = format!("sizes of {}", text.display());
        return Err(CoreError::mismatch(what, format!("{clip:?}"), format!("{found:?}")).into());
    }
    Checkpoint::open(&text)?;
    read_tokenizer(&root.join(TOKENIZER)).map(drop)
}

/// The stage in `folder`, whose text encoder and tokenizer lie in `root`, its weights kept as `kept`
/// says.
///
/// # Errors
/// [`CoreError::Io`] when a file is missing or cannot be read; [`Error::Weights`] unless every parameter is
/// there and fits; [`Error::Config`] and [`CoreError::Mismatch`] when the parts are no stage.
pub fn read_stage(
    folder: &Path,
    root: &Path,
    kept: Keeping,
    device: &Device,
) -> Result<StageModel> {
    let config = stage_config(folder)?;
    check_stage(folder, root, &config)?;
    let tokenizer = Tokenizer::from(read_tokenizer(&root.join(TOKENIZER))?);
    let text = read_text(folder, root, &config, kept, device)?;
    let denoiser = read_denoiser(folder, &config, kept, device)?;
    Ok(StageModel { config, tokenizer, network: Network { text, denoiser } })
}

/// The text encoder in `root` alone, of the stage in `folder`.
///
/// # Errors
/// As [`read_stage`].
pub fn read_text(
    folder: &Path,
    root: &Path,
    config: &StageConfig,
    kept: Keeping,
    device: &Device,
) -> Result<PromptEncoder> {
    let (text, Parts { clip, .. }) = (root.join(TEXT_ENCODER), parts(folder, config)?);
    let words = kept.open(&text)?;
    let words = ClipText::load(&text.display().to_string(), &words, clip, blank(kept, device))?;
    Ok(PromptEncoder::Clip(words))
}

/// The denoiser alone of the stage in `folder`.
///
/// # Errors
/// As [`read_stage`].
pub fn read_denoiser(
    folder: &Path,
    config: &StageConfig,
    kept: Keeping,
    device: &Device,
) -> Result<Backbone> {
    let (source, Parts { unet, .. }) = (kept.open(folder)?, parts(folder, config)?);
    let what = folder.display().to_string();
    Ok(Backbone::Unet(Unet::load_stage(&what, &source, unet, blank(kept, device))?))
}

/// Writes a stage into `folder`, which is there when it is whole: its configuration and its U-Net under public names.
/// The text encoder, which is not a stage's own, is not written. A stage that was written there before is
/// replaced. `progress` hears of tensors.
///
/// # Errors
/// [`CoreError::Invalid`] when the folder holds something else, [`CoreError::Io`] when it cannot be written;
/// whatever `progress` returns.
pub fn write_stage(
    folder: &Path,
    config: &StageConfig,
    unet: &Unet,
    float: FloatType,
    progress: &mut dyn Progress,
) -> Result<()> {
    write_whole(
        folder,
        |name| [WEIGHTS, CONFIG].contains(&name),
        |new| {
            heard(
                |step| write_public(unet, names::diffusers, &new.join(WEIGHTS), float, step),
                |done, total| progress.step(config.kind.name(), done, total),
            )?;
            Ok(fsio::write_json(new.join(CONFIG), config)?)
        },
    )
}

/// Makes a folder that is there when all of it is written by `fill`; one that is there already is
/// written over only if `ours` accepts all names in it.
pub(crate) fn write_whole(
    folder: &Path,
    ours: impl Fn(&str) -> bool,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let mut failed = None;
    let fill = |new: &Path| {
        fill(new).map_err(|e| {
            failed = Some(e);
            CoreError::Interrupted
        })
    };
    let written = fsio::write_folder_atomic(folder, ours, fill);
    match failed {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}

/// Hears how much of how much is done, in the crate of the networks.
type Step<'a> = &'a mut dyn FnMut(usize, usize) -> thrumask_nn::Result<()>;

/// Writes what tells a step how many tensors are done, and gives the error of whoever `hear`s it.
pub(crate) fn heard(
    write: impl FnOnce(Step<'_>) -> thrumask_nn::Result<()>,
    mut hear: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    let mut stopped = None;
    let written = write(&mut |done, total| {
        hear(done, total).map_err(|e| {
            stopped = Some(e);
            CoreError::Interrupted.into()
        })
    });
    match stopped {
        Some(error) => Err(error),
        None => Ok(written?),
    }
}
