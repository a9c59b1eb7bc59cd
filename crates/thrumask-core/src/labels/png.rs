//! Label maps as PNG: written with the palette of DAVIS-style masks (index = object id), read from
//! palette, grey and RGB pictures.

use std::{io::Cursor, path::Path};

use crate::{
    Error, LabelMap, MAX_PIXELS, Result, Size, fsio, media::guarded, palette, rle::check_size,
};

/// The longest mask PNG that is read, in bytes.
const MAX_PNG_BYTES: u64 = 256 << 20;

/// How colours of an RGB picture become object ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColorMatch {
    /// Each pixel must have exactly a palette colour (or be transparent, which is background).
    Exact,
    /// Each pixel goes to the nearest colour of background and ids `1..=objects`, and to the
    /// background when even that is further than [`palette::SNAP_THRESHOLD`].
    Snap {
        /// Number of objects.
        objects: u8,
    },
}

impl LabelMap {
    /// The map as an 8-bit palette PNG: index = object id, colours as in [`palette::color_of`].
    ///
    /// # Errors
    /// [`Error::Format`] when the encoder fails, which it does not in memory.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let colors: Vec<u8> = (0..=255).flat_map(palette::color_of).collect();
        encode(self.size(), png::ColorType::Indexed, Some(colors), self.ids())
    }

    /// Writes [`LabelMap::to_png`] to `path`.
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        fsio::write_atomic(path, &self.to_png()?)
    }

    /// Reads a mask PNG, see [`LabelMap::from_png`], with [`ColorMatch::Exact`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`LabelMap::from_png`].
    pub fn read_png(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_png_with(path, ColorMatch::Exact)
    }

    /// Reads a mask PNG, see [`LabelMap::from_png`].
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, otherwise as [`LabelMap::from_png`].
    pub fn read_png_with(path: impl AsRef<Path>, matching: ColorMatch) -> Result<Self> {
        let path = path.as_ref();
        let bytes = fsio::read_limited(path, MAX_PNG_BYTES)?;
        Self::from_png(&path.display().to_string(), &bytes, matching)
    }

    /// A label map from the bytes of a PNG. A palette picture's indices are the ids, whatever its
    /// colours. A grey picture's values are the ids, except that black and white alone mean
    /// background and object 1. Colours are matched to the palette as `matching` says.
    /// `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] when the bytes are no PNG; [`Error::Invalid`] when it is too large or
    /// when a colour is not in the palette, with the colour and its position.
    pub fn from_png(what: &str, bytes: &[u8], matching: ColorMatch) -> Result<Self> {
        let (size, color, data) = guarded(what, "PNG", || decode(what, bytes))?;
        let channels = color.samples();
        let ids = match color {
            png::ColorType::Indexed => data,
            png::ColorType::Grayscale | png::ColorType::GrayscaleAlpha => {
                let binary = data.chunks_exact(channels).all(|p| p[0] == 0 || p[0] == 255);
                let id = |p: &[u8]| match (p, binary) {
                    ([_, 0], _) => 0,
                    (_, true) => p[0].min(1),
                    (_, false) => p[0],
                };
                data.chunks_exact(channels).map(id).collect()
            }
            png::ColorType::Rgb | png::ColorType::Rgba => {
                let mut last = ([0u8; 3], 0u8);
                let mut ids = Vec::with_capacity(size.area());
                for (i, p) in data.chunks_exact(channels).enumerate() {
                    let rgb = [p[0], p[1], p[2]];
                    if p.get(3) == Some(&0) {
                        ids.push(0);
                        continue;
                    }
                    // Neighbours mostly share a colour, so the last answer mostly holds.
                    if last.0 != rgb {
                        last = (rgb, id_of_color(what, rgb, i, size, matching)?);
                    }
                    ids.push(last.1);
                }
                ids
            }
        };
        Self::new(size, ids)
    }
}

