//! The safetensors format: the length of the header, the header in JSON, the numbers.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
};

use ::safetensors::tensor::Metadata;

use super::{
    bytes::{Bytes, Reason},
    number::Number,
    tensors::{Contents, Kind, Place, TensorInfo},
};
use crate::{Error, Result};

/// The longest header that is read.
const MAX_HEADER: u64 = 100_000_000;
/// Before the header.
const LENGTH: u64 = 8;

/// Reads the header; its tensors must fill the file without gaps.
pub(super) fn read(bytes: &Bytes<'_>) -> Reason<Contents> {
    let length = bytes.read(0, LENGTH).map_err(|_| "expected safetensors, got a few bytes")?;
    let length = length.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
    if length > MAX_HEADER {
        return Err(format!("expected a header of at most {MAX_HEADER} bytes, got {length}"));
    }
    let header = bytes.read(LENGTH, length);
    let header = header.map_err(|reason| format!("the header is cut off: {reason}"))?;
    // The crate finds gaps, overlaps and sizes that do not fit their shapes.
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|e| format!("the header is broken: {e}"))?;
    let start = LENGTH + length;
    let stored = bytes.len() - start;
    let expected = header.tensors().values().map(|t| t.data_offsets.1 as u64).max().unwrap_or(0);
    if expected != stored {
        return Err(format!("expected {expected} bytes of tensors, got {stored}"));
    }
    let mut contents = Contents::default();
    for (name, tensor) in header.tensors() {
        let word = tensor.dtype.to_string();
        let number = Number::ALL.into_iter().find(|n| n.name() == word);
        let kind = number.map_or(Kind::Other(word), Kind::Numbers);
        let (from, to) = tensor.data_offsets;
        let info = TensorInfo { shape: tensor.shape.clone(), kind, bytes: (to - from) as u64 };
        contents.tensors.insert(name, (info, Place::At(start + from as u64)));
    }
    contents.metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    Ok(contents)
}

/// A tensor to be written: name, number type, shape.
pub(super) type Heading<'a> = (&'a str, Number, &'a [usize]);

/// The start of a file, up to the numbers of its tensors in the order of `tensors`. The same tensors
/// and metadata give the same bytes.
pub(super) fn write_header(
    out: &mut dyn Write,
    tensors: &[Heading<'_>],
    metadata: &HashMap<String, String>,
) -> Result<()> {
    #[derive(serde::Serialize)]
    struct Entry<'a> {
        dtype: &'a str,
        shape: &'a [usize],
        data_offsets: [usize; 2],
    }
    let refuse = |e: serde_json::Error| Error::weights("to write", e.to_string());
    let (mut parts, mut at) = (Vec::new(), 0);
    if !metadata.is_empty() {
        // Sorted: a hash map has no fixed order.
        let sorted: BTreeMap<_, _> = metadata.iter().collect();
        parts.push(format!("\"__metadata__\":{}", serde_json::to_string(&sorted).map_err(refuse)?));
    }
    for &(name, number, shape) in tensors {
        let size = shape.iter().try_fold(number.width(), |n, &s| n.checked_mul(s));
        let end = size.and_then(|size| size.checked_add(at));
        let end = end.ok_or_else(|| Error::weights(name, "a shape beyond any memory"))?;
        let entry = Entry { dtype: number.name(), shape, data_offsets: [at, end] };
        let name = serde_json::to_string(name).map_err(refuse)?;
        parts.push(format!("{name}:{}", serde_json::to_string(&entry).map_err(refuse)?));
        at = end;
    }
    let mut header = format!("{{{}}}", parts.join(","));
    // The format wants the data to start at a multiple of eight.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let length = (header.len() as u64).to_le_bytes();
    let failed = |e: std::io::Error| Error::weights("to write", e.to_string());
    out.write_all(&length).and_then(|()| out.write_all(header.as_bytes())).map_err(failed)
}
