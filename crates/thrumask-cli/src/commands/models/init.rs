//! `thrumask models init`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use thrumask::hub::{Component, Fresh, FreshSize};

use super::{ByteBar, Dtype, say_written};
use crate::options::TalkOptions;

/// Write a model with random weights, so that everything runs without a download.
///
/// The networks of Stable Diffusion 1.5 with AnimateDiff V3, at full size or in miniature, in the folder
/// layout of diffusers, which Python's libraries read too. The same seed gives the same bytes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models init sd15-tiny --size tiny
  thrumask models init sd15 --parts unet --seed 7 --dtype bf16")]
pub struct Init {
    /// The folder to write: unet/, vae/ and text_encoder/ in it.
    #[arg(value_name = "DIR")]
    out: PathBuf,
    /// How large the networks are.
    #[arg(long, value_enum, default_value = "full")]
    size: Size,
    /// Which of them.
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["unet", "vae", "text-encoder"])]
    parts: Vec<Part>,
    /// Seed of all weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The type of the numbers.
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Dtype,
    /// Latent videos that the U-Net sees beside the noise: 2 for both stages, 1 for TI2V, 0 as public.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Unet,
    Vae,
    TextEncoder,
}

impl Init {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if self.conditions > 16 {
            bail!("--conditions: expected 0 to 16, got {}", self.conditions);
        }
        let fresh = Fresh {
            size: match self.size {
                Size::Full => FreshSize::Full,
                Size::Tiny => FreshSize::Tiny,
            },
            seed: self.seed,
            float: self.dtype.float(),
            conditions: self.conditions,
        };
        let wanted = |component: &Component| {
            self.parts.contains(&match component {
                Component::Unet => Part::Unet,
                Component::Vae => Part::Vae,
                Component::TextEncoder => Part::TextEncoder,
            })
        };
        let components: Vec<Component> = Component::ALL.into_iter().filter(wanted).collect();
        let mut bar = ByteBar::new(self.talk.quiet);
        let files = fresh.write(&self.out, &components, &mut bar)?;
        drop(bar);
        say_written(&files, &self.talk)
    }
}
