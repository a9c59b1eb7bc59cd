//! Public checkpoints: transformers' files, and those of the original implementation.

use std::collections::BTreeMap;

use super::{GroundingDino, GroundingDinoConfig, names};
use crate::{
    Error, Result,
    layers::Init,
    weights::{LoadReport, Mapped, Parted, TensorSource, load_public, parted, public_check},
};

/// Where the tensors of the original implementation may lie.
const PREFIXES: [&str; 3] = ["model.module.", "module.", "model."];
/// Occurs in names of the original implementation alone.
const ORIGINAL: &str = "transformer.encoder.fusion_layers.";
/// What files of transformers may hold and no network needs.
const NOT_NEEDED: [&str; 3] =
    [".relative_position_index", ".swin.layernorm.weight", ".swin.layernorm.bias"];

/// A source by transformers' names, without what is not needed.
fn by_public_names(source: &dyn TensorSource) -> Result<Parted<'_>> {
    let shapes = source.shapes();
    let any = |fits: &dyn Fn(&str) -> bool| shapes.keys().any(|name| fits(name));
    if !any(&|name| name.contains(ORIGINAL)) {
        return parted(source, |name| {
            let needed = !NOT_NEEDED.iter().any(|ending| name.ends_with(ending));
            needed.then(|| vec![name.to_owned()])
        });
    }
    let prefix = PREFIXES.into_iter().find(|prefix| any(&|name| name.starts_with(prefix)));
    let prefix = prefix.unwrap_or_default();
    parted(source, |name| {
        let name = name.strip_prefix(prefix)?;
        // What is unknown keeps its name, so that it is told as left over.
        Some(names::from_original(name).unwrap_or_else(|| vec![name.to_owned()]))
    })
}

/// The first of the tensors that a file may hold several times: the heads of the decoder's boxes.
fn first_of_copies(name: &str, shared: bool) -> Option<String> {
    let rest =
        name.strip_prefix("model.decoder.bbox_embed.").or(name.strip_prefix("bbox_embed."))?;
    let (layer, rest) = rest.split_once('.')?;
    let first = format!("bbox_embed.{}.{rest}", if shared { "0" } else { layer });
    (first != name).then_some(first)
}

/// A source without copies of tensors.
struct WithoutCopies<'a> {
    source: &'a dyn TensorSource,
    shared: bool,
}

impl TensorSource for WithoutCopies<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        let mut shapes = self.source.shapes();
        let names: Vec<&str> = shapes.keys().copied().collect();
        for name in names {
            // A copy of what is not there is no copy.
            let first = first_of_copies(name, self.shared);
            if first.is_some_and(|first| shapes.get(first.as_str()) == shapes.get(name)) {
                shapes.remove(name);
            }
        }
        shapes
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.source.values(name)
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        self.source.mapped(name)
    }
}

/// Refuses copies of tensors that differ.
fn check_copies(what: &str, source: &dyn TensorSource, shared: bool) -> Result<()> {
    let shapes = source.shapes();
    for name in shapes.keys() {
        let Some(first) = first_of_copies(name, shared) else { continue };
        if shapes.contains_key(first.as_str()) && source.values(name)? != source.values(&first)? {
            return Err(Error::weights(
                what,
                format!("{name} and {first} are to be the same and are not"),
            ));
        }
    }
    Ok(())
}

impl GroundingDinoConfig {
    /// The public size that a source without a `config.json` has, by its backbone.
    ///
    /// # Errors
    /// [`Error::Weights`] when it is neither.
    pub fn recognise(what: &str, source: &dyn TensorSource) -> Result<Self> {
        let public = by_public_names(source)?;
        let shapes = public.shapes();
        let patches =
            "model.backbone.conv_encoder.model.embeddings.patch_embeddings.projection.bias";
        match shapes.get(patches) {
            Some([96]) => Ok(Self::tiny()),
            Some([128]) => Ok(Self::base()),
            other => {
                let reason =
                    format!("expected Swin-T or Swin-B of 96 or 128 channels, got {other:?}");
                Err(Error::weights(what, reason))
            }
        }
    }
}

impl GroundingDino {
    /// The public weights: a file of transformers, or one of the original implementation.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and no tensor is left over, and tensors that
    /// are there several times are the same; [`Error::Config`] as [`GroundingDinoConfig::check`] has it.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &GroundingDinoConfig,
        init: impl Into<Init>,
    ) -> Result<Self> {
        let blank = Self::new(&mut init.into(), config)?;
        let public = by_public_names(source)?;
        check_copies(what, &public, config.shared_boxes)?;
        let source = WithoutCopies { source: &public, shared: config.shared_boxes };
        load_public(what, &source, blank, |path| names::rename(path, config))
    }

    /// What [`Self::load`] would find, without reading any values.
    ///
    /// # Errors
    /// [`Error::Config`] as [`GroundingDinoConfig::check`] has it; [`Error::Weights`] when two tensors are one.
    pub fn check(
        source: &dyn TensorSource,
        config: &GroundingDinoConfig,
        init: impl Into<Init>,
    ) -> Result<LoadReport> {
        let blank = Self::new(&mut init.into(), config)?;
        let public = by_public_names(source)?;
        let source = WithoutCopies { source: &public, shared: config.shared_boxes };
        Ok(public_check(&source, &blank, |path| names::rename(path, config)))
    }
}
