//! Zip archives of uncompressed entries, as PyTorch writes them (PKWARE's APPNOTE, with the 64-bit
//! sizes of its section 4.5.3).

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use crate::weights::bytes::{Bytes, Reason};

/// What the end of the directory looks like, and its length without a comment.
const END: (&[u8], usize) = (b"PK\x05\x06", 22);
/// What stands before it in an archive with 64-bit sizes.
const LOCATOR: (&[u8], usize) = (b"PK\x06\x07", 20);
const END_64: (&[u8], usize) = (b"PK\x06\x06", 56);
/// The longest comment.
const MAX_COMMENT: usize = 0xffff;
/// The longest directory that is read.
const MAX_DIRECTORY: u64 = 64 << 20;

/// The entries of an archive.
pub(super) struct Archive<'a> {
    bytes: &'a Bytes<'a>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    method: u64,
    check: u64,
    packed: u64,
    size: u64,
    header: u64,
}

/// Where the bytes of an entry lie, and their check sum.
pub(super) struct Extent {
    pub at: u64,
    pub bytes: u64,
    pub check: u32,
}

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// A sentence on what is broken.
    pub(super) fn read(bytes: &'a Bytes<'a>) -> Reason<Self> {
        let (start, end, entries) = directory(bytes)?;
        if end - start > MAX_DIRECTORY {
            return Err(format!("zip archive: a directory of more than {MAX_DIRECTORY} bytes"));
        }
        let directory = bytes.read(start, end - start)?;
        let (mut at, mut archive) = (0, Self { bytes, entries: BTreeMap::new() });
        for _ in 0..entries {
            if text(&directory, at..at + 4) != Some(b"PK\x01\x02") {
                return Err("zip archive: the directory is broken".into());
            }
            let [name, extra, comment] =
                [28, 30, 32].map(|offset| number(&directory, at + offset, 2).unwrap_or(0) as usize);
            let field = |offset, width| number(&directory, at + offset, width);
            let broken = || "zip archive: the directory ends too early".to_owned();
            let mut entry = Entry {
                method: field(10, 2).ok_or_else(broken)?,
                check: field(16, 4).ok_or_else(broken)?,
                packed: field(20, 4).ok_or_else(broken)?,
                size: field(24, 4).ok_or_else(broken)?,
                header: field(42, 4).ok_or_else(broken)?,
            };
            let start = at + 46;
            let title = text(&directory, start..start + name).ok_or_else(broken)?;
            let title = String::from_utf8(title.to_vec());
            let title = title.map_err(|_| "zip archive: a name is not UTF-8".to_owned())?;
            let extras = text(&directory, start + name..start + name + extra).ok_or_else(broken)?;
            entry.widen(extras);
            archive.entries.insert(title, entry);
            at = start + name + extra + comment;
        }
        Ok(archive)
    }

    /// The names of all entries, in alphabetical order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Where an entry lies.
    ///
    /// # Errors
    /// A sentence with its name when it is not there, compressed, or outside the file.
    pub(super) fn extent(&self, name: &str) -> Reason<Extent> {
        let entry =
            self.entries.get(name).ok_or_else(|| format!("{name} is not in the archive"))?;
        if entry.method != 0 || entry.packed != entry.size {
            return Err(format!("{name} is compressed, which is not supported"));
        }
        let broken = || format!("{name} does not lie within the file");
        let head = self.bytes.read(entry.header, 30).map_err(|_| broken())?;
        if !head.starts_with(b"PK\x03\x04") {
            return Err(broken());
        }
        let skipped: u64 = [26, 28].iter().filter_map(|&offset| number(&head, offset, 2)).sum();
        let at = entry.header + 30 + skipped;
        let end = at.checked_add(entry.size).filter(|&end| end <= self.bytes.len());
        end.ok_or_else(broken)?;
        Ok(Extent { at, bytes: entry.size, check: entry.check as u32 })
    }

    /// The bytes of an entry.
    ///
    /// # Errors
    /// As [`Archive::extent`], and when its check sum is another.
    pub(super) fn entry(&self, name: &str) -> Reason<Cow<'a, [u8]>> {
        let extent = self.extent(name)?;
        let data = self.bytes.read(extent.at, extent.bytes)?;
        let mut sum = Crc32::default();
        sum.add(&data);
        if sum.finish() != extent.check {
            return Err(format!("{name} is broken: its check sum is another"));
        }
        Ok(data)
    }
}

impl Entry {
    /// Takes the 64-bit values of those that do not fit into 32 bits.
    fn widen(&mut self, mut extras: &[u8]) {
        while let (Some(id), Some(length)) = (number(extras, 0, 2), number(extras, 2, 2)) {
            let end = 4 + length as usize;
            let Some(field) = text(extras, 4..end) else { return };
            if id == 1 {
                let mut values = field.as_chunks::<8>().0.iter().map(|&b| u64::from_le_bytes(b));
                for value in [&mut self.size, &mut self.packed, &mut self.header] {
                    if *value == u64::from(u32::MAX) {
                        *value = values.next().unwrap_or(*value);
                    }
                }
            }
            extras = &extras[end..];
        }
    }
}

/// Where the directory begins and ends, and how many entries it has.
fn directory(bytes: &Bytes<'_>) -> Reason<(u64, u64, u64)> {
    let missing = || "zip archive: its end is missing".to_owned();
    let most = (MAX_COMMENT + END.1 + LOCATOR.1) as u64;
    let base = bytes.len().saturating_sub(most);
    let tail = bytes.read(base, bytes.len() - base)?;
    let last = tail.len().checked_sub(END.1).ok_or_else(missing)?;
    let mut places = (last.saturating_sub(MAX_COMMENT)..=last).rev();
    let end = places.find(|&at| tail[at..].starts_with(END.0)).ok_or_else(missing)?;
    let here = |offset, width| number(&tail, end + offset, width).unwrap_or(0);
    let mut found = (here(16, 4), here(10, 2));
    if let Some(locator) = end.checked_sub(LOCATOR.1)
        && tail[locator..].starts_with(LOCATOR.0)
    {
        let at = number(&tail, locator + 8, 8).ok_or_else(missing)?;
        let wide = bytes.read(at, END_64.1 as u64).map_err(|_| missing())?;
        if !wide.starts_with(END_64.0) {
            return Err(missing());
        }
        found = (number(&wide, 48, 8).unwrap_or(0), number(&wide, 32, 8).unwrap_or(0));
    }
    let end = base + end as u64;
    let start = Some(found.0).filter(|&start| start <= end);
    Ok((start.ok_or_else(missing)?, end, found.1))
}

fn text(bytes: &[u8], range: Range<usize>) -> Option<&[u8]> {
    bytes.get(range)
}

/// A number of `width` bytes, the least significant first.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// The check sum of zip archives (ISO 3309), fed piece by piece.
pub(in crate::weights) struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(!0)
    }
}

impl Crc32 {
    pub(in crate::weights) fn add(&mut self, data: &[u8]) {
        const TABLE: [u32; 256] = {
            let mut table = [0; 256];
            let mut i = 0;
            while i < 256 {
                let (mut value, mut bit) = (i as u32, 0);
                while bit < 8 {
                    value = (value >> 1) ^ (0xedb8_8320 & (value & 1).wrapping_neg());
                    bit += 1;
                }
                table[i] = value;
                i += 1;
            }
            table
        };
        let step = |sum: u32, &byte: &u8| sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)];
        self.0 = data.iter().fold(self.0, step);
    }

    pub(in crate::weights) fn finish(self) -> u32 {
        !self.0
    }
}
