//! A run directory at work: which stages still stand, which were done by hand, and how a stage's
//! artefacts and the record change together so that a kill at any moment loses nothing.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    time::Instant,
};

use thrumask_core::{
    Clip, Error, Fingerprint, Picture, PlanOrigin, RunDir, RunRecord, StageRecord,
    fingerprint::sha256_hex, fsio, run_dir,
};

use super::{
    report::{Origin, Report, Reporter, StageReport},
    settings::{Config, Settings},
    works,
};
use crate::{Result, models::Models};

/// Stands in a record in place of the upstream hash of a stage whose artefact a person made.
const BY_HAND: &str = "by hand";

/// How a stage treats what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The whole line: what was done by hand is used.
    Whole,
    /// One stage: what was done by hand is not overwritten.
    Single,
    /// Everything is made anew, whatever is there.
    Fresh,
}

/// One stage's work, before it is done.
pub(super) struct Work {
    pub name: &'static str,
    /// What was asked for: options, given files, models.
    pub asked: Fingerprint,
    /// The artefacts it works from.
    pub from: &'static [&'static str],
    /// The artefacts it makes, the main one first: it is written last, so it vouches for the rest.
    pub makes: &'static [&'static str],
}

/// What a stage made.
pub(super) struct Made {
    /// The bytes of each artefact, in the order of [`Work::makes`].
    pub files: Vec<Vec<u8>>,
    pub notes: Vec<String>,
}

/// A run directory, what it shall hold, and who is told.
pub struct Run<'a> {
    pub(super) dir: RunDir,
    pub(super) record: RunRecord,
    pub(super) config: Config,
    pub(super) models: Models,
    pub(super) reporter: &'a mut dyn Reporter,
    pub(super) mode: Mode,
    /// The video, when it was made in this process.
    pub(super) clip: Option<Clip>,
    /// Who made the plan, until its stage is noted.
    pub(super) planned_by: Option<PlanOrigin>,
    reports: Vec<StageReport>,
    /// Kept open so that no second process works here; the system lets go of it at any death.
    lock: Option<File>,
}

impl<'a> Run<'a> {
    /// A run on a picture. The picture and the settings are checked before anything is written.
    ///
    /// # Errors
    /// When the picture cannot be read, a setting is out of range, a model cannot be read, or the
    /// folder cannot be made, or another process works in it.
    pub fn start(
        folder: &Path,
        picture: &Path,
        settings: &Settings,
        mode: Mode,
        reporter: &'a mut dyn Reporter,
    ) -> Result<Self> {
        let upright = Picture::read(picture)?;
        let models = Models::from_settings(settings);
        let config = settings.resolve(upright.size(), models.check()?)?;
        fs::create_dir_all(folder).map_err(|e| Error::io("making folder", folder, e))?;
        let lock = lock(folder)?;
        let dir = RunDir::create(folder)?;
        if mode == Mode::Fresh {
            remove_all(&dir)?;
        }
        let record = dir.read_record()?;
        let record = record.unwrap_or_else(|| RunRecord::new(config.seed, Default::default()));
        let mut run = Self::of_parts(dir, record, config, models, mode, reporter);
        run.lock = lock;
        run.input(&upright)?;
        // The picture in the run directory may have been repainted at another size.
        run.configure(settings)?;
        Ok(run)
    }

    /// A run that goes on in its directory. `adjust` lays what is asked for now over what was
    /// asked for when it began.
    ///
    /// # Errors
    /// As [`Run::start`], and what `adjust` says.
    pub fn resume(
        folder: &Path,
        adjust: impl FnOnce(Settings) -> Result<Settings>,
        mode: Mode,
        reporter: &'a mut dyn Reporter,
    ) -> Result<Self> {
        if !folder.is_dir() {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(Error::io("opening run folder", folder, missing).into());
        }
        let lock = lock(folder)?;
        let dir = RunDir::open(folder)?;
        let record = dir.read_record()?;
        let settings = adjust(match &record {
            Some(record) => config_of(&dir, record)?.settings(),
            None => Settings::default(),
        })?;
        let models = Models::from_settings(&settings);
        let config = settings.resolve(dir.read_input()?.size(), models.check()?)?;
        let record = record.unwrap_or_else(|| RunRecord::new(config.seed, Default::default()));
        let mut run = Self::of_parts(dir, record, config, models, mode, reporter);
        run.lock = lock;
        run.configure(&settings)?;
        Ok(run)
    }

    /// A run that is only put together.
    pub(super) fn of_parts(
        dir: RunDir,
        record: RunRecord,
        config: Config,
        models: Models,
        mode: Mode,
        reporter: &'a mut dyn Reporter,
    ) -> Self {
        let (reports, clip, planned_by, lock) = (Vec::new(), None, None, None);
        Self { dir, record, config, models, reporter, mode, clip, planned_by, reports, lock }
    }

