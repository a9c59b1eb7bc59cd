//! What a person gives in place of what a stage would have found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thrumask_core::{
    Control, Error, Fingerprint, Result, control::MaskSource, fingerprint::sha256_hex, fsio,
};

/// Given masks, boxes, points, motion.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Given {
    /// All first masks: a palette PNG or a folder with one PNG per object.
    pub masks: Option<PathBuf>,
    /// Boxes by object id: left, top, right, bottom, in pixels of the input picture.
    pub boxes: BTreeMap<u8, [f32; 4]>,
    /// Points by object id: column, row, and 1 (on the object) or 0 (beside it).
    pub points: BTreeMap<u8, Vec<[f32; 3]>>,
    /// A control file.
    pub control: Option<PathBuf>,
    /// The whole trajectory: JSON, MP4 or other video in palette colours, or a folder of PNGs.
    pub trajectory: Option<PathBuf>,
}

impl Given {
    /// The control file, read.
    ///
    /// # Errors
    /// As [`Control::read`].
    pub fn read_control(&self) -> Result<Option<Control>> {
        self.control.as_ref().map(Control::read).transpose()
    }

    /// Adds the control file and all files it points to.
    ///
    /// # Errors
    /// [`Error::Io`] when one cannot be read.
    pub fn add_control(
        &self,
        print: Fingerprint,
        control: Option<&Control>,
    ) -> Result<Fingerprint> {
        let (Some(path), Some(control)) = (&self.control, control) else { return Ok(print) };
        let mut print = print.text("control", hash_of(path)?);
        for object in &control.objects {
            let mask = match &object.mask {
                Some(MaskSource::File(file)) => Some(file),
                _ => None,
            };
            for file in mask.into_iter().chain(&object.masks) {
                print = print.text("control file", hash_of(file)?);
            }
        }
        Ok(print)
    }

    /// Adds given masks, boxes and points.
    ///
    /// # Errors
    /// [`Error::Io`] when the masks cannot be read.
    pub fn add_masks(&self, mut print: Fingerprint) -> Result<Fingerprint> {
        if let Some(path) = &self.masks {
            print = print.text("masks", hash_of(path)?);
        }
        Ok(print
            .text("boxes", format!("{:?}", self.boxes))
            .text("points", format!("{:?}", self.points)))
    }

    /// Adds the given trajectory.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn add_trajectory(&self, print: Fingerprint) -> Result<Fingerprint> {
        Ok(match &self.trajectory {
            Some(path) => print.text("trajectory", hash_of(path)?),
            None => print,
        })
    }
}

/// SHA-256 of a file, or of the names and bytes of all files in a folder.
///
/// # Errors
/// [`Error::Io`] when it cannot be read.
pub fn hash_of(path: &Path) -> Result<String> {
    let read = |path: &Path| fs::read(path).map_err(|e| Error::io("reading", path, e));
    if !path.is_dir() {
        return Ok(sha256_hex(&read(path)?));
    }
    let mut print = Fingerprint::new("folder");
    for name in fsio::list_names(path)? {
        let file = path.join(&name);
        if file.is_file() {
            print = print.bytes(&name, &read(&file)?);
        }
    }
    Ok(print.finish())
}

/// Boxes as they are typed: `1:x0,y0,x1,y1;2:…`.
///
/// # Errors
/// What is wrong, in words.
pub fn parse_boxes(text: &str) -> std::result::Result<BTreeMap<u8, [f32; 4]>, String> {
    let mut boxes = BTreeMap::new();
    for (id, numbers) in entries(text)? {
        let [x0, y0, x1, y1] = numbers[..] else {
            return Err(format!(
                "object {id}: expected x0,y0,x1,y1, got {} numbers",
                numbers.len()
            ));
        };
        if !(x0 < x1 && y0 < y1) {
            return Err(format!(
                "object {id}: expected x0 < x1 and y0 < y1, got {x0},{y0},{x1},{y1}"
            ));
        }
        if boxes.insert(id, [x0, y0, x1, y1]).is_some() {
            return Err(format!("object {id} has two boxes"));
        }
    }
    Ok(boxes)
}

