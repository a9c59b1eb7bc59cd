//! Latents beside samples: what an autoencoder makes of them, so that no step of a training encodes them again.

use std::{collections::HashMap, path::Path};

use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, Error, Fingerprint, Picture, Trajectory, trajectory::colored};
use thrumask_nn::{
    autoencoder::{LatentCodec, LatentCodecConfig},
    pixels::{host_values, pixels_from_frames},
    weights::{Kind, Number, Parameter, TensorFile, WeightFile, parameters},
};

use super::archive::read_at;
use crate::{Result, model::files::to_json};

/// The entry of the metadata that says of which autoencoder they are.
const AUTOENCODER: &str = "autoencoder";
/// The longest heading that is read, in bytes.
const MAX_HEADING: u64 = 1 << 20;

/// How latents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LatentNumber {
    /// To the bit.
    F32,
    /// In half the space: rounded to 11 significant bits.
    F16,
}

/// Makes latents of samples.
pub struct LatentEncoder {
    codec: LatentCodec,
    fingerprint: String,
}

impl LatentEncoder {
    /// With an autoencoder.
    ///
    /// # Errors
    /// As [`fingerprint`].
    pub fn new(codec: LatentCodec) -> Result<Self> {
        let fingerprint = fingerprint(&codec)?;
        Ok(Self { codec, fingerprint })
    }

    /// That of its autoencoder.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Refuses videos of `frames` frames of `size` × `size` pixels that do not divide into patches.
    ///
    /// # Errors
    /// As [`LatentCodecConfig::latent_size`].
    pub(super) fn check(&self, frames: usize, size: usize) -> Result<()> {
        self.codec.config().latent_size([frames, size, size])?;
        Ok(())
    }

    /// The file of a sample's latents: safetensors with `video` and `motion` (of the coloured masks),
    /// `[C, T', H', W']`, and `picture` and `mask` (their first frames alone), `[C, 1, H', W']`.
    ///
    /// # Errors
    /// As [`LatentCodec::encode`].
    pub(super) fn file(
        &self,
        clip: &Clip,
        masks: &Trajectory,
        number: LatentNumber,
    ) -> Result<Vec<u8>> {
        let colors: Vec<Picture> = masks.frames().iter().map(colored).collect();
        let device = self.codec.device();
        let mut file = WeightFile::default();
        for (frames, [whole, first]) in
            [(clip.frames(), ["video", "picture"]), (colors.as_slice(), ["motion", "mask"])]
        {
            let video = self.codec.encode(pixels_from_frames(&[frames], &device)?)?;
            let picture = pixels_from_frames(&[&frames[..1]], &device)?;
            let picture = self.codec.encode_picture(picture)?;
            for (name, latents) in [(whole, video), (first, picture)] {
                let shape = latents.dims()[1..].to_vec(); // [C, T', H', W']
                file.tensors.insert(name.to_owned(), (shape, host_values(latents)));
            }
        }
        file.metadata.insert(AUTOENCODER.to_owned(), self.fingerprint.clone());
        Ok(file.write(number == LatentNumber::F16)?)
    }
}

/// SHA-256 of an autoencoder's sizes and parameters as it works with them: another file of the same network
/// has the same.
///
/// # Errors
/// None in practice: sizes can be written as JSON.
pub fn fingerprint(codec: &LatentCodec) -> Result<String> {
    let (kind, sizes) = match codec.config() {
        LatentCodecConfig::Patches(config) => ("patches", to_json("config", &config)?),
        LatentCodecConfig::Kl(config) => ("kl", to_json("config", &config)?),
        LatentCodecConfig::Tiny(config) => ("tiny", to_json("config", &config)?),
    };
    let mut hash = Fingerprint::new("autoencoder").text(kind, sizes);
    for Parameter { name, values, .. } in parameters(codec) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        hash = hash.bytes(&name, &bytes);
    }
    Ok(hash.finish())
}

/// The latents of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// Fingerprint of the autoencoder they are of.
    pub autoencoder: String,
    /// How they were kept.
    pub number: LatentNumber,
    /// `[C, T', H', W']` of the videos; of the pictures T' is 1.
    pub shape: [usize; 4],
    /// Of the frames.
    pub video: Vec<f32>,
    /// Of the coloured masks.
    pub motion: Vec<f32>,
    /// Of the first frame alone.
    pub picture: Vec<f32>,
    /// Of the first coloured masks alone.
    pub mask: Vec<f32>,
}

