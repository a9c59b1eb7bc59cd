//! The last arrow: from the run directory to the file that was asked for.

use std::{fs, path::Path, time::Instant};

use thrumask_core::{Error, Fingerprint, StageRecord, fsio, run_dir};

use super::{
    given::hash_of,
    report::{Origin, StageReport},
    run::{Mode, Run},
};
use crate::Result;

/// Name of this step in the record and in reports.
const NAME: &str = "output";

impl Run<'_> {
    /// Writes the video to `output`: an MP4 is a copy of [`run_dir::VIDEO`], other forms are made
    /// from the same frames.
    ///
    /// # Errors
    /// When it cannot be written; the run directory has the video all the same.
    pub fn deliver(&mut self, output: &Path) -> Result<()> {
        let began = Instant::now();
        // Not a name that any artefact has.
        let name = format!("output {}", output.display());
        let inputs = Fingerprint::new(NAME)
            .text("video", self.dir.hash_of(run_dir::VIDEO)?)
            .text("name", &name)
            .finish();
        let stands = self.mode != Mode::Fresh
            && output.exists()
            && self.record.is_finished(NAME, &inputs)
            && self.record.stage(NAME).and_then(|s| s.outputs.get(&name))
                == Some(&hash_of(output)?);
        let mut peak_rss_bytes = None;
        if !stands {
            run_dir::reset_peak_rss();
            self.write(output)?;
            let outputs = [(name, hash_of(output)?)].into();
            peak_rss_bytes = run_dir::peak_rss_bytes();
            let seconds = began.elapsed().as_secs_f64();
            let name = NAME.to_owned();
            let planner = None;
            self.finish(StageRecord { name, inputs, outputs, seconds, peak_rss_bytes, planner })?;
        }
        self.done(StageReport {
            name: NAME.to_owned(),
            origin: if stands { Origin::Kept } else { Origin::Made },
            artefacts: vec![output.to_path_buf()],
            seconds: began.elapsed().as_secs_f64(),
            peak_rss_bytes,
            notes: Vec::new(),
        });
        Ok(())
    }

    fn write(&mut self, output: &Path) -> Result<()> {
        let parent = output.components().as_path().parent();
        if let Some(parent) = parent.filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| Error::io("making folder", parent, e))?;
        }
        let is_mp4 = output.extension().is_some_and(|e| e.eq_ignore_ascii_case("mp4"));
        if is_mp4 && !output.is_dir() {
            let bytes = fsio::read_limited(self.dir.file(run_dir::VIDEO), u64::MAX)?;
            return Ok(fsio::write_atomic(output, &bytes)?);
        }
        let frames = self.frames()?;
        let options = self.write_options(&self.dir.read_plan()?)?;
        Ok(frames.write_with(output, &options)?)
    }
}
