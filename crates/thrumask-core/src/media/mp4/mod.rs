//! MP4 files (ISO/IEC 14496-12) around one video track, whatever its codec.

mod read;
mod write;

use std::num::NonZeroU16;

use shiguredo_mp4::{
    BoxSize, BoxType, FixedPointNumber,
    boxes::{Avc1Box, AvccBox, SampleEntry, UnknownBox, VisualSampleEntryFields},
};

pub(crate) use read::decode;
pub(crate) use write::encode;

use super::yuv::{ColorSpace, Yuv420};
use crate::{Result, Size};

/// An encoder of a video track.
pub(crate) trait TrackEncoder {
    /// Encodes frames of one even size.
    fn encode(&self, frames: &[Yuv420], fps: f32) -> Result<Track>;
}

/// A decoder of a video track's samples.
pub(crate) trait TrackDecoder {
    /// The size of the pictures, as the track announces it.
    fn size(&self) -> Size;
    /// How to understand their colours.
    fn color(&self) -> ColorSpace;
    /// Decodes one sample, in coding order; `None` when it holds no picture.
    fn decode(&mut self, sample: &[u8]) -> Result<Option<Yuv420>>;
}

/// An encoded track; samples are shown in this order, each for the same time.
pub(crate) struct Track {
    /// Size of the pictures, even.
    pub size: Size,
    /// Codec and its parameters.
    pub entry: SampleEntry,
    /// One for each frame.
    pub samples: Vec<Sample>,
}

/// One encoded frame.
#[derive(Default)]
pub(crate) struct Sample {
    /// Whether a player can start here.
    pub keyframe: bool,
    /// The bytes.
    pub data: Vec<u8>,
}

/// The sample entry of an H.264 track, tagged as BT.709.
pub(crate) fn avc1(size: Size, avcc_box: AvccBox) -> SampleEntry {
    SampleEntry::Avc1(Avc1Box {
        visual: VisualSampleEntryFields {
            data_reference_index: NonZeroU16::MIN,
            width: size.width as u16,
            height: size.height as u16,
            horizresolution: FixedPointNumber::new(72, 0),
            vertresolution: FixedPointNumber::new(72, 0),
            frame_count: 1,
            compressorname: [0; 32],
            depth: 24,
        },
        avcc_box,
        // Primaries, transfer and matrix of BT.709 (code 1), limited range.
        unknown_boxes: vec![plain_box(*b"colr", b"nclx\0\x01\0\x01\0\x01\0".to_vec())],
    })
}

/// A box from its payload.
fn plain_box(name: [u8; 4], payload: Vec<u8>) -> UnknownBox {
    let box_type = BoxType::Normal(name);
    let box_size = BoxSize::with_payload_size(box_type, payload.len() as u64);
    UnknownBox { box_type, box_size, payload }
}

/// The payload of the first box of this name.
fn payload_of(boxes: &[UnknownBox], name: [u8; 4]) -> Option<&[u8]> {
    let found = boxes.iter().find(|b| b.box_type == BoxType::Normal(name));
    found.map(|b| b.payload.as_slice())
}

/// Colours as a file tags them.
pub(crate) fn color_of(boxes: &[UnknownBox]) -> Option<ColorSpace> {
    let [b'n', b'c', b'l', b'x', _, _, _, _, _, code, range, ..] = *payload_of(boxes, *b"colr")?
    else {
        return None;
    };
    let matrix = super::h264::matrix_of(u32::from(code))?;
    Some(ColorSpace { matrix, full_range: range & 0x80 != 0 })
}

/// The four letters of a sample entry.
pub(crate) fn name_of(entry: &SampleEntry) -> String {
    let name = match entry {
        SampleEntry::Avc1(_) => *b"avc1",
        SampleEntry::Hev1(_) => *b"hev1",
        SampleEntry::Hvc1(_) => *b"hvc1",
        SampleEntry::Vp08(_) => *b"vp08",
        SampleEntry::Vp09(_) => *b"vp09",
        SampleEntry::Av01(_) => *b"av01",
        SampleEntry::Unknown(b) => match b.box_type {
            BoxType::Normal(name) => name,
            BoxType::Uuid(_) => *b"uuid",
        },
        _ => *b"----",
    };
    name.iter().flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect()
}

/// The clean aperture of pictures that were grown to even sides: the upper left part.
fn clean_aperture(size: Size, full: Size) -> UnknownBox {
    // Width, height, and the offset of the centre, each as a fraction.
    let offset = |part: usize, whole: usize| part as i32 - whole as i32;
    let numbers = [
        size.width as i32,
        1,
        size.height as i32,
        1,
        offset(size.width, full.width),
        2,
        offset(size.height, full.height),
        2,
    ];
    plain_box(*b"clap", numbers.iter().flat_map(|n| n.to_be_bytes()).collect())
}

/// The part of pictures of `full` size that is to be shown, as `(x, y, size)`, when the file says
/// so in whole pixels.
fn aperture_of(boxes: &[UnknownBox], full: Size) -> Option<(usize, usize, Size)> {
    let payload = payload_of(boxes, *b"clap")?;
    let numbers: Vec<i64> = payload
        .chunks_exact(4)
        .map(|c| i64::from(i32::from_be_bytes([c[0], c[1], c[2], c[3]])))
        .collect();
    let [wn, wd, hn, hd, xn, xd, yn, yd] = numbers[..] else { return None };
    // First pixel and number of pixels on one axis: the centre lies at (full - 1)/2 + offset.
    let axis = |n: i64, d: i64, on: i64, od: i64, full: usize| {
        if d <= 0 || od <= 0 || n % d != 0 {
            return None;
        }
        let length = n / d;
        let twice = (full as i64 - length).checked_mul(od)?.checked_add(on.checked_mul(2)?)?;
        let start = (twice % (2 * od) == 0).then(|| twice / (2 * od))?;
        let fits = length > 0 && start >= 0 && start + length <= full as i64;
        fits.then_some((start as usize, length as usize))
    };
    let (x, width) = axis(wn, wd, xn, xd, full.width)?;
    let (y, height) = axis(hn, hd, yn, yd, full.height)?;
    Some((x, y, Size::new(width, height)))
}

#[cfg(test)]
mod tests;
