//! A label map: one object id per pixel, 0 for background.

mod pieces;
pub(crate) mod png;
mod resize;

pub use self::pieces::{Joined, pieces};
pub use self::png::ColorMatch;

use crate::{Error, PixelBox, Result, Size};

/// One object id per pixel, row-major; 0 is background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelMap {
    size: Size,
    ids: Vec<u8>,
}

impl LabelMap {
    /// A label map from `H·W` object ids, row-major.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the number of ids does not fit the size.
    pub fn new(size: Size, ids: Vec<u8>) -> Result<Self> {
        if ids.len() != size.area() {
            return Err(Error::mismatch("label map pixels", size.area(), ids.len()));
        }
        Ok(Self { size, ids })
    }

    /// A label map that is all background.
    pub fn empty(size: Size) -> Self {
        Self { size, ids: vec![0; size.area()] }
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All ids, row-major.
    pub fn ids(&self) -> &[u8] {
        &self.ids
    }

    /// All ids, row-major, to change in place.
    pub fn ids_mut(&mut self) -> &mut [u8] {
        &mut self.ids
    }

    /// The id at column `x`, row `y`, which must lie inside.
    pub fn id_at(&self, x: usize, y: usize) -> u8 {
        self.ids[y * self.size.width + x]
    }

    /// Number of pixels of object `id`.
    pub fn area_of(&self, id: u8) -> usize {
        self.ids.iter().filter(|&&v| v == id).count()
    }

    /// Smallest box that holds object `id`, or `None` when it has no pixel.
    pub fn box_of(&self, id: u8) -> Option<PixelBox> {
        let mut found: Option<PixelBox> = None;
        for (i, _) in self.ids.iter().enumerate().filter(|&(_, &v)| v == id) {
            let (x, y) = (i % self.size.width, i / self.size.width);
            let b = found.get_or_insert(PixelBox { x0: x, y0: y, x1: x + 1, y1: y + 1 });
            b.x0 = b.x0.min(x);
            b.x1 = b.x1.max(x + 1);
            b.y1 = y + 1;
        }
        found
    }

    /// Mean place of object `id`'s pixels, x and y, the first pixel's being 0; `None` when it has fewer than `least`, or none.
    pub fn center_of(&self, id: u8, least: usize) -> Option<[f32; 2]> {
        let width = self.size.width;
        let (mut sum, mut count) = ([0f32; 2], 0usize);
        for (i, _) in self.ids.iter().enumerate().filter(|&(_, &v)| v == id) {
            sum = [sum[0] + (i % width) as f32, sum[1] + (i / width) as f32];
            count += 1;
        }
        (count >= least.max(1)).then(|| sum.map(|v| v / count as f32))
    }

    /// Binary mask of object `id`, row-major.
    pub fn mask_of(&self, id: u8) -> Vec<bool> {
        self.ids.iter().map(|&v| v == id).collect()
    }

    /// The distinct object ids present, ascending, background left out.
    pub fn ids_present(&self) -> Vec<u8> {
        let mut seen = [false; 256];
        self.ids.iter().for_each(|&v| seen[v as usize] = true);
        (1..=255u8).filter(|&v| seen[v as usize]).collect()
    }
}
