//! Pictures as files, told apart by their first bytes, never by their names.

use std::{io::Cursor, path::Path};

use fast_image_resize as fr;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, metadata::Orientation};

use super::guarded;
use crate::{Error, Picture, Result, Size, fsio, labels::png as label_png, rle::check_size};

/// The longest picture file that is read, in bytes.
pub const MAX_PICTURE_BYTES: u64 = 512 << 20;

/// What a decoder may allocate: the largest picture in 16-bit RGBA and some room. Frames of a GIF
/// may claim to be larger than the whole.
pub(super) fn limits() -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some((crate::MAX_PIXELS * 9) as u64);
    limits
}

impl Picture {
    /// Reads a PNG, JPEG, WebP or GIF, see [`Picture::from_bytes`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`Picture::from_bytes`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(&path.display().to_string(), &fsio::read_limited(path, MAX_PICTURE_BYTES)?)
    }

    /// A picture from the bytes of a PNG, JPEG, WebP or GIF file (of a GIF or animated WebP the
    /// first frame). The orientation that cameras note in the file is applied, 16-bit, grey and
    /// palette pictures become 8-bit RGB, and transparent ones are laid on white. Colour profiles
    /// are ignored: values count as sRGB. `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] when the bytes are none of these formats or broken; [`Error::Invalid`]
    /// when a side is longer than [`crate::MAX_SIDE`] or there are more pixels than
    /// [`crate::MAX_PIXELS`], before any pixel is decoded.
    pub fn from_bytes(what: &str, bytes: &[u8]) -> Result<Self> {
        guarded(what, "picture", || decode(what, bytes))
    }

    /// The picture as an 8-bit RGB PNG.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the picture is larger than any that is read.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        label_png::encode(self.size(), png::ColorType::Rgb, None, self.rgb())
    }

    /// Writes [`Picture::to_png`] to `path`.
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        fsio::write_atomic(path, &self.to_png()?)
    }

    /// The picture at another size, by Catmull-Rom filtering that widens with the reduction, so
    /// that fine detail does not alias. The same bytes on every processor.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `size` is empty or too large.
    pub fn resize(&self, size: Size) -> Result<Self> {
        self.resize_by(size, fr::FilterType::CatmullRom)
    }

    /// As [`Picture::resize`], by linear filtering, which overshoots nowhere: what most networks of others
    /// were trained with.
    ///
    /// # Errors
    /// As [`Picture::resize`].
    pub fn resize_linear(&self, size: Size) -> Result<Self> {
        self.resize_by(size, fr::FilterType::Bilinear)
    }

    fn resize_by(&self, size: Size, filter: fr::FilterType) -> Result<Self> {
        check_size(size)?;
        if size == self.size() {
            return Ok(self.clone());
        }
        let failed = |e: String| Error::invalid("resizing", e);
        let (from, kind) = (self.size(), fr::PixelType::U8x3);
        let source =
            fr::images::ImageRef::new(from.width as u32, from.height as u32, self.rgb(), kind)
                .map_err(|e| failed(e.to_string()))?;
        let mut made = fr::images::Image::new(size.width as u32, size.height as u32, kind);
        let options = fr::ResizeOptions::new().resize_alg(fr::ResizeAlg::Convolution(filter));
        fr::Resizer::new()
            .resize(&source, &mut made, &options)
            .map_err(|e| failed(e.to_string()))?;
        Self::new(size, made.into_vec())
    }
}

/// Decodes, turns upright, and lays on white.
fn decode(what: &str, bytes: &[u8]) -> Result<Picture> {
    let failed = |e: image::ImageError| Error::format(what, e.to_string());
    let format = format_of(bytes).ok_or_else(|| {
        let start = &bytes[..bytes.len().min(8)];
        let reason = format!("expected a PNG, JPEG, WebP or GIF picture, got bytes {start:02x?}");
        Error::format(what, if bytes.is_empty() { "the file is empty".into() } else { reason })
    })?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits());
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(Size::new(width as usize, height as usize))
        .map_err(|e| Error::invalid(what, e.to_string()))?;
    // A broken note about the orientation does not make the picture unreadable.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    let size = Size::new(image.width() as usize, image.height() as usize);
    if !image.color().has_alpha() {
        return Picture::new(size, image.into_rgb8().into_raw());
    }
    let rgba = image.into_rgba8();
    Picture::new(size, rgba.pixels().flat_map(|p| on_white(p.0)).collect())
}

/// An RGBA colour laid on white, rounded to the nearest level.
pub(crate) fn on_white([r, g, b, a]: [u8; 4]) -> [u8; 3] {
    let a = u32::from(a);
    [r, g, b].map(|v| ((u32::from(v) * a + 255 * (255 - a) + 127) / 255) as u8)
}

