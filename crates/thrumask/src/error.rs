//! The crate's error: what the user's input, a model or the world can complain about.

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// A complaint that names the thing, what was expected and what was got.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From the domain types, or from reading and writing files.
    #[error(transparent)]
    Core(#[from] thrumask_core::Error),
    /// From a network.
    #[error(transparent)]
    Network(#[from] thrumask_nn::Error),
    /// From the hub of public models or the server of a language model: a repository, file or
    /// address, and what is wrong with it.
    #[error("{what}: {reason}")]
    Hub {
        /// The thing.
        what: String,
        /// What was expected and what was got.
        reason: String,
    },
}

impl Error {
    /// An [`Error::Hub`].
    pub fn hub(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Hub { what: what.into(), reason: reason.into() }
    }

    /// Whether the user asked to stop.
    pub fn is_interrupted(&self) -> bool {
        let core = match self {
            Self::Core(e) | Self::Network(thrumask_nn::Error::Core(e)) => e,
            Self::Network(_) | Self::Hub { .. } => return false,
        };
        matches!(core, thrumask_core::Error::Interrupted)
    }
}
