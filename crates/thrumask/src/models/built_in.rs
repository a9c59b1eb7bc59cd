//! The models that are built into the program.

use thrumask_core::fingerprint::sha256_hex;

/// Names and bytes of the models that are built into the program.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(BuiltIn {
            name: $name,
            bytes: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../models/nano/",
                $name,
                ".safetensors"
            )),
        }),+]
    };
}

/// A model that is built into the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// Its name, also that of its file here; those of stages with the U-Net begin with `unet-`.
    pub name: &'static str,
    /// Its file.
    pub bytes: &'static [u8],
}

/// A static, for a constant would lie in the program once for each part that is compiled on its own and names it.
static EMBEDDED: [BuiltIn; 8] = embedded![
    "autoencoder",
    "motion",
    "video",
    "segmenter",
    "tracker",
    "unet-motion",
    "unet-ti2v",
    "unet-video",
];

impl BuiltIn {
    /// All of them.
    pub const ALL: &'static [Self] = &EMBEDDED;

    /// SHA-256 of its file.
    pub fn hash(&self) -> String {
        sha256_hex(self.bytes)
    }
}
