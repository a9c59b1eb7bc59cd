//! Animated GIF: each frame with its own palette, exact up to 256 colours.

use std::io::Cursor;

use image::{AnimationDecoder, ImageDecoder, codecs::gif::GifDecoder};

use super::{
    clip::{DEFAULT_FPS, Visit, check_total},
    picture::{limits, on_white},
};
use crate::{Clip, Error, Picture, Result, Size, rle::check_size};

/// How thoroughly colours are chosen, 1 (best) to 30.
const QUANTISATION: i32 = 1;

/// The bytes of an endless animation; `note` becomes a comment.
pub(super) fn encode(clip: &Clip, note: Option<&str>) -> Result<Vec<u8>> {
    let failed = |e: gif::EncodingError| Error::format("writing GIF", e.to_string());
    let size = clip.size();
    check_size(size)?;
    let (width, height) = (size.width as u16, size.height as u16);
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[]).map_err(failed)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(failed)?;
    if let Some(note) = note {
        // A block holds at most 255 bytes.
        let blocks: Vec<&[u8]> = note.as_bytes().chunks(255).collect();
        let comment = gif::Extension::Comment.into();
        encoder.write_raw_extension(comment, &blocks).map_err(failed)?;
    }
    let mut delays = delays(clip.fps(), 100.0);
    for picture in clip.frames() {
        let mut rgba: Vec<u8> =
            picture.rgb().chunks_exact(3).flat_map(|c| [c[0], c[1], c[2], 255]).collect();
        let mut frame = gif::Frame::from_rgba_speed(width, height, &mut rgba, QUANTISATION);
        let delay = delays.next().unwrap_or(1);
        frame.delay = u16::try_from(delay).unwrap_or(u16::MAX);
        frame.dispose = gif::DisposalMethod::Keep;
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(bytes)
}

/// How long each frame is shown, in units of which a second has `units`, at least one each:
/// rounded so that errors do not add up.
pub(super) fn delays(fps: f32, units: f64) -> impl Iterator<Item = u64> {
    let end = move |i: u64| (i as f64 * units / f64::from(fps)).round() as u64;
    (0..).map(move |i| (end(i + 1) - end(i)).max(1))
}

/// Reads all frames as they are to be seen, transparent parts on white; returns the frame rate.
pub(super) fn decode(what: &str, bytes: &[u8], visit: &mut Visit<'_>) -> Result<f32> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes))
        .map_err(|e| Error::format(what, format!("expected a GIF: {e}")))?;
    let (width, height) = decoder.dimensions();
    check_size(Size::new(width as usize, height as usize))
        .map_err(|e| Error::invalid(what, e.to_string()))?;
    decoder.set_limits(limits()).map_err(|e| Error::invalid(what, e.to_string()))?;
    animation(what, decoder, visit)
}

/// All frames of an animation; returns the mean frame rate.
pub(super) fn animation<'a>(
    what: &str,
    decoder: impl AnimationDecoder<'a>,
    visit: &mut Visit<'_>,
) -> Result<f32> {
    let (mut count, mut millis) = (0usize, 0f64);
    for frame in decoder.into_frames() {
        let frame = frame.map_err(|e| Error::format(what, format!("frame {count}: {e}")))?;
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let shown_at = millis / 1000.0;
        millis += f64::from(numerator) / f64::from(denominator.max(1));
        let rgba = frame.into_buffer();
        let size = Size::new(rgba.width() as usize, rgba.height() as usize);
        count += 1;
        check_total(what, count, size.area())?;
        let rgb = rgba.pixels().flat_map(|p| on_white(p.0)).collect();
        visit(Picture::new(size, rgb)?, shown_at)?;
    }
    if count == 0 {
        return Err(Error::format(what, "expected at least one frame, got none"));
    }
    let fps = (count as f64 * 1000.0 / millis) as f32;
    Ok(if fps.is_finite() { fps } else { DEFAULT_FPS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_do_not_drift() {
        let total = |fps: f32, n: usize| delays(fps, 100.0).take(n).sum::<u64>();
        assert_eq!(total(8.0, 8), 100);
        assert_eq!(total(30.0, 300), 1000);
        assert!(delays(1000.0, 100.0).take(50).all(|d| d == 1));
    }

    #[test]
    fn few_colours_are_exact_and_the_note_is_in_the_file() {
        let size = Size::new(9, 7);
        let frame = |k: usize| {
            let rgb = (0..size.area()).flat_map(|i| [(i % 7 * 40 + k) as u8, 20, (i / 7) as u8]);
            Picture::new(size, rgb.collect()).unwrap()
        };
        let clip = Clip::new(vec![frame(0), frame(3), frame(5)], 12.5).unwrap();
        let note = "x".repeat(300);
        let bytes = encode(&clip, Some(&note)).unwrap();
        assert_eq!(Clip::from_bytes("g", &bytes).unwrap(), clip);
        assert_eq!(bytes.iter().filter(|&&b| b == b'x').count() / 100, 3);
        assert!(bytes.windows(11).any(|w| w == b"NETSCAPE2.0"));
        assert_eq!(bytes, encode(&clip, Some(&note)).unwrap());
    }

    #[test]
    fn many_colours_are_close() {
        let size = Size::new(64, 48);
        let rgb = (0..size.area()).flat_map(|i| {
            let (x, y) = (i % 64, i / 64);
            [(x * 4) as u8, (y * 5) as u8, ((x + y) * 2) as u8]
        });
        let clip = Clip::new(vec![Picture::new(size, rgb.collect()).unwrap()], 5.0).unwrap();
        let back = Clip::from_bytes("g", &encode(&clip, None).unwrap()).unwrap();
        let psnr = super::super::psnr(&clip.frames()[0], &back.frames()[0]);
        assert!(psnr > 28.0, "{psnr}");
    }
}
