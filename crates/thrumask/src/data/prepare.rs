//! The preparation: which process makes which video, what is kept, and when a shard is closed.

use std::{fmt, path::Path, str::FromStr};

use serde::Serialize;
use thrumask_core::{Error, Fingerprint};

use super::{
    PrepareConfig, Tools,
    item::made,
    records::{Agreed, ItemRecord, Listed, ShardRecord, VERSION, WorkFolder, read, shard_name},
    report,
    source::{Item, find},
};
use crate::{Result, progress::Progress};

/// Which of several processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 0.
    pub process: usize,
    /// How many there are.
    pub of: usize,
}

impl Default for Part {
    fn default() -> Self {
        Self { process: 0, of: 1 }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once('/');
        let number = |t: &str| t.trim().parse::<usize>().ok();
        let parts = parts.and_then(|(i, n)| number(i).zip(number(n)));
        match parts.filter(|&(i, n)| i < n && n <= 10_000) {
            Some((process, of)) => Ok(Self { process, of }),
            None => Err(format!("expected I/N with I from 0 and below N, got {text:?}")),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.process, self.of)
    }
}

/// What shall be prepared.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// A folder, a tar or a manifest.
    pub input: &'a Path,
    /// Captions by path, for a folder or tar.
    pub manifest: Option<&'a Path>,
    /// The folder of the shards.
    pub out: &'a Path,
    /// Which of its processes this is.
    pub part: Part,
    /// How.
    pub config: &'a PrepareConfig,
    /// With what.
    pub tools: Tools<'a>,
}

/// What this process has made, and whether all have ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Videos of this process.
    pub videos: usize,
    /// Their samples.
    pub samples: usize,
    /// Videos, scenes and clips that were left out, by reason.
    pub rejected: std::collections::BTreeMap<String, usize>,
    /// Whether every process has made all of its shards.
    pub complete: bool,
}

/// Makes this process' shards; what is finished already is kept, so that the same call goes on after a kill
/// at any moment, to the same bytes. Video `i` of all belongs to process `i mod n`.
///
/// # Errors
/// When input or output cannot be read or written, the folder holds another preparation, or `progress`
/// says so; never because of a video, which is listed with its reason.
pub fn prepare(job: &Job<'_>, progress: &mut dyn Progress) -> Result<Summary> {
    job.config.validate()?;
    if job.config.latents.is_some() {
        let encoder = job.tools.encoder.ok_or_else(|| {
            Error::invalid("latents", "expected an autoencoder to make them, got none")
        })?;
        encoder.check(job.config.frames, job.config.size)?;
    }
    let items = find(job.input, job.manifest, job.config.masks.prefer_auto)?;
    if items.is_empty() {
        let what = job.input.display().to_string();
        return Err(Error::invalid(what, "expected videos, got none").into());
    }
    let Part { process, of } = job.part;
    std::fs::create_dir_all(job.out).map_err(|e| Error::io("making folder", job.out, e))?;
    let work = agree(job, &items)?;
    let mine: Vec<(usize, &Item)> =
        items.iter().enumerate().filter(|(i, _)| i % of == process).collect();
    let mut closed = closed_shards(job, &mine)?;
    let mut position: usize = closed.iter().map(|s| s.items.len()).sum();
    let mut open: Vec<ItemRecord> = Vec::new();
    while closed.last().is_none_or(|s| !s.last) {
        if let Some(&(index, item)) = mine.get(position) {
            progress.step("prepare", position, mine.len())?;
            open.push(match work.known(index)? {
                Some(record) => record,
                None => new_record(job, &work, index, item, &mut || {
                    progress.step("prepare", position, mine.len())
                })?,
            });
            position += 1;
        }
        let samples: usize = open.iter().map(|r| r.samples.len()).sum();
        let last = position == mine.len();
        if last || samples >= job.config.samples_per_shard {
            let (number, items) = (closed.len(), std::mem::take(&mut open));
            let record = ShardRecord {
                version: VERSION,
                process,
                number,
                last,
                tar: None,
                bytes: 0,
                sha256: None,
                items,
            };
            closed.push(work.close(&shard_name(process, of, number), record)?);
        }
    }
    progress.step("prepare", mine.len(), mine.len())?;
    let complete = report::write(job.out, &work, of)?;
    work.remove()?;
    let records = || closed.iter().flat_map(|s| &s.items);
    Ok(Summary {
        videos: records().count(),
        samples: records().map(|r| r.samples.len()).sum(),
        rejected: report::count_rejected(records()),
        complete,
    })
}