/// Points as they are typed: `1:x,y;1:x,y,0;2:x,y`, where a third number 0 means "not there".
///
/// # Errors
/// What is wrong, in words.
pub fn parse_points(text: &str) -> std::result::Result<BTreeMap<u8, Vec<[f32; 3]>>, String> {
    let mut points: BTreeMap<u8, Vec<[f32; 3]>> = BTreeMap::new();
    for (id, numbers) in entries(text)? {
        let point = match numbers[..] {
            [x, y] => [x, y, 1.0],
            [x, y, label] if label == 0.0 || label == 1.0 => [x, y, label],
            _ => return Err(format!("object {id}: expected x,y or x,y,1 or x,y,0")),
        };
        points.entry(id).or_default().push(point);
    }
    match points.iter().find(|(_, list)| list.iter().all(|p| p[2] == 0.0)) {
        Some((id, _)) => Err(format!("object {id}: expected at least one point on it")),
        None => Ok(points),
    }
}

/// `id:number,number,…` between semicolons.
fn entries(text: &str) -> std::result::Result<Vec<(u8, Vec<f32>)>, String> {
    let entry = |part: &str| {
        let (id, numbers) =
            part.split_once(':').ok_or_else(|| format!("expected id:numbers, got {part:?}"))?;
        let id = id.trim().parse::<u8>().ok().filter(|&id| id > 0);
        let id = id.ok_or_else(|| format!("expected an object id from 1 to 255, got {part:?}"))?;
        let number = |n: &str| n.trim().parse::<f32>().ok().filter(|n| n.is_finite());
        let numbers = numbers.split(',').map(number).collect::<Option<Vec<f32>>>();
        Ok((id, numbers.ok_or_else(|| format!("expected numbers after {id}:, got {part:?}"))?))
    };
    text.split(';').map(str::trim).filter(|p| !p.is_empty()).map(entry).collect()
}

#[cfg(test)]
mod tests {
    use thrumask_core::{Picture, Size};

    use super::*;

    #[test]
    fn boxes_and_points_as_typed() {
        let boxes = parse_boxes("1:0,0,10,20; 2:1.5,2,3,4").unwrap();
        assert_eq!(boxes[&1], [0.0, 0.0, 10.0, 20.0]);
        assert_eq!(boxes[&2], [1.5, 2.0, 3.0, 4.0]);
        let points = parse_points("1:3,4;1:5,6,0;2:7,8,1").unwrap();
        assert_eq!(points[&1], [[3.0, 4.0, 1.0], [5.0, 6.0, 0.0]]);
        assert_eq!(points[&2], [[7.0, 8.0, 1.0]]);
    }

    #[test]
    fn wrong_boxes_and_points_are_refused() {
        for text in ["1", "0:1,2,3,4", "256:1,2,3,4", "1:1,2,3", "1:4,2,3,4", "1:a,2,3,4"] {
            assert!(parse_boxes(text).is_err(), "{text}");
        }
        assert!(parse_boxes("1:1,2,3,4;1:1,2,3,4").is_err());
        for text in ["1:1", "1:1,2,3", "1:1,nan", "1:1,2,0"] {
            assert!(parse_points(text).is_err(), "{text}");
        }
    }

    #[test]
    fn folders_are_hashed_with_names_and_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let p = Picture::filled(Size::new(2, 2), [1; 3]);
        p.write_png(folder.path().join("1.png")).unwrap();
        let one = hash_of(folder.path()).unwrap();
        assert_eq!(one, hash_of(folder.path()).unwrap());
        fs::rename(folder.path().join("1.png"), folder.path().join("2.png")).unwrap();
        assert_ne!(one, hash_of(folder.path()).unwrap());
    }
}
