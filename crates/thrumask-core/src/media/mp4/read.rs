//! Reading MP4: which frames are shown, when, and which way up.
//!
//! The boxes are parsed by the library that also writes them, which keeps run lengths as they are. A
//! demuxer that lists every frame a broken index claims (re_mp4 0.5) ran for minutes on one of the
//! first 200 altered files, and panicked on others.

use std::collections::BTreeMap;

use shiguredo_mp4::{
    BoxHeader, BoxType, Decode,
    aux::SampleTableAccessor,
    boxes::{ElstEntry, HdlrBox, MoovBox, SampleEntry, TrakBox},
};

use super::{TrackDecoder, aperture_of};
use crate::{Error, Picture, Result, Size, media::clip::Visit, rle::check_size};

/// How many frames may wait for an earlier one: H.264 keeps at most 16.
const MAX_REORDERED: usize = 32;

/// One frame of a track, in coding order.
struct Frame {
    start: usize,
    length: usize,
    /// When it is shown, in time units of the track; not shifted by the edit list.
    shown_at: i64,
    duration: u32,
    /// Whether the edit list shows it.
    visible: bool,
}

/// Decodes the first video track of an MP4 and calls `visit` with each shown frame, upright, in the
/// order in which they are shown. Returns the frame rate. `what` names the file in errors; more than
/// `most` pixels in all frames are refused.
pub(crate) fn decode(
    what: &str,
    bytes: &[u8],
    new_decoder: impl FnOnce(&SampleEntry) -> Result<Box<dyn TrackDecoder>>,
    most: usize,
    visit: &mut Visit<'_>,
) -> Result<f32> {
    let bad = |reason: &str| Error::format(what, reason);
    let moov = find_moov(what, bytes)?;
    let video = |t: &&TrakBox| t.mdia_box.hdlr_box.handler_type == HdlrBox::HANDLER_TYPE_VIDE;
    let usable = |t: &&TrakBox| !t.mdia_box.minf_box.stbl_box.stsd_box.entries.is_empty();
    let trak = moov
        .trak_boxes
        .iter()
        .find(|t| video(t) && usable(t))
        .ok_or_else(|| bad("expected a video track, got none"))?;
    let entry = &trak.mdia_box.minf_box.stbl_box.stsd_box.entries[0];
    let mut frames = frames_of(what, bytes, trak)?;
    if frames.is_empty() {
        let fragmented = moov.mvex_box.is_some();
        let reason = "fragmented MP4 is not supported: remux it into an ordinary one";
        return Err(bad(if fragmented { reason } else { "the video track has no frames" }));
    }
    apply_edits(&moov, trak, &mut frames);
    let mut order: Vec<usize> = (0..frames.len()).filter(|&i| frames[i].visible).collect();
    order.sort_by_key(|&i| frames[i].shown_at);
    if order.is_empty() {
        return Err(bad("the edit list of the video track shows no frame"));
    }
    let fps = rate(trak, &frames, &order).ok_or_else(|| bad("the frames have no duration"))?;
    let mut decoder = new_decoder(entry)?;
    check_size(decoder.size()).map_err(|e| Error::invalid(what, e.to_string()))?;
    if order.len().saturating_mul(decoder.size().area()) > most {
        let reason = format!(
            "too long to hold in memory: {} frames of {}, expected at most {most} pixels",
            order.len(),
            decoder.size()
        );
        return Err(Error::invalid(what, reason));
    }
    let crop = match entry {
        SampleEntry::Avc1(avc1) => aperture_of(&avc1.unknown_boxes, decoder.size()),
        _ => None,
    };
    let turn = Turn::of(&trak.tkhd_box.matrix);
    // Rank of each frame among those shown; frames wait here until those before them are decoded.
    let mut rank = vec![None; frames.len()];
    order.iter().enumerate().for_each(|(r, &i)| rank[i] = Some(r));
    let mut waiting: BTreeMap<usize, Picture> = BTreeMap::new();
    let mut next = 0;
    let timescale = f64::from(trak.mdia_box.mdhd_box.timescale.get());
    let shown_at = |rank: usize| {
        let [from, to] = [order[0], order[rank]].map(|i| frames[i].shown_at);
        to.saturating_sub(from) as f64 / timescale
    };
    for (frame, rank) in frames.iter().zip(rank) {
        let sample = &bytes[frame.start..frame.start + frame.length];
        let decoded = decoder.decode(sample).map_err(|e| bad(&e.to_string()))?;
        let (Some(planes), Some(rank)) = (decoded, rank.filter(|&r| r >= next)) else { continue };
        if planes.size != decoder.size() {
            let reason = format!("frames change size from {} to {}", decoder.size(), planes.size);
            return Err(bad(&reason));
        }
        let picture = planes.to_picture(decoder.color())?;
        waiting.insert(rank, turn.apply(&cropped(picture, crop)?)?);
        if waiting.len() > MAX_REORDERED {
            // It waited for a sample without a picture.
            next = waiting.keys().next().copied().unwrap_or(next);
        }
        while let Some(picture) = waiting.remove(&next) {
            visit(picture, shown_at(next))?;
            next += 1;
        }
    }
    // What is left waited for a sample without a picture.
    if next == 0 && waiting.is_empty() {
        return Err(bad("no frame could be decoded"));
    }
    waiting.into_iter().try_for_each(|(rank, picture)| visit(picture, shown_at(rank)))?;
    Ok(fps)
}