/// Makes sure that all processes do the same: the first one writes down what, the others compare. Gives the
/// folder that this one works in, which is not there in a folder of something else.
fn agree(job: &Job<'_>, items: &[Item]) -> Result<WorkFolder> {
    let mut input = Fingerprint::new("data");
    for item in items {
        input = input.text("key", &item.key).text("length", item.video.length());
    }
    let tools = job.tools;
    let agreed = Agreed {
        version: VERSION,
        of: job.part.of,
        videos: items.len(),
        input: input.finish(),
        tools: [
            Some(tools.planner.name().to_owned()),
            tools.segmenter.map(|s| s.name().to_owned()),
            tools.tracker.map(|t| t.name().to_owned()),
            Some(tools.motion.name().to_owned()),
        ],
        autoencoder: job
            .config
            .latents
            .and(tools.encoder)
            .map(|encoder| encoder.fingerprint().to_owned()),
        config: job.config.clone(),
    };
    const NAME: &str = "prepare.json";
    let work = || WorkFolder::open(job.out, job.part.process, job.part.of);
    let Some(theirs) = read::<Agreed>(&job.out.join(NAME))? else {
        let work = work()?;
        work.publish_json(NAME, &agreed)?;
        return Ok(work);
    };
    if theirs == agreed {
        return Ok(work()?);
    }
    let what = match () {
        () if theirs.of != agreed.of => format!("{} processes", theirs.of),
        () if (theirs.videos, &theirs.input) != (agreed.videos, &agreed.input) => {
            "other videos".to_owned()
        }
        () if theirs.config != agreed.config => "another configuration".to_owned(),
        () => "other tools, or another version".to_owned(),
    };
    let reason = format!("was begun with {what}: expected a new folder");
    Err(Error::invalid(job.out.display().to_string(), reason).into())
}

/// The shards that this process has closed, as far as they are whole.
fn closed_shards(job: &Job<'_>, mine: &[(usize, &Item)]) -> Result<Vec<ShardRecord>> {
    let Part { process, of } = job.part;
    let mut closed: Vec<ShardRecord> = Vec::new();
    let mut keys = mine.iter().map(|(_, item)| item.key.as_str());
    loop {
        let name = shard_name(process, of, closed.len());
        let path = job.out.join(format!("{name}.json"));
        let Some(record) = read::<ShardRecord>(&path)? else { return Ok(closed) };
        let fits = record.items.iter().all(|item| keys.next() == Some(item.key.as_str()));
        let tar = record.tar.as_ref().map(|tar| job.out.join(tar));
        let whole = tar.is_none_or(|tar| {
            std::fs::metadata(tar).is_ok_and(|m| m.is_file() && m.len() == record.bytes)
        });
        if !fits || !whole {
            let reason = match fits {
                true => "its tar is missing or has another length: remove both",
                false => "lists other videos than there are: remove it",
            };
            return Err(Error::invalid(path.display().to_string(), reason).into());
        }
        let last = record.last;
        closed.push(record);
        if last {
            return Ok(closed);
        }
    }
}

/// Makes a video's samples and keeps them.
fn new_record(
    job: &Job<'_>,
    work: &WorkFolder,
    index: usize,
    item: &Item,
    progress: &mut dyn FnMut() -> Result<()>,
) -> Result<ItemRecord> {
    let made = made(item, job.config, &job.tools, progress)?;
    let samples = made.samples.iter();
    let record = ItemRecord {
        index,
        key: item.key.clone(),
        source: item.name.clone(),
        scenes: made.scenes,
        samples: samples
            .map(|(key, about)| Listed { key: key.clone(), about: about.clone() })
            .collect(),
        rejected: made.rejected.clone(),
    };
    work.keep(&record, &made)?;
    Ok(record)
}
