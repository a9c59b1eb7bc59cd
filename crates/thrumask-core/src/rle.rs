//! Run-length encoded masks in COCO's format: lengths of runs in column-major order, the first run
//! being background, either as a list of numbers or packed into an ASCII string.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, MAX_PIXELS, MAX_SIDE, PixelBox, Result, Size};

/// A mask as run lengths: background, object, background, … down the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    size: Size,
    counts: Vec<u32>,
}

/// The JSON object that COCO's and SA-V's tools read and write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CocoRle {
    /// Height and width, in this order.
    pub size: [usize; 2],
    /// The run lengths.
    pub counts: Counts,
}

/// Run lengths in one of the two forms in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Counts {
    /// Packed into ASCII.
    Packed(String),
    /// As numbers.
    Plain(Vec<u32>),
}

impl Rle {
    /// Encodes a row-major mask.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the number of pixels does not fit the size; [`Error::Invalid`]
    /// when the size is out of bounds.
    pub fn encode(size: Size, mask: &[bool]) -> Result<Self> {
        check_size(size)?;
        if mask.len() != size.area() {
            return Err(Error::mismatch("mask pixels", size.area(), mask.len()));
        }
        let mut counts = Vec::new();
        let (mut run, mut inside) = (0u32, false);
        for x in 0..size.width {
            for y in 0..size.height {
                if mask[y * size.width + x] != inside {
                    counts.push(std::mem::take(&mut run));
                    inside = !inside;
                }
                run += 1;
            }
        }
        counts.push(run);
        Ok(Self { size, counts })
    }

    /// A mask from run lengths.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the size is out of bounds; [`Error::Mismatch`] when the lengths do
    /// not add up to the number of pixels.
    pub fn from_counts(size: Size, counts: Vec<u32>) -> Result<Self> {
        check_size(size)?;
        let sum: u64 = counts.iter().map(|&c| u64::from(c)).sum();
        if sum != size.area() as u64 {
            let what = format!("sum of the run lengths of a {size} mask");
            return Err(Error::mismatch(what, size.area(), sum));
        }
        Ok(Self { size, counts })
    }

    /// A mask from COCO's packed string: each number in groups of five bits, lowest first, a sixth
    /// bit saying that more follow, shifted into printable ASCII; from the fourth on, numbers are
    /// differences to the one two places before.
    ///
    /// # Errors
    /// [`Error::Format`] for a character outside `0`-`o`, a number that is cut off, negative or
    /// too large; otherwise as [`Rle::from_counts`].
    pub fn parse(size: Size, packed: &str) -> Result<Self> {
        check_size(size)?;
        let bad = |at: usize, why: &str| {
            Error::format("RLE string", format!("{why} (at character {at} of {})", packed.len()))
        };
        let mut counts: Vec<u32> = Vec::new();
        let (mut value, mut shift) = (0i64, 0u32);
        for (at, byte) in packed.bytes().enumerate() {
            if !(48..48 + 64).contains(&byte) {
                return Err(bad(at, "expected characters from '0' to 'o'"));
            }
            let bits = i64::from(byte - 48);
            if shift > 30 {
                return Err(bad(at, "expected a number below 2^32, got a longer one"));
            }
            value |= (bits & 0x1f) << shift;
            shift += 5;
            if bits & 0x20 != 0 {
                continue;
            }
            if bits & 0x10 != 0 {
                value |= -1 << shift;
            }
            if counts.len() > 2 {
                value += i64::from(counts[counts.len() - 2]);
            }
            let count = u32::try_from(value)
                .ok()
                .filter(|&c| c as usize <= size.area())
                .ok_or_else(|| {
                    let top = size.area();
                    bad(at, &format!("expected a run length of 0 to {top}, got {value}"))
                })?;
            counts.push(count);
            (value, shift) = (0, 0);
        }
        if shift != 0 {
            return Err(bad(packed.len(), "the last number is cut off"));
        }
        Self::from_counts(size, counts)
    }

