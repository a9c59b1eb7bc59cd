//! Shards as the trainers read them: any sample by its number, and an order for each pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, fingerprint::sha256_hex, fsio};
use thrumask_nn::text::words_of;

use super::{
    About, Latents,
    archive::{members, read_at},
    latents, sample,
};
use crate::{
    Result,
    hub::{kept_file, matches},
    world::{Sample, Split},
};

/// What a training learns from in place of the world. In a configuration file, `data = "shards/*.tar"` is
/// the short form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct DataConfig {
    /// Tars by path or by address (http, https); in file names, `*` and `?` stand for other characters.
    pub shards: Vec<String>,
    /// Share of the videos that are kept for validation, 0 to 1; one at least.
    pub validation: f32,
}

/// How it may be written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    One(String),
    Many(Vec<String>),
    Full(Full),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    shards: Vec<String>,
    #[serde(default = "usual_validation")]
    validation: f32,
}

fn usual_validation() -> f32 {
    0.05
}

impl From<Written> for DataConfig {
    fn from(written: Written) -> Self {
        let Full { shards, validation } = match written {
            Written::One(shard) => Full { shards: vec![shard], validation: usual_validation() },
            Written::Many(shards) => Full { shards, validation: usual_validation() },
            Written::Full(full) => full,
        };
        Self { shards, validation }
    }
}

/// Where a sample's files lie in its tar: offset and length.
struct Entry {
    tar: usize,
    key: String,
    parts: [(u64, u64); 3],
    /// Its latents, if they are kept.
    latents: Option<(u64, u64)>,
}

/// The files of a sample, in the order of [`Entry::parts`], and its latents.
const PARTS: [&str; 4] = [sample::VIDEO, sample::ABOUT, sample::MASKS, sample::LATENTS];

/// The samples of some shards.
pub struct Shards {
    tars: Vec<PathBuf>,
    entries: Vec<Entry>,
    train: Vec<usize>,
    validation: Vec<usize>,
    first: Option<About>,
    words: Vec<String>,
    /// Of which autoencoder each sample's latents are; of opened shards.
    autoencoders: Vec<Option<String>>,
}

impl Shards {
    /// Opens shards and sets videos apart for validation, always the same ones of the same shards. Paths
    /// are relative to `base`.
    ///
    /// # Errors
    /// When there are no shards or samples, they cannot be read, or differ in size or length.
    pub fn open(config: &DataConfig, base: &Path) -> Result<Self> {
        if !(0.0..=1.0).contains(&config.validation) {
            let reason = format!("expected 0 to 1, got {}", config.validation);
            return Err(Error::invalid("data.validation", reason).into());
        }
        let mut tars = Vec::new();
        for pattern in &config.shards {
            match pattern.starts_with("http://") || pattern.starts_with("https://") {
                true => tars.push(kept_file(pattern, &mut || Ok(()))?),
                false => tars.extend(expanded(&base.join(pattern))?),
            }
        }
        let mut shards = Self::index(tars)?;
        let mut videos: BTreeMap<String, String> = BTreeMap::new();
        let mut words = BTreeSet::new();
        let mut of = Vec::new();
        for i in 0..shards.len() {
            let about = shards.about(i)?;
            let first = shards.first.get_or_insert_with(|| about.clone());
            let shape = |a: &About| format!("{} frames of {}x{}", a.frames, a.size, a.size);
            if shape(first) != shape(&about) {
                let what = shards.entries[i].key.clone();
                return Err(Error::mismatch(what, shape(first), shape(&about)).into());
            }
            let objects = about.plan.objects.iter().flat_map(|o| [&o.name, &o.prompt]);
            for text in [&about.plan.caption, &about.plan.motion].into_iter().chain(objects) {
                words.extend(words_of(text));
            }
            videos.entry(about.video.clone()).or_insert_with(|| sha256_hex(about.video.as_bytes()));
            of.push(about.video);
            shards.autoencoders.push(match shards.entries[i].latents {
                Some(at) => {
                    let (tar, what) = (&shards.tars[shards.entries[i].tar], shards.what(i));
                    Some(latents::autoencoder_at(&format!("{what}.{}", PARTS[3]), tar, at)?)
                }
                None => None,
            });
        }
        // Of the videos in the order of their hashes, the first ones.
        let mut order: Vec<(&String, &String)> = videos.iter().map(|(v, h)| (h, v)).collect();
        order.sort();
        let apart = (config.validation * order.len() as f32).round() as usize;
        let apart = apart.clamp(1, order.len().saturating_sub(1).max(1));
        let apart: BTreeSet<&String> = order.into_iter().take(apart).map(|(_, v)| v).collect();
        let (validation, train): (Vec<usize>, Vec<usize>) =
            (0..of.len()).partition(|&i| apart.contains(&of[i]));
        if train.is_empty() {
            let reason = "expected samples of two videos at least, to train and to validate on";
            return Err(Error::invalid("data.shards", reason).into());
        }
        (shards.train, shards.validation) = (train, validation);
        shards.words = words.into_iter().collect();
        Ok(shards)
    }

