//! Public checkpoints against our modules: other names, other layouts.
//!
//! PyTorch keeps an affine map as `[outputs, inputs]` and calls the gain of a norm `weight`. Ours are
//! `[inputs, outputs]` and `gamma`. What differs at the last step of a path is the same everywhere and
//! stands here; how the modules on the way are called is told by a function beside each network.

use std::collections::{BTreeMap, HashSet};

use burn::module::Module;

use super::{
    LoadReport, Mapped, Parameter, WeightFile,
    walk::{New, replaced},
};
use crate::{Error, Result};

/// Named tensors, wherever they lie.
pub trait TensorSource {
    /// The shape of every tensor by its name.
    fn shapes(&self) -> BTreeMap<&str, &[usize]>;

    /// The values of a tensor, row-major.
    ///
    /// # Errors
    /// [`Error::Weights`] when there is no such tensor or it cannot be read.
    fn values(&self, name: &str) -> Result<Vec<f32>>;

    /// The numbers of a tensor where they lie, for networks that keep them there; `None` when they have to be
    /// read as values.
    fn mapped(&self, _name: &str) -> Option<Mapped> {
        None
    }
}

impl TensorSource for WeightFile {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.tensors.iter().map(|(name, (shape, _))| (name.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let found = self.tensors.get(name).map(|(_, values)| values.clone());
        found.ok_or_else(|| Error::weights(name, "no tensor of this name"))
    }
}

/// How the values of a parameter lie in public files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// As ours do.
    Same,
    /// `[outputs, inputs]` where ours are `[inputs, outputs]`.
    Transposed,
    /// A 1×1 convolution `[outputs, inputs, 1, 1]` where ours are `[inputs, outputs]`.
    Pointwise,
}

/// The public name and layout of a parameter. `rename` gives the public path of the module that holds
/// it; an empty path stays empty. A parameter that stands alone has the name of its module.
fn public(path: &str, rank: usize, rename: &dyn Fn(&str) -> String) -> (String, Layout) {
    let (module, leaf) = path.rsplit_once('.').unwrap_or(("", path));
    if leaf == "value" {
        return (rename(module), Layout::Same);
    }
    let (leaf, layout) = match (leaf, rank) {
        ("gamma" | "table", _) => ("weight", Layout::Same),
        ("beta", _) => ("bias", Layout::Same),
        ("weight", 2) => ("weight", Layout::Transposed),
        ("kernel", 2) => ("weight", Layout::Pointwise),
        (leaf, _) => (leaf, Layout::Same),
    };
    let module = if module.is_empty() { String::new() } else { rename(module) };
    let dot = if module.is_empty() { "" } else { "." };
    (format!("{module}{dot}{leaf}"), layout)
}

impl Layout {
    /// A parameter of shape `ours` in a mapped file; `None` when the sizes do not fit.
    fn in_place(self, mapped: Mapped, ours: &[usize]) -> Option<New> {
        let turned = self != Self::Same && ours.len() == 2;
        let shape = if turned { vec![ours[1], ours[0]] } else { ours.to_vec() };
        let (data, dtype) = mapped.into_data(&shape)?;
        Some(New::InPlace { data, dtype, turned })
    }

    /// The public shape of a parameter.
    fn public_shape(self, ours: &[usize]) -> Vec<usize> {
        match (self, ours) {
            (Self::Transposed, &[inputs, outputs]) => vec![outputs, inputs],
            (Self::Pointwise, &[inputs, outputs]) => vec![outputs, inputs, 1, 1],
            _ => ours.to_vec(),
        }
    }

    /// Whether values of the shape `got` can be taken: an affine map may be written as a 1×1 convolution
    /// and the other way round.
    fn fits(self, ours: &[usize], got: &[usize]) -> bool {
        let expected = self.public_shape(ours);
        match self {
            Self::Same => got == expected,
            Self::Transposed | Self::Pointwise => {
                got.len() >= 2 && got[..2] == expected[..2] && got[2..].iter().all(|&n| n == 1)
            }
        }
    }
}

