//! A checkpoint as it lies on a disk: one file of any format, several shards under an index, or a
//! folder in the layout of diffusers and transformers.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thrumask_core::fsio;

use super::{Format, Mapped, TensorFile, TensorInfo, TensorSource};
use crate::{Error, Result};

/// What the weights of a folder are called, before the variant and the ending.
const STEMS: [&str; 3] = ["diffusion_pytorch_model", "model", "pytorch_model"];
/// The endings that are looked for, the first that is there being taken. `.fp16` is diffusers' name of
/// the variant in half precision.
const ENDINGS: [&str; 4] = [".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin"];
/// Endings of files that hold tensors.
const WEIGHTS: [&str; 8] =
    ["safetensors", "bin", "pth", "pt", "ckpt", "gguf", "index.json", "index.fp16.json"];
/// The longest index.
const MAX_INDEX: u64 = 64 << 20;

/// An index of shards, as diffusers and transformers write it.
#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    metadata: BTreeMap<String, serde_json::Value>,
    weight_map: BTreeMap<String, String>,
}

/// An open checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file, index or folder that was asked for, as errors name it.
    what: String,
    parts: Vec<(PathBuf, TensorFile<'static>)>,
    /// Which part holds a tensor.
    tensors: BTreeMap<String, (usize, TensorInfo)>,
    /// What index and shards disagree about.
    problems: Vec<String>,
}

impl Checkpoint {
    /// Opens a file, an index of shards or a folder. Values are read when they are asked for.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when something cannot be read; [`Error::Weights`] when it is broken,
    /// when a folder holds no weights or several that nothing tells apart (all are named), and when an
    /// index and its shards disagree.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path.as_ref(), false)?.strict()
    }

    /// As [`Checkpoint::open`], with all files mapped: see [`TensorFile::open_mapped`].
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_mapped(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path.as_ref(), true)?.strict()
    }

    /// Refuses what index and shards disagree about.
    fn strict(self) -> Result<Self> {
        let opened = self;
        match opened.problems.as_slice() {
            [] => Ok(opened),
            [first, rest @ ..] => {
                let more = match rest.len() {
                    0 => String::new(),
                    n => format!(", and {n} more problems"),
                };
                Err(Error::weights(opened.what, format!("{first}{more}")))
            }
        }
    }

    /// As [`Checkpoint::open`], but what index and shards disagree about is left to
    /// [`Checkpoint::problems`].
    ///
    /// # Errors
    /// As [`Checkpoint::open`] otherwise.
    pub fn open_lenient(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_as(path.as_ref(), false)
    }

    fn open_as(path: &Path, mapped: bool) -> Result<Self> {
        let file = match path.is_dir() {
            true => weights_in(path)?,
            false => path.to_path_buf(),
        };
        let what = file.display().to_string();
        if is_index(&file) {
            return Self::sharded(what, &file, mapped);
        }
        let part = part_of(&file, mapped)?;
        let tensors = part.infos().map(|(n, info)| (n.to_owned(), (0, info.clone()))).collect();
        Ok(Self { what, parts: vec![(file, part)], tensors, problems: Vec::new() })
    }

    fn sharded(what: String, path: &Path, mapped: bool) -> Result<Self> {
        let text = fsio::read_text_limited(path, MAX_INDEX)?;
        let index: Index = serde_json::from_str(&text)
            .map_err(|e| Error::weights(&what, format!("expected an index of shards: {e}")))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let (mut parts, mut tensors) = (Vec::new(), BTreeMap::new());
        let mut problems = Vec::new();
        for name in names {
            // A shard lies beside its index, wherever its name may point.
            if name.is_empty() || name.contains(['/', '\\']) || name.starts_with("..") {
                return Err(Error::weights(&what, format!("expected a file's name, got {name:?}")));
            }
            let shard = folder.join(name);
            if !shard.exists() {
                problems.push(format!("shard {name} is missing"));
                continue;
            }
            let part = part_of(&shard, mapped)?;
            for (tensor, info) in part.infos() {
                match index.weight_map.get(tensor) {
                    None => problems.push(format!("{tensor} of {name} is not in the index")),
                    Some(listed) if listed != name => {
                        problems.push(format!("{tensor} is in {name}, the index says {listed}"));
                    }
                    Some(_) => {
                        tensors.insert(tensor.to_owned(), (parts.len(), info.clone()));
                    }
                }
            }
            parts.push((shard, part));
        }
        for (tensor, shard) in &index.weight_map {
            if !tensors.contains_key(tensor) && folder.join(shard).exists() {
                problems.push(format!("{tensor} is not in {shard}, as the index says"));
            }
        }
        let total = index.metadata.get("total_size").and_then(serde_json::Value::as_u64);
        let found: u64 = tensors.values().map(|(_, info)| info.bytes).sum();
        if let Some(total) = total.filter(|&total| total != found && problems.is_empty()) {
            problems.push(format!("expected {total} bytes of tensors in all, got {found}"));
        }
        Ok(Self { what, parts, tensors, problems })
    }

    /// What index and shards disagree about, a sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The files that hold the tensors: of a folder, those that were taken.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|(path, _)| path.as_path())
    }

    /// The format of the files; of an index without shards, safetensors.
    pub fn format(&self) -> Format {
        self.parts.first().map_or(Format::Safetensors, |(_, part)| part.format())
    }

    /// What is written beside the tensors of all files; lists are told by their length.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let all = self.parts.iter().flat_map(|(_, part)| part.metadata());
        all.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// All tensors by name, without their values.
    pub fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, (_, info))| (name.as_str(), info))
    }

    /// The bytes of a tensor as its kind tells, row-major.
    ///
    /// # Errors
    /// [`Error::Weights`] when there is no such tensor, or its file is broken there.
    pub fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        self.part(name)?.raw(name)
    }

    fn part(&self, name: &str) -> Result<&TensorFile<'static>> {
        let found = self.tensors.get(name).map(|(part, _)| &self.parts[*part].1);
        found.ok_or_else(|| Error::weights(&self.what, format!("{name}: no tensor of this name")))
    }
}