    /// The samples of tars, by number alone.
    ///
    /// # Errors
    /// When there are none, or a sample lacks a file.
    pub fn index(tars: Vec<PathBuf>) -> Result<Self> {
        let mut entries = Vec::new();
        for (tar, path) in tars.iter().enumerate() {
            let mut found: BTreeMap<String, [Option<(u64, u64)>; 4]> = BTreeMap::new();
            let mut order = Vec::new();
            for member in members(path)? {
                let file = member.name.rfind('/').map_or(0, |at| at + 1);
                let Some(dot) = member.name[file..].find('.') else { continue };
                let (key, ending) = member.name.split_at(file + dot);
                let Some(part) = PARTS.iter().position(|p| *p == &ending[1..]) else { continue };
                let parts = found.entry(key.to_owned()).or_insert_with(|| {
                    order.push(key.to_owned());
                    [None; 4]
                });
                parts[part] = Some((member.offset, member.length));
            }
            for key in order {
                let parts = found.remove(&key).unwrap_or_default();
                let [Some(video), Some(about), Some(masks), latents] = parts else {
                    let what = format!("{}: {key}", path.display());
                    let expected =
                        [PARTS[0], PARTS[1], PARTS[2]].map(|p| format!(".{p}")).join(", ");
                    let reason = format!("expected {expected}, got only some of them");
                    return Err(Error::format(what, reason).into());
                };
                entries.push(Entry { tar, key, parts: [video, about, masks], latents });
            }
        }
        if entries.is_empty() {
            return Err(Error::invalid("shards", "expected samples, got none").into());
        }
        let (train, validation) = (Vec::new(), Vec::new());
        let (first, words, autoencoders) = (None, Vec::new(), Vec::new());
        Ok(Self { tars, entries, train, validation, first, words, autoencoders })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The key of sample `i`.
    pub fn key(&self, i: usize) -> &str {
        &self.entries[i].key
    }

    /// How many bytes the files of sample `i` have.
    pub fn bytes(&self, i: usize) -> u64 {
        let Entry { parts, latents, .. } = &self.entries[i];
        parts.iter().chain(latents).map(|(_, length)| length).sum()
    }

    /// What all samples are like: the first one, of opened shards.
    pub fn first(&self) -> Option<&About> {
        self.first.as_ref()
    }

    /// All words of captions, prompts and names, in alphabetical order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    fn part(&self, i: usize, part: usize) -> Result<Vec<u8>> {
        let Entry { tar, parts, .. } = &self.entries[i];
        let (offset, length) = parts[part];
        Ok(read_at(&self.tars[*tar], offset, length)?)
    }

