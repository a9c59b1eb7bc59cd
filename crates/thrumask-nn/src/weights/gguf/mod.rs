//! GGUF files, versions 2 and 3: typed metadata, then for each tensor its name, sizes, type and place,
//! then the values. Of the block types those that image models are shared in are read; see [`Blocks`].

mod blocks;

use std::collections::BTreeMap;

pub use blocks::Blocks;

use super::{
    bytes::{Bytes, Cursor, Reason},
    number::Number,
    tensors::{Contents, Kind, Place, TensorInfo},
};

/// The longest name or key.
const MAX_NAME: u64 = 1 << 16;
/// The longest text among the metadata (a chat template, say).
const MAX_TEXT: u64 = 16 << 20;
/// The longest text that is kept of it.
const KEPT_TEXT: usize = 4096;
/// How many entries of metadata or tensors there may be.
const MAX_ENTRIES: u64 = 1 << 20;
/// The longest list of texts.
const MAX_TEXTS: u64 = 1 << 24;
/// The most axes a tensor may have.
const MAX_AXES: u64 = 16;
/// Where tensors begin: at multiples of this, unless the metadata says otherwise.
const ALIGNMENT: u64 = 32;
/// How deep lists of lists may be nested.
const MAX_DEPTH: usize = 4;

/// Reads everything but the values.
pub(super) fn read(bytes: &Bytes<'_>) -> Reason<Contents> {
    let mut cursor = Cursor::new(bytes);
    if cursor.take(4)? != b"GGUF" {
        return Err("expected a GGUF file".into());
    }
    match cursor.number(4)? {
        2 | 3 => {}
        other if other as u32 == 2u32.swap_bytes() || other as u32 == 3u32.swap_bytes() => {
            return Err("expected little-endian numbers".into());
        }
        other => return Err(format!("expected version 2 or 3, got {other}")),
    }
    let (tensors, entries) = (cursor.number(8)?, cursor.number(8)?);
    if tensors > MAX_ENTRIES || entries > MAX_ENTRIES {
        return Err(format!(
            "expected at most {MAX_ENTRIES} tensors and entries, got {tensors} and {entries}"
        ));
    }
    let mut contents = Contents::default();
    let mut alignment = ALIGNMENT;
    for _ in 0..entries {
        let key = cursor.text(MAX_NAME)?;
        let kind = cursor.number(4)?;
        let value = cursor.value(kind, 0).map_err(|reason| format!("{key}: {reason}"))?;
        if key == "general.alignment" {
            let wanted = value.parse::<u64>().ok().filter(|n| n.is_power_of_two() && *n <= 1 << 20);
            alignment =
                wanted.ok_or_else(|| format!("{key}: expected a power of two, got {value}"))?;
        }
        contents.metadata.insert(key, value);
    }
    let mut found = BTreeMap::new();
    for _ in 0..tensors {
        let name = cursor.text(MAX_NAME)?;
        let axes = cursor.number(4)?;
        if axes > MAX_AXES {
            return Err(format!("{name}: expected at most {MAX_AXES} axes, got {axes}"));
        }
        // The axis that lies closest together comes first.
        let mut shape = Vec::new();
        for _ in 0..axes {
            let size = cursor.number(8)?;
            let size = usize::try_from(size).ok().filter(|&n| n <= isize::MAX as usize);
            shape.push(size.ok_or_else(|| format!("{name}: an axis beyond any memory"))?);
        }
        shape.reverse();
        let (kind, at) = (cursor.number(4)?, cursor.number(8)?);
        if !at.is_multiple_of(alignment) {
            return Err(format!(
                "{name}: expected a multiple of {alignment} as its place, got {at}"
            ));
        }
        if found.insert(name.clone(), (shape, kind, at)).is_some() {
            return Err(format!("{name}: there are two tensors of this name"));
        }
    }
    let start = cursor.at().next_multiple_of(alignment);
    place(found, start, bytes.len(), &mut contents)?;
    Ok(contents)
}

type Found = BTreeMap<String, (Vec<usize>, u64, u64)>;

