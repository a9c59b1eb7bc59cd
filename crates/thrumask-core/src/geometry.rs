//! Sizes and boxes in pixels.

use serde::{Deserialize, Serialize};

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Size {
    /// A size of `width` columns and `height` rows.
    pub const fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn area(self) -> usize {
        self.width * self.height
    }

    /// Whether pictures of both sizes can show the same: their aspects differ by 2 % at most, and by what
    /// rounding to whole pixels does to this one, half a pixel of either side.
    pub fn has_aspect_of(self, other: Self) -> bool {
        let aspect = |size: Self| size.width as f64 / size.height as f64;
        let rounding = 1.0 / self.width.min(self.height) as f64;
        (aspect(self) / aspect(other) - 1.0).abs() <= 0.02 + rounding
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A half-open box in pixels: columns `x0..x1`, rows `y0..y1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PixelBox {
    /// First column.
    pub x0: usize,
    /// First row.
    pub y0: usize,
    /// One past the last column.
    pub x1: usize,
    /// One past the last row.
    pub y1: usize,
}

impl PixelBox {
    /// Whether pixel (`x`, `y`) lies inside.
    pub fn contains(&self, x: usize, y: usize) -> bool {
        (self.x0..self.x1).contains(&x) && (self.y0..self.y1).contains(&y)
    }

    /// Centre in pixels, `(x, y)`; pixel centres lie at half-integers.
    pub fn center(&self) -> (f32, f32) {
        ((self.x0 + self.x1) as f32 / 2.0, (self.y0 + self.y1) as f32 / 2.0)
    }

    /// Number of pixels.
    pub fn area(&self) -> usize {
        self.x1.saturating_sub(self.x0) * self.y1.saturating_sub(self.y0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aspects_are_alike_within_what_rounding_does() {
        let size = Size::new;
        assert!(size(640, 360).has_aspect_of(size(1920, 1080)));
        assert!(size(640, 360).has_aspect_of(size(1920, 1070)));
        assert!(!size(640, 360).has_aspect_of(size(1920, 1020)));
        assert!(!size(640, 360).has_aspect_of(size(1080, 1920)));
        // Of two and a half rows three may be left.
        assert!(size(6, 3).has_aspect_of(size(12, 5)));
        assert!(!size(600, 300).has_aspect_of(size(12, 5)));
    }
}
