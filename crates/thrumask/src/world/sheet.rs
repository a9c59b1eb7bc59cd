//! Contact sheets: samples as rows of frames and coloured masks, to look at.

use thrumask_core::{Error, Picture, Result, Size, trajectory};

use super::Sample;

/// Frames shown of each sample.
const SHOWN: usize = 6;
/// Pixels between pictures.
const GAP: usize = 2;

/// Lays out samples in `columns` columns: for each, frames spread over the clip, and below them
/// their masks in palette colours.
///
/// # Errors
/// [`Error::Invalid`] without samples or columns; [`Error::Mismatch`] when samples differ in size.
pub fn contact_sheet(samples: &[Sample], columns: usize) -> Result<Picture> {
    let Some(first) = samples.first().filter(|_| columns > 0) else {
        return Err(Error::invalid("contact sheet", "expected samples and columns, got none"));
    };
    let cell = first.clip.size();
    let block = Size::new(SHOWN * (cell.width + GAP) + 2 * GAP, 2 * (cell.height + GAP) + 3 * GAP);
    let rows = samples.len().div_ceil(columns);
    let size = Size::new(block.width * columns.min(samples.len()), block.height * rows);
    let mut sheet = Picture::filled(size, [255; 3]);
    for (i, sample) in samples.iter().enumerate() {
        if sample.clip.size() != cell {
            return Err(Error::mismatch(format!("size of sample {i}"), cell, sample.clip.size()));
        }
        let (x, y) = (i % columns * block.width, i / columns * block.height);
        let frames = sample.clip.frames();
        for k in 0..SHOWN {
            let t = k * (frames.len() - 1) / (SHOWN - 1);
            let at = x + k * (cell.width + GAP);
            paste(&mut sheet, &frames[t], at, y);
            let mask = trajectory::colored(&sample.masks.frames()[t]);
            paste(&mut sheet, &mask, at, y + cell.height + GAP);
        }
    }
    Ok(sheet)
}

fn paste(sheet: &mut Picture, picture: &Picture, x: usize, y: usize) {
    let (width, row) = (sheet.size().width, picture.size().width * 3);
    for (i, line) in picture.rgb().chunks_exact(row).enumerate() {
        let to = ((y + i) * width + x) * 3;
        sheet.rgb_mut()[to..to + row].copy_from_slice(line);
    }
}
