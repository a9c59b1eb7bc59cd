//! One file of tensors, of any format, whose values are read when they are asked for.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    TensorSource,
    bytes::{Bytes, Reason},
    gguf::{self, Blocks},
    mapped::Mapped,
    number::Number,
    safetensors, torch,
};
use crate::{Error, Result};

/// How a file keeps its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON header and the numbers.
    Safetensors,
    /// PyTorch's zip archive of a pickle and storages.
    TorchArchive,
    /// PyTorch's stream of pickles, before 1.6.
    TorchStream,
    /// GGUF, version 2 or 3.
    Gguf,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchArchive => "PyTorch archive",
            Self::TorchStream => "PyTorch stream",
            Self::Gguf => "GGUF",
        })
    }
}

/// How the values of a tensor are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One after the other.
    Numbers(Number),
    /// In blocks of small whole numbers that share their scales.
    Blocks(Blocks),
    /// In a way that is not read here, by its name.
    Other(String),
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Numbers(number) => number.name(),
            Self::Blocks(blocks) => blocks.name(),
            Self::Other(name) => name,
        })
    }
}

/// What is known of a tensor without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Sizes of the axes, the last one lying closest together.
    pub shape: Vec<usize>,
    /// How the values are written.
    pub kind: Kind,
    /// Bytes of them.
    pub bytes: u64,
}

impl TensorInfo {
    /// How many values there are.
    pub fn values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// Where a tensor lies.
pub(super) enum Place {
    /// In one piece, from here on.
    At(u64),
    /// A view of a storage: its first number and the steps along each axis, in numbers.
    View { storage: usize, offset: usize, strides: Vec<usize> },
}

/// Numbers that tensors are views of.
pub(super) struct Storage {
    pub at: u64,
    pub bytes: u64,
    /// Check sum of all of it, and whether it was found right.
    pub check: Option<u32>,
    pub checked: AtomicBool,
}

/// What a format's reader finds.
#[derive(Default)]
pub(super) struct Contents {
    pub tensors: BTreeMap<String, (TensorInfo, Place)>,
    pub storages: Vec<Storage>,
    pub metadata: BTreeMap<String, String>,
}

/// An open file of tensors.
pub struct TensorFile<'a> {
    what: String,
    bytes: Bytes<'a>,
    format: Format,
    contents: Contents,
}

impl std::fmt::Debug for TensorFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, {} tensors", self.format, self.what, self.contents.tensors.len())
    }
}

impl TensorFile<'static> {
    /// Opens a file; its content says of which format it is.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Io`] when it cannot be read; as [`TensorFile::read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e| thrumask_core::Error::io("reading", path, e);
        Self::of(&path.display().to_string(), Bytes::open(path).map_err(failed)?)
    }

    /// As [`TensorFile::open`], but the file becomes a part of the process's memory, which the system fills
    /// when it is read and takes back when it needs the space: [`TensorSource::mapped`] gives tensors where
    /// they lie. It must not be changed or cut while they are in use.
    ///
    /// # Errors
    /// As [`TensorFile::open`].
    pub fn open_mapped(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |e| thrumask_core::Error::io("mapping", path, e);
        Self::of(&path.display().to_string(), Bytes::map(path).map_err(failed)?)
    }
}

impl<'a> TensorFile<'a> {
    /// The same in memory; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Weights`] when the bytes are of no known format, broken, or hold what is not read here.
    pub fn read(what: &str, bytes: &'a [u8]) -> Result<Self> {
        Self::of(what, Bytes::Memory(bytes))
    }

    fn of(what: &str, bytes: Bytes<'a>) -> Result<Self> {
        let format = format_of(&bytes).map_err(|reason| Error::weights(what, reason))?;
        Self::parsed(what, bytes, format)
    }

    /// As [`TensorFile::read`], of one format.
    pub(super) fn parsed(what: &str, bytes: Bytes<'a>, format: Format) -> Result<Self> {
        let contents = match format {
            Format::Safetensors => safetensors::read(&bytes),
            Format::TorchArchive => torch::read_archive(&bytes),
            Format::TorchStream => torch::read_stream(&bytes),
            Format::Gguf => gguf::read(&bytes),
        };
        let contents = contents.map_err(|reason| Error::weights(what, reason))?;
        Ok(Self { what: what.to_owned(), bytes, format, contents })
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What is written beside the tensors; lists are told by their length.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.contents.metadata
    }

    /// All tensors by name, without their values.
    pub fn infos(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.contents.tensors.iter().map(|(name, (info, _))| (name.as_str(), info))
    }

