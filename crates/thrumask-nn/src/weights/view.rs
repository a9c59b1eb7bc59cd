//! Other names for the tensors of a source.

use std::collections::BTreeMap;

use super::TensorSource;
use crate::{Error, Result};

/// A source whose tensors have other names, or of which only some are seen.
pub struct Renamed<'a> {
    source: &'a dyn TensorSource,
    /// The name in the source and the shape, by the new name.
    tensors: BTreeMap<String, (String, Vec<usize>)>,
}

/// The tensors whose name `rename` keeps, under the name it gives.
///
/// # Errors
/// [`Error::Weights`] when two tensors get the same name.
pub fn renamed<'a>(
    source: &'a dyn TensorSource,
    rename: impl Fn(&str) -> Option<String>,
) -> Result<Renamed<'a>> {
    let mut tensors: BTreeMap<String, (String, Vec<usize>)> = BTreeMap::new();
    for (name, shape) in source.shapes() {
        if let Some(new) = rename(name) {
            let old = tensors.insert(new.clone(), (name.to_owned(), shape.to_vec()));
            if let Some((old, _)) = old {
                return Err(Error::weights(new, format!("{old} and {name} get the same name")));
            }
        }
    }
    Ok(Renamed { source, tensors })
}

/// Only the tensors whose names begin with `prefix`, without it: `model.` of a file that holds a model
/// and the state of its training, say.
pub fn only_prefix<'a>(source: &'a dyn TensorSource, prefix: &str) -> Renamed<'a> {
    let strip = |(name, shape): (&str, &[usize])| {
        let new = name.strip_prefix(prefix)?.to_owned();
        Some((new, (name.to_owned(), shape.to_vec())))
    };
    Renamed { source, tensors: source.shapes().into_iter().filter_map(strip).collect() }
}

/// The tensors under the first of several prefixes that any has, without it; all when none has.
pub fn of_any_prefix<'a>(source: &'a dyn TensorSource, prefixes: &[&str]) -> Renamed<'a> {
    let shapes = source.shapes();
    let has = |prefix: &&&str| shapes.keys().any(|name| name.starts_with(**prefix));
    only_prefix(source, prefixes.iter().find(has).copied().unwrap_or_default())
}

impl Renamed<'_> {
    /// Without a tensor that files may hold and no network needs, by its new name.
    pub fn without(mut self, name: &str) -> Self {
        self.tensors.remove(name);
        self
    }
}

/// All tensors, those whose names begin with `prefix` without it: `module.` of a network that was
/// trained on several devices, say.
///
/// # Errors
/// [`Error::Weights`] when a name is there with and without it.
pub fn without_prefix<'a>(source: &'a dyn TensorSource, prefix: &str) -> Result<Renamed<'a>> {
    renamed(source, |name| Some(name.strip_prefix(prefix).unwrap_or(name).to_owned()))
}

impl TensorSource for Renamed<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.tensors.iter().map(|(new, (_, shape))| (new.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        match self.tensors.get(name) {
            Some((old, _)) => self.source.values(old),
            None => Err(Error::weights(name, "no tensor of this name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFile;

    #[test]
    fn names_after_the_first_prefix_that_is_there() {
        let mut file = WeightFile::default();
        for (name, value) in [("a.x", 1.0), ("a.y", 2.0), ("b.x", 3.0)] {
            file.tensors.insert(name.into(), (vec![1], vec![value]));
        }
        let names =
            |view: &Renamed| view.shapes().keys().map(ToString::to_string).collect::<Vec<_>>();
        let view = only_prefix(&file, "a.").without("y");
        assert_eq!(names(&view), ["x"]);
        assert_eq!(view.values("x").unwrap(), [1.0]);
        assert!(view.values("y").is_err() && view.values("a.x").is_err());
        assert_eq!(names(&of_any_prefix(&file, &["c.", "b."])), ["x"]);
        assert_eq!(names(&of_any_prefix(&file, &["c."])), ["a.x", "a.y", "b.x"]);
    }
}
