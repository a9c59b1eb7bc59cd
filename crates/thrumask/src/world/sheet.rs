//! Contact sheets: samples as rows of frames and coloured masks, to look at.

use thrumask_core::{Error, Picture, Result, Size, trajectory};

use super::{Sample, font};

/// Frames shown of each sample.
const SHOWN: usize = 6;
/// Pixels between pictures.
const GAP: usize = 2;
/// Lines for the caption.
const LINES: usize = 3;

/// Lays out samples in `columns` columns: for each its caption, frames spread over the clip, and
/// below them their masks in palette colours.
///
/// # Errors
/// [`Error::Invalid`] without samples or columns; [`Error::Mismatch`] when samples differ in size.
pub fn contact_sheet(samples: &[Sample], columns: usize) -> Result<Picture> {
    let Some(first) = samples.first().filter(|_| columns > 0) else {
        return Err(Error::invalid("contact sheet", "expected samples and columns, got none"));
    };
    let cell = first.clip.size();
    let scale = (cell.width / 48).clamp(1, 4);
    let head = font::height(LINES, scale);
    let block =
        Size::new(SHOWN * (cell.width + GAP) + 4 * GAP, head + 2 * (cell.height + GAP) + 4 * GAP);
    let rows = samples.len().div_ceil(columns);
    let size = Size::new(block.width * columns.min(samples.len()), block.height * rows);
    let mut sheet = Picture::filled(size, [255; 3]);
    for (i, sample) in samples.iter().enumerate() {
        if sample.clip.size() != cell {
            return Err(Error::mismatch(format!("size of sample {i}"), cell, sample.clip.size()));
        }
        let (x, y) = (i % columns * block.width + GAP, i / columns * block.height + GAP);
        let width = block.width - 4 * GAP;
        for (k, line) in font::wrap(&sample.plan.caption, width, scale, LINES).iter().enumerate() {
            font::write(&mut sheet, line, x, y + font::height(k, scale), scale);
        }
        let frames = sample.clip.frames();
        for k in 0..SHOWN {
            let t = k * (frames.len() - 1) / (SHOWN - 1);
            let (at, top) = (x + k * (cell.width + GAP), y + head);
            paste(&mut sheet, &frames[t], at, top);
            let mask = trajectory::colored(&sample.masks.frames()[t]);
            paste(&mut sheet, &mask, at, top + cell.height + GAP);
        }
    }
    Ok(sheet)
}

/// Copies `picture` onto the sheet with its top left corner at (`x`, `y`); it must fit.
pub(crate) fn paste(sheet: &mut Picture, picture: &Picture, x: usize, y: usize) {
    let (width, row) = (sheet.size().width, picture.size().width * 3);
    for (i, line) in picture.rgb().chunks_exact(row).enumerate() {
        let to = ((y + i) * width + x) * 3;
        sheet.rgb_mut()[to..to + row].copy_from_slice(line);
    }
}