impl Latents {
    /// From the bytes of a file; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Format`] for files that are none of ours.
    pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |reason: String| crate::Error::from(Error::format(what, reason));
        let heading = TensorFile::read(what, bytes)?;
        let mut file = WeightFile::read(what, bytes)?;
        let autoencoder = file.metadata.remove(AUTOENCODER).ok_or_else(|| unsigned(what))?;
        let kind = heading.infos().find(|(name, _)| *name == "video").map(|(_, info)| &info.kind);
        let number = match kind {
            Some(Kind::Numbers(Number::F32)) => LatentNumber::F32,
            Some(Kind::Numbers(Number::F16)) => LatentNumber::F16,
            Some(other) => return Err(refuse(format!("video: expected f32 or f16, got {other}"))),
            None => return Err(refuse("expected \"video\", got none".into())),
        };
        let shape = file.tensors["video"].0.clone();
        let shape = <[usize; 4]>::try_from(shape).map_err(|got| {
            refuse(format!("video: expected channels, frames, rows and columns, got {got:?}"))
        })?;
        let mut values = |name: &str, frames: usize| {
            let expected = [shape[0], frames, shape[2], shape[3]];
            match file.tensors.remove(name) {
                Some((got, values)) if got == expected => Ok(values),
                got => {
                    let got = got.map_or("none".into(), |(shape, _)| format!("{shape:?}"));
                    Err(refuse(format!("{name}: expected {expected:?}, got {got}")))
                }
            }
        };
        Ok(Self {
            video: values("video", shape[1])?,
            motion: values("motion", shape[1])?,
            picture: values("picture", 1)?,
            mask: values("mask", 1)?,
            autoencoder,
            number,
            shape,
        })
    }
}

/// Of which autoencoder the latents are that lie in a tar at `offset`, without reading them.
///
/// # Errors
/// When they cannot be read; [`Error::Format`] when they are none of ours.
pub(super) fn autoencoder_at(
    what: &str,
    tar: &Path,
    (offset, length): (u64, u64),
) -> Result<String> {
    let bad = |reason: String| Error::format(what, format!("expected safetensors: {reason}"));
    let size = read_at(tar, offset, 8.min(length))?;
    let size = <[u8; 8]>::try_from(size).map(u64::from_le_bytes);
    let size = size.map_err(|_| bad("it is too short".into()))?;
    if size > MAX_HEADING || size + 8 > length {
        return Err(bad(format!("a heading of {size} bytes")).into());
    }
    let heading = read_at(tar, offset + 8, size)?;
    let heading: Heading = serde_json::from_slice(&heading).map_err(|e| bad(e.to_string()))?;
    let autoencoder = heading.metadata.get(AUTOENCODER).cloned();
    Ok(autoencoder.ok_or_else(|| unsigned(what))?)
}

/// What a heading of safetensors says beside the tensors.
#[derive(Deserialize)]
struct Heading {
    #[serde(rename = "__metadata__", default)]
    metadata: HashMap<String, String>,
}

