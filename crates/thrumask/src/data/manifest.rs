//! Lists of videos with their captions.

use std::path::Path;

use serde::Deserialize;
use thrumask_core::{Error, Result, fsio};

use super::source::ending_of;

/// The longest manifest, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// A line of a manifest.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    #[serde(alias = "file_name", alias = "video")]
    /// Path of the video.
    pub path: String,
    #[serde(alias = "text", default)]
    /// Its caption.
    pub caption: Option<String>,
    #[serde(default)]
    /// Path of its masks.
    pub masks: Option<String>,
}

/// The rows of a manifest: CSV with a head, or JSON lines.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Format`], with the line, when it is neither.
pub(super) fn read_manifest(path: &Path) -> Result<Vec<Row>> {
    let what = path.display().to_string();
    let text = fsio::read_text_limited(path, MAX_BYTES)?;
    if ending_of(&what) != "csv" {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let row = |(n, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|e| Error::format(format!("{what}, line {n}"), e.to_string()))
        };
        return lines.map(row).collect();
    }
    let mut records = csv_records(&text).into_iter();
    let head = records.next().unwrap_or_default();
    let column = |names: &[&str]| head.iter().position(|h| names.contains(&h.trim()));
    let Some(path) = column(&["path", "file_name", "video"]) else {
        return Err(Error::format(what, "expected a first line with a column \"path\""));
    };
    let (caption, masks) = (column(&["caption", "text"]), column(&["masks"]));
    let row = |(n, record): (usize, Vec<String>)| {
        let cell = |i: usize| record.get(i).filter(|c| !c.trim().is_empty()).cloned();
        let path = cell(path).ok_or_else(|| {
            Error::format(format!("{what}, record {n}"), "expected a path, got none")
        })?;
        Ok(Row { path, caption: caption.and_then(cell), masks: masks.and_then(cell) })
    };
    (1..).zip(records).map(row).collect()
}

/// The records of a CSV text, empty lines left out.
fn csv_records(text: &str) -> Vec<Vec<String>> {
    let (mut reader, mut input) = (csv_core::Reader::new(), text.as_bytes());
    // Unquoted text is never longer than quoted.
    let (mut cells, mut ends) = (vec![0; text.len() + 1], vec![0; text.len() + 1]);
    let (mut filled, mut ended) = (0, 0);
    let mut records = Vec::new();
    loop {
        let (result, read, wrote, fields) =
            reader.read_record(input, &mut cells[filled..], &mut ends[ended..]);
        input = &input[read..];
        (filled, ended) = (filled + wrote, ended + fields);
        match result {
            csv_core::ReadRecordResult::Record => {
                let mut start = 0;
                let cell = |&end: &usize| {
                    let text = String::from_utf8_lossy(&cells[start..end]).into_owned();
                    start = end;
                    text
                };
                records.push(ends[..ended].iter().map(cell).collect());
                (filled, ended) = (0, 0);
            }
            csv_core::ReadRecordResult::End => return records,
            // The input is read to its end: an empty one next time says so.
            _ => {}
        }
    }
}
