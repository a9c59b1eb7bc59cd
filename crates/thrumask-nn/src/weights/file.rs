//! Weight files: safetensors with text metadata, loaded strictly.

use std::collections::{BTreeMap, HashMap};

use burn::module::Module;

use super::{
    FloatType, Format, Kind, Parameter, TensorFile, TensorSource,
    bytes::Bytes,
    number::Number,
    parameters,
    safetensors::{Heading, write_header},
    with_values,
};
use crate::{Error, Result};

/// What a load did, by tensor name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Tensors that went into the module.
    pub applied: Vec<String>,
    /// Parameters of the module that the file does not have.
    pub missing: Vec<String>,
    /// Tensors of the file that the module does not have.
    pub unused: Vec<String>,
    /// Tensors of another shape: name, expected, got.
    pub mis_shaped: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl LoadReport {
    /// Whether every parameter was loaded and nothing was left over.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.mis_shaped.is_empty()
    }
}

impl std::fmt::Display for LoadReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let some = |names: &[String]| {
            let more = if names.len() > 4 { ", …" } else { "" };
            format!("{}{more}", names.iter().take(4).cloned().collect::<Vec<_>>().join(", "))
        };
        write!(f, "{} applied", self.applied.len())?;
        if !self.missing.is_empty() {
            write!(f, "; {} missing: {}", self.missing.len(), some(&self.missing))?;
        }
        if !self.unused.is_empty() {
            write!(f, "; {} unused: {}", self.unused.len(), some(&self.unused))?;
        }
        for (name, expected, got) in self.mis_shaped.iter().take(4) {
            write!(f, "; {name} has shape {got:?} where {expected:?} was expected")?;
        }
        Ok(())
    }
}

/// Named tensors with metadata, as they lie in a safetensors file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeightFile {
    /// Tensors by name.
    pub tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Text metadata.
    pub metadata: HashMap<String, String>,
}

impl WeightFile {
    /// All parameters of a module under `prefix` (with its dot, or empty).
    pub fn insert_module<M: Module>(&mut self, prefix: &str, module: &M) {
        for Parameter { name, shape, values } in parameters(module) {
            self.tensors.insert(format!("{prefix}{name}"), (shape, values));
        }
    }

    /// Reads safetensors bytes; f32, f16 and bf16 tensors.
    ///
    /// # Errors
    /// [`Error::Weights`] when the bytes are no safetensors file or hold another number type.
    pub fn read(what: &str, bytes: &[u8]) -> Result<Self> {
        let source = TensorFile::parsed(what, Bytes::Memory(bytes), Format::Safetensors)?;
        let mut file = Self::default();
        for (name, info) in source.infos() {
            if !matches!(info.kind, Kind::Numbers(Number::F32 | Number::F16 | Number::BF16)) {
                let reason = format!("{name}: expected f32, f16 or bf16, got {}", info.kind);
                return Err(Error::weights(what, reason));
            }
            file.tensors.insert(name.to_owned(), (info.shape.clone(), source.values(name)?));
        }
        let metadata = source.metadata().iter();
        file.metadata = metadata.map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(file)
    }

    /// Safetensors bytes, as f32 or, when `half` is set, f16.
    ///
    /// # Errors
    /// [`Error::Weights`] when a shape does not fit its values.
    pub fn write(&self, half: bool) -> Result<Vec<u8>> {
        let float = if half { FloatType::F16 } else { FloatType::F32 };
        let tensors = self.tensors.iter();
        let headings: Vec<Heading<'_>> = tensors
            .clone()
            .map(|(name, (shape, _))| (name.as_str(), float.number(), shape.as_slice()))
            .collect();
        let mut bytes = Vec::new();
        write_header(&mut bytes, &headings, &self.metadata)?;
        for (name, (shape, values)) in tensors {
            if shape.iter().product::<usize>() != values.len() {
                let reason = format!("{name}: {shape:?} does not fit {} values", values.len());
                return Err(Error::weights("to write", reason));
            }
            bytes.extend(float.bytes(values));
        }
        Ok(bytes)
    }

    /// Puts the tensors under `prefix` into a module; other prefixes are left alone.
    ///
    /// # Errors
    /// [`Error::Weights`] with the whole report unless every parameter fits and none is left over.
    pub fn load_into<M: Module>(&self, what: &str, prefix: &str, module: M) -> Result<M> {
        let (module, report) = self.load_report(prefix, module);
        if report.is_complete() {
            Ok(module)
        } else {
            Err(Error::weights(what, report.to_string()))
        }
    }

    /// As [`Self::load_into`], but tells what happened instead of judging it.
    pub fn load_report<M: Module>(&self, prefix: &str, module: M) -> (M, LoadReport) {
        let mut report = LoadReport::default();
        let mut seen = std::collections::HashSet::new();
        let module = with_values(module, |_, name, shape| {
            let full = format!("{prefix}{name}");
            let found = self.tensors.get(&full);
            seen.insert(full.clone());
            match found {
                None => report.missing.push(full),
                Some((got, _)) if got != shape => {
                    report.mis_shaped.push((full, shape.to_vec(), got.clone()));
                }
                Some((_, values)) => {
                    report.applied.push(full);
                    return Some(values.clone());
                }
            }
            None
        });
        let mine = |name: &&String| name.starts_with(prefix) && !seen.contains(*name);
        report.unused = self.tensors.keys().filter(mine).cloned().collect();
        (module, report)
    }
}

/// SHA-256 of weight bytes, in hexadecimal.
pub fn weights_hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