/// A one-object mask: 1 for every pixel that is neither black (palette index 0) nor transparent.
pub(crate) fn read_any_color(path: &Path) -> Result<LabelMap> {
    let what = path.display().to_string();
    let bytes = fsio::read_limited(path, MAX_PNG_BYTES)?;
    let (size, color, data) = guarded(&what, "PNG", || decode(&what, &bytes))?;
    let alpha = matches!(color, png::ColorType::GrayscaleAlpha | png::ColorType::Rgba);
    let inside = |p: &[u8]| match p.split_last() {
        Some((a, rest)) if alpha => *a > 0 && rest.iter().any(|&v| v > 0),
        _ => p.iter().any(|&v| v > 0),
    };
    LabelMap::new(size, data.chunks_exact(color.samples()).map(|p| u8::from(inside(p))).collect())
}

/// The object id of a colour at pixel `i`.
fn id_of_color(what: &str, rgb: [u8; 3], i: usize, size: Size, matching: ColorMatch) -> Result<u8> {
    match matching {
        ColorMatch::Snap { objects } => Ok(palette::snap(rgb, objects, palette::SNAP_THRESHOLD)),
        ColorMatch::Exact => palette::id_of(rgb).ok_or_else(|| {
            let near = palette::snap(rgb, u8::MAX, f32::INFINITY);
            let [r, g, b] = rgb;
            let [nr, ng, nb] = palette::color_of(near);
            Error::invalid(
                what,
                format!(
                    "colour ({r}, {g}, {b}) at column {}, row {} is not in the palette; the \
                     nearest is ({nr}, {ng}, {nb}) of {}",
                    i % size.width,
                    i / size.width,
                    if near == 0 { "the background".to_owned() } else { format!("object {near}") },
                ),
            )
        }),
    }
}

