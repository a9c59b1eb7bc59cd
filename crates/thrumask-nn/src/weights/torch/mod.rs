//! Checkpoints of PyTorch (`.pt`, `.pth`, `.ckpt`): the archive of today and the stream of pickles
//! before it. Nothing in a file is executed; see `pickle`.

mod archive;
mod pickle;

use std::collections::BTreeMap;

use half::{bf16, f16};

use self::archive::Archive;
use self::pickle::{Number, Pickle, Ref, Tensor, Value};
use super::WeightFile;
use crate::{Error, Result};

/// First pickle of a stream: a number of 10 bytes that PyTorch chose.
const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// Protocol of a stream.
const PROTOCOL: i64 = 1001;
/// How deep dictionaries of tensors may be nested.
const MAX_DEPTH: usize = 8;
/// How many entries are looked at, with those of dictionaries that occur more than once.
const MAX_ENTRIES: usize = 1 << 20;

type Reason<T> = std::result::Result<T, String>;

impl WeightFile {
    /// Reads a checkpoint of PyTorch: every tensor in its dictionary, those of nested dictionaries with
    /// their names joined by dots, and of a dictionary with the key "state_dict" only what is in that.
    /// Numbers become f32; other entries (epochs, options) are passed over.
    ///
    /// # Errors
    /// [`Error::Weights`] when the file holds anything but tensors, dictionaries and plain values, is
    /// broken, compressed or big-endian, or when a tensor does not lie within its storage.
    pub fn read_torch(what: &str, bytes: &[u8]) -> Result<Self> {
        let file = if bytes.starts_with(b"PK") { archive(bytes) } else { stream(bytes) };
        let tensors = file.map_err(|reason| Error::weights(what, reason))?;
        Ok(Self { tensors, ..Self::default() })
    }
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A zip archive with `NAME/data.pkl` and `NAME/data/KEY` for each storage, all uncompressed.
fn archive(bytes: &[u8]) -> Reason<Tensors> {
    let archive = Archive::read(bytes)?;
    let suffix = "/data.pkl";
    let name = archive.names().find(|n| n.ends_with(suffix));
    let name = name.ok_or_else(|| format!("expected an entry …{suffix}, found none"))?;
    let folder = name.strip_suffix(suffix).unwrap_or_default();
    if archive.entry(&format!("{folder}/byteorder")).is_ok_and(|order| order != b"little") {
        return Err("expected little-endian numbers".into());
    }
    let (pickle, root, _) = pickle::read(archive.entry(name)?)?;
    let named = named_tensors(&pickle, root)?;
    let mut storages: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for tensor in named.values() {
        let (key, number, count) = &tensor.storage;
        if !storages.contains_key(key) {
            let data = archive.entry(&format!("{folder}/data/{key}"))?;
            if count.checked_mul(number.width()).is_none_or(|n| n > data.len()) {
                return Err(format!("storage {key}: expected {count} numbers, got fewer"));
            }
            storages.insert(key.clone(), numbers(data, *number));
        }
    }
    views(named, &storages)
}

/// Pickles one after the other: a magic number, the protocol, the system, the tensors, the keys of
/// the storages; then each storage as its length and its numbers.
fn stream(bytes: &[u8]) -> Reason<Tensors> {
    let mut rest = bytes.strip_prefix(&MAGIC).ok_or("expected a checkpoint of PyTorch")?;
    let mut next = || -> Reason<(Pickle, Ref)> {
        let (pickle, root, length) = pickle::read(rest)?;
        rest = &rest[length..];
        Ok((pickle, root))
    };
    let (protocol, root) = next()?;
    if protocol.values[root] != Value::Int(PROTOCOL) {
        return Err(format!("expected protocol {PROTOCOL}"));
    }
    let (system, root) = next()?;
    if item(&system, root, "little_endian").is_some_and(|v| system.values[v] == Value::Bool(false))
    {
        return Err("expected little-endian numbers".into());
    }
    let (pickle, root) = next()?;
    let (keys, list) = next()?;
    let Value::List(list) = &keys.values[list] else {
        return Err("expected the keys of the storages".into());
    };
    let kinds = pickle.values.iter().filter_map(|value| match value {
        Value::Storage { key, number, .. } => Some((key.as_str(), *number)),
        _ => None,
    });
    let kinds: BTreeMap<&str, Number> = kinds.collect();
    let mut storages = BTreeMap::new();
    for &key in list {
        let key = keys.text(key)?;
        let number = *kinds.get(key.as_str()).ok_or_else(|| format!("storage {key} is unknown"))?;
        let short = || format!("storage {key}: the file ends too early");
        let (count, data) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).ok();
        let length = length.and_then(|n| n.checked_mul(number.width())).ok_or_else(short)?;
        let (data, after) = data.split_at_checked(length).ok_or_else(short)?;
        rest = after;
        storages.insert(key, numbers(data, number));
    }
    views(named_tensors(&pickle, root)?, &storages)
}

