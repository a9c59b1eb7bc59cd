//! Weight files: safetensors with text metadata, loaded strictly.

use std::collections::{BTreeMap, HashMap};

use burn::module::Module;
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Parameter, parameters, with_values};
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

    /// Reads safetensors bytes; f32 and f16 tensors.
    ///
    /// # Errors
    /// [`Error::Weights`] when the bytes are no safetensors file or hold another number type.
    pub fn read(what: &str, bytes: &[u8]) -> Result<Self> {
        let refuse = |e: safetensors::SafeTensorError| Error::weights(what, e.to_string());
        let file = SafeTensors::deserialize(bytes).map_err(refuse)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(refuse)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|&b| f32::from_le_bytes(b))
                    .collect::<Vec<_>>(),
                Dtype::F16 => data
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|&b| f16::from_le_bytes(b).to_f32())
                    .collect(),
                other => {
                    let reason = format!("{name}: expected f32 or f16, got {other:?}");
                    return Err(Error::weights(what, reason));
                }
            };
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Ok(Self { tensors, metadata: header.metadata().clone().unwrap_or_default() })
    }

    /// Safetensors bytes, as f32 or, when `half` is set, f16.
    ///
    /// # Errors
    /// [`Error::Weights`] when a shape does not fit its values.
    pub fn write(&self, half: bool) -> Result<Vec<u8>> {
        let bytes: Vec<Vec<u8>> = self
            .tensors
            .values()
            .map(|(_, values)| match half {
                true => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
                false => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            })
            .collect();
        let refuse = |e: safetensors::SafeTensorError| Error::weights("to write", e.to_string());
        let dtype = if half { Dtype::F16 } else { Dtype::F32 };
        let views = self
            .tensors
            .iter()
            .zip(&bytes)
            .map(|((name, (shape, _)), data)| {
                Ok((name.as_str(), TensorView::new(dtype, shape.clone(), data).map_err(refuse)?))
            })
            .collect::<Result<Vec<_>>>()?;
        // Sorted, so that the same metadata gives the same bytes: a hash map has no fixed order.
        let bytes = safetensors::serialize(views, None).map_err(refuse)?;
        insert_metadata(bytes, &self.metadata)
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

/// Adds `__metadata__` to the JSON header of safetensors bytes, keys in alphabetical order.
fn insert_metadata(bytes: Vec<u8>, metadata: &HashMap<String, String>) -> Result<Vec<u8>> {
    if metadata.is_empty() {
        return Ok(bytes);
    }
    let broken = || Error::weights("to write", "the header is broken");
    let length = bytes.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
    let length = length.ok_or_else(broken)? as usize;
    let header = std::str::from_utf8(bytes.get(8..8 + length).ok_or_else(broken)?);
    let header = header.map_err(|_| broken())?.trim_end();
    let sorted: BTreeMap<_, _> = metadata.iter().collect();
    let sorted = serde_json::to_string(&sorted).map_err(|_| broken())?;
    let rest = header.strip_prefix('{').ok_or_else(broken)?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    let mut header = format!("{{\"__metadata__\":{sorted}{comma}{rest}");
    // The format wants the data to start at a multiple of eight.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(&bytes[8 + length..]);
    Ok(out)
}

/// SHA-256 of weight bytes, in hexadecimal.
pub fn weights_hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
