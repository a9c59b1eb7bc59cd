//! `thrumask eval adherence`: how well videos follow trajectories.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use thrumask::{
    eval::adherence::{Adherence, adherence},
    models::Models,
    tracker::{SamTracker, Tracker},
};
use thrumask_core::{Clip, Trajectory};

use super::Bars;
use crate::{
    options::{DeviceOption, TalkOptions, on_threads, start_threads},
    terminal,
};

/// Measure how well videos follow trajectories: J and F of masks that a tracker finds.
///
/// The tracker starts from the trajectory's first frame, sees the video alone, and what it finds is held
/// against the rest of the trajectory: region similarity J and boundary accuracy F, mean over objects, each
/// from 0 to 1. The built-in tracker learned on the procedural world; name public weights of SAM 2.1 for
/// real pictures.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask eval adherence dog.run
  thrumask eval adherence clip.mp4 --trajectory trajectory.json --tracker sam2.1-hiera-tiny")]
pub struct AdherenceOf {
    /// Run directories, or one video (MP4, GIF, WebP or a folder of frames) with --trajectory.
    #[arg(required = true, value_name = "RUN|VIDEO")]
    of: Vec<PathBuf>,
    /// The trajectory that the video was made for: trajectory.json, or with --objects a mask video or a
    /// folder of PNG masks.
    #[arg(long, value_name = "FILE|DIR")]
    trajectory: Option<PathBuf>,
    /// How many objects the trajectory has, if it is no JSON.
    #[arg(long, value_name = "N", requires = "trajectory")]
    objects: Option<usize>,
    /// SAM 2.1 in the place of the built-in tracker: a folder in the layout of transformers' Sam2VideoModel, a
    /// file of its authors, or one that `thrumask train` made.
    #[arg(long, value_name = "DIR_OR_FILE")]
    tracker: Option<PathBuf>,
    /// Also write the masks that were found, as a trajectory (JSON).
    #[arg(long, value_name = "FILE")]
    found: Option<PathBuf>,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    talk: TalkOptions,
}

/// What was measured, and by whom.
#[derive(Serialize)]
struct Report {
    tracker: String,
    videos: Vec<Measured>,
}

/// What was measured of a video.
#[derive(Serialize)]
struct Measured {
    video: PathBuf,
    trajectory: PathBuf,
    #[serde(flatten)]
    found: Adherence,
}

impl AdherenceOf {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        if self.of.len() > 1 && (self.trajectory.is_some() || self.found.is_some()) {
            let count = self.of.len();
            bail!("--trajectory and --found belong to one video: expected one, got {count}");
        }
        let device = self.device.open()?;
        let tracker = match &self.tracker {
            Some(path) => SamTracker::open(path, &device)?,
            None => Models::embedded().tracker()?,
        };
        let mut bars = Bars::new(self.talk.reporter());
        let mut videos = Vec::new();
        for (done, path) in self.of.iter().enumerate() {
            use thrumask::progress::Progress;
            bars.step("adherence", done, self.of.len())?;
            let (video, file) = self.pair(path)?;
            let clip = Clip::read(&video)?;
            let trajectory = match self.objects {
                Some(objects) => Trajectory::read(&file, objects)?,
                None => Trajectory::read_json(&file)?,
            };
            let (measured, masks) = on_threads(|| adherence(&clip, &trajectory, &tracker))?;
            if let Some(out) = &self.found {
                masks.with_names(trajectory.names().to_vec())?.write_json(out)?;
            }
            videos.push(Measured { video, trajectory: file, found: measured });
        }
        let report = Report { tracker: tracker.name().to_owned(), videos };
        if self.talk.json {
            return terminal::print_json(&report);
        }
        let mut text = "| video | object | J | F | lost |\n|---|---|---|---|---|\n".to_owned();
        let number = |value: Option<f32>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        for Measured { video, found, .. } in &report.videos {
            let video = video.display();
            let Adherence { frames, j, f, objects } = found;
            for object in objects {
                let name = object.name.as_deref().unwrap_or("");
                let (id, lost, of) = (object.id, object.lost, frames - 1);
                let (j, f) = (number(object.j), number(object.f));
                text.push_str(&format!("| {video} | {id} {name} | {j} | {f} | {lost} of {of} |\n"));
            }
            text.push_str(&format!("| {video} | all | {} | {} | |\n", number(*j), number(*f)));
        }
        terminal::print(&text)
    }

    /// The video and the trajectory of what was named.
    fn pair(&self, path: &Path) -> Result<(PathBuf, PathBuf)> {
        if let Some(trajectory) = &self.trajectory {
            return Ok((path.to_path_buf(), trajectory.clone()));
        }
        let pair = (path.join("video.mp4"), path.join("trajectory.json"));
        if !(pair.0.is_file() && pair.1.is_file()) {
            let path = path.display();
            bail!(
                "{path}: expected a run directory with video.mp4 and trajectory.json, or --trajectory FILE"
            );
        }
        Ok(pair)
    }
}