/// The value of a key in a dictionary.
fn item(pickle: &Pickle, dict: Ref, wanted: &str) -> Option<Ref> {
    let Value::Dict(pairs) = &pickle.values[dict] else { return None };
    let is_wanted = |key: Ref| matches!(&pickle.values[key], Value::Text(t) if t == wanted);
    pairs.iter().rev().find(|pair| is_wanted(pair.0)).map(|pair| pair.1)
}

/// All tensors by name.
fn named_tensors(pickle: &Pickle, root: Ref) -> Reason<BTreeMap<String, &Tensor>> {
    let mut found = BTreeMap::new();
    let root = item(pickle, root, "state_dict").unwrap_or(root);
    let mut open = vec![(String::new(), root, 0)];
    let mut looked_at = 0;
    while let Some((prefix, dict, depth)) = open.pop() {
        let Value::Dict(pairs) = &pickle.values[dict] else {
            return Err("expected a dictionary of tensors".into());
        };
        if depth > MAX_DEPTH {
            return Err(format!("dictionaries are nested more than {MAX_DEPTH} deep"));
        }
        for &(key, value) in pairs {
            looked_at += 1;
            if looked_at > MAX_ENTRIES {
                return Err(format!("expected at most {MAX_ENTRIES} entries"));
            }
            let key = match &pickle.values[key] {
                Value::Text(key) => key.clone(),
                Value::Int(key) => key.to_string(),
                _ => return Err("expected names as keys of a dictionary".into()),
            };
            match &pickle.values[value] {
                Value::Tensor(tensor) => drop(found.insert(format!("{prefix}{key}"), tensor)),
                Value::Dict(_) => open.push((format!("{prefix}{key}."), value, depth + 1)),
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The numbers of each tensor.
fn views(
    named: BTreeMap<String, &Tensor>,
    storages: &BTreeMap<String, Vec<f32>>,
) -> Reason<Tensors> {
    // Tensors may share storages, but not so often that a small file fills the memory.
    let stored: usize = storages.values().map(Vec::len).sum();
    let mut left = stored.saturating_mul(4);
    let mut tensors = BTreeMap::new();
    for (name, tensor) in named {
        let key = &tensor.storage.0;
        let storage = storages.get(key).ok_or_else(|| format!("{name}: no storage {key}"))?;
        let count = tensor.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        let count = count.filter(|&n| n <= storage.len() && n <= left);
        let count = count.ok_or_else(|| format!("{name}: more numbers than its storage holds"))?;
        left -= count;
        let values = view(tensor, storage, count);
        let values = values.ok_or_else(|| format!("{name} does not lie within its storage"))?;
        tensors.insert(name, (tensor.shape.clone(), values));
    }
    Ok(tensors)
}

/// The numbers of a view, row-major; `None` when it does not lie within its storage.
fn view(tensor: &Tensor, storage: &[f32], count: usize) -> Option<Vec<f32>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let steps = tensor.shape.iter().zip(&tensor.strides);
    let last = steps.clone().try_fold(tensor.offset, |at, (&size, &stride)| {
        at.checked_add((size - 1).checked_mul(stride)?)
    })?;
    if last >= storage.len() {
        return None;
    }
    let mut values = Vec::with_capacity(count);
    let mut place = vec![0; tensor.shape.len()];
    for _ in 0..count {
        let at: usize = place.iter().zip(&tensor.strides).map(|(&i, &s)| i * s).sum();
        values.push(storage[tensor.offset + at]);
        for (i, &size) in place.iter_mut().zip(&tensor.shape).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    Some(values)
}

/// Little-endian numbers as f32.
fn numbers(data: &[u8], number: Number) -> Vec<f32> {
    /// Reads all numbers of a type.
    macro_rules! all {
        ($number:ty, $to:expr) => {
            data.as_chunks().0.iter().map(|&bytes| $to(<$number>::from_le_bytes(bytes))).collect()
        };
    }
    match number {
        Number::F64 => all!(f64, |v| v as f32),
        Number::F32 => all!(f32, |v| v),
        Number::F16 => all!(f16, f16::to_f32),
        Number::BF16 => all!(bf16, bf16::to_f32),
        Number::I64 => all!(i64, |v| v as f32),
        Number::I32 => all!(i32, |v| v as f32),
        Number::I16 => all!(i16, f32::from),
        Number::I8 => all!(i8, f32::from),
        Number::U8 | Number::Bool => all!(u8, f32::from),
    }
}
