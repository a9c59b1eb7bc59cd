//! Bytes that are read where they are needed: a slice of memory, or a file of any length.

use std::{
    borrow::Cow,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::Mutex,
};

/// `Result` with a sentence on what is wrong; who calls adds the file's name.
pub(super) type Reason<T> = std::result::Result<T, String>;

/// A slice, or an open file and its length.
pub(super) enum Bytes<'a> {
    Memory(&'a [u8]),
    // Read by position under a lock: a mapping dies of a file that is cut meanwhile, and what is converted
    // while it is read gains nothing from one.
    File(Mutex<File>, u64),
    /// A mapped file, whose tensors can stay where they are.
    Mapped(::bytes::Bytes),
}

impl<'a> Bytes<'a> {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if meta.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        Ok(Self::File(Mutex::new(file), meta.len()))
    }

    /// Maps a file.
    pub(super) fn map(path: &Path) -> std::io::Result<Self> {
        super::mapped::map(path).map(Self::Mapped)
    }

    /// `count` bytes of a mapped file from `at` on; `None` where nothing is mapped, or not so many.
    pub(super) fn mapped(&self, at: u64, count: u64) -> Option<::bytes::Bytes> {
        let end = at.checked_add(count).filter(|&end| end <= self.len())?;
        match self {
            Self::Mapped(bytes) => Some(bytes.slice(at as usize..end as usize)),
            Self::Memory(_) | Self::File(..) => None,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
            Self::Mapped(bytes) => bytes.len() as u64,
        }
    }

    /// `count` bytes from `at` on. Nothing is allocated for what the file does not have.
    pub(super) fn read(&self, at: u64, count: u64) -> Reason<Cow<'_, [u8]>> {
        let end = at.checked_add(count).filter(|&end| end <= self.len());
        let end = end.ok_or_else(|| {
            format!("expected {count} bytes from {at} on, the file has {}", self.len())
        })?;
        match self {
            Self::Memory(bytes) => Ok(Cow::Borrowed(&bytes[at as usize..end as usize])),
            Self::Mapped(bytes) => Ok(Cow::Borrowed(&bytes[at as usize..end as usize])),
            Self::File(file, _) => {
                let mut file = file.lock().map_err(|_| "the file is locked for good".to_owned())?;
                let mut bytes = vec![0; count as usize];
                let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
                read.map_err(|e| format!("reading {count} bytes from {at} on: {e}"))?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// At most `count` bytes from `at` on, fewer at the end.
    pub(super) fn read_up_to(&self, at: u64, count: u64) -> Reason<Cow<'_, [u8]>> {
        self.read(at, count.min(self.len().saturating_sub(at)))
    }
}

/// Walks through bytes in order, a window at a time.
pub(super) struct Cursor<'a> {
    bytes: &'a Bytes<'a>,
    window: Cow<'a, [u8]>,
    /// Where the window begins.
    start: u64,
    at: u64,
}

impl<'a> Cursor<'a> {
    /// From the start on.
    pub(super) fn new(bytes: &'a Bytes<'a>) -> Self {
        Self { bytes, window: Cow::Borrowed(&[]), start: 0, at: 0 }
    }

    /// The next position.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: u64) -> Reason<&[u8]> {
        const WINDOW: u64 = 1 << 18;
        let held =
            self.at.checked_add(count).map(|end| end <= self.start + self.window.len() as u64);
        if held != Some(true) {
            // What is not there is an error here, before anything is allocated.
            self.window = match count <= WINDOW {
                true => self.bytes.read_up_to(self.at, WINDOW)?,
                false => self.bytes.read(self.at, count)?,
            };
            self.start = self.at;
        }
        let from = (self.at - self.start) as usize;
        self.at += count;
        let found = self.window.get(from..from + count as usize);
        found.ok_or_else(|| format!("the file ends too early, at {}", self.bytes.len()))
    }

    /// Passes over `count` bytes.
    pub(super) fn skip(&mut self, count: u64) -> Reason<()> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        self.at = end.ok_or_else(|| format!("the file ends too early, at {}", self.bytes.len()))?;
        Ok(())
    }
}