    /// What is reported when all is done.
    pub fn report(self, output: Option<PathBuf>) -> Report {
        drop(self.lock);
        Report { run: self.dir.path().to_path_buf(), output, stages: self.reports }
    }

    /// The resolved configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Resolves the settings for the picture in the run directory and notes them in the record.
    fn configure(&mut self, settings: &Settings) -> Result<()> {
        self.config = settings.resolve(self.dir.read_input()?.size(), self.config.model)?;
        let config = serde_json::to_value(&self.config)
            .map_err(|e| Error::format("configuration", e.to_string()))?;
        let version = env!("CARGO_PKG_VERSION");
        let noted = &self.record;
        if noted.config != config || noted.seed != self.config.seed || noted.version != version {
            self.record.config = config;
            self.record.seed = self.config.seed;
            self.record.version = version.to_owned();
            self.dir.write_record(&self.record)?;
        }
        Ok(())
    }

    /// Puts the upright picture into the run directory.
    fn input(&mut self, picture: &Picture) -> Result<()> {
        self.stage(works::input_work(picture), |_| {
            Ok(Made { files: vec![picture.to_png()?], notes: Vec::new() })
        })
    }

    /// Runs a stage unless its artefact stands already.
    ///
    /// # Errors
    /// What `make` says; [`Error::Invalid`] when the artefact was made by hand and cannot be used.
    pub(super) fn stage(
        &mut self,
        work: Work,
        make: impl FnOnce(&mut Self) -> Result<Made>,
    ) -> Result<()> {
        // A chance to stop before each stage.
        self.reporter.step(work.name, 0, 1)?;
        let began = Instant::now();
        let asked = work.asked.clone().finish();
        let inputs = format!("{asked}:{}", self.upstream(work.from)?);
        let origin = self.standing(&work, &asked, &inputs)?;
        let (mut notes, mut peak_rss_bytes) = (Vec::new(), None);
        match origin {
            Origin::Kept => {}
            Origin::ByHand => self.adopt(&work, &asked)?,
            Origin::Made => {
                self.reporter.begin(work.name);
                run_dir::reset_peak_rss();
                let made = make(self)?;
                notes = made.notes;
                peak_rss_bytes = run_dir::peak_rss_bytes();
                let hashes = made.files.iter().map(|bytes| sha256_hex(bytes));
                let outputs = work.makes.iter().map(|m| (*m).to_owned()).zip(hashes).collect();
                // Old artefacts go before the record speaks of new ones, and the main one comes
                // last: whatever moment a kill comes at, a file is either as recorded or missing.
                for name in work.makes {
                    self.remove(name)?;
                }
                let seconds = began.elapsed().as_secs_f64();
                let name = work.name.to_owned();
                let planner = self.planned_by.take();
                let stage = StageRecord { name, inputs, outputs, seconds, peak_rss_bytes, planner };
                self.finish(stage)?;
                for (name, bytes) in work.makes.iter().zip(&made.files).rev() {
                    fsio::write_atomic(self.dir.file(name), bytes)?;
                }
            }
        }
        let artefacts = work.makes.iter().map(|name| self.dir.file(name)).collect();
        let seconds = began.elapsed().as_secs_f64();
        let name = work.name.to_owned();
        self.done(StageReport { name, origin, artefacts, seconds, peak_rss_bytes, notes });
        Ok(())
    }

    /// Notes a finished stage for the report.
    pub(super) fn done(&mut self, report: StageReport) {
        self.reporter.end(&report);
        self.reports.push(report);
    }

    /// What a stage would do with what is there.
    pub(super) fn standing(&self, work: &Work, asked: &str, inputs: &str) -> Result<Origin> {
        if self.mode == Mode::Fresh {
            return Ok(Origin::Made);
        }
        self.refuse_to_drop(work, asked)?;
        if self.is_by_hand(work)? {
            return Ok(Origin::ByHand);
        }
        let whole = work.makes.iter().all(|name| self.dir.has(name));
        let finished = self.record.is_finished(work.name, inputs);
        Ok(if whole && finished { Origin::Kept } else { Origin::Made })
    }

    /// What a stage will do in the whole line, without doing anything.
    pub(super) fn foreseen(&self, work: &Work) -> Result<Origin> {
        if self.mode == Mode::Fresh {
            return Ok(Origin::Made);
        }
        let asked = work.asked.clone().finish();
        for name in work.makes {
            if self.is_changed(name)? {
                self.refuse_to_drop(work, &asked)?;
                return Ok(Origin::ByHand);
            }
        }
        if !work.from.iter().all(|name| self.dir.has(name)) {
            return Ok(Origin::Made);
        }
        self.standing(work, &asked, &format!("{asked}:{}", self.upstream(work.from)?))
    }

    /// Whether the main artefact is there and a person made or changed it.
    fn is_by_hand(&self, work: &Work) -> Result<bool> {
        let noted = self.record.stage(work.name);
        let known = noted.is_some_and(|r| !r.inputs.ends_with(BY_HAND));
        Ok(self.dir.has(work.makes[0]) && (!known || self.is_changed(work.makes[0])?))
    }

