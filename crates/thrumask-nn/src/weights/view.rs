//! Other names for the tensors of a source.

use std::collections::BTreeMap;

use super::{Mapped, TensorSource};
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

    fn mapped(&self, name: &str) -> Option<Mapped> {
        self.source.mapped(&self.tensors.get(name)?.0)
    }
}

/// A source of which some tensors are several under one name.
pub struct Parted<'a> {
    source: &'a dyn TensorSource,
    /// The name in the source, which of how many parts, and the shape, by the new name.
    tensors: BTreeMap<String, (String, [usize; 2], Vec<usize>)>,
}

/// The tensors under the names that `names` gives: one, several for equal parts along the first axis (queries,
/// keys and values in one tensor, say), or none to leave it out; `None` leaves it out as well. A tensor that does
/// not divide keeps its name.
///
/// # Errors
/// [`Error::Weights`] when two tensors get the same name.
pub fn parted<'a>(
    source: &'a dyn TensorSource,
    names: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<Parted<'a>> {
    let mut tensors: BTreeMap<String, (String, [usize; 2], Vec<usize>)> = BTreeMap::new();
    for (name, shape) in source.shapes() {
        let mut new = names(name).unwrap_or_default();
        let first = shape.first().copied().unwrap_or(1);
        if new.len() > 1 && (shape.is_empty() || !first.is_multiple_of(new.len())) {
            new = vec![name.to_owned()];
        }
        let count = new.len();
        for (part, new) in new.into_iter().enumerate() {
            let mut shape = shape.to_vec();
            if count > 1 {
                shape[0] = first / count;
            }
            let old = tensors.insert(new.clone(), (name.to_owned(), [part, count], shape));
            if let Some((old, ..)) = old {
                return Err(Error::weights(new, format!("{old} and {name} get the same name")));
            }
        }
    }
    Ok(Parted { source, tensors })
}

impl TensorSource for Parted<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.tensors.iter().map(|(new, (_, _, shape))| (new.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let Some((old, [part, count], shape)) = self.tensors.get(name) else {
            return Err(Error::weights(name, "no tensor of this name"));
        };
        let all = self.source.values(old)?;
        if *count == 1 {
            return Ok(all);
        }
        let len = shape.iter().product::<usize>();
        let own = all.get(part * len..(part + 1) * len).map(<[f32]>::to_vec);
        own.ok_or_else(|| Error::weights(old, format!("expected {} values", count * len)))
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        let (old, part, _) = self.tensors.get(name)?;
        self.source.mapped(old)?.part(*part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFile;

    #[test]
    fn one_tensor_as_several() {
        let mut file = WeightFile::default();
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        file.tensors.insert("qkv".into(), (vec![6, 2], values));
        file.tensors.insert("odd".into(), (vec![5], vec![0.0; 5]));
        file.tensors.insert("gone".into(), (vec![], vec![0.0]));
        let three = |name: &str| ["q", "k", "v"].map(|part| format!("{name}.{part}")).to_vec();
        let names = |name: &str| Some(if name == "gone" { Vec::new() } else { three(name) });
        let view = parted(&file, names).unwrap();
        let shapes: Vec<_> = view.shapes().into_iter().collect();
        let part: &[usize] = &[2, 2];
        assert_eq!(shapes, [("odd", &[5][..]), ("qkv.k", part), ("qkv.q", part), ("qkv.v", part)]);
        assert_eq!(view.values("qkv.k").unwrap(), [4.0, 5.0, 6.0, 7.0]);
        assert!(view.values("gone").is_err());
        assert!(parted(&file, |_| Some(vec!["same".to_owned()])).is_err());
    }

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
