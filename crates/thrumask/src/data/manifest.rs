//! Lists of videos with their captions.

use std::path::Path;

use serde::Deserialize;
use thrumask_core::{Error, Result, TextTable, fsio, tables::read_parquet};

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

/// Endings of manifests.
pub(super) const ENDINGS: [&str; 4] = ["csv", "jsonl", "ndjson", "parquet"];

/// Columns of the path, the caption and the masks.
const PATH: [&str; 3] = ["path", "file_name", "video"];
const CAPTION: [&str; 2] = ["caption", "text"];
const MASKS: [&str; 1] = ["masks"];

/// The rows of a manifest: Parquet or CSV with named columns, by its ending, else JSON lines.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Format`], with the line, when it is none of these; those of
/// [`read_parquet`].
pub(super) fn read_manifest(path: &Path) -> Result<Vec<Row>> {
    let what = path.display().to_string();
    let text = || fsio::read_text_limited(path, MAX_BYTES);
    match ending_of(&what).as_str() {
        "csv" => rows_of(&what, csv_table(&text()?)),
        "parquet" => rows_of(&what, read_parquet(path, &[&PATH[..], &CAPTION, &MASKS].concat())?),
        _ => {
            let text = text()?;
            let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
            let row = |(n, line): (usize, &str)| {
                serde_json::from_str(line)
                    .map_err(|e| Error::format(format!("{what}, line {n}"), e.to_string()))
            };
            lines.map(row).collect()
        }
    }
}

/// The rows of a table.
fn rows_of(what: &str, TextTable { head, rows }: TextTable) -> Result<Vec<Row>> {
    let column = |names: &[&str]| head.iter().position(|h| names.contains(&h.trim()));
    let Some(path) = column(&PATH) else {
        let reason = "expected a column \"path\" (or \"file_name\", \"video\"), got none";
        return Err(Error::format(what, reason));
    };
    let (caption, masks) = (column(&CAPTION), column(&MASKS));
    let row = |(n, record): (usize, Vec<Option<String>>)| {
        let cell = |i: usize| record.get(i).cloned().flatten().filter(|c| !c.trim().is_empty());
        let path = cell(path).ok_or_else(|| {
            Error::format(format!("{what}, record {n}"), "expected a path, got none")
        })?;
        Ok(Row { path, caption: caption.and_then(cell), masks: masks.and_then(cell) })
    };
    (1..).zip(rows).map(row).collect()
}

/// A CSV text whose first record names the columns.
fn csv_table(text: &str) -> TextTable {
    let mut records = csv_records(text).into_iter();
    let head = records.next().unwrap_or_default();
    TextTable { head, rows: records.map(|r| r.into_iter().map(Some).collect()).collect() }
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
