//! Contact sheets of what was judged: scenes in the order of the split, none picked.

use thrumask_core::{Clip, Error, Picture, Result, Size};

use super::report::Part;
use crate::world::{font, paste};

/// Frames shown of each clip.
pub const SHOWN: usize = 6;
/// Pixels between pictures.
const GAP: usize = 2;
/// Lines for the caption.
const LINES: usize = 3;

/// One row of a scene: what it shows, and all frames of it.
#[derive(Debug, Clone)]
pub struct Strip {
    /// What it is a result of; `None` for the truth.
    pub part: Option<Part>,
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

impl Strip {
    /// The strip without its frames.
    fn clone_label(&self) -> Self {
        Self { part: self.part, label: self.label.clone(), frames: Vec::new() }
    }

    /// The frames that a sheet with `columns` of them shows, evenly spaced from the first to the last.
    fn spaced(&self, columns: usize) -> Vec<usize> {
        let shown = columns.min(self.frames.len());
        let last = self.frames.len().saturating_sub(1);
        (0..shown).map(|column| column * last / (shown.max(2) - 1)).collect()
    }
}

impl Exhibit {
    /// What a sheet shows of the results of one part, beside the truth.
    pub fn of_part(&self, part: Part) -> Self {
        let mine = self.strips.iter().filter(|s| s.part.is_none_or(|p| p == part));
        let strips = mine.map(|strip| Strip {
            frames: strip.spaced(SHOWN).iter().map(|&t| strip.frames[t].clone()).collect(),
            ..strip.clone_label()
        });
        Self { caption: self.caption.clone(), strips: strips.collect() }
    }
}

/// The sheet with one moving picture in each row.
///
/// # Errors
/// As [`sheet`].
pub fn moving_sheet(exhibits: &[Exhibit], columns: usize, fps: f32) -> Result<Clip> {
    let strips = || exhibits.iter().flat_map(|e| &e.strips);
    let frames = strips().map(|s| s.frames.len()).max().unwrap_or(0);
    let at = |t: usize| {
        let still = |strip: &Strip| {
            let frame = strip.frames.get(t).or(strip.frames.last()).cloned();
            Strip { frames: frame.into_iter().collect(), ..strip.clone_label() }
        };
        let exhibit = |e: &Exhibit| Exhibit {
            caption: e.caption.clone(),
            strips: e.strips.iter().map(still).collect(),
        };
        let now: Vec<Exhibit> = exhibits.iter().map(exhibit).collect();
        laid_out(&now, columns, 1)
    };
    Clip::new((0..frames.max(1)).map(at).collect::<Result<_>>()?, fps)
}

/// Lays out scenes in `columns` columns.
///
/// # Errors
/// [`Error::Invalid`] without a scene, strip, frame or column; [`Error::Mismatch`] when frames
/// differ in size.
pub fn sheet(exhibits: &[Exhibit], columns: usize) -> Result<Picture> {
    laid_out(exhibits, columns, SHOWN)
}

/// Lays out scenes in `columns` columns with `shown` frames of each strip.
fn laid_out(exhibits: &[Exhibit], columns: usize, shown: usize) -> Result<Picture> {
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
        side + shown * (cell.width + GAP) + 6 * GAP,
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
            for (column, t) in strip.spaced(shown).into_iter().enumerate() {
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
        let strip = |c| Strip { part: None, label: "TRUE VIDEO".into(), frames: frames(c) };
        let exhibit = Exhibit { caption: "a caption".into(), strips: vec![strip(90), strip(200)] };
        let sheet = sheet(&[exhibit.clone(), exhibit], 2).unwrap();
        let at = |x: usize, y: usize| sheet.pixel(x, y);
        let (x, y) = (GAP + 48 + GAP, GAP + font::height(LINES, 1));
        assert_eq!((at(x, y), at(x, y + 48 + GAP)), ([90, 0, 0], [200, 0, 0]));
        assert_eq!(at(x + sheet.size().width / 2, y), [90, 0, 0]);
        assert!(super::sheet(&[], 2).is_err());
    }

    #[test]
    fn moving_sheets_show_each_frame_in_its_place() {
        let frames =
            |from: u8| (0..5).map(move |t| Picture::filled(Size::new(48, 48), [from + t, 0, 0]));
        let strip = |from| Strip { part: None, label: "A".into(), frames: frames(from).collect() };
        let exhibit = Exhibit { caption: "a caption".into(), strips: vec![strip(90), strip(200)] };
        let clip = moving_sheet(&[exhibit], 2, 8.0).unwrap();
        assert_eq!(clip.frames().len(), 5);
        let (x, y) = (GAP + 48 + GAP, GAP + font::height(LINES, 1));
        for (t, frame) in clip.frames().iter().enumerate() {
            let at = |y: usize| frame.pixel(x, y)[0];
            assert_eq!((at(y), at(y + 48 + GAP)), (90 + t as u8, 200 + t as u8));
        }
    }

    #[test]
    fn an_exhibit_of_a_part_shows_that_part_and_the_truth() {
        let strip = |part, label: &str| Strip {
            part,
            label: label.into(),
            frames: vec![Picture::filled(Size::new(48, 48), [0; 3]); 12],
        };
        let strips = vec![
            strip(None, "truth"),
            strip(Some(Part::Motion), "one"),
            strip(Some(Part::Video), "two"),
        ];
        let exhibit = Exhibit { caption: String::new(), strips }.of_part(Part::Video);
        let labels: Vec<&str> = exhibit.strips.iter().map(|s| s.label.as_str()).collect();
        assert_eq!(labels, ["truth", "two"]);
        assert!(exhibit.strips.iter().all(|s| s.frames.len() == SHOWN));
    }
}
