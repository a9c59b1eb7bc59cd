//! Files that are either whole or not there: everything is written under a temporary name in the
//! same folder, synced, and renamed, so that neither a crash nor a full disk leaves half a file
//! under a final name.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Every temporary file and folder of ours begins so and ends in [`TEMP_SUFFIX`].
const TEMP_PREFIX: &str = ".thrumask-";
/// See [`TEMP_PREFIX`].
const TEMP_SUFFIX: &str = ".tmp";

/// Writes `bytes` to `path` in one step: a reader sees the old file or the new one, never a part.
/// A symbolic link is followed, so the file it points to is replaced.
///
/// # Errors
/// [`Error::Io`] when the folder is missing, not writable or full; [`Error::Invalid`] when `path`
/// is a folder, a device or has no file name. The old file, if any, is then still whole.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = PendingFile::begin(path)?;
    file.write_all(bytes).map_err(|e| Error::io("writing", &file.path, e))?;
    file.commit()
}

/// A file that is written piece by piece and gets its name when all of it is there; dropped before
/// that, it leaves nothing.
pub struct PendingFile {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl PendingFile {
    /// Begins a file that will be `path`.
    ///
    /// # Errors
    /// As [`write_atomic`].
    pub fn begin(path: impl AsRef<Path>) -> Result<Self> {
        let path = target_of(path.as_ref())?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX).suffix(TEMP_SUFFIX);
        // Temporary files are private by default; results get the permissions of any new file.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder_of(&path));
        let file = file.map_err(|e| Error::io("writing", &path, e))?;
        Ok(Self { file, path })
    }

    /// Gives it its name. A reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// As [`write_atomic`]; the old file, if any, is then still whole.
    pub fn commit(self) -> Result<()> {
        let Self { file, path } = self;
        let failed = |e| Error::io("writing", &path, e);
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|e| failed(e.error))?;
        sync_folder(folder_of(&path));
        Ok(())
    }
}

impl Write for PendingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Fills a new folder by `fill` and gives it the name `path` when all of it is written. A folder
/// that is already there is replaced only when it is empty or `ours` accepts each name in it.
///
/// # Errors
/// [`Error::Invalid`] when the folder holds something else; whatever `fill` returns;
/// [`Error::Io`] when the parent is missing, not writable or full.
pub fn write_folder_atomic(
    path: impl AsRef<Path>,
    ours: impl Fn(&str) -> bool,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    // A trailing slash is not part of the name.
    let path: PathBuf = path.as_ref().components().collect();
    let failed = |e| Error::io("writing folder", &path, e);
    let replaces = fs::symlink_metadata(&path).is_ok();
    if replaces {
        for name in list_names(&path)? {
            if !ours(&name) {
                return Err(Error::invalid(
                    format!("folder {}", path.display()),
                    format!(
                        "expected it to be new, empty or written by thrumask, got {name:?} in it"
                    ),
                ));
            }
        }
    }
    let parent = folder_of(&path);
    let temporary = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(TEMP_PREFIX).suffix(TEMP_SUFFIX);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        builder.tempdir_in(parent).map_err(failed)
    };
    let new = temporary()?;
    fill(new.path())?;
    if replaces {
        let old = temporary()?;
        fs::rename(&path, old.path()).map_err(failed)?;
        if let Err(e) = fs::rename(new.path(), &path) {
            // Put back what was there: nothing is lost.
            let _ = fs::rename(old.path(), &path);
            return Err(failed(e));
        }
    } else {
        fs::rename(new.path(), &path).map_err(failed)?;
    }
    sync_folder(parent);
    Ok(())
}

/// All bytes of the file at `path`, of at most `max_bytes`.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Invalid`] when it is a folder or longer.
pub fn read_limited(path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>> {
    let path = path.as_ref();
    let failed = |e| Error::io("reading", path, e);
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(Error::invalid(path.display().to_string(), "expected a file, got a folder"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        return Err(Error::invalid(
            path.display().to_string(),
            format!("expected at most {max_bytes} bytes, got {}", meta.len().max(max_bytes + 1)),
        ));
    }
    Ok(bytes)
}

/// As [`read_limited`], for text in UTF-8.
///
/// # Errors
/// As [`read_limited`], and [`Error::Format`] when the bytes are not UTF-8.
pub fn read_text_limited(path: impl AsRef<Path>, max_bytes: u64) -> Result<String> {
    let path = path.as_ref();
    String::from_utf8(read_limited(path, max_bytes)?).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::format(path.display().to_string(), format!("expected UTF-8, got a bad byte at {at}"))
    })
}

/// Writes a value as indented JSON, as [`write_atomic`] does.
///
/// # Errors
/// As [`write_atomic`], and [`Error::Format`] for a value that JSON cannot hold.
pub fn write_json(path: impl AsRef<Path>, value: &impl serde::Serialize) -> Result<()> {
    let what = || path.as_ref().display().to_string();
    let mut text =
        serde_json::to_string_pretty(value).map_err(|e| Error::format(what(), e.to_string()))?;
    text.push('\n');
    write_atomic(path, text.as_bytes())
}

