//! `thrumask world`: writes samples of the procedural world.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;
use thrumask::{
    model::flow_wheel,
    progress::Progress,
    world::{Split, WorldConfig, contact_sheet, scene},
};
use thrumask_core::fsio;

use crate::{options::TalkOptions, terminal};

/// Rows of samples on a contact sheet at most: a sheet is to be looked at.
const SHEET_SAMPLES: usize = 64;

/// Write samples of the procedural world: videos, masks, prompts and a contact sheet.
///
/// Each sample becomes NAME.mp4, NAME.masks.mp4 (palette colours), NAME.trajectory.json (exact
/// masks), NAME.plan.json and NAME.truth.json (kind, colour, texture, size and action of each
/// object), and with --flow NAME.flow.mp4 (optical flow in the colours of the Middlebury wheel; white
/// does not move, the last frame is blank); sheet.png shows all of them. A sample is a pure function of split and index.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask world --out samples --count 16
  thrumask world --out pair --split compositional --first 100 --count 4 --size 192 --frames 24")]
pub struct World {
    /// Folder for the samples.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Which scenes.
    #[arg(long, value_enum, default_value_t = Scenes::Test)]
    split: Scenes,
    /// Index of the first sample.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Number of samples.
    #[arg(long, default_value_t = 8)]
    count: u64,
    /// Rows and columns in pixels.
    #[arg(long)]
    size: Option<usize>,
    /// Frames of a video.
    #[arg(long)]
    frames: Option<usize>,
    /// Exactly so many objects, 1 to 4 [default: all of these].
    #[arg(long)]
    objects: Option<usize>,
    /// Share of the samples that look like no drawing: random textures, light, focus, grain and a shaking
    /// camera, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    looks: f32,
    /// Share of the samples whose objects start anywhere, so that some leave the picture, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    leaving: f32,
    /// Write the true optical flow of each sample as well.
    #[arg(long)]
    flow: bool,
    #[command(flatten)]
    talk: TalkOptions,
}

/// The splits by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenes {
    Train,
    Validation,
    Test,
    Compositional,
}

impl Scenes {
    fn split(self) -> Split {
        match self {
            Self::Train => Split::Train,
            Self::Validation => Split::Validation,
            Self::Test => Split::Test,
            Self::Compositional => Split::Compositional,
        }
    }
}

impl World {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let mut config = WorldConfig::default();
        config.size = self.size.unwrap_or(config.size);
        config.frames = self.frames.unwrap_or(config.frames);
        config.looks = self.looks;
        config.leaving = self.leaving;
        if let Some(objects) = self.objects {
            config.objects = objects..=objects;
        }
        config.validate()?;
        let Some(end) = self.first.checked_add(self.count).filter(|_| self.count > 0) else {
            bail!("count: expected 1 or more samples from {}, got {}", self.first, self.count);
        };
        std::fs::create_dir_all(&self.out)
            .map_err(|e| thrumask_core::Error::io("making folder", &self.out, e))?;
        let mut terminal = self.talk.reporter();
        let (mut shown, mut names) = (Vec::new(), Vec::new());
        for index in self.first..end {
            terminal.step("world", (index - self.first) as usize, self.count as usize)?;
            let scene = scene(&config, self.split.split(), index)?;
            let sample = scene.sample(config.size)?;
            let name = format!("{:?}-{index:06}", self.split).to_lowercase();
            let file = |ending: &str| self.out.join(format!("{name}.{ending}"));
            sample.clip.write(file("mp4"))?;
            sample.masks.write_video(file("masks.mp4"), None)?;
            sample.masks.write_json(file("trajectory.json"))?;
            sample.plan.write(file("plan.json"))?;
            let truth = serde_json::to_vec_pretty(&sample.objects)?;
            fsio::write_atomic(file("truth.json"), &truth)?;
            if self.flow {
                let flow = scene.flow(config.size)?;
                let clip = flow_wheel(config.size)?.clip(&flow, config.fps)?;
                clip.write(file("flow.mp4"))?;
            }
            names.push(name);
            if shown.len() < SHEET_SAMPLES {
                shown.push(sample);
            }
        }
        let sheet = self.out.join("sheet.png");
        contact_sheet(&shown, 2)?.write_png(&sheet)?;
        match self.talk.json {
            true => terminal::print_json(&json!({"samples": names, "sheet": sheet})),
            false => terminal::print(&format!("{}\n", sheet.display())),
        }
    }
}