/// The transpose of `[rows, columns]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    // Squares of a side that stays in the first cache: a large matrix is read and written once.
    const SIDE: usize = 32;
    let mut out = vec![0.0; values.len()];
    for r0 in (0..rows).step_by(SIDE) {
        for c0 in (0..columns).step_by(SIDE) {
            for r in r0..(r0 + SIDE).min(rows) {
                for c in c0..(c0 + SIDE).min(columns) {
                    out[c * rows + r] = values[r * columns + c];
                }
            }
        }
    }
    out
}

/// Name and shape of a parameter as public files have them.
pub(super) fn public_shape(
    path: &str,
    shape: &[usize],
    rename: &dyn Fn(&str) -> String,
) -> (String, Vec<usize>) {
    let (name, layout) = public(path, shape.len(), rename);
    (name, layout.public_shape(shape))
}

/// A parameter under its public name, in its public layout.
pub(super) fn public_parameter(parameter: Parameter, rename: &dyn Fn(&str) -> String) -> Parameter {
    let Parameter { name, shape, values } = parameter;
    let (name, layout) = public(&name, shape.len(), rename);
    let values = match (layout, shape.as_slice()) {
        (Layout::Transposed | Layout::Pointwise, &[inputs, outputs]) => {
            transposed(&values, inputs, outputs)
        }
        _ => values,
    };
    Parameter { name, shape: layout.public_shape(&shape), values }
}

/// Names and shapes of a module's parameters as public files have them.
pub fn public_shapes<M: Module>(
    module: &M,
    rename: impl Fn(&str) -> String,
) -> BTreeMap<String, Vec<usize>> {
    let mut found = BTreeMap::new();
    super::walk::visit_shapes(module, |path, shape| {
        let (name, shape) = public_shape(path, shape, &rename);
        found.insert(name, shape);
    });
    found
}

/// A module's parameters under their public names, in their public layout.
pub fn public_tensors<M: Module>(module: &M, rename: impl Fn(&str) -> String) -> WeightFile {
    let mut file = WeightFile::default();
    super::walk::visit_values(module, |parameter| {
        let Parameter { name, shape, values } = public_parameter(parameter, &rename);
        file.tensors.insert(name, (shape, values));
    });
    file
}

/// What a load would find, told as it is walked.
struct Match<'a> {
    shapes: BTreeMap<&'a str, &'a [usize]>,
    seen: HashSet<String>,
    report: LoadReport,
}

impl<'a> Match<'a> {
    fn with(source: &'a dyn TensorSource) -> Self {
        Self { shapes: source.shapes(), seen: HashSet::new(), report: LoadReport::default() }
    }

    /// The tensor of a parameter, when it is there and fits.
    fn find(
        &mut self,
        path: &str,
        shape: &[usize],
        rename: &dyn Fn(&str) -> String,
    ) -> Option<(String, Layout)> {
        let (name, layout) = public(path, shape.len(), rename);
        self.seen.insert(name.clone());
        match self.shapes.get(name.as_str()) {
            None => self.report.missing.push(name),
            Some(got) if !layout.fits(shape, got) => {
                let expected = layout.public_shape(shape);
                self.report.mis_shaped.push((name, expected, got.to_vec()));
            }
            Some(_) => {
                self.report.applied.push(name.clone());
                return Some((name, layout));
            }
        }
        None
    }

    fn finish(mut self) -> LoadReport {
        let unused = self.shapes.keys().filter(|name| !self.seen.contains(**name));
        self.report.unused = unused.map(ToString::to_string).collect();
        self.report
    }
}

/// What [`public_report`] would tell, without reading or making any values.
pub fn public_check<M: Module>(
    source: &dyn TensorSource,
    module: &M,
    rename: impl Fn(&str) -> String,
) -> LoadReport {
    let mut found = Match::with(source);
    super::walk::visit_shapes(module, |path, shape| {
        found.find(path, shape, &rename);
    });
    found.finish()
}

