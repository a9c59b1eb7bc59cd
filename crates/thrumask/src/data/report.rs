//! What came of a preparation: `manifest.json`, `rejected.jsonl`, `report.md` and `.html`, `sheet.png`.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use thrumask_core::{Clip, Error, Picture, Size, Trajectory, fsio};

use super::{
    Rejected,
    records::{ItemRecord, Listed, ShardRecord, WorkFolder, read},
    shards::Shards,
};
use crate::{
    Result,
    page::Page,
    world::{Sample, contact_sheet},
};

/// Samples on the contact sheet at most.
const SHOWN: usize = 24;
/// Longest side of a picture on it.
const SHOWN_SIDE: usize = 128;
/// Left-out clips that the page lists.
const LISTED: usize = 200;

/// `manifest.json`.
#[derive(Debug, Serialize)]
struct Manifest {
    /// Whether every process has made all of its shards.
    complete: bool,
    samples: usize,
    shards: Vec<ManifestShard>,
    /// Figures over all samples.
    statistics: Statistics,
}

#[derive(Debug, Serialize)]
struct ManifestShard {
    tar: String,
    bytes: u64,
    sha256: Option<String>,
    samples: usize,
}

/// Figures over all samples.
#[derive(Debug, Serialize)]
struct Statistics {
    videos: usize,
    scenes: usize,
    samples: usize,
    videos_with_samples: usize,
    with_caption: usize,
    /// Seconds of all samples.
    seconds: f64,
    /// Samples by the number of their objects.
    objects: BTreeMap<usize, usize>,
    /// Samples by where their masks come from.
    masks: BTreeMap<String, usize>,
    /// Videos, scenes and clips that were left out, by reason.
    rejected: BTreeMap<String, usize>,
    /// Least, first quartile, median, third quartile and greatest value of each measure.
    measures: BTreeMap<&'static str, [f32; 5]>,
}

/// How many were left out, by reason.
pub(super) fn count_rejected<'a>(
    items: impl Iterator<Item = &'a ItemRecord>,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for rejected in items.flat_map(|item| &item.rejected) {
        *counts.entry(rejected.reason.word()).or_default() += 1;
    }
    counts
}

impl Statistics {
    fn of(shards: &[ShardRecord]) -> Self {
        let items = || shards.iter().flat_map(|s| &s.items);
        let samples: Vec<&Listed> = items().flat_map(|i| &i.samples).collect();
        let (mut objects, mut masks) = (BTreeMap::new(), BTreeMap::new());
        for Listed { about, .. } in &samples {
            *objects.entry(about.plan.objects.len()).or_default() += 1;
            *masks.entry(format!("{:?}", about.masks).to_lowercase()).or_default() += 1;
        }
        let spread = |value: fn(&Listed) -> f32| {
            let mut values: Vec<f32> = samples.iter().map(|s| value(s)).collect();
            values.sort_by(f32::total_cmp);
            let at = |quarter: usize| {
                let last = values.len().saturating_sub(1);
                values.get((last * quarter + 2) / 4).copied().unwrap_or(0.0)
            };
            [0, 1, 2, 3, 4].map(at)
        };
        let measures = BTreeMap::from([
            ("brightness", spread(|s| s.about.measures.brightness)),
            ("sharpness", spread(|s| s.about.measures.sharpness)),
            ("motion", spread(|s| s.about.measures.motion)),
            ("shake", spread(|s| s.about.measures.shake)),
        ]);
        let seconds = |s: &&Listed| s.about.frames as f64 / f64::from(s.about.fps);
        Self {
            videos: items().count(),
            scenes: items().map(|i| i.scenes).sum(),
            samples: samples.len(),
            videos_with_samples: items().filter(|i| !i.samples.is_empty()).count(),
            with_caption: samples.iter().filter(|s| !s.about.plan.caption.is_empty()).count(),
            seconds: samples.iter().map(seconds).sum(),
            objects,
            masks,
            rejected: count_rejected(items()),
            measures,
        }
    }
}

/// Writes everything from the records of all processes that are there; returns whether all have ended. Who
/// ends last writes last: a process looks again after it has written.
///
/// # Errors
/// When records cannot be read, or files cannot be written.
pub(super) fn write(out: &Path, work: &WorkFolder, of: usize) -> Result<bool> {
    let mut shards = records(out, of)?;
    loop {
        let complete = shards.iter().filter(|s| s.last).count() == of;
        write_once(out, work, &shards, complete)?;
        let now = records(out, of)?;
        if now == shards {
            return Ok(complete);
        }
        shards = now;
    }
}

/// The records of all shards, by process and number.
fn records(out: &Path, of: usize) -> Result<Vec<ShardRecord>> {
    let middle = format!("-of-{of:04}-");
    let ours = |n: &String| n.starts_with("shard-") && n.contains(&middle) && n.ends_with(".json");
    let names = fsio::list_names(out)?.into_iter().filter(ours);
    let mut found = Vec::new();
    for name in names {
        found.extend(read::<ShardRecord>(&out.join(name))?);
    }
    Ok(found)
}

