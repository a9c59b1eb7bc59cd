//! Flow files of the Middlebury benchmark, `.flo`: a mark, width and height, and displacements as 32-bit
//! floats, all of the lowest byte first.

use std::path::Path;

use super::FlowField;
use crate::{Error, MAX_PIXELS, Result, Size, fsio};

/// What a file begins with: 202021.25 as a float.
const MARK: [u8; 4] = *b"PIEH";
/// Bytes before the displacements.
const HEAD: usize = 12;

impl FlowField {
    /// The bytes of a `.flo` file.
    pub fn to_flo(&self) -> Vec<u8> {
        let Size { width, height } = self.size();
        let mut bytes = MARK.to_vec();
        bytes.extend([width, height].iter().flat_map(|&n| (n as u32).to_le_bytes()));
        bytes.extend(self.vectors().iter().flatten().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    /// The field in the bytes of a `.flo` file; `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Format`] when it is none, or cut off; [`Error::Invalid`] when it is too large, or a
    /// displacement is not finite.
    pub fn from_flo(what: &str, bytes: &[u8]) -> Result<Self> {
        let wrong = |reason: String| Error::format(what, reason);
        if !is_flo(bytes) || bytes.len() < HEAD {
            return Err(wrong("expected a .flo file, which begins with PIEH".into()));
        }
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[at + i])) as usize;
        let size = Size::new(number(4), number(8));
        let area = size.width.checked_mul(size.height).filter(|&n| (1..=MAX_PIXELS).contains(&n));
        let Some(area) = area else {
            let reason = format!("expected 1 to {MAX_PIXELS} pixels, got {size}");
            return Err(Error::invalid(what, reason));
        };
        let (values, rest) = bytes[HEAD..].as_chunks::<8>();
        if values.len() != area || !rest.is_empty() {
            let (expected, got) = (HEAD + 8 * area, bytes.len());
            return Err(wrong(format!("expected {expected} bytes for {size}, got {got}")));
        }
        let vector = |v: &[u8; 8]| {
            [0, 4].map(|at| f32::from_le_bytes([v[at], v[at + 1], v[at + 2], v[at + 3]]))
        };
        Self::new(size, values.iter().map(vector).collect())
    }

    /// Reads a `.flo` file.
    ///
    /// # Errors
    /// As [`FlowField::from_flo`]; [`Error::Io`] when it cannot be read.
    pub fn read_flo(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fsio::read_limited(path, (HEAD + 8 * MAX_PIXELS) as u64)?;
        Self::from_flo(&path.display().to_string(), &bytes)
    }

    /// Writes a `.flo` file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn write_flo(&self, path: impl AsRef<Path>) -> Result<()> {
        fsio::write_atomic(path, &self.to_flo())
    }
}

/// Whether bytes are those of a `.flo` file, by its mark.
pub fn is_flo(bytes: &[u8]) -> bool {
    bytes.starts_with(&MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> FlowField {
        let vectors = (0..6).map(|i| [i as f32 * 0.5, -(i as f32)]).collect();
        FlowField::new(Size::new(3, 2), vectors).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_lies_as_the_benchmark_has_it() {
        let bytes = field().to_flo();
        assert_eq!(bytes.len(), 12 + 6 * 8);
        assert_eq!(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]), 202_021.25);
        assert_eq!([bytes[4], bytes[8]], [3, 2]);
        assert_eq!(bytes[20..28], [0.5f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat());
        assert_eq!(FlowField::from_flo("f", &bytes).unwrap(), field());
    }

    #[test]
    fn broken_files_are_refused() {
        let bytes = field().to_flo();
        for end in [0, 3, 11, 12, 59] {
            assert!(FlowField::from_flo("f", &bytes[..end]).is_err(), "{end}");
        }
        let mut more = bytes.clone();
        more.push(0);
        let e = FlowField::from_flo("f.flo", &more).unwrap_err().to_string();
        assert!(e.contains("f.flo: expected 60 bytes for 3x2, got 61"), "{e}");
        let mut huge = bytes.clone();
        huge[4..12].fill(255);
        assert!(FlowField::from_flo("f", &huge).unwrap_err().to_string().contains("pixels"));
        let mut broken = bytes;
        broken[12..16].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(FlowField::from_flo("f", &broken).unwrap_err().to_string().contains("finite"));
    }
}
