//! Random weights in the place of public ones, so that everything runs without a download.

use std::{collections::BTreeMap, path::Path};

use super::{FloatType, TensorSource, writer::TensorWriter};
use crate::{Error, Result, diffusion::noise::Noise};

/// Seeded values for tensors of given names and shapes: gains and variances of norms are 1 and biases 0, maps and
/// convolutions normal with standard deviation 1/√inputs, tables (whose names tell of an embedding) 0.02.
/// The gates of object layers are open by 0.3, so that every layer counts.
///
/// A tensor's values depend on the seed and its name alone; they are drawn when they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshTensors {
    seed: u64,
    shapes: BTreeMap<String, Vec<usize>>,
    /// Tensors that are another one, by name.
    twins: BTreeMap<String, String>,
}

impl FreshTensors {
    /// Tensors of these names and shapes.
    pub fn new(seed: u64, shapes: BTreeMap<String, Vec<usize>>) -> Self {
        Self { seed, shapes, twins: BTreeMap::new() }
    }

    /// The same, but that `twin` has the values of `of`, as public files hold some tensors twice.
    pub fn with_twin(mut self, twin: &str, of: &str) -> Self {
        self.twins.insert(twin.to_owned(), of.to_owned());
        self
    }

    /// Writes them as safetensors, one at a time. `step` hears how many of how many are written.
    ///
    /// # Errors
    /// [`thrumask_core::Error`] when the file cannot be written; whatever `step` returns.
    pub fn write(
        &self,
        out: &Path,
        float: FloatType,
        step: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<()> {
        let shapes = self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
        let mut file = TensorWriter::begin(out, float, shapes, step)?;
        for name in self.shapes.keys() {
            file.push(&self.values(name)?)?;
        }
        file.finish()
    }
}

impl TensorSource for FreshTensors {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let shape = self.shapes.get(name);
        let shape = shape.ok_or_else(|| Error::weights(name, "no tensor of this name"))?;
        let count = shape.iter().product();
        let std = match shape.as_slice() {
            [_] if name.ends_with(".gate") => return Ok(vec![0.3f32.atanh(); count]),
            [] | [_] => {
                let one = name.ends_with("weight") || name.ends_with("running_var");
                return Ok(vec![f32::from(u8::from(one)); count]);
            }
            _ if name.contains("embedding.weight") => 0.02,
            [_, inputs @ ..] => 1.0 / (inputs.iter().product::<usize>() as f32).sqrt(),
        };
        let drawn = self.twins.get(name).map_or(name, String::as_str);
        let mut values = Noise::new(self.seed, drawn).normals(0, count);
        values.iter_mut().for_each(|v| *v *= std);
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_the_name_and_the_seed_and_of_their_size() {
        let shapes = [
            ("a.weight", vec![64, 32, 3, 3]),
            ("b.weight", vec![64, 32, 3, 3]),
            ("norm.weight", vec![8]),
            ("norm.bias", vec![8]),
            ("norm.running_var", vec![8]),
            ("layer.gate", vec![1]),
        ];
        let shapes = BTreeMap::from(shapes.map(|(n, s)| (n.to_owned(), s)));
        let fresh = FreshTensors::new(1, shapes.clone());
        let of = |fresh: &FreshTensors, name: &str| fresh.values(name).unwrap();
        assert_eq!(of(&fresh, "norm.weight"), [1.0; 8]);
        assert_eq!(of(&fresh, "norm.bias"), [0.0; 8]);
        assert_eq!(of(&fresh, "norm.running_var"), [1.0; 8]);
        assert!((of(&fresh, "layer.gate")[0].tanh() - 0.3).abs() < 1e-6);
        let a = of(&fresh, "a.weight");
        assert_eq!(a, of(&fresh.clone(), "a.weight"));
        assert_ne!(a, of(&fresh, "b.weight"));
        assert_eq!(a, of(&fresh.clone().with_twin("b.weight", "a.weight"), "b.weight"));
        assert_ne!(a, of(&FreshTensors::new(2, shapes), "a.weight"));
        let square = a.iter().map(|v| v * v).sum::<f32>() / a.len() as f32;
        assert!((square * 288.0 - 1.0).abs() < 0.03, "{square}");
        assert!(fresh.values("c").is_err());
    }
}
