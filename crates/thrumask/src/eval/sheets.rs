//! Contact sheets of what was judged: scenes in the order of the split, none picked.

use thrumask_core::{Error, Picture, Result, Size};

use crate::world::{font, paste};

/// Frames shown of each clip.
const SHOWN: usize = 6;
/// Pixels between pictures.
const GAP: usize = 2;
/// Lines for the caption.
const LINES: usize = 3;

/// One row of a scene: what it shows, and all frames of it.
#[derive(Debug, Clone)]
pub struct Strip {
    /// What it shows, in a few words.
    pub label: String,
    /// Its frames, of one size on the whole sheet.
    pub frames: Vec<Picture>,
}

/// One scene on the sheet.
#[derive(Debug, Clone)]
pub struct Exhibit {
    /// Its caption.
    pub caption: String,
    /// Its rows.
    pub strips: Vec<Strip>,
}

/// Lays out scenes in `columns` columns.
///
/// # Errors
/// [`Error::Invalid`] without a scene, strip, frame or column; [`Error::Mismatch`] when frames
/// differ in size.
pub fn sheet(exhibits: &[Exhibit], columns: usize) -> Result<Picture> {
    let strips = exhibits.iter().map(|e| e.strips.len()).max().unwrap_or(0);
    let all = || exhibits.iter().flat_map(|e| &e.strips).flat_map(|s| &s.frames);
    let Some(cell) = all().next().map(Picture::size).filter(|_| columns > 0) else {
        return Err(Error::invalid("contact sheet", "expected scenes and columns, got none"));
    };
    if let Some(odd) = all().find(|f| f.size() != cell) {
        return Err(Error::mismatch("frame of a contact sheet", cell, odd.size()));
    }
    let scale = (cell.width / 48).clamp(1, 4);
    let (head, side) = (font::height(LINES, scale), cell.width);
    let block = Size::new(
        side + SHOWN * (cell.width + GAP) + 6 * GAP,
        head + strips * (cell.height + GAP) + 6 * GAP,
    );
    let rows = exhibits.len().div_ceil(columns);
    let size = Size::new(block.width * columns.min(exhibits.len()), block.height * rows);
    let mut sheet = Picture::filled(size, [255; 3]);
    let mut lines = |text: &str, x: usize, y: usize, width: usize, most: usize| {
        for (k, line) in font::wrap(text, width, scale, most).iter().enumerate() {
            font::write(&mut sheet, line, x, y + font::height(k, scale), scale);
        }
    };
    let corner = |i: usize| (i % columns * block.width + GAP, i / columns * block.height + GAP);
    let top = |k: usize| head + k * (cell.height + GAP);
    for (i, exhibit) in exhibits.iter().enumerate() {
        let (x, y) = corner(i);
        lines(&exhibit.caption, x, y, block.width - 4 * GAP, LINES);
        let fits = cell.height / font::height(1, scale);
        for (k, strip) in exhibit.strips.iter().enumerate() {
            lines(&strip.label, x, y + top(k), side, fits);
        }
    }
    for (i, exhibit) in exhibits.iter().enumerate() {
        let (x, y) = corner(i);
        for (k, strip) in exhibit.strips.iter().enumerate() {
            for column in 0..SHOWN.min(strip.frames.len()) {
                let shown = SHOWN.min(strip.frames.len()).max(2);
                let t = column * (strip.frames.len() - 1) / (shown - 1);
                let at = x + side + GAP + column * (cell.width + GAP);
                paste(&mut sheet, &strip.frames[t], at, y + top(k));
            }
        }
    }
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_in_rows_beside_their_label() {
        let frames = |c: u8| vec![Picture::filled(Size::new(48, 48), [c, 0, 0]); 12];
        let strip = |c| Strip { label: "TRUE VIDEO".into(), frames: frames(c) };
        let exhibit = Exhibit { caption: "a caption".into(), strips: vec![strip(90), strip(200)] };
        let sheet = sheet(&[exhibit.clone(), exhibit], 2).unwrap();
        let at = |x: usize, y: usize| sheet.pixel(x, y);
        let (x, y) = (GAP + 48 + GAP, GAP + font::height(LINES, 1));
        assert_eq!((at(x, y), at(x, y + 48 + GAP)), ([90, 0, 0], [200, 0, 0]));
        assert_eq!(at(x + sheet.size().width / 2, y), [90, 0, 0]);
        assert!(super::sheet(&[], 2).is_err());
    }
}
