//! Animated WebP, lossless. The frames come from the library's still-picture encoder; the container
//! around them (RIFF with VP8X, ANIM and ANMF chunks) is laid out here.

use std::io::Cursor;

use image::{ExtendedColorType, ImageDecoder, codecs::webp};

use super::{
    clip::Visit,
    gif::{animation, delays},
    picture::limits,
};
use crate::{Clip, Error, Picture, Result, Size, rle::check_size};

/// Bit of the VP8X flags that says that there are several frames.
const ANIMATED: u8 = 1 << 1;

/// Bit of a frame's flags that says that it replaces what it covers, rather than blending.
const REPLACES: u8 = 1 << 1;

/// The bytes of an endless animation.
pub(super) fn encode(clip: &Clip) -> Result<Vec<u8>> {
    let size = clip.size();
    check_size(size)?;
    let mut body = b"WEBP".to_vec();
    let canvas = [three_bytes(size.width as u32 - 1), three_bytes(size.height as u32 - 1)].concat();
    push_chunk(&mut body, b"VP8X", &[&[ANIMATED, 0, 0, 0][..], &canvas].concat());
    // White behind the frames, and no limit to the repetitions.
    push_chunk(&mut body, b"ANIM", &[255, 255, 255, 255, 0, 0]);
    for (picture, millis) in clip.frames().iter().zip(delays(clip.fps(), 1000.0)) {
        let mut frame = vec![0; 6];
        frame.extend(&canvas);
        frame.extend(three_bytes(millis.min((1 << 24) - 1) as u32));
        frame.push(REPLACES);
        push_chunk(&mut frame, b"VP8L", &lossless(picture)?);
        push_chunk(&mut body, b"ANMF", &frame);
    }
    let mut bytes = b"RIFF".to_vec();
    let length = u32::try_from(body.len())
        .map_err(|_| Error::invalid("writing WebP", "the animation is longer than 4 GB"))?;
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    Ok(bytes)
}

/// A picture as the payload of a VP8L chunk.
fn lossless(picture: &Picture) -> Result<Vec<u8>> {
    let failed = |e: String| Error::format("writing WebP", e);
    let (width, height) = (picture.size().width as u32, picture.size().height as u32);
    let mut still = Vec::new();
    webp::WebPEncoder::new_lossless(&mut still)
        .encode(picture.rgb(), width, height, ExtendedColorType::Rgb8)
        .map_err(|e| failed(e.to_string()))?;
    let mut rest = still.get(12..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if &head[..4] == b"VP8L" {
            let payload = tail.get(..length).ok_or_else(|| failed("cut off".into()))?;
            return Ok(payload.to_vec());
        }
        rest = tail.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    Err(failed("the encoder gave no lossless picture".into()))
}

/// Adds a chunk; those of odd length are followed by a zero.
fn push_chunk(out: &mut Vec<u8>, name: &[u8; 4], payload: &[u8]) {
    out.extend(name);
    out.extend((payload.len() as u32).to_le_bytes());
    out.extend(payload);
    if payload.len() % 2 == 1 {
        out.push(0);
    }
}

/// The lower three bytes of a number, lowest first.
fn three_bytes(v: u32) -> [u8; 3] {
    let [a, b, c, _] = v.to_le_bytes();
    [a, b, c]
}

/// Whether a WebP file holds an animation.
pub(super) fn is_animated(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|f| f & ANIMATED != 0)
}

/// Reads all frames, transparent parts on white; returns the frame rate.
pub(super) fn decode(what: &str, bytes: &[u8], visit: &mut Visit<'_>) -> Result<f32> {
    let mut decoder = webp::WebPDecoder::new(Cursor::new(bytes))
        .map_err(|e| Error::format(what, format!("expected a WebP: {e}")))?;
    let (width, height) = decoder.dimensions();
    check_size(Size::new(width as usize, height as usize))
        .map_err(|e| Error::invalid(what, e.to_string()))?;
    decoder.set_limits(limits()).map_err(|e| Error::invalid(what, e.to_string()))?;
    animation(what, decoder, visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn animations_are_lossless() {
        for size in [Size::new(1, 1), Size::new(5, 3), Size::new(40, 31)] {
            let frame = |k: usize| {
                let rgb = (0..size.area() * 3).map(|i| (i * i * (k + 3) % 251) as u8);
                Picture::new(size, rgb.collect()).unwrap()
            };
            let clip = Clip::new((0..4).map(frame).collect(), 10.0).unwrap();
            let bytes = encode(&clip).unwrap();
            assert!(is_animated(&bytes));
            assert_eq!(Clip::from_bytes("w", &bytes).unwrap(), clip);
            // As a picture it is its first frame.
            assert_eq!(Picture::from_bytes("w", &bytes).unwrap(), clip.frames()[0]);
            assert_eq!(bytes, encode(&clip).unwrap());
        }
    }
}
