//! Checkpoints of PyTorch (`.pt`, `.pth`, `.ckpt`): the archive of today and the stream of pickles
//! before it. Nothing in a file is executed; see `pickle`.

mod archive;
mod pickle;
mod values;

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

pub(super) use self::archive::Crc32;
use self::{
    archive::Archive,
    pickle::MAX_BYTES,
    values::{Pickle, Ref, Tensor, Value},
};
use super::{
    TensorSource, WeightFile,
    bytes::{Bytes, Reason},
    number::Number,
    tensors::{Contents, Kind, Place, Storage, TensorFile, TensorInfo},
};
use crate::Result;

/// First pickle of a stream: a number of 10 bytes that PyTorch chose.
const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// Protocol of a stream.
const PROTOCOL: i64 = 1001;
/// How deep dictionaries of tensors may be nested.
const MAX_DEPTH: usize = 8;
/// How many entries are looked at, with those of dictionaries that occur more than once.
const MAX_ENTRIES: usize = 1 << 20;

impl WeightFile {
    /// Reads a checkpoint of PyTorch: every tensor in its dictionary, those of nested dictionaries with
    /// their names joined by dots, and of a dictionary with the key "state_dict" only what is in that.
    /// Numbers become f32; other entries (epochs, options) are passed over, and so is whatever lies beside a
    /// "state_dict".
    ///
    /// # Errors
    /// [`crate::Error::Weights`] when something in the dictionary is an object of a class, or made by a
    /// function, that is not one of tensors (it is named, and not run), when the file is broken, compressed
    /// or big-endian, or when a tensor does not lie within its storage.
    pub fn read_torch(what: &str, bytes: &[u8]) -> Result<Self> {
        use super::Format::{TorchArchive, TorchStream};
        let format = if bytes.starts_with(b"PK") { TorchArchive } else { TorchStream };
        let source = TensorFile::parsed(what, Bytes::Memory(bytes), format)?;
        let mut file = Self::default();
        for (name, info) in source.infos() {
            file.tensors.insert(name.to_owned(), (info.shape.clone(), source.values(name)?));
        }
        Ok(file)
    }
}

