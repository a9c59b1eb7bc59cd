//! One network's tensors in a file that holds those of several.

use std::collections::BTreeMap;

use super::TensorSource;
use crate::Result;

/// The tensors of a source under a prefix, by their names after it.
pub struct Part<'a> {
    source: &'a dyn TensorSource,
    prefix: String,
    ignored: Vec<String>,
}

impl<'a> Part<'a> {
    /// The tensors whose names begin with `prefix`; all when it is empty.
    pub fn under(source: &'a dyn TensorSource, prefix: impl Into<String>) -> Self {
        Self { source, prefix: prefix.into(), ignored: Vec::new() }
    }

    /// The tensors under the first of several prefixes that any has; all when none has.
    pub fn under_any(source: &'a dyn TensorSource, prefixes: &[&str]) -> Self {
        let shapes = source.shapes();
        let has = |prefix: &&&str| shapes.keys().any(|name| name.starts_with(**prefix));
        let prefix = prefixes.iter().find(has).copied().unwrap_or_default();
        Self::under(source, prefix)
    }

    /// Without a tensor that files may hold and no network needs; `name` is the one after the prefix.
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.ignored.push(name.into());
        self
    }
}

impl TensorSource for Part<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        let mine = |(name, shape)| Some((str::strip_prefix(name, &self.prefix)?, shape));
        let found = self.source.shapes().into_iter().filter_map(mine);
        found.filter(|(name, _)| self.ignored.iter().all(|ignored| ignored != name)).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        self.source.values(&format!("{}{name}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightFile;

    #[test]
    fn names_after_the_prefix() {
        let mut file = WeightFile::default();
        for (name, value) in [("a.x", 1.0), ("a.y", 2.0), ("b.x", 3.0)] {
            file.tensors.insert(name.into(), (vec![1], vec![value]));
        }
        let names = |part: &Part| part.shapes().keys().map(ToString::to_string).collect::<Vec<_>>();
        let part = Part::under(&file, "a.").without("y");
        assert_eq!(names(&part), ["x"]);
        assert_eq!(part.values("x").unwrap(), [1.0]);
        assert!(part.values("z").is_err());
        assert_eq!(names(&Part::under_any(&file, &["c.", "b."])), ["x"]);
        assert_eq!(names(&Part::under_any(&file, &["c."])), ["a.x", "a.y", "b.x"]);
    }
}