    /// The bytes of a tensor as its kind tells, row-major.
    ///
    /// # Errors
    /// [`Error::Weights`] when there is no such tensor, or the file is broken there.
    pub fn raw(&self, name: &str) -> Result<Cow<'_, [u8]>> {
        let found = self.contents.tensors.get(name);
        let (info, place) = found.ok_or_else(|| self.refuse(name, "no tensor of this name"))?;
        let read = match place {
            Place::At(at) => self.bytes.read(*at, info.bytes),
            Place::View { storage, offset, strides } => {
                self.view(info, &self.contents.storages[*storage], *offset, strides)
            }
        };
        read.map_err(|reason| self.refuse(name, &reason))
    }

    fn refuse(&self, tensor: &str, reason: &str) -> Error {
        Error::weights(&self.what, format!("{tensor}: {reason}"))
    }

    /// The numbers of a view. That it lies within its storage was found when the file was opened.
    fn view(
        &self,
        info: &TensorInfo,
        storage: &Storage,
        offset: usize,
        strides: &[usize],
    ) -> Reason<Cow<'_, [u8]>> {
        self.check(storage)?;
        let Kind::Numbers(number) = info.kind else { return Err("views are of numbers".into()) };
        let (width, count) = (number.width(), info.values());
        if count == 0 {
            return Ok(Cow::Borrowed(&[]));
        }
        let (mut dense, mut step) = (true, 1);
        for (&size, &stride) in info.shape.iter().zip(strides).rev() {
            dense &= size == 1 || stride == step;
            step *= size;
        }
        let extent: usize = info.shape.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum();
        let at = storage.at + (offset * width) as u64;
        let data = self.bytes.read(at, ((extent + 1) * width) as u64)?;
        if dense {
            return Ok(data);
        }
        let mut bytes = Vec::with_capacity(count * width);
        let mut place = vec![0; info.shape.len()];
        for _ in 0..count {
            let at: usize = place.iter().zip(strides).map(|(&i, &s)| i * s).sum();
            bytes.extend_from_slice(&data[at * width..][..width]);
            for (i, &size) in place.iter_mut().zip(&info.shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
        }
        Ok(Cow::Owned(bytes))
    }

    /// Compares a storage with its check sum, the first time it is looked at.
    fn check(&self, storage: &Storage) -> Reason<()> {
        const PIECE: u64 = 1 << 20;
        let Some(expected) = storage.check else { return Ok(()) };
        if storage.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (mut sum, mut done) = (torch::Crc32::default(), 0);
        while done < storage.bytes {
            let piece = PIECE.min(storage.bytes - done);
            sum.add(&self.bytes.read(storage.at + done, piece)?);
            done += piece;
        }
        if sum.finish() != expected {
            return Err("its storage is broken: the check sum is another".into());
        }
        storage.checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl TensorSource for TensorFile<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.infos().map(|(name, info)| (name, info.shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let data = self.raw(name)?;
        let kind = self.contents.tensors.get(name).map(|(info, _)| &info.kind);
        match kind {
            Some(Kind::Numbers(number)) => Ok(number.to_f32(&data)),
            Some(Kind::Blocks(blocks)) => Ok(blocks.to_f32(&data)),
            Some(Kind::Other(other)) => {
                Err(self.refuse(name, &format!("values of type {other} are not supported")))
            }
            None => Err(self.refuse(name, "no tensor of this name")),
        }
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        // Storages have check sums, which reading them as values compares.
        match self.contents.tensors.get(name)? {
            (TensorInfo { kind: Kind::Numbers(number), bytes, .. }, Place::At(at)) => {
                Mapped::new(self.bytes.mapped(*at, *bytes)?, *number)
            }
            _ => None,
        }
    }
}

/// The format, by the first bytes.
fn format_of(bytes: &Bytes<'_>) -> Reason<Format> {
    let first = bytes.read_up_to(0, 16)?;
    let is_json = first.get(8..).is_some_and(|rest| rest.first() == Some(&b'{'));
    Ok(match &first[..] {
        [] => return Err("the file is empty".into()),
        [b'P', b'K', ..] => Format::TorchArchive,
        [b'G', b'G', b'U', b'F', ..] => Format::Gguf,
        start if torch::is_stream(start) => Format::TorchStream,
        _ if is_json => Format::Safetensors,
        // A pointer to a file, as repositories without their large files have it.
        start if start.starts_with(b"version https:") => {
            return Err(
                "expected tensors, got a pointer of Git LFS: the file itself is missing".into()
            );
        }
        _ => return Err("expected safetensors, GGUF or a PyTorch checkpoint".into()),
    })
}
