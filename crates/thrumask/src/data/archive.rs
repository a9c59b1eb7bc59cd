//! Tars: where their members lie, and new ones whose bytes depend on nothing but the contents.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use thrumask_core::{Error, Result};

/// The longest member that is read, in bytes.
pub const MAX_MEMBER_BYTES: u64 = 4 << 30;

/// The two empty blocks at the end of a tar.
pub const END: [u8; 1024] = [0; 1024];

/// A file in a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path in the tar.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub length: u64,
}

/// The files of a tar, in its order.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is no tar or is cut off.
pub fn members(path: &Path) -> Result<Vec<Member>> {
    let bad = |e: std::io::Error| {
        Error::format(path.display().to_string(), format!("expected a tar: {e}"))
    };
    let file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
    let total = file.metadata().map_err(|e| Error::io("reading", path, e))?.len();
    let mut archive = tar::Archive::new(file);
    let mut found = Vec::new();
    for entry in archive.entries_with_seek().map_err(bad)? {
        let entry = entry.map_err(bad)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (offset, length) = (entry.raw_file_position(), entry.size());
        if offset.saturating_add(length) > total {
            let what = format!("{}: {name}", path.display());
            return Err(Error::format(what, "is cut off: the tar is too short"));
        }
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        found.push(Member { name, offset, length });
    }
    Ok(found)
}

/// The bytes of a file from `offset` on.
///
/// # Errors
/// [`Error::Io`] when it cannot be read or is shorter; [`Error::Invalid`] when it is more than
/// [`MAX_MEMBER_BYTES`].
pub fn read_at(path: &Path, offset: u64, length: u64) -> Result<Vec<u8>> {
    if length > MAX_MEMBER_BYTES {
        let reason = format!("expected members of at most {MAX_MEMBER_BYTES} bytes, got {length}");
        return Err(Error::invalid(path.display().to_string(), reason));
    }
    let failed = |e| Error::io("reading", path, e);
    let mut file = File::open(path).map_err(failed)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 != length {
        return Err(failed(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(bytes)
}

/// Files as they stand in a tar, without the end: such pieces can be put one after another. No owner,
/// no date.
///
/// # Errors
/// [`Error::Format`] for a name that a tar cannot hold.
pub fn written(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let bad = |e: std::io::Error| Error::format("writing tar", e.to_string());
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes.as_slice()).map_err(bad)?;
    }
    let mut all = builder.into_inner().map_err(bad)?;
    all.truncate(all.len().saturating_sub(END.len()));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_the_end_are_a_tar() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let long = "x".repeat(150);
        let first = written(&[("a.txt".into(), b"one".to_vec()), (long.clone(), vec![7; 513])]);
        let second = written(&[("b.txt".into(), Vec::new())]).unwrap();
        let first = first.unwrap();
        assert_eq!(first.len() % 512, 0);
        std::fs::write(&path, [&first[..], &second, &END].concat()).unwrap();
        let found = members(&path).unwrap();
        let names: Vec<_> = found.iter().map(|m| (m.name.as_str(), m.length)).collect();
        assert_eq!(names, [("a.txt", 3), (long.as_str(), 513), ("b.txt", 0)]);
        assert_eq!(read_at(&path, found[0].offset, 3).unwrap(), b"one");
        assert_eq!(read_at(&path, found[1].offset, 513).unwrap(), [7; 513]);
    }

    #[test]
    fn what_is_cut_off_or_no_tar_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let whole = written(&[("a.txt".into(), vec![7; 2000])]).unwrap();
        std::fs::write(&path, &whole[..1024]).unwrap();
        let e = members(&path).unwrap_err().to_string();
        assert!(e.contains("a.tar") && e.contains("cut off"), "{e}");
        std::fs::write(&path, [b'x'; 2048]).unwrap();
        assert!(members(&path).unwrap_err().to_string().contains("expected a tar"));
        assert!(read_at(&path, 2000, 100).is_err());
    }
}
