//! Which videos there are, and what stands beside each.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thrumask_core::{Error, PromptPlan, Result, Trajectory, fingerprint::sha256_hex, fsio};

use super::{
    archive::{self, MAX_MEMBER_BYTES},
    manifest::{self, Row, read_manifest},
};

/// Endings of videos; those that cannot be decoded are listed with the decoder's word.
const VIDEOS: [&str; 8] = ["mp4", "m4v", "mov", "gif", "webm", "mkv", "avi", "webp"];
/// Endings of what is written beside a video and is none of its own.
const BESIDE: [&str; 3] = [".masks", ".flow", ".trajectory"];

/// A file, alone or in a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of its own.
    File(PathBuf),
    /// A member of a tar.
    Member {
        /// The tar.
        tar: PathBuf,
        /// Where its bytes begin.
        offset: u64,
        /// How many there are.
        length: u64,
    },
}

impl Place {
    /// Its bytes.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Invalid`] when it is too long.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) => fsio::read_limited(path, MAX_MEMBER_BYTES),
            Self::Member { tar, offset, length } => archive::read_at(tar, *offset, *length),
        }
    }

    /// Its text; `what` names it in errors.
    fn text(&self, what: &str) -> Result<String> {
        String::from_utf8(self.read()?).map_err(|_| Error::format(what, "expected UTF-8"))
    }

    /// How long it is, as far as is known without reading it.
    pub fn length(&self) -> u64 {
        match self {
            Self::File(path) => std::fs::metadata(path).map_or(0, |m| m.len()),
            Self::Member { length, .. } => *length,
        }
    }
}

/// Where a video's caption is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaptionAt {
    /// In a manifest.
    Given(String),
    /// In a text file, all of it.
    Text(Place),
    /// In JSON: a text, or the field `caption` or `text`.
    Json(Place),
    /// In a plan, with all prompts.
    Plan(Place),
}

/// Where a video's masks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasksAt {
    /// In a trajectory of ours.
    Trajectory(Place),
    /// In an annotation of SA-V.
    Sav(Place),
}

/// A video and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its name among the samples: letters, digits, `-` and `_`, unlike all others.
    pub key: String,
    /// Where it lies, for people.
    pub name: String,
    /// The video.
    pub video: Place,
    /// Its caption, if it has one.
    pub caption: Option<CaptionAt>,
    /// Its masks, if it has some.
    pub masks: Option<MasksAt>,
}

/// What a caption file says.
#[derive(Deserialize)]
#[serde(untagged)]
enum CaptionJson {
    Text(String),
    Field {
        #[serde(alias = "text")]
        caption: String,
    },
}

impl Item {
    /// The caption, and the whole plan where that is given.
    ///
    /// # Errors
    /// When its file cannot be read or understood.
    pub fn caption(&self) -> Result<(Option<String>, Option<PromptPlan>)> {
        let text = match &self.caption {
            None => return Ok((None, None)),
            Some(CaptionAt::Given(text)) => text.clone(),
            Some(CaptionAt::Text(place)) => place.text("caption")?,
            Some(CaptionAt::Json(place)) => {
                let read = serde_json::from_str(&place.text("caption")?);
                let reason = "expected a text or an object with \"caption\"";
                match read.map_err(|e| Error::format("caption", format!("{reason}: {e}")))? {
                    CaptionJson::Text(caption) | CaptionJson::Field { caption } => caption,
                }
            }
            Some(CaptionAt::Plan(place)) => {
                let plan = PromptPlan::from_json("plan", &place.text("plan")?)?;
                return Ok((Some(plan.caption.clone()), Some(plan)));
            }
        };
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(((!words.is_empty()).then_some(words), None))
    }

    /// The masks. Those of SA-V stand for every fourth frame.
    ///
    /// # Errors
    /// When their file cannot be read or understood.
    pub fn masks(&self) -> Result<Option<Trajectory>> {
        match &self.masks {
            None => Ok(None),
            Some(MasksAt::Trajectory(place)) => {
                Trajectory::from_json("masks", &place.text("masks")?).map(Some)
            }
            Some(MasksAt::Sav(place)) => {
                Trajectory::from_sav_json("masklets", &place.text("masklets")?).map(Some)
            }
        }
    }
}

