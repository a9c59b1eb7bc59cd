//! What can go wrong when a network is built, loaded or fed.

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A network's complaint: the thing, what was expected and what was got.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration that cannot be built.
    #[error("{what}: {reason}")]
    Config {
        /// The field.
        what: String,
        /// What was expected and what was got.
        reason: String,
    },
    /// A tensor of another shape than the network needs.
    #[error("shape of {what}: expected {expected}, got {got}")]
    Shape {
        /// The tensor.
        what: String,
        /// What was expected.
        expected: String,
        /// What was got.
        got: String,
    },
    /// Weights that do not fit the network, or bytes that are no weights.
    #[error("weights {what}: {reason}")]
    Weights {
        /// The file or set of weights.
        what: String,
        /// The complaint, tensor names included.
        reason: String,
    },
    /// A problem with a picture, mask or text.
    #[error(transparent)]
    Core(#[from] thrumask_core::Error),
}

impl Error {
    /// An [`Error::Config`].
    pub fn config(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { what: what.into(), reason: reason.into() }
    }

    /// An [`Error::Shape`].
    pub fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Debug,
        got: impl std::fmt::Debug,
    ) -> Self {
        Self::Shape {
            what: what.into(),
            expected: format!("{expected:?}"),
            got: format!("{got:?}"),
        }
    }

    /// An [`Error::Weights`].
    pub fn weights(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Weights { what: what.into(), reason: reason.into() }
    }
}
