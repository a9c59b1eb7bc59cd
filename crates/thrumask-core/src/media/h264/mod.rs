//! H.264 both ways, behind [`TrackEncoder`] and [`TrackDecoder`].

mod bits;
mod sps;

use rusty_h264::{Decoder, Encoder, EncoderConfig, Preset, Profile, YuvFrame};
use shiguredo_mp4::{
    Uint,
    boxes::{AvccBox, SampleEntry},
};

pub(crate) use sps::matrix_of;

use super::{
    mp4::{self, Sample, Track, TrackDecoder, TrackEncoder},
    yuv::{ColorSpace, Yuv420},
};
use crate::{Error, Result, Size};

/// Types of NAL units (ITU-T H.264, table 7-1).
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_DELIMITER: u8 = 9;

/// Most frames between two from which a player can start.
const KEYFRAME_INTERVAL: u32 = 60;

/// Writes High profile at constant quality, without frames that refer to later ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct H264Encoder {
    /// Quantisation, 0 (best) to 51.
    pub qp: u8,
}

impl TrackEncoder for H264Encoder {
    fn encode(&self, frames: &[Yuv420], fps: f32) -> Result<Track> {
        let failed = |why: String| Error::format("writing H.264", why);
        let Some(size) = frames.first().map(|f| f.size) else {
            return Err(Error::invalid("writing H.264", "expected at least one frame, got none"));
        };
        // Everything that the encoder would take from its environment is set here.
        let mut config = EncoderConfig::new(size.width, size.height);
        config.profile = Profile::High;
        config.cabac = true;
        config.transform_8x8 = true;
        config.preset = Preset::Balanced;
        config.qp = self.qp.min(51);
        config.bitrate = 0;
        config.bframes = 0;
        config.gop_size = KEYFRAME_INTERVAL;
        config.framerate = fps;
        let encoder = Encoder::new(config).map_err(|e| failed(e.to_string()))?;
        let frames: Vec<YuvFrame> = frames
            .iter()
            .map(|f| YuvFrame {
                width: f.size.width,
                height: f.size.height,
                y: f.y.clone(),
                u: f.u.clone(),
                v: f.v.clone(),
            })
            .collect();
        let units = encoder.encode_all(&frames).map_err(|e| failed(e.to_string()))?;
        if units.len() != frames.len() {
            return Err(failed(format!("expected {} pictures, got {}", frames.len(), units.len())));
        }
        let (mut sps_list, mut pps_list) = (Vec::new(), Vec::new());
        let mut samples = Vec::with_capacity(units.len());
        for unit in &units {
            let mut sample = Sample::default();
            for nal in split_annex_b(unit) {
                match nal[0] & 31 {
                    NAL_SPS => keep(&mut sps_list, nal),
                    NAL_PPS => keep(&mut pps_list, nal),
                    NAL_DELIMITER => {}
                    kind => {
                        sample.keyframe |= kind == NAL_IDR;
                        sample.data.extend((nal.len() as u32).to_be_bytes());
                        sample.data.extend(nal);
                    }
                }
            }
            samples.push(sample);
        }
        let ([sps], [_, ..]) = (&sps_list[..], &pps_list[..]) else {
            return Err(failed("expected one sequence parameter set".into()));
        };
        let sps = sps::tagged(sps)
            .filter(|s| s.len() > 3)
            .ok_or_else(|| failed("broken sequence parameter set".into()))?;
        let avcc = AvccBox {
            avc_profile_indication: sps[1],
            profile_compatibility: sps[2],
            avc_level_indication: sps[3],
            length_size_minus_one: Uint::new(3),
            sps_list: vec![sps],
            pps_list,
            chroma_format: Some(Uint::new(1)),
            bit_depth_luma_minus8: Some(Uint::new(0)),
            bit_depth_chroma_minus8: Some(Uint::new(0)),
            sps_ext_list: Vec::new(),
        };
        Ok(Track { size, entry: mp4::avc1(size, avcc), samples })
    }
}

/// Adds a parameter set unless it is there.
fn keep(list: &mut Vec<Vec<u8>>, nal: &[u8]) {
    if !list.iter().any(|n| n == nal) {
        list.push(nal.to_vec());
    }
}

/// The non-empty NAL units between start codes.
fn split_annex_b(bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut start = None;
    let mut i = 0;
    while i + 3 <= bytes.len() {
        if bytes[i..i + 3] == [0, 0, 1] {
            units.extend(start.map(|s| &bytes[s..i]));
            start = Some(i + 3);
            i += 3;
        } else {
            i += 1;
        }
    }
    units.extend(start.map(|s| &bytes[s..]));
    // Zeros before the next start code are padding.
    let trimmed = units
        .into_iter()
        .map(|u: &[u8]| &u[..u.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)]);
    trimmed.filter(|u| !u.is_empty()).collect()
}

