//! Zip archives of uncompressed entries, as PyTorch writes them (PKWARE's APPNOTE, with the 64-bit
//! sizes of its section 4.5.3).

use std::{collections::BTreeMap, ops::Range};

type Reason<T> = std::result::Result<T, String>;

/// What the end of the directory looks like, and its length without a comment.
const END: (&[u8], usize) = (b"PK\x05\x06", 22);
/// What stands before it in an archive with 64-bit sizes.
const LOCATOR: (&[u8], usize) = (b"PK\x06\x07", 20);
const END_64: (&[u8], usize) = (b"PK\x06\x06", 56);
/// The longest comment.
const MAX_COMMENT: usize = 0xffff;

/// The entries of an archive.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
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

impl<'a> Archive<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// A sentence on what is broken.
    pub(super) fn read(bytes: &'a [u8]) -> Reason<Self> {
        let (mut at, entries) = directory(bytes)?;
        let mut archive = Self { bytes, entries: BTreeMap::new() };
        for _ in 0..entries {
            if text(bytes, at..at + 4) != Some(b"PK\x01\x02") {
                return Err("zip archive: the directory is broken".into());
            }
            let [name, extra, comment] =
                [28, 30, 32].map(|offset| number(bytes, at + offset, 2).unwrap_or(0) as usize);
            let field = |offset, width| number(bytes, at + offset, width);
            let broken = || "zip archive: the directory ends too early".to_owned();
            let mut entry = Entry {
                method: field(10, 2).ok_or_else(broken)?,
                check: field(16, 4).ok_or_else(broken)?,
                packed: field(20, 4).ok_or_else(broken)?,
                size: field(24, 4).ok_or_else(broken)?,
                header: field(42, 4).ok_or_else(broken)?,
            };
            let start = at + 46;
            let title = text(bytes, start..start + name).ok_or_else(broken)?;
            let title = String::from_utf8(title.to_vec());
            let title = title.map_err(|_| "zip archive: a name is not UTF-8".to_owned())?;
            let extras = text(bytes, start + name..start + name + extra).ok_or_else(broken)?;
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

    /// The bytes of an entry.
    ///
    /// # Errors
    /// A sentence with its name when it is not there, compressed, or broken.
    pub(super) fn entry(&self, name: &str) -> Reason<&'a [u8]> {
        let entry =
            self.entries.get(name).ok_or_else(|| format!("{name} is not in the archive"))?;
        if entry.method != 0 || entry.packed != entry.size {
            return Err(format!("{name} is compressed, which is not supported"));
        }
        let broken = || format!("{name} does not lie within the file");
        let at = usize::try_from(entry.header).map_err(|_| broken())?;
        let head = at.checked_add(30).map(|end| at..end).and_then(|r| text(self.bytes, r));
        if head.is_none_or(|head| !head.starts_with(b"PK\x03\x04")) {
            return Err(broken());
        }
        let skipped: u64 =
            [26, 28].iter().filter_map(|offset| number(self.bytes, at + offset, 2)).sum();
        let start = at + 30 + skipped as usize;
        let end = usize::try_from(entry.size).ok().and_then(|size| start.checked_add(size));
        let data = end.and_then(|end| text(self.bytes, start..end)).ok_or_else(broken)?;
        if u64::from(crc32(data)) != entry.check {
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

/// Where the directory begins, and how many entries it has.
fn directory(bytes: &[u8]) -> Reason<(usize, u64)> {
    let missing = || "zip archive: its end is missing".to_owned();
    let last = bytes.len().checked_sub(END.1).ok_or_else(missing)?;
    let mut places = (last.saturating_sub(MAX_COMMENT)..=last).rev();
    let end = places.find(|&at| bytes[at..].starts_with(END.0)).ok_or_else(missing)?;
    let here = |offset, width| number(bytes, end + offset, width).unwrap_or(0);
    let mut found = (here(16, 4), here(10, 2));
    if let Some(locator) = end.checked_sub(LOCATOR.1)
        && bytes[locator..].starts_with(LOCATOR.0)
    {
        let at = number(bytes, locator + 8, 8).and_then(|at| usize::try_from(at).ok());
        let wide = at.and_then(|at| text(bytes, at..at.checked_add(END_64.1)?));
        let wide = wide.filter(|wide| wide.starts_with(END_64.0)).ok_or_else(missing)?;
        found = (number(wide, 48, 8).unwrap_or(0), number(wide, 32, 8).unwrap_or(0));
    }
    let start = usize::try_from(found.0).ok().filter(|&start| start <= end);
    Ok((start.ok_or_else(missing)?, found.1))
}

fn text(bytes: &[u8], range: Range<usize>) -> Option<&[u8]> {
    bytes.get(range)
}

/// A number of `width` bytes, the least significant first.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
}

/// The check sum of zip archives (ISO 3309).
fn crc32(data: &[u8]) -> u32 {
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
    !data.iter().fold(!0, step)
}