    /// What sample `i` is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn about(&self, i: usize) -> Result<About> {
        Ok(About::from_json(&self.what(i), &self.part(i, 1)?)?)
    }

    /// Sample `i` and what it is.
    ///
    /// # Errors
    /// When it cannot be read, or its files do not belong together.
    pub fn read(&self, i: usize) -> Result<(Sample, About)> {
        let [video, about, masks] = [self.part(i, 0)?, self.part(i, 1)?, self.part(i, 2)?];
        Ok(sample::read(&self.what(i), &video, &about, &masks)?)
    }

    /// The latents of sample `i`, if they are kept.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn latents(&self, i: usize) -> Result<Option<Latents>> {
        let Entry { tar, latents: Some((offset, length)), .. } = self.entries[i] else {
            return Ok(None);
        };
        let bytes = read_at(&self.tars[tar], offset, length)?;
        Latents::read(&format!("{}.{}", self.what(i), PARTS[3]), &bytes).map(Some)
    }

    /// How many samples of opened shards have latents of each autoencoder, by its fingerprint.
    pub fn latent_counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for autoencoder in self.autoencoders.iter().flatten() {
            *counts.entry(autoencoder.as_str()).or_default() += 1;
        }
        counts
    }

    fn what(&self, i: usize) -> String {
        let Entry { tar, key, .. } = &self.entries[i];
        format!("{}: {key}", self.tars[*tar].display())
    }

    /// Sample `index` of a split, without end: training samples come in another order in each pass, which
    /// `seed` decides; validation samples in their own. A pure function of its arguments.
    ///
    /// # Errors
    /// As [`Shards::read`].
    pub fn sample(&self, split: Split, index: u64, seed: u64) -> Result<Sample> {
        Ok(self.read(self.number(split, index, seed))?.0)
    }

    /// The latents of the same sample, if there are any of the autoencoder with this fingerprint.
    ///
    /// # Errors
    /// As [`Shards::latents`].
    pub fn latents_of(
        &self,
        split: Split,
        index: u64,
        seed: u64,
        autoencoder: &str,
    ) -> Result<Option<Latents>> {
        let i = self.number(split, index, seed);
        match self.autoencoders[i].as_deref() == Some(autoencoder) {
            true => self.latents(i),
            false => Ok(None),
        }
    }

    /// Which sample is number `index` of a split.
    fn number(&self, split: Split, index: u64, seed: u64) -> usize {
        match split {
            Split::Train => {
                let count = self.train.len() as u64;
                self.train[shuffled(count, seed, index / count, index % count) as usize]
            }
            _ => self.validation[(index % self.validation.len() as u64) as usize],
        }
    }

    /// How many samples a split has.
    pub fn count(&self, split: Split) -> usize {
        match split {
            Split::Train => self.train.len(),
            _ => self.validation.len(),
        }
    }
}

/// The files of a pattern; a path without one must be there.
fn expanded(pattern: &Path) -> Result<Vec<PathBuf>> {
    let name = pattern.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains(['*', '?', '[']) || pattern.exists() {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let folder = pattern.parent().unwrap_or(Path::new("."));
    let names = fsio::list_names(folder)?.into_iter().filter(|n| matches(&name, n));
    let found: Vec<PathBuf> = names.map(|n| folder.join(n)).collect();
    match found.is_empty() {
        true => {
            let what = pattern.display().to_string();
            Err(Error::invalid(what, "expected shards, got no file of this name").into())
        }
        false => Ok(found),
    }
}

/// Where place `at` of 0..`count` goes in pass `pass`: a permutation that needs no memory, so that a
/// training goes on anywhere. A Feistel network over the next power of four, walked until it lands inside.
fn shuffled(count: u64, seed: u64, pass: u64, at: u64) -> u64 {
    let half = (64 - count.max(2).saturating_sub(1).leading_zeros()).div_ceil(2);
    let mask = (1u64 << half) - 1;
    let mut value = at;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 0..6 {
            let key = mixed(seed ^ mixed(pass ^ mixed(round)));
            (left, right) = (right, left ^ (mixed(right ^ key) & mask));
        }
        value = (left << half) | right;
        if value < count {
            return value;
        }
    }
}

/// SplitMix64's finaliser.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pass_is_another_permutation() {
        for count in [1, 2, 3, 7, 64, 100] {
            let pass = |seed, pass| {
                (0..count).map(|at| shuffled(count, seed, pass, at)).collect::<Vec<_>>()
            };
            let mut sorted = pass(5, 1);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            assert_eq!(pass(5, 1), pass(5, 1));
            if count > 10 {
                assert!(pass(5, 0) != pass(5, 1) && pass(5, 0) != pass(6, 0));
                // No place is nearly always kept.
                let kept = pass(5, 0).iter().zip(0..).filter(|(a, b)| **a == *b).count();
                assert!(kept < 8, "{kept}");
            }
        }
    }

    #[test]
    fn short_and_long_forms_are_read() {
        #[derive(Deserialize)]
        struct Holder {
            data: DataConfig,
        }
        let read = |text: &str| toml::from_str::<Holder>(text).map(|h| h.data);
        let short = read("data = \"s/*.tar\"").unwrap();
        assert_eq!(short, DataConfig { shards: vec!["s/*.tar".into()], validation: 0.05 });
        assert_eq!(read("data = [\"s/*.tar\"]").unwrap(), short);
        assert_eq!(read("[data]\nshards = [\"s/*.tar\"]").unwrap(), short);
        assert_eq!(read("[data]\nshards = []\nvalidation = 0.5").unwrap().validation, 0.5);
        assert!(read("[data]\nshards = []\nvalidatoin = 0.5").is_err());
    }
}
