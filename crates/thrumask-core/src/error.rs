//! One error type for the crate: each variant names the thing, what was expected and what was got.

use std::path::PathBuf;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a user's file or value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "reading", "writing".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// Bytes are not in the format they should be in.
    #[error("{what}: {reason}")]
    Format {
        /// The file, field or value.
        what: String,
        /// What was expected and what was got.
        reason: String,
    },
    /// Two things that belong together differ in size.
    #[error("{what}: expected {expected}, got {got}")]
    Mismatch {
        /// The thing.
        what: String,
        /// What was expected.
        expected: String,
        /// What was got.
        got: String,
    },
    /// A value lies outside its range.
    #[error("{what}: {reason}")]
    Invalid {
        /// The option, field or value.
        what: String,
        /// What was expected and what was got.
        reason: String,
    },
    /// The user asked to stop (Ctrl-C, SIGTERM).
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// An [`Error::Format`].
    pub fn format(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Format { what: what.into(), reason: reason.into() }
    }

    /// An [`Error::Mismatch`].
    pub fn mismatch(what: impl Into<String>, expected: impl ToString, got: impl ToString) -> Self {
        Self::Mismatch { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }
}