    /// The packed string that [`Rle::parse`] reads, equal to that of COCO's own tools.
    pub fn packed(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let mut rest = i64::from(count);
            if i > 2 {
                rest -= i64::from(self.counts[i - 2]);
            }
            loop {
                let bits = (rest & 0x1f) as u8;
                rest >>= 5;
                // Finished when all that is left is copies of the sign bit.
                let more = if bits & 0x10 != 0 { rest != -1 } else { rest != 0 };
                text.push(char::from(48 + bits + if more { 0x20 } else { 0 }));
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// The mask, row-major.
    pub fn decode(&self) -> Vec<bool> {
        let mut mask = vec![false; self.size.area()];
        self.for_each_pixel(|i| mask[i] = true);
        mask
    }

    /// Calls `visit` with the row-major index of each pixel of the object, column by column.
    pub fn for_each_pixel(&self, mut visit: impl FnMut(usize)) {
        for (start, end) in self.object_runs() {
            let (mut x, mut y) = (start / self.size.height, start % self.size.height);
            for _ in start..end {
                visit(y * self.size.width + x);
                y += 1;
                if y == self.size.height {
                    (x, y) = (x + 1, 0);
                }
            }
        }
    }

    /// Number of pixels of the object.
    pub fn area(&self) -> usize {
        self.counts.iter().skip(1).step_by(2).map(|&c| c as usize).sum()
    }

    /// Smallest box that holds the object, `None` when it has no pixel.
    pub fn bounding_box(&self) -> Option<PixelBox> {
        let height = self.size.height;
        let mut found: Option<PixelBox> = None;
        for (start, end) in self.object_runs() {
            let (x0, x1) = (start / height, (end - 1) / height + 1);
            // A run over more than one column touches the top and the bottom row.
            let (y0, y1) =
                if x1 - x0 > 1 { (0, height) } else { (start % height, (end - 1) % height + 1) };
            let b = found.get_or_insert(PixelBox { x0, y0, x1, y1 });
            b.x0 = b.x0.min(x0);
            b.y0 = b.y0.min(y0);
            b.x1 = b.x1.max(x1);
            b.y1 = b.y1.max(y1);
        }
        found
    }

    /// Width and height of the mask.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The run lengths.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The JSON form, with the packed string.
    pub fn to_coco(&self) -> CocoRle {
        CocoRle { size: [self.size.height, self.size.width], counts: Counts::Packed(self.packed()) }
    }

    /// Non-empty runs of the object as half-open ranges of column-major pixel numbers.
    fn object_runs(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let mut end = 0usize;
        let runs = self.counts.iter().enumerate().map(move |(i, &c)| {
            let start = end;
            end += c as usize;
            (i, start, end)
        });
        runs.filter(|&(i, start, end)| i % 2 == 1 && end > start).map(|(_, s, e)| (s, e))
    }
}

impl TryFrom<&CocoRle> for Rle {
    type Error = Error;

    fn try_from(coco: &CocoRle) -> Result<Self> {
        let size = Size::new(coco.size[1], coco.size[0]);
        match &coco.counts {
            Counts::Packed(text) => Self::parse(size, text),
            Counts::Plain(counts) => Self::from_counts(size, counts.clone()),
        }
    }
}

/// Refuses sizes without pixels and sizes that no picture may have.
pub(crate) fn check_size(size: Size) -> Result<()> {
    let sides = 1..=MAX_SIDE;
    let fits = sides.contains(&size.width) && sides.contains(&size.height);
    if !fits || size.area() > MAX_PIXELS {
        return Err(Error::invalid(
            "size",
            format!(
                "expected sides of 1 to {MAX_SIDE} and at most {MAX_PIXELS} pixels, got {size}"
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masks() -> impl Strategy<Value = (Size, Vec<bool>)> {
        (1usize..40, 1usize..40, 0.0f64..1.0).prop_flat_map(|(w, h, p)| {
            let size = Size::new(w, h);
            (Just(size), proptest::collection::vec(proptest::bool::weighted(p), size.area()))
        })
    }

    proptest! {
        #[test]
        fn both_forms_round_trip((size, mask) in masks()) {
            let rle = Rle::encode(size, &mask).unwrap();
            prop_assert_eq!(rle.decode(), mask.clone());
            prop_assert_eq!(&Rle::parse(size, &rle.packed()).unwrap(), &rle);
            prop_assert_eq!(&Rle::from_counts(size, rle.counts().to_vec()).unwrap(), &rle);
            let labels = crate::LabelMap::new(size, mask.iter().map(|&m| u8::from(m)).collect());
            let labels = labels.unwrap();
            prop_assert_eq!(rle.area(), labels.area_of(1));
            prop_assert_eq!(rle.bounding_box(), labels.box_of(1));
        }

        #[test]
        fn any_string_is_an_error_or_a_mask(text in "[!-~]{0,60}", w in 0usize..50, h in 0usize..50) {
            if let Ok(rle) = Rle::parse(Size::new(w, h), &text) {
                prop_assert_eq!(rle.decode().len(), w * h);
            }
        }
    }

    /// Worked by hand from the format's description.
    #[test]
    fn known_strings() {
        let size = Size::new(3, 2);
        let mask = [false, true, true, false, true, false];
        let rle = Rle::encode(size, &mask).unwrap();
        assert_eq!(rle.counts(), [2, 3, 1]);
        assert_eq!(rle.packed(), "231");
        let all = Rle::encode(size, &[true; 6]).unwrap();
        assert_eq!((all.counts(), all.packed().as_str()), (&[0, 6][..], "06"));
        // 100 = 0b00011_00100: low group 4 with "more", then 3; then the difference 96 - 100 = -4.
        let runs = Rle::from_counts(Size::new(20, 20), vec![10, 100, 96, 96, 98]).unwrap();
        assert_eq!(runs.packed(), ":T3P3L2");
        assert_eq!(Rle::parse(Size::new(20, 20), ":T3P3L2").unwrap(), runs);
    }

    #[test]
    fn wrong_input_is_refused_with_what_is_wrong() {
        let size = Size::new(3, 2);
        let says = |r: Result<Rle>, words: &str| {
            let e = r.unwrap_err().to_string();
            assert!(e.contains(words), "{e}");
        };
        says(Rle::parse(size, "23"), "expected 6, got 5");
        says(Rle::parse(size, "232"), "expected 6, got 7");
        says(Rle::parse(size, "2!"), "'0' to 'o'");
        says(Rle::parse(size, "2P"), "cut off");
        says(Rle::parse(size, "O"), "got -1");
        says(Rle::parse(size, "ooooooooooooo"), "longer");
        says(Rle::from_counts(size, vec![u32::MAX; 4]), "expected 6");
        says(Rle::from_counts(Size::new(usize::MAX, 2), vec![0]), "expected sides");
        says(Rle::from_counts(Size::new(16384, 16384), vec![1 << 28]), "pixels");
        says(Rle::from_counts(Size::new(0, 4), vec![]), "expected sides");
    }
}