fn write_once(out: &Path, work: &WorkFolder, shards: &[ShardRecord], complete: bool) -> Result<()> {
    let statistics = Statistics::of(shards);
    let rejected: Vec<&Rejected> =
        shards.iter().flat_map(|s| &s.items).flat_map(|i| &i.rejected).collect();
    let shown = sheet(out, shards)?;
    let page = page(&statistics, &rejected, shards, complete, shown.is_some());
    let publish = |name: &str, bytes: &[u8]| {
        let failed = |e| Error::io("writing", name, e);
        work.publish(name, |file| file.write_all(bytes).map_err(failed))
    };
    let mut lines = String::new();
    for entry in &rejected {
        let line = serde_json::to_string(entry);
        lines.push_str(&line.map_err(|e| Error::format("rejected.jsonl", e.to_string()))?);
        lines.push('\n');
    }
    publish("rejected.jsonl", lines.as_bytes())?;
    publish("report.md", page.to_markdown().as_bytes())?;
    publish("report.html", page.to_html().as_bytes())?;
    if let Some(sheet) = shown {
        publish("sheet.png", &sheet.to_png()?)?;
    }
    let shard = |s: &ShardRecord| {
        let samples = s.items.iter().map(|i| i.samples.len()).sum();
        let (bytes, sha256) = (s.bytes, s.sha256.clone());
        s.tar.clone().map(|tar| ManifestShard { tar, bytes, sha256, samples })
    };
    let manifest = Manifest {
        complete,
        samples: statistics.samples,
        shards: shards.iter().filter_map(shard).collect(),
        statistics,
    };
    Ok(work.publish_json("manifest.json", &manifest)?)
}

/// Samples spread over all shards, or nothing without samples.
fn sheet(out: &Path, shards: &[ShardRecord]) -> Result<Option<Picture>> {
    let tars: Vec<_> = shards.iter().filter_map(|s| s.tar.as_ref().map(|t| out.join(t))).collect();
    if tars.is_empty() {
        return Ok(None);
    }
    let shards = Shards::index(tars)?;
    let count = shards.len().min(SHOWN);
    let pick = |i: usize| small(shards.read(i * shards.len() / count)?.0);
    let samples = (0..count).map(pick).collect::<Result<Vec<_>>>()?;
    Ok(Some(contact_sheet(&samples, 2)?))
}

/// A sample small enough for a sheet.
pub(super) fn small(sample: Sample) -> Result<Sample> {
    let size = sample.clip.size();
    if size.width.max(size.height) <= SHOWN_SIDE {
        return Ok(sample);
    }
    let size = Size::new(SHOWN_SIDE, SHOWN_SIDE);
    let frames = sample.clip.frames().iter().map(|f| f.resize(size));
    let clip = Clip::new(frames.collect::<thrumask_core::Result<_>>()?, sample.clip.fps())?;
    let maps = sample.masks.frames().iter().map(|m| m.downsample_majority(size));
    let maps = maps.collect::<thrumask_core::Result<_>>()?;
    let masks = Trajectory::new(maps, sample.masks.objects(), sample.masks.fps())?;
    Ok(Sample { clip, masks, ..sample })
}

fn page(
    statistics: &Statistics,
    rejected: &[&Rejected],
    shards: &[ShardRecord],
    complete: bool,
    has_sheet: bool,
) -> Page {
    let s = statistics;
    let mut page = Page::default();
    page.heading(1, "Prepared data");
    let mut facts = vec![
        format!("{} videos with {} scenes", s.videos, s.scenes),
        format!(
            "**{} samples** from {} videos, {:.1} s",
            s.samples, s.videos_with_samples, s.seconds
        ),
        format!("{} samples have a caption", s.with_caption),
    ];
    if !complete {
        facts.push("**Not all processes have ended.**".into());
    }
    page.list(facts);
    let counts = |map: &BTreeMap<String, usize>| {
        map.iter().map(|(k, v)| vec![k.replace('_', " "), v.to_string()]).collect::<Vec<_>>()
    };
    if !s.rejected.is_empty() {
        page.heading(2, "Left out");
        page.table(vec!["reason".into(), "videos, scenes and clips".into()], counts(&s.rejected));
    }
    if has_sheet {
        page.heading(2, "Samples");
        page.image("Samples: captions, frames, masks", "sheet.png");
        let rows = s.objects.iter().map(|(k, v)| vec![k.to_string(), v.to_string()]).collect();
        page.table(vec!["objects".into(), "samples".into()], rows);
        page.table(vec!["masks".into(), "samples".into()], counts(&s.masks));
        let head = ["measure", "least", "quarter", "median", "three quarters", "greatest"];
        let row = |(name, values): (&&str, &[f32; 5])| {
            std::iter::once((*name).to_owned())
                .chain(values.iter().map(|v| format!("{v:.4}")))
                .collect()
        };
        let rows = s.measures.iter().map(row).collect();
        page.table(head.map(str::to_owned).to_vec(), rows);
        page.heading(2, "Shards");
        let row = |s: &ShardRecord| {
            let samples: usize = s.items.iter().map(|i| i.samples.len()).sum();
            s.tar.clone().map(|tar| vec![tar, samples.to_string(), s.bytes.to_string()])
        };
        let rows = shards.iter().filter_map(row).collect();
        page.table(["shard", "samples", "bytes"].map(str::to_owned).to_vec(), rows);
    }
    if !rejected.is_empty() {
        page.heading(2, "Each that was left out");
        let row = |r: &&Rejected| {
            let start = r.start.map_or(String::new(), |s| format!("{s:.2}"));
            vec![r.source.clone(), start, r.reason.word().replace('_', " "), r.words.clone()]
        };
        let rows = rejected.iter().take(LISTED).map(row).collect();
        page.table(["video", "second", "reason", "in words"].map(str::to_owned).to_vec(), rows);
        if rejected.len() > LISTED {
            page.paragraph(format!("and {} more in rejected.jsonl", rejected.len() - LISTED));
        }
    }
    page
}
