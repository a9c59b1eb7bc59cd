//! Tensors where they lie in a file, as a part of the process's memory that the system fills when it is read.

use std::{fs::File, io, path::Path};

use burn::tensor::{AllocationProperty, Bytes, DType, Shape, TensorData};

use super::number::{FloatType, Number};

/// The numbers of a tensor in a mapped file, row-major.
#[derive(Debug, Clone)]
pub struct Mapped {
    bytes: ::bytes::Bytes,
    float: FloatType,
}

/// A whole file in memory, without its being read.
///
/// # Errors
/// Those of opening and mapping it.
pub(super) fn map(path: &Path) -> io::Result<::bytes::Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // SAFETY: the mapping is read alone, and lives as long as what is made of it. Nothing of ours writes into
    // a file of weights: it is written under another name and then renamed, which leaves this one as it is.
    // Who lets another program change or cut the file meanwhile gets other numbers or is ended by the system,
    // which is why mapping has to be asked for.
    let mapping = unsafe { memmap2::Mmap::map(&file)? };
    Ok(::bytes::Bytes::from_owner(mapping))
}

impl Mapped {
    /// Numbers of a file; `None` when they are of a type that networks do not keep, lie askew for it, or
    /// when the processor has the bytes of numbers in another order.
    pub(super) fn new(bytes: ::bytes::Bytes, number: Number) -> Option<Self> {
        let float = match number {
            Number::F32 => FloatType::F32,
            Number::F16 => FloatType::F16,
            Number::BF16 => FloatType::BF16,
            _ => return None,
        };
        let straight = bytes.as_ptr().addr().is_multiple_of(number.width());
        (cfg!(target_endian = "little") && straight).then_some(Self { bytes, float })
    }

    /// One of several equal parts along the first axis; `None` when they are not equal.
    pub fn part(&self, [part, count]: [usize; 2]) -> Option<Self> {
        let width = self.float.number().width();
        let length = (self.bytes.len() / width).checked_div(count)?;
        if length * width * count != self.bytes.len() || part >= count {
            return None;
        }
        let at = part * length * width;
        Some(Self { bytes: self.bytes.slice(at..at + length * width), float: self.float })
    }

    /// As a tensor's data, of the type that the file has; `None` when the shape does not fit.
    pub(super) fn into_data(self, shape: &[usize]) -> Option<(TensorData, DType)> {
        let values = shape.iter().product::<usize>();
        if values.checked_mul(self.float.number().width())? != self.bytes.len() {
            return None;
        }
        let dtype: DType = self.float.of_tensors().into();
        let bytes = Bytes::from_shared(self.bytes, AllocationProperty::File);
        Some((TensorData::from_bytes(bytes, Shape::from(shape.to_vec()), dtype), dtype))
    }
}