/// All videos of a folder (and of the tars in it), a tar, or a manifest, in the order of their names.
/// `manifest` gives captions to the videos of a folder or tar, by their paths in it.
///
/// # Errors
/// When the input or the manifest cannot be read or understood, or a line of it names no video of the
/// folder. A tar in a folder that cannot be read is an item, so that it is listed.
pub fn find(input: &Path, manifest: Option<&Path>, prefer_auto: bool) -> Result<Vec<Item>> {
    let ending = ending_of(&input.to_string_lossy());
    let mut rows = match manifest {
        Some(path) => read_manifest(path)?,
        None => Vec::new(),
    };
    let mut files = BTreeMap::new();
    if input.is_dir() {
        walk(input, "", &mut files)?;
        expand_tars(&mut files);
    } else if ending == "tar" {
        add_members(input, "", &mut files)?;
    } else if manifest::ENDINGS.contains(&ending.as_str()) && input.exists() {
        let folder = input.parent().unwrap_or(Path::new(""));
        rows.extend(read_manifest(input)?);
        rows.iter().for_each(|row| add_row(folder, row, &mut files));
        let listed: Vec<String> = rows.iter().map(|row| row.path.clone()).collect();
        return named(&files, &listed, rows, prefer_auto);
    } else {
        let got = if input.exists() { "a file of another ending" } else { "nothing" };
        let reason =
            format!("expected a folder, a .tar, or a manifest (.csv, .jsonl, .parquet), got {got}");
        return Err(Error::invalid(input.display().to_string(), reason));
    }
    let videos: Vec<String> = files.keys().filter(|name| is_video(name)).cloned().collect();
    named(&files, &videos, rows, prefer_auto)
}

/// Items of the videos called `videos`.
fn named(
    files: &BTreeMap<String, Place>,
    videos: &[String],
    rows: Vec<Row>,
    prefer_auto: bool,
) -> Result<Vec<Item>> {
    let mut by_path: BTreeMap<String, Row> = BTreeMap::new();
    for row in rows {
        if !videos.contains(&row.path) {
            let reason = "is in the manifest, but there is no such video";
            return Err(Error::invalid(row.path, reason));
        }
        by_path.insert(row.path.clone(), row);
    }
    let mut videos = videos.to_vec();
    videos.sort();
    videos.dedup();
    let key = |name: &String| key_of(name.rsplit_once('.').map_or(name.as_str(), |(base, _)| base));
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    videos.iter().for_each(|name| *taken.entry(key(name)).or_default() += 1);
    let item = |name: &String| {
        let base = name.rsplit_once('.').map_or(name.as_str(), |(base, _)| base);
        let beside = |ending: &str| files.get(&format!("{base}{ending}")).cloned();
        let row = by_path.get(name);
        let given = row.and_then(|r| r.caption.clone()).map(CaptionAt::Given);
        let caption = given
            .or_else(|| beside(".plan.json").map(CaptionAt::Plan))
            .or_else(|| beside(".txt").map(CaptionAt::Text))
            .or_else(|| beside(".json").map(CaptionAt::Json));
        let [first, second] = match prefer_auto {
            true => ["_auto.json", "_manual.json"],
            false => ["_manual.json", "_auto.json"],
        };
        let sav = |place: Place| match ending_of_sav(&place) {
            true => MasksAt::Sav(place),
            false => MasksAt::Trajectory(place),
        };
        let masks = row
            .and_then(|r| r.masks.as_ref())
            .map(|path| sav(files.get(path).cloned().unwrap_or(Place::File(path.into()))))
            .or_else(|| beside(".masks.json").map(MasksAt::Trajectory))
            .or_else(|| beside(".trajectory.json").map(MasksAt::Trajectory))
            .or_else(|| beside(first).or_else(|| beside(second)).map(MasksAt::Sav));
        let mut key = key(name);
        if taken.get(&key).is_some_and(|&n| n > 1) {
            let hash = sha256_hex(name.as_bytes());
            key = format!("{key}-{}", &hash[..8]);
        }
        let video = files.get(name).cloned().unwrap_or(Place::File(name.into()));
        Item { key, name: name.clone(), video, caption, masks }
    };
    Ok(videos.iter().map(item).collect())
}