fn unsigned(what: &str) -> Error {
    Error::format(what, "expected the autoencoder's fingerprint in its metadata, got none")
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};
    use thrumask_core::{LabelMap, Size};
    use thrumask_nn::{
        autoencoder::{Autoencoder, AutoencoderConfig},
        diffusion::noise::Noise,
        layers::Init,
    };

    use super::*;
    use crate::data::archive;

    /// Two frames become one of the latents.
    const SIZES: AutoencoderConfig = AutoencoderConfig {
        frames: 2,
        patch: 4,
        latent_channels: 3,
        encoder_width: 8,
        decoder_width: 8,
        decoder_blocks: 1,
    };

    fn codec(seed: u64, sizes: &AutoencoderConfig) -> LatentCodec {
        Autoencoder::new(&mut Init::new(seed, &Device::flex()), sizes).unwrap().into()
    }

    fn sample() -> (Clip, Trajectory) {
        let size = Size::new(12, 8);
        let noise = Noise::new(1, "frames");
        let frame = |t: u64| {
            let values = noise.normals(t * 288, 288).into_iter();
            Picture::new(size, values.map(|v| (v * 60.0 + 128.0) as u8).collect()).unwrap()
        };
        let map = |t: usize| LabelMap::new(size, (0..96).map(|i| ((i + t) % 3) as u8).collect());
        let masks = (0..4).map(|t| map(t).unwrap()).collect();
        let clip = Clip::new((0..4).map(frame).collect(), 8.0).unwrap();
        (clip, Trajectory::new(masks, 2, 8.0).unwrap())
    }

    #[test]
    fn a_file_holds_what_the_autoencoder_makes_and_says_of_which_it_is() {
        let (clip, masks) = sample();
        let encoder = LatentEncoder::new(codec(1, &SIZES)).unwrap();
        let bytes = encoder.file(&clip, &masks, LatentNumber::F32).unwrap();
        let latents = Latents::read("x", &bytes).unwrap();
        assert_eq!((latents.shape, latents.number), ([3, 2, 2, 3], LatentNumber::F32));
        assert_eq!(latents.autoencoder, encoder.fingerprint());
        let pixels = |frames: &[Picture]| pixels_from_frames(&[frames], &Device::flex()).unwrap();
        let same = |latents: &[f32], expected: Tensor<5>| {
            assert_eq!(latents, host_values(expected));
        };
        let (codec, colors) = (codec(1, &SIZES), masks.frames().iter().map(colored));
        let colors: Vec<Picture> = colors.collect();
        same(&latents.video, codec.encode(pixels(clip.frames())).unwrap());
        same(&latents.motion, codec.encode(pixels(&colors)).unwrap());
        same(&latents.picture, codec.encode_picture(pixels(&clip.frames()[..1])).unwrap());
        same(&latents.mask, codec.encode_picture(pixels(&colors[..1])).unwrap());

        let half = encoder.file(&clip, &masks, LatentNumber::F16).unwrap();
        assert!(half.len() < bytes.len() - 2 * latents.video.len());
        let half = Latents::read("x", &half).unwrap();
        assert_eq!(half.number, LatentNumber::F16);
        for (a, b) in half.video.iter().zip(&latents.video) {
            assert!((a - b).abs() <= b.abs() * 2f32.powi(-11) + 1e-7, "{a}, {b}");
        }
        assert_ne!(half.video, latents.video);
        assert!(encoder.check(3, 12).is_err() && encoder.check(4, 10).is_err());
        encoder.check(4, 12).unwrap();

        // It is found in a tar by its heading alone.
        let dir = tempfile::tempdir().unwrap();
        let tar = dir.path().join("a.tar");
        let files = [("a.latents.safetensors".to_owned(), bytes.clone())];
        std::fs::write(&tar, archive::written(&files).unwrap()).unwrap();
        let at = |length| autoencoder_at("a", &tar, (512, length));
        assert_eq!(at(bytes.len() as u64).unwrap(), encoder.fingerprint());
        for length in [0, 7, 8, 100] {
            let e = at(length).unwrap_err().to_string();
            assert!(e.contains("a: expected safetensors"), "{e}");
        }
    }

    #[test]
    fn a_fingerprint_is_of_sizes_and_of_every_parameter() {
        let of = |codec: &LatentCodec| fingerprint(codec).unwrap();
        let first = of(&codec(1, &SIZES));
        assert_eq!(first, of(&codec(1, &SIZES)));
        assert_ne!(first, of(&codec(2, &SIZES)));
        // As many parameters of the same values, but another meaning.
        let sizes = AutoencoderConfig { frames: 8, patch: 2, ..SIZES };
        assert_ne!(first, of(&codec(1, &sizes)));
        let own = Autoencoder::new(&mut Init::new(1, &Device::flex()), &SIZES).unwrap();
        let moved = own.normalised(vec![0.0; 3], vec![1.0, 1.0, 1.0 + f32::EPSILON]).unwrap();
        assert_ne!(first, of(&moved.into()));
    }

    #[test]
    fn other_files_are_refused() {
        let (clip, masks) = sample();
        let encoder = LatentEncoder::new(codec(1, &SIZES)).unwrap();
        let bytes = encoder.file(&clip, &masks, LatentNumber::F32).unwrap();
        let file = WeightFile::read("x", &bytes).unwrap();
        let refused = |change: &dyn Fn(&mut WeightFile), words: &str| {
            let mut file = file.clone();
            change(&mut file);
            let e = Latents::read("x.safetensors", &file.write(false).unwrap()).unwrap_err();
            let e = e.to_string();
            assert!(e.contains("x.safetensors") && e.contains(words), "{e}");
        };
        refused(&|f| f.metadata.clear(), "fingerprint");
        refused(&|f| drop(f.tensors.remove("video")), "expected \"video\", got none");
        refused(&|f| drop(f.tensors.remove("mask")), "mask: expected [3, 1, 2, 3], got none");
        let video = file.tensors["video"].clone();
        refused(&|f| drop(f.tensors.insert("picture".into(), video.clone())), "picture: expected");
        let flat = (vec![36], video.1.clone());
        refused(&|f| drop(f.tensors.insert("video".into(), flat.clone())), "video: expected");
        for length in 0..bytes.len() {
            assert!(Latents::read("x", &bytes[..length]).is_err(), "{length}");
        }
    }
}