/// Names of everything in a folder, sorted so that numbers count as numbers
/// (`frame-2` before `frame-10`).
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read; [`Error::Invalid`] when it is no folder.
pub fn list_names(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let path = path.as_ref();
    let failed = |e| Error::io("reading folder", path, e);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(Error::invalid(path.display().to_string(), "expected a folder, got a file"));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by_cached_key(|n| (natural_key(n), n.clone()));
    Ok(names)
}

/// Removes what a killed process left half-written in `folder`. Only one process may be writing
/// there.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read or a leftover cannot be removed.
pub fn remove_leftovers(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    for name in list_names(folder)? {
        if name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX) {
            let path = folder.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|e| Error::io("removing", path, e))?;
        }
    }
    Ok(())
}

/// The name with each run of digits as a number of 20 digits, for sorting.
fn natural_key(name: &str) -> String {
    let mut key = String::new();
    let mut digits = String::new();
    for c in name.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            key.push_str(&format!("{:0>20}", digits.trim_start_matches('0')));
            digits.clear();
        }
        key.push(c);
    }
    key
}

/// The file that a write to `path` replaces: links followed, and nothing but a file accepted.
fn target_of(path: &Path) -> Result<PathBuf> {
    let what = || path.display().to_string();
    if path.file_name().is_none() {
        return Err(Error::invalid(what(), "expected a file name, got none"));
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    let target = if is_link {
        fs::canonicalize(path).map_err(|e| Error::io("writing", path, e))?
    } else {
        path.to_path_buf()
    };
    match fs::metadata(&target) {
        Ok(m) if m.is_dir() => Err(Error::invalid(what(), "expected a file, got a folder")),
        Ok(m) if !m.is_file() => {
            Err(Error::invalid(what(), "expected an ordinary file, got a device or pipe"))
        }
        Ok(m) if m.permissions().readonly() => {
            let denied = io::Error::from(io::ErrorKind::PermissionDenied);
            Err(Error::io("writing", target, denied))
        }
        _ => Ok(target),
    }
}

/// The folder in which `path` lies.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// Makes a rename survive a power cut where the system can; the file itself is already safe, so a
/// system that cannot sync folders is no error.
fn sync_folder(folder: &Path) {
    if let Ok(f) = File::open(folder) {
        let _ = f.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        list_names(dir).unwrap()
    }

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(dir.path()), ["a.txt"]);
    }

    #[test]
    fn a_failed_write_names_the_path_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("no/such/a.txt");
        let e = write_atomic(&missing, b"x").unwrap_err();
        assert!(matches!(e, Error::Io { .. }), "{e}");
        assert!(e.to_string().contains("a.txt"), "{e}");
        fs::create_dir(dir.path().join("folder")).unwrap();
        let e = write_atomic(dir.path().join("folder"), b"x").unwrap_err();
        assert!(e.to_string().contains("got a folder"), "{e}");
        assert_eq!(names(dir.path()), ["folder"]);
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_and_devices_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(write_atomic("/dev/null", b"x").unwrap_err().to_string().contains("device"));
    }

    #[test]
    fn a_folder_is_replaced_only_when_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let ours = |n: &str| n.ends_with(".png");
        let fill = |name: &'static str| {
            move |d: &Path| fs::write(d.join(name), b"x").map_err(|e| Error::io("writing", d, e))
        };
        write_folder_atomic(&out, ours, fill("1.png")).unwrap();
        write_folder_atomic(&out, ours, fill("2.png")).unwrap();
        assert_eq!(names(&out), ["2.png"]);
        let e = write_folder_atomic(&out, ours, |_| Err(Error::Interrupted)).unwrap_err();
        assert!(matches!(e, Error::Interrupted));
        assert_eq!(names(&out), ["2.png"]);
        fs::write(out.join("thesis.doc"), b"x").unwrap();
        let e = write_folder_atomic(&out, ours, fill("3.png")).unwrap_err();
        assert!(e.to_string().contains("thesis.doc"), "{e}");
        assert_eq!(names(&out), ["2.png", "thesis.doc"]);
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn reading_is_limited_and_names_sort_by_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f-10");
        write_atomic(&path, &[7; 100]).unwrap();
        assert_eq!(read_limited(&path, 100).unwrap().len(), 100);
        let e = read_limited(&path, 99).unwrap_err().to_string();
        assert!(e.contains("at most 99 bytes, got 100"), "{e}");
        write_atomic(dir.path().join("f-9"), b"").unwrap();
        assert_eq!(names(dir.path()), ["f-9", "f-10"]);
        fs::write(dir.path().join(".thrumask-x.tmp"), b"").unwrap();
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(names(dir.path()), ["f-9", "f-10"]);
    }
}