/// The index of the file.
fn find_moov(what: &str, bytes: &[u8]) -> Result<MoovBox> {
    let failed = |e: shiguredo_mp4::Error| Error::format(what, format!("expected an MP4: {e}"));
    let mut rest = bytes;
    while !rest.is_empty() {
        let (header, _) = BoxHeader::decode(rest).map_err(failed)?;
        if header.box_type == BoxType::Normal(*b"moov") {
            return Ok(MoovBox::decode(rest).map_err(failed)?.0);
        }
        let length = usize::try_from(header.box_size.get()).unwrap_or(usize::MAX);
        // A length of 0 means "to the end".
        let end = if length == 0 { rest.len() } else { length.max(8) };
        let Some(tail) = rest.get(end..) else { break };
        rest = tail;
    }
    Err(Error::format(what, "expected an MP4 with an index (moov), which is missing or cut off"))
}

/// The frames of a track, each checked to lie within the file.
fn frames_of(what: &str, bytes: &[u8], trak: &TrakBox) -> Result<Vec<Frame>> {
    let table = SampleTableAccessor::new(&trak.mdia_box.minf_box.stbl_box)
        .map_err(|e| Error::format(what, format!("broken sample table: {e}")))?;
    // A frame takes at least a byte: a table that claims more is not believed.
    if table.sample_count() as usize > bytes.len() {
        let reason = format!("claims {} frames in {} bytes", table.sample_count(), bytes.len());
        return Err(Error::format(what, reason));
    }
    let mut frames = Vec::new();
    for sample in table.samples() {
        let start = usize::try_from(sample.data_offset()).unwrap_or(usize::MAX);
        let length = sample.data_size() as usize;
        if start.checked_add(length).is_none_or(|end| end > bytes.len()) {
            let i = frames.len();
            return Err(Error::format(
                what,
                format!("frame {i} is cut off: the file is too short"),
            ));
        }
        let offset = sample.composition_time_offset().unwrap_or(0);
        let shown_at = i64::try_from(sample.timestamp()).unwrap_or(i64::MAX).saturating_add(offset);
        frames.push(Frame { start, length, shown_at, duration: sample.duration(), visible: true });
    }
    Ok(frames)
}

/// Hides the frames that the edit list leaves out. Empty edits only delay the track, which does not
/// matter alone; several edits show what any of them shows, in the track's own order.
fn apply_edits(moov: &MoovBox, trak: &TrakBox, frames: &mut [Frame]) {
    let Some(list) = trak.edts_box.as_ref().and_then(|e| e.elst_box.as_ref()) else { return };
    let edits: Vec<&ElstEntry> = list.entries.iter().filter(|e| e.media_time >= 0).collect();
    if edits.is_empty() {
        return;
    }
    let from = u128::from(moov.mvhd_box.timescale.get());
    let to = u128::from(trak.mdia_box.mdhd_box.timescale.get());
    for frame in frames {
        let inside = |e: &&ElstEntry| {
            // Durations are in units of the movie; 0 means "to the end". Half a unit is rounding.
            let length = (u128::from(e.edit_duration) * to).div_ceil(from);
            let end = i128::from(e.media_time) + i128::try_from(length).unwrap_or(i128::MAX / 2);
            let (start, stop) = (
                i128::from(frame.shown_at),
                i128::from(frame.shown_at) + i128::from(frame.duration),
            );
            stop > i128::from(e.media_time) && (e.edit_duration == 0 || start < end)
        };
        frame.visible = edits.iter().any(inside);
    }
}

