//! Between RGB pictures and the YCbCr 4:2:0 planes of video codecs, in fixed-point arithmetic, so
//! that every machine gets the same bytes.

use crate::{Error, Picture, Result, Size};

/// One picture as three planes: brightness, and two colour differences at half the size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yuv420 {
    /// Size of the brightness plane, even on both sides.
    pub size: Size,
    /// Brightness, `H·W` bytes.
    pub y: Vec<u8>,
    /// Blue difference, `H/2·W/2` bytes.
    pub u: Vec<u8>,
    /// Red difference, `H/2·W/2` bytes.
    pub v: Vec<u8>,
}

/// How colours stand for light in a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColorSpace {
    /// The weights of red, green and blue in the brightness.
    pub matrix: Matrix,
    /// Whether levels run from 0 to 255 rather than from 16 to 235.
    pub full_range: bool,
}

/// Weights of red, green and blue in the brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601, of standard definition.
    Bt601,
    /// ITU-R BT.709, of high definition; what is written here.
    Bt709,
    /// ITU-R BT.2020 with constant weights, of ultra-high definition.
    Bt2020,
}

impl ColorSpace {
    /// What is written: BT.709 in limited range.
    pub const WRITTEN: Self = Self { matrix: Matrix::Bt709, full_range: false };

    /// What players assume of a video of this size that does not say: BT.601 in standard
    /// definition, else BT.709.
    pub fn assumed_for(size: Size) -> Self {
        let standard = size.width < 1280 && size.height <= 576;
        let matrix = if standard { Matrix::Bt601 } else { Matrix::Bt709 };
        Self { matrix, full_range: false }
    }

    /// Weights of red and blue; that of green is the rest to 1.
    fn weights(self) -> (f64, f64) {
        match self.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
        }
    }

    /// Lowest brightness level and the spans of brightness and colour difference.
    fn levels(self) -> (i32, f64, f64) {
        if self.full_range { (0, 255.0, 255.0) } else { (16, 219.0, 224.0) }
    }
}

/// Bits behind the point.
const POINT: i32 = 16;

/// A factor in fixed point.
fn fixed(v: f64) -> i32 {
    (v * f64::from(1 << POINT)).round() as i32
}

/// A fixed-point value as a level, rounded and clamped.
fn level(v: i32) -> u8 {
    ((v + (1 << (POINT - 1))) >> POINT).clamp(0, 255) as u8
}

impl Yuv420 {
    /// The planes of a picture in [`ColorSpace::WRITTEN`]. Odd sides grow by one column or row, a
    /// copy of the last; a colour difference is the mean of its four pixels.
    pub fn from_picture(picture: &Picture) -> Self {
        let from = picture.size();
        let size = Size::new(from.width.next_multiple_of(2), from.height.next_multiple_of(2));
        let (kr, kb) = ColorSpace::WRITTEN.weights();
        let (_, span_y, span_c) = ColorSpace::WRITTEN.levels();
        let weights = [kr, 1.0 - kr - kb, kb];
        let to_y = weights.map(|k| fixed(k * span_y / 255.0));
        // Four pixels are summed, hence the quarter.
        let scale = |k: f64| span_c / 255.0 / (2.0 * (1.0 - k)) / 4.0;
        let to_u = [-weights[0], -weights[1], 1.0 - kb].map(|k| fixed(k * scale(kb)));
        let to_v = [1.0 - kr, -weights[1], -weights[2]].map(|k| fixed(k * scale(kr)));
        let weigh = |c: [i32; 3], k: [i32; 3]| c[0] * k[0] + c[1] * k[1] + c[2] * k[2];
        let at = |x: usize, y: usize| {
            picture.pixel(x.min(from.width - 1), y.min(from.height - 1)).map(i32::from)
        };
        let mut y = Vec::with_capacity(size.area());
        for row in 0..size.height {
            y.extend((0..size.width).map(|x| level(weigh(at(x, row), to_y) + (16 << POINT))));
        }
        let (mut u, mut v) = (Vec::new(), Vec::new());
        for row in (0..size.height).step_by(2) {
            for x in (0..size.width).step_by(2) {
                let four = [at(x, row), at(x + 1, row), at(x, row + 1), at(x + 1, row + 1)];
                let sum =
                    four.into_iter().fold([0; 3], |s, c| [s[0] + c[0], s[1] + c[1], s[2] + c[2]]);
                u.push(level(weigh(sum, to_u) + (128 << POINT)));
                v.push(level(weigh(sum, to_v) + (128 << POINT)));
            }
        }
        Self { size, y, u, v }
    }