/// Encodes 8-bit samples as a PNG, with a palette when there is one.
pub(crate) fn encode(
    size: Size,
    color: png::ColorType,
    colors: Option<Vec<u8>>,
    data: &[u8],
) -> Result<Vec<u8>> {
    let failed = |e: png::EncodingError| Error::format("writing PNG", e.to_string());
    check_size(size)?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width as u32, size.height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(colors) = colors {
        encoder.set_palette(colors);
    }
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(data).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Size, colour type and 8-bit samples of a PNG; palette indices stay indices.
fn decode(what: &str, bytes: &[u8]) -> Result<(Size, png::ColorType, Vec<u8>)> {
    let failed = |e: png::DecodingError| Error::format(what, format!("expected a PNG: {e}"));
    let limits = png::Limits { bytes: MAX_PIXELS * 8 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let info = decoder.read_header_info().map_err(failed)?;
    let (color, depth) = (info.color_type, info.bit_depth as u8);
    let size = Size::new(info.width as usize, info.height as usize);
    check_size(size).map_err(|e| Error::invalid(what, e.to_string()))?;
    let gray = matches!(color, png::ColorType::Grayscale | png::ColorType::GrayscaleAlpha);
    if gray && depth == 16 {
        return Err(Error::invalid(what, "expected masks of 8 bits a sample, got 16"));
    }
    decoder.set_transformations(match color {
        png::ColorType::Indexed => png::Transformations::IDENTITY,
        _ => png::Transformations::EXPAND | png::Transformations::STRIP_16,
    });
    let mut reader = decoder.read_info().map_err(failed)?;
    let length = reader.output_buffer_size().unwrap_or(usize::MAX);
    if length > MAX_PIXELS * 4 {
        return Err(Error::invalid(what, format!("too large: {length} bytes")));
    }
    let mut data = vec![0; length];
    let frame = reader.next_frame(&mut data).map_err(failed)?;
    data.truncate(frame.buffer_size());
    if color != png::ColorType::Indexed {
        return Ok((size, frame.color_type, data));
    }
    Ok((size, color, unpacked(&data, size.width, frame.line_size, depth)))
}

/// One byte for each sample of `depth` bits, 1 to 8; rows are `line` bytes long.
fn unpacked(data: &[u8], width: usize, line: usize, depth: u8) -> Vec<u8> {
    let depth = usize::from(depth);
    let sample = |row: &[u8], x: usize| {
        let bit = x * depth;
        let shifted = row[bit / 8] >> (8 - depth - bit % 8);
        shifted & (0xff >> (8 - depth))
    };
    data.chunks_exact(line).flat_map(|row| (0..width).map(move |x| sample(row, x))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb_png(size: Size, data: &[u8]) -> Vec<u8> {
        encode(size, png::ColorType::Rgb, None, data).unwrap()
    }

    #[test]
    fn palette_pngs_round_trip() {
        let size = Size::new(16, 16);
        let map = LabelMap::new(size, (0..=255).collect()).unwrap();
        let bytes = map.to_png().unwrap();
        assert_eq!(LabelMap::from_png("m", &bytes, ColorMatch::Exact).unwrap(), map);
        // Other programs see the palette's colours, and those come back as well.
        let seen = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(seen.get_pixel(3, 0).0, palette::color_of(3));
        let again = rgb_png(size, seen.as_raw());
        assert_eq!(LabelMap::from_png("m", &again, ColorMatch::Exact).unwrap(), map);
    }

    #[test]
    fn few_bits_a_pixel_are_unpacked() {
        for (depth, bytes, ids) in [
            (png::BitDepth::One, vec![0b1010_0000, 0b0110_0000], [1, 0, 1, 0, 1, 1]),
            (png::BitDepth::Two, vec![0b0111_1000, 0b0000_0100], [1, 3, 2, 0, 0, 1]),
            (png::BitDepth::Four, vec![0x12, 0x30, 0x45, 0x60], [1, 2, 3, 4, 5, 6]),
        ] {
            let mut out = Vec::new();
            let mut encoder = png::Encoder::new(&mut out, 3, 2);
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_depth(depth);
            encoder.set_palette(vec![0; 16 * 3]);
            encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
            let map = LabelMap::from_png("m", &out, ColorMatch::Exact).unwrap();
            assert_eq!(map.ids(), ids, "{depth:?}");
        }
    }

    #[test]
    fn unknown_colours_are_named_with_their_place() {
        let size = Size::new(2, 2);
        let mut data: Vec<u8> = [1, 0, 2, 0].into_iter().flat_map(palette::color_of).collect();
        let exact = LabelMap::from_png("m", &rgb_png(size, &data), ColorMatch::Exact).unwrap();
        assert_eq!(exact.ids(), [1, 0, 2, 0]);
        data[6] += 3;
        let bytes = rgb_png(size, &data);
        let e = LabelMap::from_png("m.png", &bytes, ColorMatch::Exact).unwrap_err().to_string();
        for words in ["m.png", "(67, 144, 255)", "column 0, row 1", "object 2"] {
            assert!(e.contains(words), "{words}: {e}");
        }
        let snapped = LabelMap::from_png("m", &bytes, ColorMatch::Snap { objects: 2 }).unwrap();
        assert_eq!(snapped, exact);
    }

    #[test]
    fn grey_and_transparent_pictures() {
        let size = Size::new(3, 1);
        let read = |color, data: &[u8]| {
            let bytes = encode(size, color, None, data).unwrap();
            LabelMap::from_png("m", &bytes, ColorMatch::Exact).unwrap().ids().to_vec()
        };
        assert_eq!(read(png::ColorType::Grayscale, &[0, 255, 0]), [0, 1, 0]);
        assert_eq!(read(png::ColorType::Grayscale, &[0, 1, 2]), [0, 1, 2]);
        let rgba = [255, 64, 64, 255, 9, 9, 9, 0, 255, 64, 64, 0];
        assert_eq!(read(png::ColorType::Rgba, &rgba), [1, 0, 0]);
    }
}
