//! Tables of text, and Parquet files to such (feature `parquet`).

use std::{fs::File, path::Path};

use crate::{Error, Result};

/// Columns of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextTable {
    /// Names of the columns.
    pub head: Vec<String>,
    /// Rows with a cell for each column; `None` where there is none.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Those columns of a Parquet file that are called as one of `wanted`, in the order of the file. Strings in any
/// encoding (plain, dictionary, delta), uncompressed or in Snappy, gzip or zstd; bytes count as text when they are UTF-8.
///
/// # Errors
/// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is broken, a wanted column is not of text, or
/// its texts are more than 256 MiB; [`Error::Invalid`] in a program without the feature `parquet`.
pub fn read_parquet(path: &Path, wanted: &[&str]) -> Result<TextTable> {
    let file = File::open(path).map_err(|e| Error::io("reading", path, e))?;
    read(&path.display().to_string(), file, wanted)
}

#[cfg(not(feature = "parquet"))]
fn read(what: &str, _: File, _: &[&str]) -> Result<TextTable> {
    let reason = "this program was built without the feature \"parquet\": build it with --features parquet, or \
                  write the file as JSON lines, in Python with pandas: \
                  read_parquet(FILE).to_json(FILE, orient=\"records\", lines=True)";
    Err(Error::invalid(what, reason))
}

#[cfg(feature = "parquet")]
fn read(what: &str, file: File, wanted: &[&str]) -> Result<TextTable> {
    crate::media::guarded(what, "Parquet", || with_parquet::read(what, file, wanted))
}

#[cfg(feature = "parquet")]
mod with_parquet {
    use std::{fs::File, sync::Arc};

    use parquet::{
        basic::{Repetition, Type as Physical},
        errors::ParquetError,
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
        schema::types::Type,
    };

    use super::TextTable;
    use crate::{Error, Result};

    /// The most text of a file that is kept, in bytes.
    const MAX_TEXT: usize = 256 << 20;

    /// See [`super::read_parquet`].
    pub fn read(what: &str, file: File, wanted: &[&str]) -> Result<TextTable> {
        let bad = |e: ParquetError| Error::format(what, format!("expected a Parquet file: {e}"));
        let reader = SerializedFileReader::new(file).map_err(bad)?;
        let schema = reader.metadata().file_metadata().schema();
        let is_wanted = |field: &&Arc<Type>| wanted.contains(&field.name());
        let fields: Vec<Arc<Type>> =
            schema.get_fields().iter().filter(is_wanted).cloned().collect();
        for field in &fields {
            check(field).map_err(|got| {
                let reason = format!("column {:?}: expected text, got {got}", field.name());
                Error::format(what, reason)
            })?;
        }
        let head: Vec<String> = fields.iter().map(|f| f.name().to_owned()).collect();
        if head.is_empty() {
            return Ok(TextTable::default());
        }
        let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
        let iterator = reader.get_row_iter(Some(projection.map_err(bad)?)).map_err(bad)?;
        let (mut rows, mut text) = (Vec::new(), 0);
        for (n, row) in (1..).zip(iterator) {
            let cell = |(name, field): (String, Field)| {
                let bytes = match field {
                    Field::Null => return Ok(None),
                    Field::Str(text) => return Ok(Some(text)),
                    Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec()).ok(),
                    _ => None,
                };
                let reason = || Error::format(format!("{what}, row {n}, {name}"), "expected UTF-8");
                bytes.map(Some).ok_or_else(reason)
            };
            let row = row.map_err(bad)?.into_columns().into_iter().map(cell);
            let row = row.collect::<Result<Vec<_>>>()?;
            text += row.iter().flatten().map(String::len).sum::<usize>();
            if text > MAX_TEXT {
                let reason = format!("expected at most {MAX_TEXT} bytes of text, got more");
                return Err(Error::format(what, reason));
            }
            rows.push(row);
        }
        Ok(TextTable { head, rows })
    }

    /// Whether a column is of text; an error is what it is.
    fn check(field: &Type) -> std::result::Result<(), String> {
        let info = field.get_basic_info();
        if info.has_repetition() && info.repetition() == Repetition::REPEATED {
            return Err("a list".into());
        }
        if !field.is_primitive() {
            return Err(match info.converted_type() {
                parquet::basic::ConvertedType::NONE => "columns of its own".into(),
                kind => kind.to_string().to_lowercase(),
            });
        }
        match field.get_physical_type() {
            Physical::BYTE_ARRAY => Ok(()),
            other => Err(other.to_string()),
        }
    }
}