    /// The picture that the planes show; each colour difference serves its four pixels.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when planes do not have the size they should.
    pub fn to_picture(&self, space: ColorSpace) -> Result<Picture> {
        let half = Size::new(self.size.width.div_ceil(2), self.size.height.div_ceil(2));
        for (plane, size) in [(&self.y, self.size), (&self.u, half), (&self.v, half)] {
            if plane.len() != size.area() {
                return Err(Error::mismatch("bytes of a video plane", size.area(), plane.len()));
            }
        }
        let (kr, kb) = space.weights();
        let kg = 1.0 - kr - kb;
        let (low, span_y, span_c) = space.levels();
        let gain = fixed(255.0 / span_y);
        let chroma = |k: f64| k * 255.0 / span_c;
        let red_v = fixed(chroma(2.0 * (1.0 - kr)));
        let blue_u = fixed(chroma(2.0 * (1.0 - kb)));
        let green_u = fixed(chroma(2.0 * (1.0 - kb) * kb / kg));
        let green_v = fixed(chroma(2.0 * (1.0 - kr) * kr / kg));
        let mut rgb = Vec::with_capacity(self.size.area() * 3);
        for row in 0..self.size.height {
            let ys = &self.y[row * self.size.width..][..self.size.width];
            let us = &self.u[row / 2 * half.width..][..half.width];
            let vs = &self.v[row / 2 * half.width..][..half.width];
            for (x, &y) in ys.iter().enumerate() {
                let y = (i32::from(y) - low) * gain;
                let (u, v) = (i32::from(us[x / 2]) - 128, i32::from(vs[x / 2]) - 128);
                rgb.push(level(y + red_v * v));
                rgb.push(level(y - green_u * u - green_v * v));
                rgb.push(level(y + blue_u * u));
            }
        }
        Picture::new(self.size, rgb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_of_bt709() {
        // The limited-range BT.709 values of the colour-bar primaries.
        for (rgb, yuv) in [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [63, 102, 240]),
            ([0, 255, 0], [173, 42, 26]),
            ([0, 0, 255], [32, 240, 118]),
        ] {
            let p = Yuv420::from_picture(&Picture::filled(Size::new(1, 1), rgb));
            assert_eq!(p.size, Size::new(2, 2));
            assert_eq!([p.y[3], p.u[0], p.v[0]], yuv, "{rgb:?}");
        }
    }

    #[test]
    fn flat_colours_come_back_within_rounding() {
        for i in 0..512u32 {
            let rgb = [i % 8 * 36, i / 8 % 8 * 36, i / 64 * 36].map(|v| v as u8);
            let planes = Yuv420::from_picture(&Picture::filled(Size::new(4, 2), rgb));
            let back = planes.to_picture(ColorSpace::WRITTEN).unwrap();
            let got = back.pixel(3, 1);
            let off = got.iter().zip(rgb).map(|(a, b)| a.abs_diff(b)).max();
            assert!(off <= Some(3), "{rgb:?} became {got:?}");
        }
    }

    #[test]
    fn full_range_and_other_matrices() {
        let size = Size::new(2, 2);
        let gray = |y: u8| Yuv420 { size, y: vec![y; 4], u: vec![128], v: vec![128] };
        let space = |matrix, full_range| ColorSpace { matrix, full_range };
        let full = gray(200).to_picture(space(Matrix::Bt601, true)).unwrap();
        assert_eq!(full.pixel(0, 0), [200; 3]);
        let limited = gray(235).to_picture(space(Matrix::Bt2020, false)).unwrap();
        assert_eq!(limited.pixel(0, 0), [255; 3]);
        let red = Yuv420 { size, y: vec![81; 4], u: vec![90], v: vec![240] };
        let red = red.to_picture(space(Matrix::Bt601, false)).unwrap().pixel(1, 1);
        assert!(red[0] > 252 && red[1] < 3 && red[2] < 3, "{red:?}");
    }
}
