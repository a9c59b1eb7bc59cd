//! SHA-256 of files and of what a stage depends on.

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What a stage depends on, as one hash: add every input by name, then [`Fingerprint::finish`].
/// Names and values are hashed with their lengths, so no two lists of inputs run together.
#[derive(Clone)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// The fingerprint of the stage called `stage`, so far without inputs.
    pub fn new(stage: &str) -> Self {
        Self(Sha256::new()).bytes("stage", stage.as_bytes())
    }

    /// Adds an input by its bytes.
    #[must_use]
    pub fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds an input by its text: a number in decimal, a configuration in JSON, a hash.
    #[must_use]
    pub fn text(self, name: &str, value: impl std::fmt::Display) -> Self {
        self.bytes(name, value.to_string().as_bytes())
    }

    /// The hash, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_sha256() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
    }

    #[test]
    fn inputs_do_not_run_together() {
        let of = |a: &str, b: &str| Fingerprint::new("s").text(a, b).finish();
        assert_eq!(of("a", "b"), of("a", "b"));
        assert_ne!(of("a", "bc"), of("ab", "c"));
        assert_ne!(Fingerprint::new("s").finish(), Fingerprint::new("t").finish());
        assert_ne!(of("a", "b"), Fingerprint::new("s").text("a", "").text("b", "").finish());
    }
}
