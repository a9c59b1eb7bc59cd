//! The masks of the first frame as files: `masks.png`, or a folder with one picture per object.

use std::path::Path;

use crate::{Error, LabelMap, MaskSet, Result, fsio, labels::png as label_png};

impl MaskSet {
    /// Reads the masks of `objects` objects: from a PNG as [`LabelMap::from_png`] reads it (palette
    /// indices or values are ids, colours must be exactly those of the palette), or from a folder
    /// as [`MaskSet::read_folder`] does.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is no PNG;
    /// [`Error::Invalid`] for a colour outside the palette or an id above `objects`.
    pub fn read(path: impl AsRef<Path>, objects: usize) -> Result<Self> {
        if path.as_ref().is_dir() {
            return Self::read_folder(path, objects);
        }
        Self::read_png(path, objects)
    }

    /// Reads a mask PNG of `objects` objects.
    ///
    /// # Errors
    /// As [`MaskSet::read`].
    pub fn read_png(path: impl AsRef<Path>, objects: usize) -> Result<Self> {
        let labels = LabelMap::read_png(&path)?;
        super::check_ids(&path.as_ref().display().to_string(), &labels, objects)?;
        Self::new(labels, objects)
    }

    /// Writes a palette PNG: index = object id.
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        self.labels.write_png(path)
    }

    /// Reads a folder of PNGs, one per object. The first number in a file's name is the object's
    /// id (`1.png`, `object-02.png`); every pixel that is not black, or not transparent, is the
    /// object's.
    ///
    /// # Errors
    /// As [`MaskSet::read`], and [`Error::Invalid`] for a name without a number, two files of one
    /// object, or objects that overlap; [`Error::Mismatch`] when pictures differ in size.
    pub fn read_folder(path: impl AsRef<Path>, objects: usize) -> Result<Self> {
        let path = path.as_ref();
        let mut labels: Option<LabelMap> = None;
        let mut seen = [false; 256];
        for name in fsio::list_names(path)? {
            if !name.to_ascii_lowercase().ends_with(".png") {
                continue;
            }
            let file = path.join(&name);
            let what = file.display().to_string();
            let id = first_number(&name)
                .filter(|&id| id > 0 && usize::from(id) <= objects)
                .ok_or_else(|| {
                    let reason = format!("expected an object id of 1 to {objects} in its name");
                    Error::invalid(what.as_str(), reason)
                })?;
            if std::mem::replace(&mut seen[usize::from(id)], true) {
                return Err(Error::invalid(what, format!("object {id} has a second picture")));
            }
            let mask = label_png::read_any_color(&file)?;
            let labels = labels.get_or_insert_with(|| LabelMap::empty(mask.size()));
            if mask.size() != labels.size() {
                return Err(Error::mismatch(what, labels.size(), mask.size()));
            }
            let width = labels.size().width;
            for (i, (slot, _)) in labels
                .ids_mut()
                .iter_mut()
                .zip(mask.ids())
                .enumerate()
                .filter(|(_, (_, m))| **m != 0)
            {
                if *slot != 0 {
                    let (x, y) = (i % width, i / width);
                    let reason = format!("overlaps object {slot} at column {x}, row {y}");
                    return Err(Error::invalid(what, reason));
                }
                *slot = id;
            }
        }
        let labels = labels.ok_or_else(|| {
            Error::invalid(path.display().to_string(), "expected PNG masks, got none")
        })?;
        Self::new(labels, objects)
    }

    /// Writes a folder with a black-and-white PNG for each object, `object-001.png` and so on.
    ///
    /// # Errors
    /// As [`fsio::write_folder_atomic`].
    pub fn write_folder(&self, path: impl AsRef<Path>) -> Result<()> {
        let ours = |name: &str| name.starts_with("object-") && name.ends_with(".png");
        fsio::write_folder_atomic(path, ours, |folder| {
            for id in (1..=u8::MAX).take(self.objects) {
                let gray: Vec<u8> =
                    self.labels.ids().iter().map(|&v| if v == id { 255 } else { 0 }).collect();
                let color = png::ColorType::Grayscale;
                let bytes = label_png::encode(self.labels.size(), color, None, &gray)?;
                fsio::write_atomic(folder.join(format!("object-{id:03}.png")), &bytes)?;
            }
            Ok(())
        })
    }
}

/// The first run of digits in a name, as an id.
fn first_number(name: &str) -> Option<u8> {
    let digits = name.chars().skip_while(|c| !c.is_ascii_digit());
    digits.take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;

    fn masks() -> MaskSet {
        let labels = LabelMap::new(Size::new(3, 2), vec![1, 0, 2, 2, 0, 1]).unwrap();
        MaskSet::new(labels, 3).unwrap()
    }

    #[test]
    fn both_forms_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let (png, folder) = (dir.path().join("masks.png"), dir.path().join("masks"));
        masks().write_png(&png).unwrap();
        assert_eq!(MaskSet::read(&png, 3).unwrap(), masks());
        masks().write_folder(&folder).unwrap();
        assert_eq!(fsio::list_names(&folder).unwrap().len(), 3);
        assert_eq!(MaskSet::read(&folder, 3).unwrap(), masks());
    }

    #[test]
    fn wrong_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let says = |r: Result<MaskSet>, words: &str| {
            let e = r.unwrap_err().to_string();
            assert!(e.contains(words), "{e}");
        };
        says(MaskSet::read(dir.path(), 3), "expected PNG masks");
        says(MaskSet::read(dir.path().join("none.png"), 3), "none.png");
        masks().write_png(dir.path().join("2.png")).unwrap();
        says(MaskSet::read(dir.path().join("2.png"), 1), "2.png: expected object ids 1 to 1");
        masks().write_png(dir.path().join("1.png")).unwrap();
        says(MaskSet::read(dir.path(), 3), "overlaps object 1 at column 0, row 0");
        std::fs::rename(dir.path().join("1.png"), dir.path().join("dog.png")).unwrap();
        says(MaskSet::read(dir.path(), 3), "dog.png");
        std::fs::write(dir.path().join("dog.png"), b"not a PNG").unwrap();
        says(MaskSet::read(dir.path().join("dog.png"), 3), "expected a PNG");
    }
}
