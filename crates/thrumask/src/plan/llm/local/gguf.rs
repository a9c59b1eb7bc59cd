//! A GGUF file: what it says of itself, and its tensors.

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use candle_core::{
    Device, Tensor,
    quantized::{
        QTensor,
        gguf_file::{Content, Value},
    },
};

use super::super::answer::one_line;
use crate::Result;

/// Types of tensors that are read.
const TYPES: &str = "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K";

/// An open file whose tensors are all there.
pub(super) struct Gguf {
    name: String,
    file: BufReader<File>,
    content: Content,
}

impl Gguf {
    /// Opens a file and reads all but its tensors.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when it cannot be read, [`thrumask_core::Error::Format`] when it is no
    /// GGUF file, one of several parts, or cut off.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let failed = |e| thrumask_core::Error::io("reading", path, e);
        let broken = |reason: String| thrumask_core::Error::format(&name, reason);
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let length = file.get_ref().metadata().map_err(failed)?.len();
        let mut mark = Vec::new();
        file.by_ref().take(4).read_to_end(&mut mark).map_err(failed)?;
        if mark != b"GGUF" {
            let reason = "expected a GGUF file, which begins with \"GGUF\"";
            return Err(
                broken(format!("{reason}, got {:?}", String::from_utf8_lossy(&mark))).into()
            );
        }
        file.rewind().map_err(failed)?;
        // The reader divides by what the file says.
        let read = catch_unwind(AssertUnwindSafe(|| Content::read(&mut file)));
        let content = read.map_err(|_| "its numbers make no sense".to_owned());
        let content = content.and_then(|read| read.map_err(|e| one_line(&e.to_string())));
        let content = content.map_err(|e| {
            broken(format!("expected a whole GGUF header and tensors of the types {TYPES}: {e}"))
        })?;
        let gguf = Self { name, file, content };
        gguf.check_extent(length)?;
        match gguf.number("split.count")? {
            Some(2..) => {
                Err(gguf.broken("expected a model in one file, got one of several").into())
            }
            _ => Ok(gguf),
        }
    }

    /// Refuses a file that ends before its tensors do.
    fn check_extent(&self, length: u64) -> thrumask_core::Result<()> {
        for (tensor, info) in &self.content.tensor_infos {
            let kind = info.ggml_dtype;
            let numbers =
                info.shape.dims().iter().try_fold(1u64, |all, &n| all.checked_mul(n as u64));
            let end = numbers.and_then(|n| {
                let bytes = (n / kind.block_size() as u64).checked_mul(kind.type_size() as u64)?;
                bytes.checked_add(info.offset)?.checked_add(self.content.tensor_data_offset)
            });
            if end.is_none_or(|end| end > length) {
                let end = end.map_or("more".to_owned(), |end| end.to_string());
                let reason = format!("expected {end} bytes for tensor {tensor}, got {length}");
                return Err(self.broken(format!("{reason}: the file is cut off")));
            }
        }
        Ok(())
    }

    /// A complaint about the file.
    pub fn broken(&self, reason: impl Into<String>) -> thrumask_core::Error {
        thrumask_core::Error::format(&self.name, reason)
    }

    /// A complaint about one of its entries.
    fn wrong(&self, key: &str, expected: &str, got: &str) -> thrumask_core::Error {
        self.broken(format!("expected {expected} as {key}, got {got}"))
    }

    /// An entry of the kind that `read` takes.
    fn entry<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> thrumask_core::Result<Option<T>> {
        let Some(value) = self.content.metadata.get(key) else { return Ok(None) };
        let kind = format!("{:?}", value.value_type());
        read(value).ok_or_else(|| self.wrong(key, expected, &kind)).map(Some)
    }

    /// A whole number of at least 0.
    ///
    /// # Errors
    /// As all of the following: [`thrumask_core::Error::Format`] when the entry is something else.
    pub fn number(&self, key: &str) -> thrumask_core::Result<Option<usize>> {
        self.entry(key, "a whole number", |value| match *value {
            Value::U8(n) => Some(n.into()),
            Value::U16(n) => Some(n.into()),
            Value::U32(n) => usize::try_from(n).ok(),
            Value::U64(n) => usize::try_from(n).ok(),
            Value::I8(n) => usize::try_from(n).ok(),
            Value::I16(n) => usize::try_from(n).ok(),
            Value::I32(n) => usize::try_from(n).ok(),
            Value::I64(n) => usize::try_from(n).ok(),
            _ => None,
        })
    }

    /// A whole number that must be there, from 1 to `most`.
    pub fn size(&self, key: &str, most: usize) -> thrumask_core::Result<usize> {
        let got = self.number(key)?;
        got.filter(|n| (1..=most).contains(n)).ok_or_else(|| {
            let got = got.map_or("none".to_owned(), |n| n.to_string());
            self.wrong(key, &format!("a number from 1 to {most}"), &got)
        })
    }

    /// A number.
    pub fn float(&self, key: &str) -> thrumask_core::Result<Option<f32>> {
        self.entry(key, "a number", |value| match value {
            Value::F32(x) => Some(*x),
            Value::F64(x) => Some(*x as f32),
            _ => None,
        })
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> thrumask_core::Result<Option<bool>> {
        self.entry(key, "true or false", |value| value.to_bool().ok())
    }

    /// A text.
    pub fn text(&self, key: &str) -> thrumask_core::Result<Option<&str>> {
        self.entry(key, "a text", |value| value.to_string().ok().map(String::as_str))
    }

    /// A list, each element by `read`; empty where there is none.
    pub fn list<'a, T>(
        &'a self,
        key: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> thrumask_core::Result<Vec<T>> {
        let all = |value: &'a Value| value.to_vec().ok()?.iter().map(&read).collect();
        Ok(self.entry(key, "a list of one kind", all)?.unwrap_or_default())
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, tensor: &str) -> bool {
        self.content.tensor_infos.contains_key(tensor)
    }

    /// A tensor as it is stored.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Format`] when it is missing or of another shape, or cannot be read.
    pub fn tensor(&mut self, name: &str, shape: &[usize]) -> thrumask_core::Result<QTensor> {
        let got = self.content.tensor_infos.get(name).map(|info| info.shape.dims());
        if got != Some(shape) {
            let got = got.map_or("none".to_owned(), |got| format!("{got:?}"));
            return Err(self.broken(format!("expected {shape:?} as tensor {name}, got {got}")));
        }
        let read = self.content.tensor(&mut self.file, name, &Device::Cpu);
        read.map_err(|e| self.broken(format!("tensor {name}: {}", one_line(&e.to_string()))))
    }

    /// A tensor in full precision.
    ///
    /// # Errors
    /// As [`Self::tensor`].
    pub fn floats(&mut self, name: &str, shape: &[usize]) -> thrumask_core::Result<Tensor> {
        let tensor = self.tensor(name, shape)?;
        let floats = tensor.dequantize(&Device::Cpu);
        floats.map_err(|e| self.broken(format!("tensor {name}: {}", one_line(&e.to_string()))))
    }
}