/// Puts public tensors into a module, and tells what happened; parameters without a tensor keep their
/// values.
///
/// `rename` gives the public path of a module from ours: `blocks.0.attention.query` to
/// `transformer_blocks.0.attn1.to_q`, say.
///
/// # Errors
/// [`Error::Weights`] when a tensor cannot be read.
pub fn public_report<M: Module>(
    source: &dyn TensorSource,
    module: M,
    rename: impl Fn(&str) -> String,
) -> Result<(M, LoadReport)> {
    let (mut found, mut failure) = (Match::with(source), None);
    let module = replaced(module, |_, path, shape| {
        let (name, layout) = found.find(path, shape, &rename)?;
        // What has one axis is small, and often changed on its way into a network.
        let mapped = (shape.len() > 1).then(|| source.mapped(&name)).flatten();
        if let Some(new) = mapped.and_then(|mapped| layout.in_place(mapped, shape)) {
            return Some(new);
        }
        match source.values(&name) {
            Err(error) => {
                failure = failure.take().or(Some(error));
                None
            }
            Ok(values) => Some(New::Values(match (layout, shape) {
                (Layout::Transposed | Layout::Pointwise, &[inputs, outputs]) => {
                    transposed(&values, outputs, inputs)
                }
                _ => values,
            })),
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok((module, found.finish())),
    }
}

/// As [`public_report`], but strict.
///
/// # Errors
/// [`Error::Weights`] with the whole report unless every parameter fits and none is left over, or when
/// a tensor cannot be read.
pub fn load_public<M: Module>(
    what: &str,
    source: &dyn TensorSource,
    module: M,
    rename: impl Fn(&str) -> String,
) -> Result<M> {
    let (module, report) = public_report(source, module, rename)?;
    match report.is_complete() {
        true => Ok(module),
        false => Err(Error::weights(what, report.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        layers::{Init, LayerNorm, Linear},
        weights::parameters,
    };
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Pair {
        map: Linear,
        norms: Vec<LayerNorm>,
    }

    fn pair(seed: u64) -> Pair {
        let mut init = Init::new(seed, &Device::flex());
        Pair { map: Linear::new(&mut init, 3, 2, 1.0), norms: vec![LayerNorm::new(&init, 2)] }
    }

    fn rename(path: &str) -> String {
        path.replace("map", "to_q").replace("norms", "net")
    }

    #[test]
    fn what_is_written_is_read_and_lies_as_the_public_files_have_it() {
        let file = public_tensors(&pair(1), rename);
        let ours = parameters(&pair(1));
        let (shape, values) = &file.tensors["to_q.weight"];
        assert_eq!(shape, &[2, 3]);
        for (o, i) in (0..2).flat_map(|o| (0..3).map(move |i| (o, i))) {
            assert_eq!(values[o * 3 + i], ours[0].values[i * 2 + o]);
        }
        let names: Vec<_> = file.tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["net.0.bias", "net.0.weight", "to_q.bias", "to_q.weight"]);
        let shapes = public_shapes(&pair(1), rename);
        assert!(
            shapes.iter().eq(file.tensors.iter().map(|(n, (s, _))| (n, s)).collect::<Vec<_>>())
        );
        let back = load_public("pair", &file, pair(2), rename).unwrap();
        assert_eq!(parameters(&back), ours);
    }

    #[test]
    fn a_map_may_be_a_convolution_but_nothing_else_may_differ() {
        let mut file = public_tensors(&pair(1), rename);
        file.tensors.get_mut("to_q.weight").unwrap().0 = vec![2, 3, 1, 1];
        let back = load_public("pair", &file, pair(2), rename).unwrap();
        assert_eq!(parameters(&back), parameters(&pair(1)));
        file.tensors.get_mut("to_q.weight").unwrap().0 = vec![3, 2];
        let bias = file.tensors.remove("net.0.bias").unwrap();
        file.tensors.insert("more".into(), bias);
        let error = load_public("pair", &file, pair(2), rename).unwrap_err().to_string();
        for part in ["2 applied", "net.0.bias", "1 unused: more", "[3, 2] where [2, 3]"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}
