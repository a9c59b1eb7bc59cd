//! The whole line, on a run directory.
//!
//! ```text
//! (Image, Caption) --plan--> PromptPlan --segment--> MaskSet --motion--> Trajectory --video--> Clip --> file
//! ```
//!
//! Every artefact is a file in the run directory, and each stage works from files only. A stage is
//! not repeated while what it was asked for and what it works from are as they were (each stage's
//! hash of both is in `run.json`). What a person edited or put there is used as it is, and the
//! stages behind it are done again: see [`Mode`].

mod adopt;
mod deliver;
mod drawn;
mod estimate;
mod fit;
mod given;
mod rates;
mod report;
mod run;
mod segmenting;
mod settings;
mod stages;
mod tables;
mod works;

use std::path::{Path, PathBuf};

pub use estimate::{Estimate, StageEstimate};
pub use fit::{Fit, LONGEST};
pub use given::{Given, parse_boxes, parse_points};
pub use rates::Rates;
pub use report::{Origin, Report, Reporter, StageReport};
pub use run::{Mode, Run};
pub use settings::{Config, Missing, Settings, Sizes};
pub use tables::{merge, nested, typed};
pub use works::{Outlook, outlook};

pub use crate::plan::check_caption;

use thrumask_core::{Clip, Error};

use crate::Result;

/// What the main job needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Animation {
    /// The input picture.
    pub picture: PathBuf,
    /// What shall happen in it.
    pub caption: String,
    /// The video file, animation or folder of frames to write.
    pub output: PathBuf,
    /// The run directory.
    pub run: PathBuf,
    /// What was set.
    pub settings: Settings,
    /// Whether everything is made anew, whatever is in the run directory.
    pub fresh: bool,
}

impl Animation {
    /// Refuses what cannot be done, before anything is read or written.
    fn check(&self) -> thrumask_core::Result<()> {
        check_caption(&self.caption)?;
        Clip::check_path(&self.output)?;
        let output: PathBuf = self.output.components().collect();
        let refuse = |reason: &str| Err(Error::invalid(output.display().to_string(), reason));
        if output == self.run.components().collect::<PathBuf>() {
            return refuse("expected another name for the output than for the run directory");
        }
        let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if same(&output, &self.picture) {
            return refuse("expected another name for the output than for the picture");
        }
        Ok(())
    }
}

/// Picture and caption become a video.
///
/// # Errors
/// When something given cannot be read or does not fit, a file cannot be written, or the person
/// stops it; what is finished by then stays in the run directory, and the same call goes on from it.
pub fn animate(job: &Animation, reporter: &mut dyn Reporter) -> Result<Report> {
    job.check()?;
    let mode = if job.fresh { Mode::Fresh } else { Mode::Whole };
    let mut run = Run::start(&job.run, &job.picture, &job.settings, mode, reporter)?;
    run.plan(&job.caption)?;
    run.segment()?;
    run.motion()?;
    run.video()?;
    run.deliver(&job.output)?;
    Ok(run.report(Some(job.output.clone())))
}

/// Where the run directory lies when nobody says: beside the output, `out.mp4` → `out.run`.
pub fn run_beside(output: &Path) -> PathBuf {
    // A trailing slash is not part of the name.
    let output: PathBuf = output.components().collect();
    output.with_extension("run")
}