/// Finds where each tensor ends, and that none reaches into the next.
fn place(found: Found, start: u64, length: u64, contents: &mut Contents) -> Reason<()> {
    let mut in_order: Vec<_> = found.into_iter().map(|(n, (s, k, at))| (at, n, s, k)).collect();
    in_order.sort();
    for i in 0..in_order.len() {
        let (at, name, shape, kind) = &in_order[i];
        let from = start.checked_add(*at).filter(|&from| from <= length);
        let from = from.ok_or_else(|| format!("{name} does not lie within the file"))?;
        // The next one, or the end of the file.
        let next = in_order.get(i + 1).and_then(|next| start.checked_add(next.0));
        let next = next.unwrap_or(length).min(length);
        let kind = kind_of(*kind);
        let values = shape.iter().try_fold(1u64, |n, &s| n.checked_mul(s as u64));
        let values = values.ok_or_else(|| format!("{name}: more values than any memory holds"))?;
        let bytes = match &kind {
            Kind::Numbers(number) => values.checked_mul(number.width() as u64),
            Kind::Blocks(blocks) => {
                let row = shape.last().copied().unwrap_or(1);
                if !row.is_multiple_of(blocks.values()) {
                    let size = blocks.values();
                    return Err(format!(
                        "{name}: expected rows of a multiple of {size} values, got {row}"
                    ));
                }
                (values / blocks.values() as u64).checked_mul(blocks.bytes() as u64)
            }
            Kind::Other(_) => Some(next.saturating_sub(from)),
        };
        let bytes = bytes.filter(|&n| n <= length - from);
        let bytes = bytes.ok_or_else(|| format!("{name} does not lie within the file"))?;
        if from + bytes > next {
            return Err(format!("{name} reaches into the tensor after it"));
        }
        let info = TensorInfo { shape: shape.clone(), kind, bytes };
        contents.tensors.insert(name.clone(), (info, Place::At(from)));
    }
    Ok(())
}

/// The type of a tensor's values.
fn kind_of(code: u64) -> Kind {
    let number = match code {
        0 => Number::F32,
        1 => Number::F16,
        24 => Number::I8,
        25 => Number::I16,
        26 => Number::I32,
        27 => Number::I64,
        28 => Number::F64,
        30 => Number::BF16,
        other => {
            let blocks = Blocks::ALL.into_iter().find(|b| b.code() == other);
            return blocks.map_or_else(|| Kind::Other(format!("GGUF-{other}")), Kind::Blocks);
        }
    };
    Kind::Numbers(number)
}

impl Cursor<'_> {
    /// A number of `width` bytes, the least significant first.
    fn number(&mut self, width: u64) -> Reason<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// A text after its length.
    fn text(&mut self, most: u64) -> Reason<String> {
        let length = self.number(8)?;
        if length > most {
            return Err(format!("expected a text of at most {most} bytes, got {length}"));
        }
        let bytes = self.take(length)?.to_vec();
        String::from_utf8(bytes).map_err(|_| "expected text in UTF-8".into())
    }

    /// A value of the metadata in words; of a list only its length.
    fn value(&mut self, kind: u64, depth: usize) -> Reason<String> {
        Ok(match kind {
            0 | 2 | 4 | 10 => self.number(width_of(kind)?)?.to_string(),
            1 | 3 | 5 | 11 => {
                let width = width_of(kind)?;
                let unused = 64 - 8 * width as u32;
                ((self.number(width)? << unused) as i64 >> unused).to_string()
            }
            6 => f32::from_bits(self.number(4)? as u32).to_string(),
            7 => (self.number(1)? != 0).to_string(),
            8 => {
                let mut text = self.text(MAX_TEXT)?;
                if text.len() > KEPT_TEXT {
                    text.truncate(text.floor_char_boundary(KEPT_TEXT));
                    text.push('…');
                }
                text
            }
            9 => {
                let (kind, length) = (self.number(4)?, self.number(8)?);
                self.skip_list(kind, length, depth)?;
                format!("a list of {length}")
            }
            12 => f64::from_bits(self.number(8)?).to_string(),
            other => return Err(format!("a value of unknown type {other}")),
        })
    }

    fn skip_list(&mut self, kind: u64, length: u64, depth: usize) -> Reason<()> {
        match kind {
            8 | 9 if length > MAX_TEXTS => Err(format!("a list of {length} is too long")),
            9 if depth >= MAX_DEPTH => Err(format!("lists are nested more than {MAX_DEPTH} deep")),
            8 | 9 => {
                for _ in 0..length {
                    match kind {
                        8 => {
                            let bytes = self.number(8)?;
                            self.skip(bytes)?;
                        }
                        _ => drop(self.value(9, depth + 1)?),
                    }
                }
                Ok(())
            }
            kind => {
                let bytes = width_of(kind)?.checked_mul(length);
                self.skip(bytes.ok_or_else(|| format!("a list of {length} is too long"))?)
            }
        }
    }
}

/// Bytes of a value of fixed length.
fn width_of(kind: u64) -> Reason<u64> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        other => Err(format!("a value of unknown type {other}")),
    }
}