impl TensorSource for Checkpoint {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.infos().map(|(name, info)| (name, info.shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.part(name)?.values(name)
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        self.part(name).ok()?.mapped(name)
    }
}

/// One of the files, to be read or mapped.
fn part_of(path: &Path, mapped: bool) -> Result<TensorFile<'static>> {
    if mapped { TensorFile::open_mapped(path) } else { TensorFile::open(path) }
}

/// Whether a file is an index of shards: `NAME.safetensors.index.json`.
fn is_index(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".index.json") || name.ends_with(".index.fp16.json")
}

/// The names of all files in a folder that look like weights.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when the folder cannot be read.
pub fn weight_files(folder: &Path) -> Result<Vec<String>> {
    let mut names = fsio::list_names(folder)?;
    names.retain(|name| {
        WEIGHTS
            .iter()
            .any(|ending| name.len() > ending.len() + 1 && name.ends_with(&format!(".{ending}")))
            && !name.starts_with('.')
    });
    Ok(names)
}

/// The weights of a folder: the first of [`ENDINGS`] that is there, as one file or as an index.
fn weights_in(folder: &Path) -> Result<PathBuf> {
    let what = || folder.display().to_string();
    let names = weight_files(folder)?;
    let one_of = |found: &[&String]| match found {
        [] => None,
        [one] => Some(Ok(folder.join(one))),
        several => {
            let several: Vec<&str> = several.iter().map(|n| n.as_str()).collect();
            let reason = format!("several files could be meant, name one: {}", several.join(", "));
            Some(Err(Error::weights(what(), reason)))
        }
    };
    for ending in ENDINGS {
        let wanted: Vec<String> = STEMS
            .iter()
            .flat_map(|stem| [vec![format!("{stem}{ending}")], index_names(stem, ending)].concat())
            .collect();
        let found: Vec<&String> = names.iter().filter(|name| wanted.contains(name)).collect();
        if let Some(one) = one_of(&found) {
            return one;
        }
    }
    // No usual name: a folder with a single file, or a single index of several shards.
    let indices: Vec<&String> = names.iter().filter(|n| is_index(Path::new(n))).collect();
    let found = if indices.is_empty() { names.iter().collect() } else { indices };
    if let Some(one) = one_of(&found) {
        return one;
    }
    let parts = components(folder)?;
    let reason = match parts.is_empty() {
        true => "expected a file of weights, found none".to_owned(),
        false => {
            format!("expected a file of weights; name one of its folders: {}", parts.join(", "))
        }
    };
    Err(Error::weights(what(), reason))
}

/// The names that an index may have: the word for the variant stands in one of two places.
fn index_names(stem: &str, ending: &str) -> Vec<String> {
    let mut names = vec![format!("{stem}{ending}.index.json")];
    if let Some(ending) = ending.strip_prefix(".fp16") {
        names.push(format!("{stem}{ending}.index.fp16.json"));
    }
    names
}

/// The folders of a pipeline that hold weights, in alphabetical order.
///
/// # Errors
/// [`thrumask_core::Error::Io`] when a folder cannot be read.
pub fn components(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for name in fsio::list_names(folder)? {
        let inner = folder.join(&name);
        if fs::metadata(&inner).is_ok_and(|m| m.is_dir()) && !weight_files(&inner)?.is_empty() {
            found.push(name);
        }
    }
    Ok(found)
}
