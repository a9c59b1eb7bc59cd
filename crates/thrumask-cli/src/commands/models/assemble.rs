//! `thrumask models assemble`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use thrumask::{
    hub::{Assembly, cache_from_env, locate},
    model::VideoShape,
};

use super::{ByteBar, Dtype, say_written};
use crate::options::TalkOptions;

/// Write the start of both stages from public weights, as a folder for `--models`.
///
/// Takes the networks of Stable Diffusion 1.x and AnimateDiff's motion modules. Input channels for the
/// conditions are added and zero, object layers are new and closed: until they are trained, both stages
/// draw what the public network draws. The ablations and the flow variant start from the same folder: they are set
/// where they are trained (`thrumask train`, models/configs/full-video.toml). Nothing is downloaded: `thrumask models pull` does that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models pull sd15
  thrumask models pull animatediff-v3
  thrumask models assemble ttm --from sd15 --motion animatediff-v3
  thrumask models assemble ttm --from v1-5.ckpt --tokenizer clip/ --motion animatediff-v3
  thrumask animate photo.jpg \"A dog runs.\" -o dog.mp4 --backbone unet --models ttm --steps 25")]
pub struct Assemble {
    /// The folder to write: motion/, video/ (with --ti2v, ti2v/), vae/, text_encoder/ and tokenizer/ in it.
    #[arg(value_name = "DIR")]
    out: PathBuf,
    /// Stable Diffusion: a folder, a known name or ORG/NAME, with unet/, vae/, text_encoder/, tokenizer/; or
    /// one file (.safetensors, .ckpt) with all networks of 1.5, with --tokenizer.
    #[arg(long, value_name = "PATH|NAME")]
    from: String,
    /// The tokenizer: a folder with vocab.json and merges.txt. Needed beside a single file, which has none.
    #[arg(long, value_name = "PATH|NAME")]
    tokenizer: Option<String>,
    /// Motion modules: a file, a folder, a known name or ORG/NAME; not when unet/ has them.
    #[arg(long, value_name = "PATH|NAME")]
    motion: Option<String>,
    /// Also write the start of the baseline without a trajectory, of as many parameters as stage 2.
    #[arg(long)]
    ti2v: bool,
    /// Rows and columns of the videos, in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Frames of the videos.
    #[arg(long, default_value_t = 16)]
    frames: usize,
    /// Seed of the object layers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The type of the numbers of both stages.
    #[arg(long, value_enum, default_value = "f16")]
    dtype: Dtype,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Assemble {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let cache = cache_from_env()?;
        let assembly = Assembly {
            from: locate(&self.from, &cache)?,
            tokenizer: self.tokenizer.as_ref().map(|name| locate(name, &cache)).transpose()?,
            motion: self.motion.as_ref().map(|name| locate(name, &cache)).transpose()?,
            ti2v: self.ti2v,
            video: VideoShape { size: self.size, frames: self.frames },
            seed: self.seed,
            float: self.dtype.float(),
        };
        let mut bar = ByteBar::new(self.talk.quiet);
        let folders = assembly.write(&self.out, &mut bar)?;
        drop(bar);
        say_written(&folders, &self.talk)
    }
}