/// Frames per second: the mean over the shown frames.
fn rate(trak: &TrakBox, frames: &[Frame], order: &[usize]) -> Option<f32> {
    let (first, last) = (&frames[*order.first()?], &frames[*order.last()?]);
    let between = last.shown_at.saturating_sub(first.shown_at);
    let (units, count) = if between > 0 {
        (between as f64, order.len() as f64 - 1.0)
    } else {
        (f64::from(first.duration), 1.0)
    };
    let fps = (f64::from(trak.mdia_box.mdhd_box.timescale.get()) * count / units) as f32;
    (fps.is_finite() && fps > 0.0).then_some(fps)
}

/// The part of a picture that is to be shown.
fn cropped(picture: Picture, part: Option<(usize, usize, Size)>) -> Result<Picture> {
    let Some((x, y, size)) = part.filter(|&(_, _, s)| s != picture.size()) else {
        return Ok(picture);
    };
    let width = picture.size().width;
    let rows =
        (y..y + size.height).map(|row| &picture.rgb()[(row * width + x) * 3..][..size.width * 3]);
    Picture::new(size, rows.flatten().copied().collect())
}

/// A turn by quarters and a reflection: shown pixel from stored pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turn {
    /// Shown column and row grow with these amounts of stored column and row: `[a, b, c, d]` for
    /// `x' = a·x + c·y`, `y' = b·x + d·y`.
    matrix: [i32; 4],
}

impl Turn {
    /// From a track's matrix; anything but quarters and reflections counts as upright.
    fn of(matrix: &[i32; 9]) -> Self {
        let unit = |v: i32| match v {
            0x1_0000 => Some(1),
            -0x1_0000 => Some(-1),
            0 => Some(0),
            _ => None,
        };
        let [a, b, c, d] = [matrix[0], matrix[1], matrix[3], matrix[4]].map(unit);
        match (a, b, c, d) {
            (Some(a), Some(0), Some(0), Some(d)) if a * d != 0 => Self { matrix: [a, 0, 0, d] },
            (Some(0), Some(b), Some(c), Some(0)) if b * c != 0 => Self { matrix: [0, b, c, 0] },
            _ => Self { matrix: [1, 0, 0, 1] },
        }
    }

    /// The picture as it is to be shown.
    fn apply(self, picture: &Picture) -> Result<Picture> {
        let [a, b, c, d] = self.matrix;
        if self.matrix == [1, 0, 0, 1] {
            return Ok(picture.clone());
        }
        let from = picture.size();
        let size = if a == 0 { Size::new(from.height, from.width) } else { from };
        // The inverse of a turn is its transpose; a negative axis starts at the far end.
        let at = |gx: i32, gy: i32, x: usize, y: usize, length: usize| {
            let (step, along) = if gx != 0 { (gx, x) } else { (gy, y) };
            if step > 0 { along } else { length - 1 - along }
        };
        let mut out = Picture::filled(size, [0; 3]);
        for y in 0..size.height {
            for x in 0..size.width {
                let (sx, sy) = (at(a, b, x, y, from.width), at(c, d, x, y, from.height));
                out.set_pixel(x, y, picture.pixel(sx, sy));
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_matrix() {
        // Stored: 2 columns, 1 row: left pixel 10, right pixel 20.
        let stored = Picture::new(Size::new(2, 1), vec![10, 10, 10, 20, 20, 20]).unwrap();
        let show = |a: i32, b: i32, c: i32, d: i32| {
            let m = [a, b, 0, c, d, 0, 0, 0, 1].map(|v| v * 0x1_0000);
            let shown = Turn::of(&m).apply(&stored).unwrap();
            (shown.size(), shown.pixel(0, 0)[0])
        };
        assert_eq!(show(1, 0, 0, 1), (Size::new(2, 1), 10));
        assert_eq!(show(-1, 0, 0, -1), (Size::new(2, 1), 20));
        assert_eq!(show(-1, 0, 0, 1), (Size::new(2, 1), 20));
        // A quarter clockwise: what was left is on top.
        assert_eq!(show(0, 1, -1, 0), (Size::new(1, 2), 10));
        assert_eq!(show(0, -1, 1, 0), (Size::new(1, 2), 20));
        // No turn at all.
        assert_eq!(show(2, 0, 0, 1), (Size::new(2, 1), 10));
        assert_eq!(show(1, 0, 0, 0), (Size::new(2, 1), 10));
    }
}