/// Whether masks that a manifest names are SA-V's, by their name.
fn ending_of_sav(place: &Place) -> bool {
    let Place::File(path) = place else { return false };
    let name = path.to_string_lossy();
    name.ends_with("_manual.json") || name.ends_with("_auto.json")
}

/// A manifest's video, and what stands beside it.
fn add_row(folder: &Path, row: &Row, files: &mut BTreeMap<String, Place>) {
    let base = row.path.rsplit_once('.').map_or(row.path.as_str(), |(base, _)| base);
    files.insert(row.path.clone(), Place::File(folder.join(&row.path)));
    let endings = [".plan.json", ".txt", ".json", ".masks.json", ".trajectory.json"];
    let beside = endings.iter().chain(&["_manual.json", "_auto.json"]);
    let beside = beside.map(|ending| format!("{base}{ending}")).chain(row.masks.clone());
    for name in beside {
        let path = folder.join(&name);
        if path.is_file() {
            files.insert(name, Place::File(path));
        }
    }
}

/// All files below a folder, by their paths in it. Hidden ones are left out.
fn walk(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Place>) -> Result<()> {
    for name in fsio::list_names(folder)? {
        let path = folder.join(&name);
        if name.starts_with('.') {
            continue;
        }
        match path.is_dir() {
            true => walk(&path, &format!("{prefix}{name}/"), files)?,
            false => {
                files.insert(format!("{prefix}{name}"), Place::File(path));
            }
        }
    }
    Ok(())
}

/// The members of tars in their place; a tar that cannot be read stays, as a video that cannot.
fn expand_tars(files: &mut BTreeMap<String, Place>) {
    let is_tar = |(name, place): (&String, &Place)| match place {
        Place::File(path) if ending_of(name) == "tar" => Some((name.clone(), path.clone())),
        _ => None,
    };
    let tars: Vec<_> = files.iter().filter_map(is_tar).collect();
    for (name, path) in tars {
        if add_members(&path, &format!("{name}/"), files).is_ok() {
            files.remove(&name);
        }
    }
}

/// Adds the members of a tar, if all of it can be read.
fn add_members(tar: &Path, prefix: &str, files: &mut BTreeMap<String, Place>) -> Result<()> {
    for archive::Member { name, offset, length } in archive::members(tar)? {
        let place = Place::Member { tar: tar.to_path_buf(), offset, length };
        files.insert(format!("{prefix}{name}"), place);
    }
    Ok(())
}

/// The ending of a name in lower case, without its dot.
pub(super) fn ending_of(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_ascii_lowercase())
}

/// Whether a name is a video's of its own, or a tar's that could not be read.
fn is_video(name: &str) -> bool {
    let ending = ending_of(name);
    let base = name.rsplit_once('.').map_or(name, |(base, _)| base);
    ending == "tar"
        || VIDEOS.contains(&ending.as_str()) && !BESIDE.iter().any(|b| base.ends_with(b))
}

