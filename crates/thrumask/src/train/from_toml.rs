//! Configurations from TOML, with single values set over them.

use std::path::Path;

use serde::de::DeserializeOwned;
use thrumask_core::{Error, fsio};

use crate::Result;

/// The longest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a TOML file; see [`from_toml`].
///
/// # Errors
/// As [`from_toml`], and [`Error::Io`] when the file cannot be read.
pub fn read_toml<T: DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T> {
    let text = fsio::read_text_limited(path, MAX_BYTES)?;
    from_toml(&path.display().to_string(), &text, overrides)
}

/// Reads TOML text, with dotted overrides such as `run.steps=100`; a value that is no TOML is a text.
///
/// # Errors
/// [`Error::Format`] when the text is malformed or does not fit; [`Error::Invalid`] for an override
/// without `=`, or of what is no section.
pub fn from_toml<T: DeserializeOwned>(what: &str, text: &str, overrides: &[String]) -> Result<T> {
    let refuse = |e: String| crate::Error::from(Error::format(what, e));
    let mut table: toml::Table = text.parse().map_err(|e| refuse(format!("{e}")))?;
    for item in overrides {
        let (key, text) = item.split_once('=').ok_or_else(|| {
            let reason = format!("expected key=value, got {item:?}");
            crate::Error::from(Error::invalid("override", reason))
        })?;
        let value =
            format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut t| t.remove("v"));
        set(&mut table, key.trim(), value.unwrap_or(toml::Value::String(text.to_owned())))?;
    }
    table.try_into().map_err(|e| refuse(format!("{e}")))
}

/// Sets a dotted key in a table, making tables on the way.
fn set(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
    let (head, rest) = match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            return Ok(());
        }
        Some(parts) => parts,
    };
    let inner = table.entry(head).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match inner {
        toml::Value::Table(inner) => set(inner, rest, value),
        other => {
            let reason = format!("expected a section {head:?}, got {}", other.type_str());
            Err(Error::invalid(format!("override {key}"), reason).into())
        }
    }
}