    /// Whether the record says that a person did the stage.
    pub(super) fn is_noted_by_hand(&self, name: &str) -> bool {
        self.record.stage(name).is_some_and(|r| r.inputs.ends_with(BY_HAND))
    }

    /// Refuses to make anew what a person made or changed, and to use it for something else than
    /// it was made for.
    pub(super) fn refuse_to_drop(&self, work: &Work, asked: &str) -> Result<()> {
        let mut by_hand = self.is_by_hand(work)?.then_some(work.makes[0]);
        for name in work.makes {
            if self.is_changed(name)? {
                by_hand = Some(name);
            }
        }
        let Some(name) = by_hand else { return Ok(()) };
        let refuse = |reason: String| {
            let path = self.dir.file(name).display().to_string();
            Err(Error::invalid(path, reason).into())
        };
        let same = |r: &StageRecord| r.inputs.split(':').next() == Some(asked);
        match self.mode {
            Mode::Fresh => Ok(()),
            Mode::Single => {
                refuse("it was made or changed by hand; to make it anew, add --fresh".into())
            }
            Mode::Whole if self.record.stage(work.name).is_none_or(same) => Ok(()),
            Mode::Whole => refuse(format!(
                "it was changed by hand, and what is asked of the {} stage has changed too; to go \
                 on from the change, run the next stage alone; to drop it, add --fresh",
                work.name
            )),
        }
    }

    /// Whether an artefact is there and not as its stage wrote it.
    pub(super) fn is_changed(&self, name: &str) -> Result<bool> {
        if !self.dir.has(name) {
            return Ok(false);
        }
        let noted = self.record.stages.iter().find_map(|s| s.outputs.get(name));
        Ok(noted != Some(&self.dir.hash_of(name)?))
    }

    /// Notes that the artefact was made by hand, with its present hash.
    fn adopt(&mut self, work: &Work, asked: &str) -> Result<()> {
        let mut outputs =
            self.record.stage(work.name).map(|r| r.outputs.clone()).unwrap_or_default();
        outputs.insert(work.makes[0].to_owned(), self.dir.hash_of(work.makes[0])?);
        self.finish_by_hand(work.name, asked, outputs)
    }

    /// Notes a stage done by hand, unless that is noted already.
    pub(super) fn finish_by_hand(
        &mut self,
        name: &str,
        asked: &str,
        outputs: BTreeMap<String, String>,
    ) -> Result<()> {
        let stage = StageRecord {
            name: name.to_owned(),
            inputs: format!("{asked}:{BY_HAND}"),
            outputs,
            seconds: 0.0,
            peak_rss_bytes: None,
            planner: None,
        };
        if self.record.stage(name) == Some(&stage) { Ok(()) } else { self.finish(stage) }
    }

    /// Notes a finished stage in the record file.
    pub(super) fn finish(&mut self, stage: StageRecord) -> Result<()> {
        self.record.finish(stage);
        Ok(self.dir.write_record(&self.record)?)
    }

    /// Removes an artefact if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        remove(&self.dir, name)
    }

    /// One hash of the artefacts a stage works from, as they are now.
    fn upstream(&self, names: &[&str]) -> Result<String> {
        let mut print = Fingerprint::new("upstream");
        for name in names {
            print = print.text(name, self.dir.hash_of(name)?);
        }
        Ok(print.finish())
    }
}

/// Removes an artefact if it is there.
fn remove(dir: &RunDir, name: &str) -> Result<()> {
    let path = dir.file(name);
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing", path, e).into())
        }
        _ => Ok(()),
    }
}

/// Removes all artefacts, the record last: an artefact without a record would count as made by
/// hand.
fn remove_all(dir: &RunDir) -> Result<()> {
    use run_dir::{INPUT, MASKS, PLAN, RECORD, TRAJECTORY, TRAJECTORY_VIDEO, VIDEO};
    [VIDEO, TRAJECTORY_VIDEO, TRAJECTORY, MASKS, PLAN, INPUT, RECORD]
        .into_iter()
        .try_for_each(|name| remove(dir, name))
}

/// The configuration in a record.
fn config_of(dir: &RunDir, record: &RunRecord) -> Result<Config> {
    let config = serde_json::from_value(record.config.clone());
    let what = || format!("{}, field config", dir.file(run_dir::RECORD).display());
    Ok(config.map_err(|e| Error::format(what(), e.to_string()))?)
}

/// Takes the folder for this process, where the system can.
fn lock(folder: &Path) -> Result<Option<File>> {
    let Ok(file) = File::open(folder) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let reason = "another thrumask is working in it; wait for it, or choose --run";
            Err(Error::invalid(folder.display().to_string(), reason).into())
        }
        // A file system without locks is no reason not to work.
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