/// The picture format that the first bytes announce.
pub(crate) fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    let webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP");
    match bytes {
        _ if webp => Some(ImageFormat::WebP),
        [0x89, b'P', b'N', b'G', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', ..] => Some(ImageFormat::Gif),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs};

    fn picture() -> Picture {
        let size = Size::new(7, 5);
        Picture::new(size, (0..size.area() * 3).map(|i| (i * 37 % 256) as u8).collect()).unwrap()
    }

    fn jpeg(size: Size, rgb: &[u8], exif: Option<u8>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = codecs::jpeg::JpegEncoder::new_with_quality(&mut out, 100);
        if let Some(orientation) = exif {
            let tiff = [
                &b"II*\0\x08\0\0\0"[..],
                &[1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0],
            ];
            encoder.set_exif_metadata(tiff.concat()).unwrap();
        }
        let (w, h) = (size.width as u32, size.height as u32);
        encoder.write_image(rgb, w, h, ExtendedColorType::Rgb8).unwrap();
        out
    }

    #[test]
    fn png_round_trips_and_the_name_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("picture.jpg");
        picture().write_png(&path).unwrap();
        assert_eq!(Picture::read(&path).unwrap(), picture());
        let mut webp = Vec::new();
        codecs::webp::WebPEncoder::new_lossless(&mut webp)
            .encode(picture().rgb(), 7, 5, ExtendedColorType::Rgb8)
            .unwrap();
        assert_eq!(Picture::from_bytes("p", &webp).unwrap(), picture());
    }

    #[test]
    fn a_camera_on_its_side_is_turned_upright() {
        let size = Size::new(16, 8);
        let mut lying = Picture::filled(size, [0; 3]);
        (0..4).for_each(|i| lying.set_pixel(i % 2, i / 2, [255; 3]));
        let read = |exif| Picture::from_bytes("p", &jpeg(size, lying.rgb(), exif)).unwrap();
        assert_eq!(read(None).size(), size);
        assert!(read(None).pixel(0, 0)[0] > 150);
        // 6 = the top of the scene is at the right edge: turn clockwise.
        assert_eq!(read(Some(6)).size(), Size::new(8, 16));
        assert!(read(Some(6)).pixel(7, 0)[0] > 150);
        assert!(read(Some(3)).pixel(15, 7)[0] > 150);
        assert!(read(Some(8)).pixel(0, 15)[0] > 150);
    }

    #[test]
    fn every_depth_becomes_eight_bit_rgb() {
        let png = |color, depth, data: &[u8]| {
            let mut out = Vec::new();
            let mut encoder = png::Encoder::new(&mut out, 2, 1);
            encoder.set_color(color);
            encoder.set_depth(depth);
            if color == png::ColorType::Indexed {
                encoder.set_palette(vec![1, 2, 3, 250, 240, 230]);
            }
            encoder.write_header().unwrap().write_image_data(data).unwrap();
            Picture::from_bytes("p", &out).unwrap().rgb().to_vec()
        };
        use png::{BitDepth as D, ColorType as C};
        assert_eq!(png(C::Grayscale, D::Eight, &[9, 200]), [9, 9, 9, 200, 200, 200]);
        assert_eq!(png(C::Grayscale, D::One, &[0b0100_0000]), [0, 0, 0, 255, 255, 255]);
        assert_eq!(png(C::Grayscale, D::Sixteen, &[255, 255, 0, 0]), [255, 255, 255, 0, 0, 0]);
        assert_eq!(png(C::Indexed, D::One, &[0b0100_0000]), [1, 2, 3, 250, 240, 230]);
        let clear = [9, 9, 9, 0, 200, 100, 0, 255];
        assert_eq!(png(C::Rgba, D::Eight, &clear), [255, 255, 255, 200, 100, 0]);
    }

    #[test]
    fn huge_pictures_are_refused_before_they_are_decoded() {
        for (w, h) in [(20_000u32, 10u32), (10, 20_000), (16_000, 16_000), (0, 5)] {
            // Only a header: whoever tries to decode it finds nothing.
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
            bytes.extend([w.to_be_bytes(), h.to_be_bytes()].concat());
            bytes.extend([8, 2, 0, 0, 0]);
            bytes.extend(crc(&bytes[12..]).to_be_bytes());
            bytes.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
            let e = Picture::from_bytes("big.png", &bytes).unwrap_err().to_string();
            assert!(e.contains("big.png"), "{e}");
            assert!(w == 0 || e.contains(&format!("got {w}x{h}")), "{e}");
        }
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8)
                .fold(crc ^ u32::from(b), |c, _| (c >> 1) ^ (0xedb8_8320 & (c & 1).wrapping_neg()))
        })
    }

    #[test]
    fn other_files_are_refused_with_the_choices() {
        let e = Picture::from_bytes("a.png", b"%PDF-1.7 and so on").unwrap_err().to_string();
        assert!(e.contains("a.png: expected a PNG, JPEG, WebP or GIF"), "{e}");
        assert!(Picture::from_bytes("a", b"").unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn resizing_keeps_flat_colours_and_does_not_alias() {
        let flat = Picture::filled(Size::new(31, 17), [10, 200, 90]);
        for size in [Size::new(1, 1), Size::new(64, 3), Size::new(8, 8)] {
            assert_eq!(flat.resize(size).unwrap(), Picture::filled(size, [10, 200, 90]));
        }
        // Stripes one pixel wide become even grey.
        let stripes: Vec<u8> = (0..64 * 64).flat_map(|i| [(i % 2 * 255) as u8; 3]).collect();
        let small = Picture::new(Size::new(64, 64), stripes).unwrap().resize(Size::new(16, 16));
        let small = small.unwrap();
        let inner = (2..14).map(|x| small.pixel(x, 8)[0]);
        assert!(inner.clone().all(|v| (117..=138).contains(&v)), "{:?}", inner.collect::<Vec<_>>());
        assert!(flat.resize(Size::new(0, 3)).is_err());
    }
}