/// Decodes the samples of an MP4 track.
pub(crate) struct H264Decoder {
    decoder: Decoder,
    /// Parameter sets to be put before the first sample, as a byte stream.
    head: Vec<u8>,
    /// Bytes in front of each unit that hold its length.
    length_bytes: usize,
    color: ColorSpace,
    size: Size,
}

impl H264Decoder {
    /// A decoder for a track with this sample entry.
    ///
    /// # Errors
    /// [`Error::Format`] when the entry is not of H.264 or its parameter sets are broken.
    pub fn new(what: &str, entry: &SampleEntry) -> Result<Self> {
        let SampleEntry::Avc1(avc1) = entry else {
            let reason = format!("expected H.264 video, got {}", mp4::name_of(entry));
            return Err(Error::format(what, reason));
        };
        let avcc = &avc1.avcc_box;
        let sps = avcc.sps_list.first().and_then(|s| sps::Sps::parse(s));
        let sps = sps.ok_or_else(|| Error::format(what, "broken H.264 parameter sets"))?;
        let mut head = Vec::new();
        for nal in avcc.sps_list.iter().chain(&avcc.pps_list) {
            push_annex_b(&mut head, nal);
        }
        let mut color = sps.color_space();
        // Where the stream does not say, the file may.
        if let (None, Some(tagged)) = (sps.matrix, mp4::color_of(&avc1.unknown_boxes)) {
            color = tagged;
        }
        let length_bytes = usize::from(avcc.length_size_minus_one.get()) + 1;
        Ok(Self { decoder: Decoder::new(), head, length_bytes, color, size: sps.size })
    }
}

impl TrackDecoder for H264Decoder {
    fn size(&self) -> Size {
        self.size
    }

    fn color(&self) -> ColorSpace {
        self.color
    }

    fn decode(&mut self, sample: &[u8]) -> Result<Option<Yuv420>> {
        let mut stream = std::mem::take(&mut self.head);
        let mut rest = sample;
        while let Some((length, tail)) = rest.split_at_checked(self.length_bytes) {
            let length = length.iter().fold(0usize, |v, &b| v << 8 | usize::from(b));
            let (nal, tail) = tail.split_at_checked(length).ok_or_else(|| {
                let got = tail.len();
                Error::format("H.264", format!("a unit of {length} bytes has only {got}"))
            })?;
            push_annex_b(&mut stream, nal);
            rest = tail;
        }
        let frame =
            self.decoder.decode(&stream).map_err(|e| Error::format("H.264", e.to_string()))?;
        let planes = |f: YuvFrame| {
            let size = Size::new(f.width, f.height);
            Yuv420 { size, y: f.y, u: f.u, v: f.v }
        };
        Ok(frame.map(planes))
    }
}

/// Adds a NAL unit with its start code.
fn push_annex_b(stream: &mut Vec<u8>, nal: &[u8]) {
    stream.extend([0, 0, 0, 1]);
    stream.extend(nal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_split_at_start_codes() {
        let stream = [0, 0, 0, 1, 9, 8, 0, 0, 0, 1, 7, 0, 0, 1, 6, 5, 4, 0];
        assert_eq!(split_annex_b(&stream), [&[9, 8][..], &[7], &[6, 5, 4]]);
        assert!(split_annex_b(&[0, 0]).is_empty());
    }

    #[test]
    fn the_stream_says_size_and_colours() {
        let frame = Yuv420 {
            size: Size::new(98, 52),
            y: vec![90; 98 * 52],
            u: vec![100; 49 * 26],
            v: vec![140; 49 * 26],
        };
        let track = H264Encoder { qp: 20 }.encode(&[frame], 8.0).unwrap();
        let SampleEntry::Avc1(avc1) = &track.entry else { panic!("not H.264") };
        let sps = sps::Sps::parse(&avc1.avcc_box.sps_list[0]).unwrap();
        assert_eq!(sps.size, Size::new(98, 52));
        assert_eq!(sps.color_space(), ColorSpace::WRITTEN);
        assert!(sps.matrix.is_some() && sps.full_range == Some(false));
        assert!(track.samples[0].keyframe);
        // Said once, it is not said again.
        let again = sps::tagged(&avc1.avcc_box.sps_list[0]).unwrap();
        assert_eq!(again, avc1.avcc_box.sps_list[0]);
    }
}
