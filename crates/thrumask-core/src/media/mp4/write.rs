//! Writing MP4: index first, so that players can start before all is loaded, and no times of day,
//! so that the same video gives the same bytes.

use std::num::NonZeroU32;

use shiguredo_mp4::{
    Either, Encode, TrackKind,
    boxes::SampleEntry,
    mux::{Mp4FileMuxer, Mp4FileMuxerOptions, Sample as MuxSample},
};

use super::{Track, TrackEncoder, clean_aperture, plain_box};
use crate::{Clip, Error, Result, media::yuv::Yuv420};

/// Frame rates that can be written, in frames per second.
const FPS: std::ops::RangeInclusive<f32> = 0.01..=1000.0;

/// The bytes of an MP4 of `clip`; `note` goes into its comment field.
pub(crate) fn encode(
    encoder: &dyn TrackEncoder,
    clip: &Clip,
    note: Option<&str>,
) -> Result<Vec<u8>> {
    let size = clip.size();
    if !FPS.contains(&clip.fps()) {
        let reason =
            format!("expected {} to {} for MP4, got {}", FPS.start(), FPS.end(), clip.fps());
        return Err(Error::invalid("fps", reason));
    }
    crate::rle::check_size(size)?;
    let frames: Vec<Yuv420> = clip.frames().iter().map(Yuv420::from_picture).collect();
    let mut track = encoder.encode(&frames, clip.fps())?;
    drop(frames);
    if track.size != size
        && let SampleEntry::Avc1(avc1) = &mut track.entry
    {
        avc1.unknown_boxes.push(clean_aperture(size, track.size));
    }
    mux(track, clip.fps(), note).map_err(|e| Error::format("writing MP4", e))
}

/// Puts a track into a file.
fn mux(track: Track, fps: f32, note: Option<&str>) -> std::result::Result<Vec<u8>, String> {
    let text = |e: shiguredo_mp4::Error| e.to_string();
    let (timescale, duration) = timing(fps);
    let mut muxer =
        Mp4FileMuxer::with_options(Mp4FileMuxerOptions::default()).map_err(|e| e.to_string())?;
    let mut position = muxer.initial_boxes_bytes().len() as u64;
    let mut media = Vec::new();
    let mut entry = Some(track.entry);
    for sample in track.samples {
        let sample_entry = entry.take();
        muxer
            .append_sample(&MuxSample {
                track_kind: TrackKind::Video,
                sample_entry,
                keyframe: sample.keyframe,
                timescale,
                duration,
                composition_time_offset: None,
                data_offset: position,
                data_size: sample.data.len(),
            })
            .map_err(|e| e.to_string())?;
        position += sample.data.len() as u64;
        media.extend(sample.data);
    }
    let initial = muxer.initial_boxes_bytes().len() as u64;
    let boxes = muxer.finalize().map_err(|e| e.to_string())?;
    // The muxer leaves a gap for an index that it cannot foresee; here the whole file is at hand,
    // so the index is placed exactly, and the media moves up behind it.
    let (_, head) = boxes.offset_and_bytes_pairs().next().ok_or("no file type")?;
    let type_length = head.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let mut out = head.get(..type_length as usize).ok_or("no file type")?.to_vec();
    let mut moov = boxes.moov_box().clone();
    if let Some(note) = note {
        moov.unknown_boxes.push(plain_box(*b"udta", comment(note)));
    }
    let index_length = moov.encode_to_vec().map_err(text)?.len() as u64;
    let media_start = out.len() as u64 + index_length + 8;
    for trak in &mut moov.trak_boxes {
        match &mut trak.mdia_box.minf_box.stbl_box.stco_or_co64_box {
            Either::A(stco) => {
                for offset in &mut stco.chunk_offsets {
                    let moved = u64::from(*offset) - initial + media_start;
                    *offset = u32::try_from(moved).map_err(|_| "longer than 4 GB")?;
                }
            }
            Either::B(co64) => {
                co64.chunk_offsets.iter_mut().for_each(|o| *o = *o - initial + media_start);
            }
        }
    }
    out.extend(moov.encode_to_vec().map_err(text)?);
    let media_length = u32::try_from(media.len() + 8).map_err(|_| "longer than 4 GB")?;
    out.extend(media_length.to_be_bytes());
    out.extend(b"mdat");
    out.extend(media);
    Ok(out)
}

/// Time units a second, and units a frame: exact for whole rates and for those of broadcasting
/// (24000/1001 and its like), else within a millionth.
fn timing(fps: f32) -> (NonZeroU32, u32) {
    let whole = f64::from(fps).round();
    let candidates = [(whole * 1000.0, 1000.0), (whole * 1000.0, 1001.0)];
    let (scale, duration) = candidates
        .into_iter()
        .find(|(scale, duration)| ((scale / duration) as f32 - fps).abs() <= fps * 1e-6)
        .unwrap_or_else(|| {
            // A rate of at most 1000 and at least 0.01 keeps both within 32 bits.
            let duration = if fps < 1.0 { 100_000_000.0 } else { 1_000_000.0 };
            ((f64::from(fps) * duration).round(), duration)
        });
    (NonZeroU32::new(scale as u32).unwrap_or(NonZeroU32::MIN), duration as u32)
}

/// The payload of a user data box with a comment, as iTunes and ffmpeg write it.
fn comment(note: &str) -> Vec<u8> {
    let wrap = |name: &[u8; 4], payload: Vec<u8>| {
        let mut out = (payload.len() as u32 + 8).to_be_bytes().to_vec();
        out.extend(name);
        out.extend(payload);
        out
    };
    let handler = [&[0; 8][..], b"mdirappl", &[0; 9]].concat();
    // Type 1: text in UTF-8; then the locale.
    let data = wrap(b"data", [&[0, 0, 0, 1, 0, 0, 0, 0], note.as_bytes()].concat());
    let list = wrap(b"ilst", wrap(b"\xa9cmt", data));
    wrap(b"meta", [vec![0; 4], wrap(b"hdlr", handler), list].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_are_kept() {
        for (fps, exact) in [
            (8.0, Some((8000, 1000))),
            (29.97003, Some((30000, 1001))),
            (23.976_025, Some((24000, 1001))),
            (12.5, None),
            (0.01, None),
            (999.9, None),
        ] {
            let (scale, duration) = timing(fps);
            assert!(exact.is_none_or(|e| e == (scale.get(), duration)), "{fps}");
            let got = f64::from(scale.get()) / f64::from(duration);
            assert!((got / f64::from(fps) - 1.0).abs() < 2e-6, "{fps}: {got}");
        }
    }
}
