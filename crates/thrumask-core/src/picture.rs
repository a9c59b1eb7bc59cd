//! A picture: 8-bit sRGB, row-major, three bytes a pixel.

use crate::{Error, Result, Size};

/// An RGB picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    size: Size,
    /// `H·W·3` bytes, row-major, RGB.
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture from `H·W·3` bytes, row-major RGB.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when the number of bytes does not fit the size.
    pub fn new(size: Size, rgb: Vec<u8>) -> Result<Self> {
        if rgb.len() != size.area() * 3 {
            return Err(Error::mismatch("picture bytes", size.area() * 3, rgb.len()));
        }
        Ok(Self { size, rgb })
    }

    /// A picture of one colour.
    pub fn filled(size: Size, color: [u8; 3]) -> Self {
        Self { size, rgb: color.repeat(size.area()) }
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All bytes, row-major RGB.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// All bytes, row-major RGB, to change in place.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.rgb
    }

    /// The colour at column `x`, row `y`, which must lie inside.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let i = (y * self.size.width + x) * 3;
        [self.rgb[i], self.rgb[i + 1], self.rgb[i + 2]]
    }

    /// Sets the colour at column `x`, row `y`, which must lie inside.
    pub fn set_pixel(&mut self, x: usize, y: usize, color: [u8; 3]) {
        let i = (y * self.size.width + x) * 3;
        self.rgb[i..i + 3].copy_from_slice(&color);
    }

    /// The picture blurred by a Gaussian of standard deviation `sigma` pixels, above 0.
    #[must_use]
    pub fn blurred(&self, sigma: f32) -> Self {
        let Size { width, height } = self.size;
        let raw = image::RgbImage::from_raw(width as u32, height as u32, self.rgb.clone());
        let rgb = raw.map(|raw| image::imageops::blur(&raw, sigma).into_raw());
        Self { size: self.size, rgb: rgb.unwrap_or_else(|| self.rgb.clone()) }
    }
}
