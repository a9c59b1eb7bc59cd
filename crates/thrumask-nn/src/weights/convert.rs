//! Any checkpoint as safetensors, one tensor in memory at a time.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    path::{Path, PathBuf},
};

use serde_json::json;
use thrumask_core::fsio::{self, PendingFile};

use super::{
    Checkpoint, FloatType, Format, Kind, Number, TensorInfo, TensorSource,
    safetensors::{Heading, write_header},
};
use crate::{Error, Result};

/// How a checkpoint is to be written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Conversion {
    /// The type of all numbers with a fraction; without one they keep theirs, and blocks become f32.
    /// Whole numbers keep theirs always.
    pub float: Option<FloatType>,
    /// The most bytes of tensors in one file; a tensor that is larger has a file of its own.
    pub max_shard_bytes: Option<u64>,
}

/// A tensor to be written.
struct Item<'a> {
    name: &'a str,
    info: &'a TensorInfo,
    number: Number,
    bytes: u64,
}

/// Writes `source` to `out`, which ends in `.safetensors`; several shards are named
/// `NAME-00001-of-00002.safetensors` and have the index `NAME.safetensors.index.json`, as diffusers and
/// transformers expect. All files get their names at the end, the index last. `step` hears how many
/// tensors of how many are written. Returns the files, the index last.
///
/// # Errors
/// [`Error::Weights`] when a tensor cannot be read, holds values that are not supported or do not fit
/// the type, or when an index would lie beside a file of the same name; [`thrumask_core::Error`] when `out` cannot be written; whatever `step` returns.
pub fn convert(
    source: &Checkpoint,
    out: &Path,
    how: Conversion,
    step: &mut dyn FnMut(usize, usize) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let name = out.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let Some(stem) = name.strip_suffix(".safetensors").filter(|stem| !stem.is_empty()) else {
        let what = out.display().to_string();
        return Err(Error::weights(what, "expected a name that ends in .safetensors"));
    };
    let items: Vec<Item<'_>> =
        source.infos().map(|(name, info)| item(name, info, how.float)).collect::<Result<_>>()?;
    let total = items.len();
    let shards = shards(items, how.max_shard_bytes.unwrap_or(u64::MAX));
    let count = shards.len();
    // A file and an index of one name side by side would leave open which is meant.
    let index = out.with_file_name(format!("{name}.index.json"));
    let other = if count == 1 { index.as_path() } else { out };
    if other.exists() {
        let reason =
            format!("would lie beside {}; remove that, or choose another name", other.display());
        return Err(Error::weights(out.display().to_string(), reason));
    }
    let file_of = |i: usize| match count {
        1 => name.to_owned(),
        _ => format!("{stem}-{:05}-of-{count:05}.safetensors", i + 1),
    };
    let metadata = metadata_of(source);
    let (mut pending, mut paths, mut done) = (Vec::new(), Vec::new(), 0);
    let (mut weight_map, mut total_size) = (BTreeMap::new(), 0);
    for (i, shard) in shards.iter().enumerate() {
        let path = out.with_file_name(file_of(i));
        let mut file = PendingFile::begin(&path)?;
        let headings: Vec<Heading<'_>> =
            shard.iter().map(|t| (t.name, t.number, t.info.shape.as_slice())).collect();
        write_header(&mut file, &headings, &metadata)?;
        for tensor in shard {
            step(done, total)?;
            let written = write_tensor(&mut file, source, tensor)?;
            written.map_err(|e| thrumask_core::Error::io("writing", &path, e))?;
            done += 1;
            total_size += tensor.bytes;
            weight_map.insert(tensor.name, file_of(i));
        }
        pending.push(file);
        paths.push(path);
    }
    step(done, total)?;
    for file in pending {
        file.commit()?;
    }
    if count > 1 {
        let map = json!({"metadata": {"total_size": total_size}, "weight_map": weight_map});
        fsio::write_json(&index, &map)?;
        paths.push(index);
    }
    Ok(paths)
}

/// How a tensor will be written.
fn item<'a>(name: &'a str, info: &'a TensorInfo, float: Option<FloatType>) -> Result<Item<'a>> {
    let wanted = float.map(FloatType::number);
    let number = match &info.kind {
        Kind::Numbers(number) if number.is_float() => wanted.unwrap_or(*number),
        Kind::Numbers(number) => *number,
        Kind::Blocks(_) => wanted.unwrap_or(Number::F32),
        Kind::Other(other) => {
            return Err(Error::weights(name, format!("values of type {other} are not supported")));
        }
    };
    let bytes = (info.values() * number.width()) as u64;
    Ok(Item { name, info, number, bytes })
}

/// Tensors in their order, as many in a file as fit; in each file the widest numbers come first, so that
/// all of them are aligned.
fn shards(items: Vec<Item<'_>>, most: u64) -> Vec<Vec<Item<'_>>> {
    let (mut shards, mut held) = (vec![Vec::new()], 0u64);
    for item in items {
        if held > 0 && held.saturating_add(item.bytes) > most {
            shards.push(Vec::new());
            held = 0;
        }
        held = held.saturating_add(item.bytes);
        if let Some(shard) = shards.last_mut() {
            shard.push(item);
        }
    }
    for shard in &mut shards {
        shard.sort_by_key(|item: &Item<'_>| std::cmp::Reverse(item.number.width()));
    }
    shards
}

/// The text beside the tensors: that of safetensors, and the word by which Python's libraries know that
/// the layouts are PyTorch's.
fn metadata_of(source: &Checkpoint) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    if source.format() == Format::Safetensors {
        metadata.extend(source.metadata());
    }
    metadata.entry("format".to_owned()).or_insert_with(|| "pt".to_owned());
    metadata
}

fn write_tensor(
    out: &mut PendingFile,
    source: &Checkpoint,
    tensor: &Item<'_>,
) -> Result<std::io::Result<()>> {
    if tensor.info.kind == Kind::Numbers(tensor.number) {
        return Ok(out.write_all(&source.raw(tensor.name)?));
    }
    let values = source.values(tensor.name)?;
    let float = match tensor.number {
        Number::F16 => FloatType::F16,
        Number::BF16 => FloatType::BF16,
        _ => FloatType::F32,
    };
    // A value beyond f16 would become infinite: a model would be broken without a word.
    let bytes = float.bytes(&values);
    if float == FloatType::F16 {
        let infinite = |b: &[u8; 2]| half::f16::from_le_bytes(*b).is_infinite();
        let lost =
            values.iter().zip(bytes.as_chunks().0).find(|(v, b)| v.is_finite() && infinite(b));
        if let Some((value, _)) = lost {
            let reason = format!("{value} does not fit into f16; bf16 would hold it");
            return Err(Error::weights(tensor.name, reason));
        }
    }
    Ok(out.write_all(&bytes))
}