/// A path as a key: WebDataset ends a key at the first dot.
fn key_of(path: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let key: String = path.chars().map(plain).collect();
    // Names in a tar are best kept short.
    match key.len() <= 80 {
        true => key,
        false => format!("{}-{}", &key[..64], &sha256_hex(path.as_bytes())[..8]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_folder_gives_its_videos_with_what_stands_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/x.y.mp4", "a.mp4", "a.masks.mp4", "sav_1.mp4", "none.MOV", "notes.md"] {
            touch(dir.path(), name, "");
        }
        touch(dir.path(), "a.txt", "A dog\n runs. ");
        touch(dir.path(), "b/x.y.json", r#"{"caption":"A cat."}"#);
        touch(dir.path(), "sav_1_auto.json", "");
        touch(dir.path(), "sav_1_manual.json", "");
        let items = find(dir.path(), None, false).unwrap();
        let keys: Vec<_> = items.iter().map(|i| i.key.as_str()).collect();
        assert_eq!(keys, ["a", "b_x_y", "none", "sav_1"]);
        assert_eq!(items[0].caption().unwrap().0.as_deref(), Some("A dog runs."));
        assert_eq!(items[1].caption().unwrap().0.as_deref(), Some("A cat."));
        assert_eq!(items[2].caption().unwrap(), (None, None));
        let place = |name: &str| Place::File(dir.path().join(name));
        assert_eq!(items[3].masks, Some(MasksAt::Sav(place("sav_1_manual.json"))));
        let auto = find(dir.path(), None, true).unwrap();
        assert_eq!(auto[3].masks, Some(MasksAt::Sav(place("sav_1_auto.json"))));
    }

    #[test]
    fn manifests_give_captions_or_name_all_videos() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "v/a.mp4", "");
        touch(dir.path(), "v/b.mp4", "");
        touch(dir.path(), "v/m.csv", "caption,path\n\"A \"\"big\"\" dog,\nrunning\",a.mp4\n");
        touch(dir.path(), "m.jsonl", "{\"file_name\":\"v/b.mp4\",\"text\":\"B\"}\n\n");
        let manifest = dir.path().join("v/m.csv");
        let items = find(&dir.path().join("v"), Some(&manifest), false).unwrap();
        assert_eq!(items.len(), 2);
        let caption = items[0].caption().unwrap().0.unwrap();
        assert_eq!(caption, "A \"big\" dog, running");
        let items = find(&dir.path().join("m.jsonl"), None, false).unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0].video, Place::File(dir.path().join("v/b.mp4")));
        touch(dir.path(), "v/m.csv", "path\nc.mp4\n");
        let e = find(&dir.path().join("v"), Some(&manifest), false).unwrap_err().to_string();
        assert!(e.contains("c.mp4") && e.contains("no such video"), "{e}");
        for name in ["x.parquet", "v/a.mp4"] {
            let e = find(&dir.path().join(name), None, false).unwrap_err().to_string();
            assert!(e.contains("expected a folder"), "{e}");
        }
    }

    #[test]
    fn a_manifest_in_parquet_is_read_or_its_feature_named() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../thrumask-core/tests/parquet/dictionary-zstd.parquet");
        let found = find(&path, None, false);
        if cfg!(feature = "parquet") {
            let items = found.unwrap();
            assert_eq!(items.len(), 40);
            assert_eq!(items[1].key, "videos_0_clip_1");
            let caption = items[1].caption().unwrap().0.unwrap();
            assert!(caption.starts_with("Ein Bär läuft"), "{caption}");
        } else {
            let e = found.unwrap_err().to_string();
            assert!(e.contains("zstd.parquet") && e.contains("--features parquet"), "{e}");
        }
    }

    #[test]
    fn tars_are_folders_and_like_names_get_keys_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let files = [("c.mp4", "1"), ("c.txt", "A car."), ("c_.gif", "2")];
        let files = files.map(|(n, t)| (n.to_owned(), t.as_bytes().to_vec()));
        let tar = [archive::written(&files).unwrap(), archive::END.to_vec()].concat();
        std::fs::write(dir.path().join("s.tar"), &tar).unwrap();
        std::fs::write(dir.path().join("broken.tar"), "no").unwrap();
        touch(dir.path(), "d e.mp4", "");
        touch(dir.path(), "d_e.mp4", "");
        let items = find(dir.path(), None, false).unwrap();
        let keys: Vec<_> = items.iter().map(|i| i.key.as_str()).collect();
        assert_eq!(keys[0], "broken");
        assert!(keys[1].starts_with("d_e-") && keys[2].starts_with("d_e-") && keys[1] != keys[2]);
        assert_eq!(keys[3..], ["s_tar_c", "s_tar_c_"]);
        assert_eq!(items[3].caption().unwrap().0.as_deref(), Some("A car."));
        assert_eq!(items[3].video.read().unwrap(), b"1");
    }
}