/// Whether the first bytes of a file are those of a stream.
pub(super) fn is_stream(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

/// A zip archive with `NAME/data.pkl` and `NAME/data/KEY` for each storage, all uncompressed.
pub(super) fn read_archive(bytes: &Bytes<'_>) -> Reason<Contents> {
    let archive = Archive::read(bytes)?;
    let suffix = "/data.pkl";
    let name = archive.names().find(|n| n.ends_with(suffix));
    let name = name.ok_or_else(|| format!("expected an entry …{suffix}, found none"))?;
    let folder = name.strip_suffix(suffix).unwrap_or_default();
    if archive.entry(&format!("{folder}/byteorder")).is_ok_and(|order| *order != *b"little") {
        return Err("expected little-endian numbers".into());
    }
    let (pickle, root, _) = pickle::read(&archive.entry(name)?)?;
    let named = named_tensors(&pickle, root)?;
    let mut storages = Storages::default();
    for tensor in named.values() {
        let (key, number, count) = &tensor.storage;
        if storages.find(key, *number)?.is_none() {
            let extent = archive.extent(&format!("{folder}/data/{key}"))?;
            if count.checked_mul(number.width()).is_none_or(|n| n as u64 > extent.bytes) {
                return Err(format!("storage {key}: expected {count} numbers, got fewer"));
            }
            storages.add(key, *number, (extent.at, extent.bytes), Some(extent.check));
        }
    }
    storages.contents(named)
}

/// Pickles one after the other: a magic number, the protocol, the system, the tensors, the keys of
/// the storages; then each storage as its length and its numbers.
pub(super) fn read_stream(bytes: &Bytes<'_>) -> Reason<Contents> {
    if !is_stream(&bytes.read_up_to(0, MAGIC.len() as u64)?) {
        return Err("expected a checkpoint of PyTorch".into());
    }
    let mut at = MAGIC.len() as u64;
    let mut next = || -> Reason<(Pickle, Ref)> {
        let (pickle, root, length) = pickle::read(&bytes.read_up_to(at, MAX_BYTES as u64)?)?;
        at += length as u64;
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
    let mut storages = Storages::default();
    for &key in list {
        let key = keys.text(key)?;
        let number = *kinds.get(key.as_str()).ok_or_else(|| format!("storage {key} is unknown"))?;
        let short = || format!("storage {key}: the file ends too early");
        let count = bytes.read(at, 8).map_err(|_| short())?;
        let count = count.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        let length = count.checked_mul(number.width() as u64).ok_or_else(short)?;
        at += 8;
        let end = at.checked_add(length).filter(|&end| end <= bytes.len()).ok_or_else(short)?;
        storages.add(&key, number, (at, length), None);
        at = end;
    }
    storages.contents(named_tensors(&pickle, root)?)
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
            return Err(pickle.expected("a dictionary of tensors", dict));
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
                _ => return Err(pickle.expected("names as keys of a dictionary", key)),
            };
            match &pickle.values[value] {
                Value::Tensor(tensor) => drop(found.insert(format!("{prefix}{key}"), tensor)),
                Value::Dict(_) => open.push((format!("{prefix}{key}."), value, depth + 1)),
                // It may have been a tensor of a kind that is not read here.
                Value::Unknown { .. } => {
                    let reason = pickle.expected("a tensor or a plain value", value);
                    return Err(format!("{prefix}{key}: {reason}"));
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The storages of a file by their keys.
#[derive(Default)]
struct Storages {
    by_key: BTreeMap<String, (usize, Number)>,
    all: Vec<Storage>,
}

impl Storages {
    /// Notes where the bytes of a storage are: the first one, and how many.
    fn add(&mut self, key: &str, number: Number, place: (u64, u64), check: Option<u32>) {
        self.by_key.insert(key.to_owned(), (self.all.len(), number));
        let (at, bytes) = place;
        self.all.push(Storage { at, bytes, check, checked: AtomicBool::new(false) });
    }

    /// The position of a storage, if it is known.
    fn find(&self, key: &str, number: Number) -> Reason<Option<usize>> {
        match self.by_key.get(key) {
            None => Ok(None),
            Some(&(at, known)) if known == number => Ok(Some(at)),
            Some((_, known)) => {
                Err(format!("storage {key}: expected {}, got {}", known.name(), number.name()))
            }
        }
    }

    /// The tensors as views, each of which must lie within its storage.
    fn contents(self, named: BTreeMap<String, &Tensor>) -> Reason<Contents> {
        let numbers = |at: usize, width: usize| self.all[at].bytes / width as u64;
        // Tensors may share storages, but not so often that a small file fills the memory.
        let stored = self.by_key.values().map(|&(at, number)| numbers(at, number.width()));
        let mut left = stored.sum::<u64>().saturating_mul(4);
        let mut tensors = BTreeMap::new();
        for (name, tensor) in named {
            let (key, number, _) = &tensor.storage;
            let storage = self.find(key, *number)?;
            let storage = storage.ok_or_else(|| format!("{name}: no storage {key}"))?;
            let length = numbers(storage, number.width());
            let count = tensor.shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
            let count = count.filter(|&n| n as u64 <= length && n as u64 <= left);
            let count =
                count.ok_or_else(|| format!("{name}: more numbers than its storage holds"))?;
            left -= count as u64;
            if count > 0 && last(tensor).is_none_or(|last| last as u64 >= length) {
                return Err(format!("{name} does not lie within its storage"));
            }
            let Tensor { offset, shape, strides, .. } = tensor.clone();
            let bytes = (count * number.width()) as u64;
            let info = TensorInfo { shape, kind: Kind::Numbers(*number), bytes };
            tensors.insert(name, (info, Place::View { storage, offset, strides }));
        }
        Ok(Contents { tensors, storages: self.all, ..Contents::default() })
    }
}

/// The last number of a view that has any.
fn last(tensor: &Tensor) -> Option<usize> {
    let mut steps = tensor.shape.iter().zip(&tensor.strides);
    steps.try_fold(tensor.offset, |at, (&size, &stride)| {
        at.checked_add((size - 1).checked_mul(stride)?)
    })
}
