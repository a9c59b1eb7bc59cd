//! `thrumask models init`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use thrumask::{
    hub::{Component, Fresh},
    model::{FullSize, MaskerSize},
};

use super::{ByteBar, Dtype, say_written};
use crate::options::TalkOptions;

/// Write a model with random weights, so that everything runs without a download.
///
/// The networks of Stable Diffusion 1.5 with AnimateDiff V3, at full size or in miniature, in the folder
/// layout of diffusers, which Python's libraries read too. With --pipeline everything that the main job
/// runs on: both stages (256x256 pixels, 16 frames; in miniature 64x64, 4 frames), autoencoder, text
/// encoder, and a tokenizer that knows bytes alone. The parts detector and masker are what finds objects in
/// the picture (docs/seeing.md). The same seed gives the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models init sd15-tiny --size tiny
  thrumask models init ttm-tiny --size tiny --pipeline
  thrumask animate photo.jpg \"A dog runs.\" -o dog.mp4 --backbone unet --models ttm-tiny
  thrumask models init seeing --parts detector,masker --size tiny
  thrumask models init sd15 --parts unet --seed 7 --dtype bf16")]
pub struct Init {
    /// The folder to write: a folder in it for each part.
    #[arg(value_name = "DIR")]
    out: PathBuf,
    /// How large the networks are.
    #[arg(long, value_enum, default_value = "full")]
    size: Size,
    /// Which of them.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["unet", "vae", "text-encoder"])]
    parts: Vec<Part>,
    /// Which SAM 2.1 the part masker is at full size.
    #[arg(long, value_enum, default_value = "tiny", value_name = "SIZE")]
    masker_size: Masker,
    /// What `animate --backbone unet --models DIR` needs: motion, video, vae, text-encoder, tokenizer.
    #[arg(long, conflicts_with = "parts")]
    pipeline: bool,
    /// Seed of all weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The type of the numbers.
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Dtype,
    /// Latent videos that the part unet sees beside the noise: 2 for both stages, 1 for TI2V, 0 as public.
    #[arg(long, default_value_t = 2)]
    conditions: usize,
    #[command(flatten)]
    talk: TalkOptions,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    /// As the public networks.
    Full,
    /// The same classes with few channels.
    Tiny,
}

/// On Hiera-T, S, B+ or L.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Masker {
    Tiny,
    Small,
    BasePlus,
    Large,
}

impl Masker {
    fn size(self) -> MaskerSize {
        match self {
            Self::Tiny => MaskerSize::Tiny,
            Self::Small => MaskerSize::Small,
            Self::BasePlus => MaskerSize::BasePlus,
            Self::Large => MaskerSize::Large,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The U-Net alone.
    Unet,
    Vae,
    TextEncoder,
    Tokenizer,
    /// Stage 1 on the U-Net.
    Motion,
    /// Stage 2 on the U-Net.
    Video,
    /// The baseline without a trajectory on the U-Net.
    Ti2v,
    /// Grounding DINO, which finds names as boxes.
    Detector,
    /// SAM 2.1, which cuts objects out of boxes and points, and follows them through videos.
    Masker,
}

impl Part {
    fn component(self, masker: MaskerSize) -> Component {
        match self {
            Self::Unet => Component::Unet,
            Self::Vae => Component::Vae,
            Self::TextEncoder => Component::TextEncoder,
            Self::Tokenizer => Component::Tokenizer,
            Self::Motion => Component::Motion,
            Self::Video => Component::Video,
            Self::Ti2v => Component::Ti2v,
            Self::Detector => Component::Detector,
            Self::Masker => Component::Masker(masker),
        }
    }
}

impl Init {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if self.conditions > 16 {
            bail!("--conditions: expected 0 to 16, got {}", self.conditions);
        }
        let fresh = Fresh {
            size: match self.size {
                Size::Full => FullSize::Sd15,
                Size::Tiny => FullSize::Tiny,
            },
            seed: self.seed,
            float: self.dtype.float(),
            conditions: self.conditions,
        };
        let mut components: Vec<Component> = Vec::new();
        match self.pipeline {
            true => components.extend(Component::PIPELINE),
            false => {
                let masker = self.masker_size.size();
                for component in self.parts.iter().map(|part| part.component(masker)) {
                    // Named twice, it is written once.
                    if !components.contains(&component) {
                        components.push(component);
                    }
                }
            }
        }
        let mut bar = ByteBar::new(self.talk.quiet);
        let files = fresh.write(&self.out, &components, &mut bar)?;
        drop(bar);
        say_written(&files, &self.talk)
    }
}
