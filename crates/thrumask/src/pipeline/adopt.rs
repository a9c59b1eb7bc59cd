//! A trajectory that a person changed or put there, in one of its two files.

use thrumask_core::{Error, PromptPlan, fingerprint::sha256_hex, fsio, run_dir};

use super::{run::Run, stages::looked_at};
use crate::Result;

const JSON: &str = run_dir::TRAJECTORY;
const MP4: &str = run_dir::TRAJECTORY_VIDEO;

impl Run<'_> {
    /// Makes the two trajectory files agree when a person changed one of them.
    ///
    /// # Errors
    /// When both were changed, or the changed one cannot be read.
    pub(super) fn adopt_trajectory(&mut self, plan: &PromptPlan) -> Result<()> {
        let unseen = self.is_noted_by_hand("motion") && self.dir.has(JSON) && !self.dir.has(MP4);
        match (self.is_changed(JSON)? || unseen, self.is_changed(MP4)?) {
            (false, false) => Ok(()),
            (true, true) if self.record.stage("motion").is_some() => {
                let what = format!("{JSON} and {MP4} in {}", self.dir.path().display());
                let reason = "both were changed by hand; remove the one that shall not count";
                Err(Error::invalid(what, reason).into())
            }
            // The JSON is the exact form, so it counts where nothing was recorded.
            (true, _) => {
                let trajectory = self.dir.read_trajectory(plan.objects.len())?;
                let json = fsio::read_limited(self.dir.file(JSON), u64::MAX)?;
                let mp4 = looked_at(&trajectory)?;
                // Without its video the JSON counts at any moment from here on.
                self.remove(MP4)?;
                self.note_trajectory(&json, &mp4)?;
                Ok(fsio::write_atomic(self.dir.file(MP4), &mp4)?)
            }
            (false, true) => {
                let path = self.dir.file(MP4);
                let trajectory = self.taken(&path.display().to_string(), &path, plan)?;
                let files = self.trajectory_files(&trajectory)?;
                // The person's file is replaced last: until then it counts at any moment.
                self.remove(JSON)?;
                self.note_trajectory(&files[0], &files[1])?;
                fsio::write_atomic(self.dir.file(JSON), &files[0])?;
                Ok(fsio::write_atomic(path, &files[1])?)
            }
        }
    }

    /// Notes that the trajectory was made by hand.
    fn note_trajectory(&mut self, json: &[u8], mp4: &[u8]) -> Result<()> {
        let control = self.config.given.read_control()?;
        let asked = self.motion_work(control.as_ref())?.asked.finish();
        let outputs = [(JSON, json), (MP4, mp4)];
        let outputs = outputs.map(|(name, bytes)| (name.to_owned(), sha256_hex(bytes)));
        self.finish_by_hand("motion", &asked, outputs.into())
    }
}
